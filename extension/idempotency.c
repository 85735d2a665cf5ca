/*
 * idempotency.c: has this append been made before?
 *
 * A client that lost the reply to an append sends the same append again, with the same event ids.
 * The ids are looked up after the streams are locked, or a first try that is still in flight would
 * be missed; and before the versions, since the first try has moved them on.
 *
 * Metadata is not compared: it may carry what differs from try to try, as a trace context does.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "errors.h"
#include "event_scan.h"
#include "idempotency.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

void ec_idempotency_raise_duplicate(const pg_uuid_t *id, const char *problem)
{
    char *shown = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));

    ereport(
        ERROR,
        (ec_error_code(EC_ERROR_duplicate_event_id), errmsg("event id %s %s", shown, problem),
         ec_error_detail(EC_ERROR_duplicate_event_id, "ss", "event_id", shown, "problem", problem),
         errhint("Give every event an id of its own, or none. To repeat an append, send the very "
                 "same events again.")));
}

static int compare_ids(const void *left, const void *right)
{
    return memcmp(*(const pg_uuid_t *const *)left, *(const pg_uuid_t *const *)right, UUID_LEN);
}

static void check_ids_are_distinct(const ec_request *request)
{
    const pg_uuid_t **ids =
        palloc_extended(request->event_count * sizeof(pg_uuid_t *), MCXT_ALLOC_HUGE);
    int count = 0;

    for (int i = 0; i < request->event_count; i++)
        if (request->events[i].id_is_given)
            ids[count++] = &request->events[i].id;
    qsort(ids, count, sizeof(pg_uuid_t *), compare_ids);
    for (int i = 1; i < count; i++)
        if (compare_ids(&ids[i - 1], &ids[i]) == 0)
            ec_idempotency_raise_duplicate(ids[i], "stands twice in one append");
    pfree(ids);
}

/* Whether a column of the stored event equals the given value. */
static bool same_value(ec_event_scan *scan, int column, Datum given, bool given_is_null,
                       PGFunction equal)
{
    bool stored_is_null;
    Datum stored = ec_event_scan_value(scan, column, &stored_is_null);

    if (stored_is_null || given_is_null)
        return stored_is_null == given_is_null;
    return DatumGetBool(DirectFunctionCall2Coll(equal, C_COLLATION_OID, stored, given));
}

/* Take the result of the stored event over into the given one, which must be the same. */
static void take_over(ec_event_scan *scan, ec_event *event)
{
    if (!same_value(scan, EC_STREAM_ID, event->stream_id, false, texteq))
        ec_idempotency_raise_duplicate(&event->id, "belongs to an event of another stream");
    if (!same_value(scan, EC_TYPE, event->type, false, texteq))
        ec_idempotency_raise_duplicate(&event->id, "belongs to an event of another type");
    if (!same_value(scan, EC_DATA, event->data, event->data_is_null, jsonb_eq) ||
        !same_value(scan, EC_PAYLOAD, event->payload, event->payload_is_null, byteaeq))
        ec_idempotency_raise_duplicate(&event->id, "belongs to an event with other content");
    event->version = DatumGetInt64(ec_event_scan_value(scan, EC_VERSION, NULL));
    event->position = DatumGetInt64(ec_event_scan_value(scan, EC_GLOBAL_POSITION, NULL));
    event->recorded_at = DatumGetTimestampTz(ec_event_scan_value(scan, EC_RECORDED_AT, NULL));
}

static void raise_partly_known(const bool *known, const ec_request *request, int known_count)
{
    StringInfoData ids;

    initStringInfo(&ids);
    for (int i = 0; i < request->event_count; i++)
        if (known[i])
            appendStringInfo(&ids, "%s\"%s\"", ids.len > 0 ? "," : "[",
                             DatumGetCString(DirectFunctionCall1(
                                 uuid_out, UUIDPGetDatum(&request->events[i].id))));
    appendStringInfoChar(&ids, ']');
    ereport(
        ERROR,
        (ec_error_code(EC_ERROR_duplicate_event_id),
         errmsg("%d of the %d events are in the store already", known_count, request->event_count),
         ec_error_detail(EC_ERROR_duplicate_event_id, "j", "known", ids.data),
         errhint("An append is repeated whole, with the events of the first time and no others.")));
}

bool ec_idempotency_is_repeat(const ec_request *request, const ec_relations *relations,
                              Snapshot snapshot)
{
    ec_event_scan scan;
    bool *known;
    int known_count = 0;

    if (!request->ids_are_given)
        return false;
    check_ids_are_distinct(request);

    known = palloc0(request->event_count * sizeof(bool));
    ec_event_scan_ids(&scan, relations, snapshot);
    for (int i = 0; i < request->event_count; i++) {
        ec_event *event = &request->events[i];

        if (!event->id_is_given)
            continue;
        ec_event_scan_seek_id(&scan, UUIDPGetDatum(&event->id));
        if (!ec_event_scan_next(&scan))
            continue;
        take_over(&scan, event);
        known[i] = true;
        known_count++;
    }
    ec_event_scan_end(&scan);
    if (known_count > 0 && known_count < request->event_count)
        raise_partly_known(known, request, known_count);
    pfree(known);
    return known_count > 0;
}
