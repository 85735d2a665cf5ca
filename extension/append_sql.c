/* append_sql.c: the append functions of SQL, which differ in what they take and how they tell. */
#include "postgres.h"

#include "append.h"
#include "catalog/pg_type_d.h"
#include "miscadmin.h"
#include "request_json.h"
#include "request_sql.h"
#include "rows.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"

static const char *const outcome_names[] = {"appended", "repeated", "verified", "conflict",
                                            "invalid"};

static const Oid appended_types[] = {TEXTOID, INT8OID, INT8OID, UUIDOID, TIMESTAMPTZOID};

/* Those of a single outcome are the ones behind the command's number, up to actual_version. */
static const Oid batch_types[] = {INT4OID,        TEXTOID, TEXTOID, INT8OID, INT8OID, UUIDOID,
                                  TIMESTAMPTZOID, INT8OID, INT8OID, TEXTOID, TEXTOID, JSONBOID};

static void raise_conflict(const ec_command *command)
{
    const ec_violation *first = &command->violations[0];
    StringInfoData json;

    initStringInfo(&json);
    for (int i = 0; i < command->violation_count; i++) {
        const ec_violation *violation = &command->violations[i];

        appendStringInfoString(&json, i == 0 ? "[{\"stream_id\":" : ",{\"stream_id\":");
        escape_json(&json, pnstrdup(violation->stream->id, violation->stream->length));
        appendStringInfo(&json, ",\"expected\":" INT64_FORMAT ",\"actual\":" INT64_FORMAT "}",
                         violation->expected, violation->actual);
    }
    appendStringInfoChar(&json, ']');
    ereport(ERROR,
            (ec_error_code(EC_ERROR_version_conflict),
             command->violation_count == 1
                 ? errmsg("version conflict: stream \"%.*s\" is at version " INT64_FORMAT,
                          first->stream->length, first->stream->id, first->actual)
                 : errmsg("version conflict: %d streams are not at their expected versions",
                          command->violation_count),
             ec_error_detail(EC_ERROR_version_conflict, "j", "violations", json.data),
             errhint("Read the streams again, decide again, and append with their new versions.")));
}

/* Carry out a request of one command; what is wrong with it is an error. */
static ec_request *append_one(FunctionCallInfo fcinfo, ec_request_parser parse)
{
    ec_request *request = parse(fcinfo);
    const ec_command *command = &request->commands[0];

    if (command->problem == NULL)
        ec_append(request);
    if (command->problem != NULL)
        ec_problem_raise(command->problem);
    return request;
}

/* Append, and return one row an event. Whatever prevents it is an error. */
static Datum append_or_raise(FunctionCallInfo fcinfo, ec_request_parser parse)
{
    ReturnSetInfo *rows;
    ec_request *request;

    ec_append_check_context();
    rows = ec_rows_begin(fcinfo, appended_types, lengthof(appended_types));
    request = append_one(fcinfo, parse);
    if (request->commands[0].outcome == EC_CONFLICT)
        raise_conflict(&request->commands[0]);

    for (int i = 0; i < request->event_count; i++) {
        const ec_event *event = &request->events[i];
        Datum values[] = {
            request->streams[event->stream].id_datum, Int64GetDatum(event->version),
            Int64GetDatum(event->position),           UUIDPGetDatum(&event->id),
            TimestampTzGetDatum(event->recorded_at),
        };
        bool nulls[lengthof(values)] = {false};

        ec_rows_add(rows, values, nulls);
    }
    return (Datum)0;
}

/* Columns of an outcome, behind the command's number where there are many. */
enum {
    OUTCOME,
    STREAM_ID,
    VERSION,
    POSITION,
    EVENT_ID,
    RECORDED_AT,
    EXPECTED,
    ACTUAL,
    SINGLE_COLUMNS,
    ERROR_CODE = SINGLE_COLUMNS,
    ERROR_MESSAGE,
    ERROR_DETAIL,
    COLUMNS
};

