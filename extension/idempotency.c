/*
 * idempotency.c: has this append been made before?
 *
 * A client that lost the reply to an append sends the same append again, with the same event ids.
 * The ids are looked up after the streams are locked, or a first try that is still in flight would
 * be missed; and before the versions, since the first try has moved them on.
 *
 * In a batch the first try may also be an earlier command of the same call, whose events are not
 * in the table yet. Equal ids are therefore linked beforehand.
 *
 * Metadata is not compared: it may carry what differs from try to try, as a trace context does.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "idempotency.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

/* What an event with a given id says, wherever it stands. */
typedef struct content {
    Datum stream_id, type, data, payload;
    bool data_is_null, payload_is_null;
} content;

static const char *id_text(const pg_uuid_t *id)
{
    return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

ec_problem *ec_idempotency_problem(const pg_uuid_t *id, const char *problem)
{
    const char *shown = id_text(id);

    return ec_problem_make(EC_ERROR_duplicate_event_id, psprintf("event id %s %s", shown, problem),
                           "Give every event an id of its own, or none. To repeat an append, send "
                           "the very same events again.",
                           "ss", "event_id", shown, "problem", problem);
}

static int compare_ids(const void *left, const void *right)
{
    const ec_event *a = *(ec_event *const *)left, *b = *(ec_event *const *)right;
    int order = memcmp(&a->id, &b->id, UUID_LEN);

    return order != 0 ? order : (a < b ? -1 : 1);
}

void ec_idempotency_link(ec_request *request)
{
    ec_event **events;
    int count = 0;

    for (int i = 0; i < request->event_count; i++)
        count += request->events[i].id_is_given;
    if (count < 2)
        return;

    events = palloc_extended(count * sizeof(ec_event *), MCXT_ALLOC_HUGE);
    count = 0;
    for (int i = 0; i < request->event_count; i++)
        if (request->events[i].id_is_given)
            events[count++] = &request->events[i];
    qsort(events, count, sizeof(ec_event *), compare_ids);
    for (int i = 1; i < count; i++) {
        ec_event *event = events[i];
        ec_command *command = &request->commands[event->command];

        if (memcmp(&event->id, &events[i - 1]->id, UUID_LEN) != 0)
            continue;
        event->same_id = events[i - 1];
        if (event->same_id->command == event->command && command->problem == NULL)
            command->problem = ec_idempotency_problem(&event->id, "stands twice in one append");
    }
    pfree(events);
}

static bool same_value(Datum a, bool a_is_null, Datum b, bool b_is_null, PGFunction equal)
{
    if (a_is_null || b_is_null)
        return a_is_null == b_is_null;
    return DatumGetBool(DirectFunctionCall2Coll(equal, C_COLLATION_OID, a, b));
}

/* What makes an event another one than that which is known under its id; NULL if nothing does. */
static const char *difference(const ec_event *event, const content *known)
{
    if (!same_value(event->stream_id, false, known->stream_id, false, texteq))
        return "belongs to an event of another stream";
    if (!same_value(event->type, false, known->type, false, texteq))
        return "belongs to an event of another type";
    if (!same_value(event->data, event->data_is_null, known->data, known->data_is_null, jsonb_eq) ||
        !same_value(event->payload, event->payload_is_null, known->payload, known->payload_is_null,
                    byteaeq))
        return "belongs to an event with other content";
    return NULL;
}

/* Find what is known under an event's id, and take over its result if it has one already. */
static bool find_known(ec_event *event, const ec_request *request, ec_event_scan *scan,
                       content *known)
{
    while (event->same_id != NULL &&
           request->commands[event->same_id->command].outcome != EC_APPENDED)
        event->same_id = event->same_id->same_id;
    if (event->same_id != NULL) {
        const ec_event *first = event->same_id;

        *known = (content){first->stream_id, first->type,         first->data,
                           first->payload,   first->data_is_null, first->payload_is_null};
        return true;
    }

    ec_event_scan_seek_id(scan, UUIDPGetDatum(&event->id));
    if (!ec_event_scan_next(scan))
        return false;
    known->stream_id = ec_event_scan_value(scan, EC_STREAM_ID, NULL);
    known->type = ec_event_scan_value(scan, EC_TYPE, NULL);
    known->data = ec_event_scan_value(scan, EC_DATA, &known->data_is_null);
    known->payload = ec_event_scan_value(scan, EC_PAYLOAD, &known->payload_is_null);
    event->version = DatumGetInt64(ec_event_scan_value(scan, EC_VERSION, NULL));
    event->position = DatumGetInt64(ec_event_scan_value(scan, EC_GLOBAL_POSITION, NULL));
    event->recorded_at = DatumGetTimestampTz(ec_event_scan_value(scan, EC_RECORDED_AT, NULL));
    return true;
}

static ec_problem *partly_known(const ec_command *command, const StringInfo ids, int count)
{
    return ec_problem_make(
        EC_ERROR_duplicate_event_id,
        psprintf("%d of the %d events are in the store already", count, command->event_count),
        "An append is repeated whole, with the events of the first time and no others.", "j",
        "known", psprintf("[%s]", ids->data));
}

bool ec_idempotency_is_repeat(ec_command *command, const ec_request *request, ec_event_scan *scan)
{
    StringInfoData ids;
    int count = 0;

    if (!command->ids_are_given)
        return false;
    initStringInfo(&ids);
    for (int i = 0; i < command->event_count; i++) {
        ec_event *event = &command->events[i];
        content known;
        const char *problem;

        if (!event->id_is_given || !find_known(event, request, scan, &known))
            continue;
        problem = difference(event, &known);
        if (problem != NULL) {
            command->problem = ec_idempotency_problem(&event->id, problem);
            return false;
        }
        appendStringInfo(&ids, "%s\"%s\"", count++ > 0 ? "," : "", id_text(&event->id));
    }
    if (count > 0 && count < command->event_count)
        command->problem = partly_known(command, &ids, count);
    return count == command->event_count;
}

void ec_idempotency_copy_results(ec_command *command)
{
    for (int i = 0; i < command->event_count; i++) {
        ec_event *event = &command->events[i];

        if (event->same_id != NULL) {
            event->version = event->same_id->version;
            event->position = event->same_id->position;
            event->recorded_at = event->same_id->recorded_at;
        }
    }
}
