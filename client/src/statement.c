/*
 * statement.c: the SQL of each statement, and the decoding of its rows.
 *
 * Values stay where libpq put them; only numbers are converted. What comes from outside is
 * checked before it is used: number and types of the columns, and the size of each value.
 */
#include "statement.h"

#include <stdlib.h>
#include <string.h>

#include "parameter.h"

#define EPOCH_SHIFT_US INT64_C(946684800000000) /* from 1970 to PostgreSQL's epoch, 2000 */

#define EVENT_COLUMNS                                                                              \
    "stream_id, version, global_position, event_id, type, data, payload, metadata, recorded_at"

const ec_statement_text ec_statements[EC_STATEMENT_COUNT] = {
    [EC_STATEMENT_READ_STREAM] = {"eventcore_read_stream",
                                  "SELECT " EVENT_COLUMNS
                                  " FROM eventcore.read_stream($1, $2, $3, $4, $5)",
                                  5,
                                  {EC_OID_TEXT, EC_OID_BIGINT, EC_OID_BIGINT, EC_OID_BOOL,
                                   EC_OID_TEXT}},
    [EC_STATEMENT_READ_STREAMS] = {"eventcore_read_streams",
                                   "SELECT " EVENT_COLUMNS ", stream_version"
                                   " FROM eventcore.read_streams($1, $2, $3)",
                                   3,
                                   {EC_OID_TEXT_ARRAY, EC_OID_BIGINT_ARRAY, EC_OID_TEXT}},
    [EC_STATEMENT_READ_ALL] = {"eventcore_read_all",
                               "SELECT " EVENT_COLUMNS
                               " FROM eventcore.read_all($1, $2, $3, $4, $5, $6, $7, $8,"
                               " $9::integer, $10::integer, $11)",
                               11,
                               {EC_OID_BIGINT, EC_OID_BIGINT, EC_OID_TEXT_ARRAY, EC_OID_TEXT,
                                EC_OID_TEXT, EC_OID_TEXT, EC_OID_TEXT, EC_OID_BOOL, EC_OID_BIGINT,
                                EC_OID_BIGINT, EC_OID_TEXT}},
    [EC_STATEMENT_TRY_APPEND] = {"eventcore_try_append",
                                 "SELECT stream_id, version, global_position, event_id,"
                                 " recorded_at, outcome, expected_version, actual_version"
                                 " FROM eventcore.try_append_columns($1, $2, $3, $4, $5, $6, $7,"
                                 " $8, $9)",
                                 9,
                                 {EC_OID_TEXT_ARRAY, EC_OID_TEXT_ARRAY, EC_OID_JSONB_ARRAY,
                                  EC_OID_JSONB_ARRAY, EC_OID_UUID_ARRAY, EC_OID_BYTEA_ARRAY,
                                  EC_OID_TEXT_ARRAY, EC_OID_BIGINT_ARRAY, EC_OID_TEXT}},
    [EC_STATEMENT_APPEND_BATCH] = {"eventcore_append_batch",
                                   "SELECT stream_id, version, global_position, event_id,"
                                   " recorded_at, outcome, expected_version, actual_version,"
                                   " command, error_code, error_message, error_detail"
                                   " FROM eventcore.append_batch_columns($1, $2, $3, $4, $5, $6,"
                                   " $7, $8, $9, $10, $11)",
                                   11,
                                   {EC_OID_INTEGER_ARRAY, EC_OID_TEXT_ARRAY, EC_OID_TEXT_ARRAY,
                                    EC_OID_JSONB_ARRAY, EC_OID_JSONB_ARRAY, EC_OID_UUID_ARRAY,
                                    EC_OID_BYTEA_ARRAY, EC_OID_INTEGER_ARRAY, EC_OID_TEXT_ARRAY,
                                    EC_OID_BIGINT_ARRAY, EC_OID_TEXT}},
    [EC_STATEMENT_LOCK_STREAMS] = {"eventcore_lock_streams",
                                   "SELECT count(*) FROM eventcore.lock_streams($1, $2, $3)",
                                   3,
                                   {EC_OID_TEXT_ARRAY, EC_OID_TEXT_ARRAY, EC_OID_TEXT}},
    /* So that what is read after the locks is as new as they are, whatever the default is. */
    [EC_STATEMENT_BEGIN] = {NULL, "BEGIN ISOLATION LEVEL READ COMMITTED", 0, {0}},
    [EC_STATEMENT_COMMIT] = {NULL, "COMMIT", 0, {0}},
    [EC_STATEMENT_ROLLBACK] = {NULL, "ROLLBACK", 0, {0}},
};

/* A column: its type, and where it goes in a row. */
typedef struct {
    Oid type;
    size_t offset;
} column;

static const column read_columns[] = {
    {EC_OID_TEXT, offsetof(ec_row, event.stream_id)},
    {EC_OID_BIGINT, offsetof(ec_row, event.version)},
    {EC_OID_BIGINT, offsetof(ec_row, event.position)},
    {EC_OID_UUID, offsetof(ec_row, event.id)},
    {EC_OID_TEXT, offsetof(ec_row, event.type)},
    {EC_OID_JSONB, offsetof(ec_row, event.data)},
    {EC_OID_BYTEA, offsetof(ec_row, event.payload)},
    {EC_OID_JSONB, offsetof(ec_row, event.metadata)},
    {EC_OID_TIMESTAMPTZ, offsetof(ec_row, event.recorded_at)},
    {EC_OID_BIGINT, offsetof(ec_row, stream_version)},
};

