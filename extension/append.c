/*
 * append.c: append events to many streams, checked against the versions that the caller read.
 *
 *   request     the SQL arguments become structs, validated; each stream once
 *   relations   opened before any stream is locked, so that DDL cannot close a circle
 *   locks       every stream that is named: exclusive if written, else share
 *   snapshot    a new one, whatever the isolation level: it sees all that the locks waited for
 *   repeat?     known event ids: give the first result again
 *   versions    each stream against its expected version; all violations, not just the first
 *   ticket      announce the draw (horizon.c), then draw the positions
 *   tuples      and index entries
 *
 * Everything up to the ticket only reads. So a conflict is a value: the try_ functions return it as
 * rows and the transaction goes on, the others raise it.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "errors.h"
#include "event_id.h"
#include "event_writer.h"
#include "expected.h"
#include "funcapi.h"
#include "horizon.h"
#include "idempotency.h"
#include "miscadmin.h"
#include "relations.h"
#include "request.h"
#include "stream_lock.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/snapmgr.h"

typedef enum { APPENDED, REPEATED, VERIFIED, CONFLICT } outcome_kind;

static const char *const outcome_names[] = {"appended", "repeated", "verified", "conflict"};

typedef struct outcome {
    outcome_kind kind;
    int violation_count;
    ec_stream **violations;
} outcome;

static void lock_streams(const ec_request *request, const ec_relations *relations)
{
    ec_stream_lock *locks =
        palloc_extended(Max(request->stream_count, 1) * sizeof(ec_stream_lock), MCXT_ALLOC_HUGE);
    int count = 0;

    for (int i = 0; i < request->stream_count; i++) {
        const ec_stream *stream = &request->streams[i];

        if (count > 0 && locks[count - 1].tag == stream->lock_tag)
            locks[count - 1].exclusive |= stream->written; /* two streams, one hash */
        else
            locks[count++] = (ec_stream_lock){stream->lock_tag, stream->written};
    }
    ec_stream_lock_all(locks, count, relations->gate);
    pfree(locks);
}

/* Decide what becomes of a request. Writes nothing. */
static outcome decide(const ec_request *request, const ec_relations *relations)
{
    Snapshot snapshot;
    outcome result = {.kind = request->event_count > 0 ? APPENDED : VERIFIED};

    PushActiveSnapshot(GetLatestSnapshot());
    snapshot = GetActiveSnapshot();
    if (ec_idempotency_is_repeat(request, relations, snapshot))
        result.kind = REPEATED;
    else {
        result.violation_count =
            ec_expected_violations(request, relations, snapshot, &result.violations);
        if (result.violation_count > 0)
            result.kind = CONFLICT;
    }
    PopActiveSnapshot();
    return result;
}

/* Give every event its version, position, id and time, in the caller's order. */
static void number_events(const ec_request *request, const ec_relations *relations)
{
    TimestampTz now = GetCurrentTimestamp();

    for (int i = 0; i < request->event_count; i++) {
        ec_event *event = &request->events[i];

        event->version = ++request->streams[event->stream].version;
        event->position = ec_horizon_draw(relations);
        event->recorded_at = now;
        if (!event->id_is_given)
            ec_event_id_make(&event->id, now);
    }
}

static outcome append(const ec_request *request)
{
    ec_relations relations = ec_relations_open(request->store, RowExclusiveLock);
    outcome result;

    ec_event_writer_check_triggers(&relations);
    lock_streams(request, &relations);
    result = decide(request, &relations);
    if (result.kind == APPENDED) {
        (void)GetCurrentTransactionId(); /* a transaction with a ticket has an id, or it could end
                                          * without a trace in the log that readers wait for */
        ec_horizon_take_ticket(&relations);
        number_events(request, &relations);
        ec_event_writer_write(request, &relations);
        CommandCounterIncrement(); /* a second append of this statement sees the first */
    }
    ec_relations_close(&relations);
    return result;
}

static void refuse_where_nothing_can_be_written(void)
{
    PreventCommandDuringRecovery("eventcore append");
    PreventCommandIfReadOnly("eventcore append");
    PreventCommandIfParallelMode("eventcore append");
}