/* Fill in row `row` of what became of a command; returns whether there is one. */
static bool outcome_row(const ec_command *command, const ec_request *request, int row,
                        Datum *values, bool *nulls)
{
    memset(nulls, true, COLUMNS * sizeof(bool));
    nulls[OUTCOME] = false;
    values[OUTCOME] = CStringGetTextDatum(outcome_names[command->outcome]);
    switch (command->outcome) {
    case EC_VERIFIED:
        return row == 0;
    case EC_APPENDED:
    case EC_REPEATED:
        if (row < command->event_count) {
            const ec_event *event = &command->events[row];

            memset(&nulls[STREAM_ID], false, RECORDED_AT - STREAM_ID + 1);
            values[STREAM_ID] = request->streams[event->stream].id_datum;
            values[VERSION] = Int64GetDatum(event->version);
            values[POSITION] = Int64GetDatum(event->position);
            values[EVENT_ID] = UUIDPGetDatum(&event->id);
            values[RECORDED_AT] = TimestampTzGetDatum(event->recorded_at);
        }
        return row < command->event_count;
    case EC_CONFLICT:
        if (row < command->violation_count) {
            const ec_violation *violation = &command->violations[row];

            nulls[STREAM_ID] = nulls[EXPECTED] = nulls[ACTUAL] = false;
            values[STREAM_ID] = violation->stream->id_datum;
            values[EXPECTED] = Int64GetDatum(violation->expected);
            values[ACTUAL] = Int64GetDatum(violation->actual);
        }
        return row < command->violation_count;
    case EC_INVALID:
        memset(&nulls[ERROR_CODE], false, COLUMNS - ERROR_CODE);
        values[ERROR_CODE] = CStringGetTextDatum(ec_problem_sqlstate(command->problem));
        values[ERROR_MESSAGE] = CStringGetTextDatum(command->problem->message);
        values[ERROR_DETAIL] =
            DirectFunctionCall1(jsonb_in, CStringGetDatum(command->problem->detail));
        return row == 0;
    }
    pg_unreachable();
}

/* Append, and return one row an event, or one a failing stream, or one that says 'verified'. */
static Datum append_or_tell(FunctionCallInfo fcinfo, ec_request_parser parse)
{
    ReturnSetInfo *rows;
    ec_request *request;
    Datum values[COLUMNS];
    bool nulls[COLUMNS];

    ec_append_check_context();
    rows = ec_rows_begin(fcinfo, batch_types + 1, SINGLE_COLUMNS);
    request = append_one(fcinfo, parse);

    for (int row = 0; outcome_row(&request->commands[0], request, row, values, nulls); row++)
        ec_rows_add(rows, values, nulls);
    return (Datum)0;
}

/* Append a batch, and return the rows of each command behind its number. */
static Datum append_batch(FunctionCallInfo fcinfo, ec_request_parser parse)
{
    ReturnSetInfo *rows;
    ec_request *request;
    Datum values[COLUMNS + 1];
    bool nulls[COLUMNS + 1];

    ec_append_check_context();
    rows = ec_rows_begin(fcinfo, batch_types, lengthof(batch_types));
    request = parse(fcinfo);
    ec_append(request);

    for (int i = 0; i < request->command_count; i++) {
        CHECK_FOR_INTERRUPTS();
        values[0] = Int32GetDatum(i + 1);
        nulls[0] = false;
        for (int row = 0; outcome_row(&request->commands[i], request, row, values + 1, nulls + 1);
             row++)
            ec_rows_add(rows, values, nulls);
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

PG_FUNCTION_INFO_V1(eventcore_append_json);
Datum eventcore_append_json(PG_FUNCTION_ARGS)
{
    return append_or_raise(fcinfo, ec_request_from_json);
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

PG_FUNCTION_INFO_V1(eventcore_try_append_json);
Datum eventcore_try_append_json(PG_FUNCTION_ARGS)
{
    return append_or_tell(fcinfo, ec_request_from_json);
}

PG_FUNCTION_INFO_V1(eventcore_append_batch);
Datum eventcore_append_batch(PG_FUNCTION_ARGS)
{
    return append_batch(fcinfo, ec_request_from_commands);
}

PG_FUNCTION_INFO_V1(eventcore_append_batch_columns);
Datum eventcore_append_batch_columns(PG_FUNCTION_ARGS)
{
    return append_batch(fcinfo, ec_request_from_command_columns);
}