static const column append_columns[] = {
    {EC_OID_TEXT, offsetof(ec_row, event.stream_id)},
    {EC_OID_BIGINT, offsetof(ec_row, event.version)},
    {EC_OID_BIGINT, offsetof(ec_row, event.position)},
    {EC_OID_UUID, offsetof(ec_row, event.id)},
    {EC_OID_TIMESTAMPTZ, offsetof(ec_row, event.recorded_at)},
    {EC_OID_TEXT, offsetof(ec_row, outcome)},
    {EC_OID_BIGINT, offsetof(ec_row, expected)},
    {EC_OID_BIGINT, offsetof(ec_row, actual)},
    {EC_OID_INTEGER, offsetof(ec_row, command)},
    {EC_OID_TEXT, offsetof(ec_row, error_code)},
    {EC_OID_TEXT, offsetof(ec_row, error_message)},
    {EC_OID_JSONB, offsetof(ec_row, error_detail)},
};

#define BATCH_COLUMNS 4 /* of them, only a batch has the last ones */

static bool is_append(ec_statement statement)
{
    return statement == EC_STATEMENT_TRY_APPEND || statement == EC_STATEMENT_APPEND_BATCH;
}

static const column *columns_of(ec_statement statement, int *count)
{
    if (is_append(statement)) {
        *count = sizeof append_columns / sizeof *append_columns;
        if (statement == EC_STATEMENT_TRY_APPEND)
            *count -= BATCH_COLUMNS;
        return append_columns;
    }
    *count = sizeof read_columns / sizeof *read_columns;
    if (statement != EC_STATEMENT_READ_STREAMS)
        --*count; /* without the stream's version */
    return read_columns;
}

/* Store a value that is not null; false if it is not of its type's size. */
static bool decode_value(ec_row *row, const column *column, const char *value, int length)
{
    void *field = (char *)row + column->offset;

    switch (column->type) {
    case EC_OID_BIGINT:
        if (length != 8)
            return false;
        *(int64_t *)field = ec_get_int64(value);
        return true;
    case EC_OID_INTEGER:
        if (length != 4)
            return false;
        *(int32_t *)field = ec_get_int32(value);
        return true;
    case EC_OID_TIMESTAMPTZ:
        if (length != 8)
            return false;
        *(int64_t *)field = ec_get_int64(value) + EPOCH_SHIFT_US;
        return true;
    case EC_OID_UUID:
        if (length != (int)sizeof(ec_uuid))
            return false;
        *(const ec_uuid **)field = (const ec_uuid *)value;
        return true;
    case EC_OID_JSONB:
        if (length < 1 || *value != EC_JSONB_VERSION)
            return false;
        *(const char **)field = value + 1;
        return true;
    case EC_OID_BYTEA:
        *(const void **)field = value;
        row->event.payload_size = (size_t)length;
        return true;
    default:
        *(const char **)field = value;
        return true;
    }
}

/* What the columns of a statement promise beyond their types. */
static bool is_complete(const ec_row *row, ec_statement statement)
{
    const ec_event *event = &row->event;

    if (event->version > 0 &&
        (event->stream_id == NULL || event->id == NULL || event->position <= 0))
        return false;
    if (is_append(statement))
        return row->outcome != NULL &&
               (strcmp(row->outcome, "conflict") != 0 || event->stream_id != NULL);
    if (event->version == 0)
        return event->stream_id != NULL;
    return event->type != NULL && (event->data != NULL) != (event->payload != NULL);
}

static ec_status decode_row(ec_row *row, const PGresult *result, int number, ec_statement statement,
                            ec_failure *failure)
{
    int column_count;
    const column *columns = columns_of(statement, &column_count);

    row->stream_version = -1;
    for (int i = 0; i < column_count; i++)
        if (!PQgetisnull(result, number, i) &&
            !decode_value(row, &columns[i], PQgetvalue(result, number, i),
                          PQgetlength(result, number, i)))
            return ec_fail(failure, EC_PROTOCOL_ERROR,
                           "the server's reply has a malformed value in column %s",
                           PQfname(result, i));
    if (!is_complete(row, statement))
        return ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply has an incomplete row");
    return EC_OK;
}

static ec_status decode_rows(ec_events *list, ec_statement statement, ec_failure *failure)
{
    PGresult *result = list->result;
    int column_count;
    const column *columns = columns_of(statement, &column_count);
    ec_status status = EC_OK;

    if (PQnfields(result) != column_count)
        return ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply has %d columns, not %d",
                       PQnfields(result), column_count);
    for (int i = 0; i < column_count; i++)
        if (PQftype(result, i) != columns[i].type || PQfformat(result, i) != 1)
            return ec_fail(failure, EC_PROTOCOL_ERROR,
                           "column %s of the server's reply is not of the expected type",
                           PQfname(result, i));
    list->row_count = (size_t)PQntuples(result);
    list->rows = ec_arena_array(&list->memory, list->row_count, sizeof *list->rows);
    if (list->rows == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for %zu events", list->row_count);
    for (size_t i = 0; i < list->row_count && status == EC_OK; i++) {
        ec_row *row = &list->rows[i];

        status = decode_row(row, result, (int)i, statement, failure);
        row->event.memory = &list->memory;
        row->event.kinds = &list->kinds;
        if (row->event.version > 0 && list->event_count++ != i &&
            statement != EC_STATEMENT_APPEND_BATCH)
            return ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply is out of order");
    }
    return status;
}

ec_status ec_rows_decode(ec_events **events, PGresult *result, ec_statement statement,
                         ec_failure *failure)
{
    ec_events *list = calloc(1, sizeof *list);
    ec_status status;

    *events = NULL;
    if (list == NULL) {
        PQclear(result);
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for a reply");
    }
    list->result = result;
    status = decode_rows(list, statement, failure);
    if (status == EC_OK)
        *events = list;
    else
        ec_events_free(list);
    return status;
}