static void raise_conflict(const outcome *result)
{
    const ec_stream *first = result->violations[0];
    StringInfoData json;

    initStringInfo(&json);
    for (int i = 0; i < result->violation_count; i++) {
        const ec_stream *stream = result->violations[i];

        appendStringInfoString(&json, i == 0 ? "[{\"stream_id\":" : ",{\"stream_id\":");
        escape_json(&json, pnstrdup(stream->id, stream->length));
        appendStringInfo(&json, ",\"expected\":" INT64_FORMAT ",\"actual\":" INT64_FORMAT "}",
                         stream->expected, stream->version);
    }
    appendStringInfoChar(&json, ']');
    ereport(ERROR, (ec_error_code(EC_ERROR_version_conflict),
                    result->violation_count == 1
                        ? errmsg("version conflict: stream \"%.*s\" is at version " INT64_FORMAT,
                                 first->length, first->id, first->version)
                        : errmsg("version conflict: %d streams are not at their expected versions",
                                 result->violation_count),
                    ec_error_detail(EC_ERROR_version_conflict, "j", "violations", json.data),
                    errhint("Read the streams again, decide again, and append with their new "
                            "versions.")));
}

/* Append, and return one row an event. A conflict is an error. */
static Datum append_or_raise(FunctionCallInfo fcinfo, ec_request (*parse)(FunctionCallInfo))
{
    ReturnSetInfo *rows = (ReturnSetInfo *)fcinfo->resultinfo;
    ec_request request;
    outcome result;

    refuse_where_nothing_can_be_written();
    request = parse(fcinfo);
    result = append(&request);
    if (result.kind == CONFLICT)
        raise_conflict(&result);

    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    for (int i = 0; i < request.event_count; i++) {
        const ec_event *event = &request.events[i];
        Datum values[] = {
            request.streams[event->stream].id_datum, Int64GetDatum(event->version),
            Int64GetDatum(event->position),          UUIDPGetDatum(&event->id),
            TimestampTzGetDatum(event->recorded_at),
        };
        bool nulls[lengthof(values)] = {false};

        tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
    }
    return (Datum)0;
}

/* Append, and return one row an event, or one a failing stream, or one that says 'verified'. */
static Datum append_or_tell(FunctionCallInfo fcinfo, ec_request (*parse)(FunctionCallInfo))
{
    enum {
        OUTCOME,
        STREAM_ID,
        VERSION,
        POSITION,
        EVENT_ID,
        RECORDED_AT,
        EXPECTED,
        ACTUAL,
        COLUMNS
    };
    ReturnSetInfo *rows = (ReturnSetInfo *)fcinfo->resultinfo;
    ec_request request;
    outcome result;
    int row_count;

    refuse_where_nothing_can_be_written();
    request = parse(fcinfo);
    result = append(&request);

    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    row_count = result.kind == CONFLICT   ? result.violation_count
                : result.kind == VERIFIED ? 1
                                          : request.event_count;
    for (int i = 0; i < row_count; i++) {
        Datum values[COLUMNS];
        bool nulls[COLUMNS];

        memset(nulls, true, sizeof(nulls));
        nulls[OUTCOME] = false;
        values[OUTCOME] = CStringGetTextDatum(outcome_names[result.kind]);
        if (result.kind == CONFLICT) {
            const ec_stream *stream = result.violations[i];

            nulls[STREAM_ID] = nulls[EXPECTED] = nulls[ACTUAL] = false;
            values[STREAM_ID] = stream->id_datum;
            values[EXPECTED] = Int64GetDatum(stream->expected);
            values[ACTUAL] = Int64GetDatum(stream->version);
        } else if (result.kind != VERIFIED) {
            const ec_event *event = &request.events[i];

            memset(&nulls[STREAM_ID], false, RECORDED_AT - STREAM_ID + 1);
            values[STREAM_ID] = request.streams[event->stream].id_datum;
            values[VERSION] = Int64GetDatum(event->version);
            values[POSITION] = Int64GetDatum(event->position);
            values[EVENT_ID] = UUIDPGetDatum(&event->id);
            values[RECORDED_AT] = TimestampTzGetDatum(event->recorded_at);
        }
        tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
    }
    return (Datum)0;
}

PG_FUNCTION_INFO_V1(eventcore_append);
Datum eventcore_append(PG_FUNCTION_ARGS)
{
    return append_or_raise(fcinfo, ec_request_from_composites);
}

PG_FUNCTION_INFO_V1(eventcore_append_event);
Datum eventcore_append_event(PG_FUNCTION_ARGS)
{
    return append_or_raise(fcinfo, ec_request_from_values);
}

PG_FUNCTION_INFO_V1(eventcore_append_columns);
Datum eventcore_append_columns(PG_FUNCTION_ARGS)
{
    return append_or_raise(fcinfo, ec_request_from_columns);
}

PG_FUNCTION_INFO_V1(eventcore_try_append);
Datum eventcore_try_append(PG_FUNCTION_ARGS)
{
    return append_or_tell(fcinfo, ec_request_from_composites);
}

PG_FUNCTION_INFO_V1(eventcore_try_append_columns);
Datum eventcore_try_append_columns(PG_FUNCTION_ARGS)
{
    return append_or_tell(fcinfo, ec_request_from_columns);
}
