/* Replies of any shape: decoded, or refused. */
#include "fuzz.h"
#include "parameter.h"
#include "statement.h"

static const Oid types[] = {EC_OID_TEXT,  EC_OID_BIGINT,      EC_OID_UUID,    EC_OID_JSONB,
                            EC_OID_BYTEA, EC_OID_TIMESTAMPTZ, EC_OID_INTEGER, 23};

static const Oid read_types[] = {EC_OID_TEXT,        EC_OID_BIGINT, EC_OID_BIGINT, EC_OID_UUID,
                                 EC_OID_TEXT,        EC_OID_JSONB,  EC_OID_BYTEA,  EC_OID_JSONB,
                                 EC_OID_TIMESTAMPTZ, EC_OID_BIGINT};
static const Oid append_types[] = {EC_OID_TEXT,        EC_OID_BIGINT, EC_OID_BIGINT, EC_OID_UUID,
                                   EC_OID_TIMESTAMPTZ, EC_OID_TEXT,   EC_OID_BIGINT, EC_OID_BIGINT,
                                   EC_OID_INTEGER,     EC_OID_TEXT,   EC_OID_TEXT,   EC_OID_JSONB};

static const struct {
    ec_statement statement;
    int columns;
    const Oid *types;
} shapes[] = {{EC_STATEMENT_READ_STREAM, 9, read_types},
              {EC_STATEMENT_READ_STREAMS, 10, read_types},
              {EC_STATEMENT_READ_ALL, 9, read_types},
              {EC_STATEMENT_TRY_APPEND, 8, append_types},
              {EC_STATEMENT_APPEND_BATCH, 12, append_types}};

static bool malformed; /* a value is not of its type's size */

static bool has_size(Oid type, size_t size)
{
    return type == EC_OID_UUID                                   ? size == 16
           : type == EC_OID_INTEGER                              ? size == 4
           : type == EC_OID_BIGINT || type == EC_OID_TIMESTAMPTZ ? size == 8
                                                                 : true;
}

static void set_value(input *in, PGresult *result, int row, int column)
{
    static const char *const words[] = {"appended", "repeated", "conflict", "verified",
                                        "invalid",  "a",        "b",        ""};
    char bytes[300] = {0};
    uint8_t how = take_byte(in);

    if (how < 32) {
        PQsetvalue(result, row, column, NULL, -1);
    } else if (how < 64) { /* of any size and content */
        size_t size = take_byte(in) % 32;

        malformed |= !has_size(PQftype(result, column), size);

        for (size_t i = 0; i < size; i++)
            bytes[i] = (char)take_byte(in);
        PQsetvalue(result, row, column, bytes, (int)size);
    } else
        switch (PQftype(result, column)) {
        case EC_OID_TEXT:
            strcpy(bytes, words[how % 8]);
            PQsetvalue(result, row, column, bytes, (int)strlen(bytes));
            break;
        case EC_OID_JSONB:
            strcpy(bytes, "\1{\"a\": 1}");
            PQsetvalue(result, row, column, bytes, (int)strlen(bytes));
            break;
        case EC_OID_UUID:
            PQsetvalue(result, row, column, bytes, 16);
            break;
        case EC_OID_INTEGER:
            bytes[3] = (char)(how % 4);
            PQsetvalue(result, row, column, bytes, 4);
            break;
        default:
            ec_put_int64(bytes, take_number(in));
            PQsetvalue(result, row, column, bytes, 8);
        }
}

static PGresult *make(input *in, size_t shape)
{
    PGresAttDesc columns[13] = {{.name = NULL}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    int count = shapes[shape].columns, rows = (int)take_below(in, 6);
    bool odd = take_byte(in) == 255;

    for (int i = 0; i < count; i++) {
        columns[i].name = (char *)"column";
        columns[i].format = odd ? take_byte(in) & 1 : 1;
        columns[i].typid = odd ? types[take_below(in, 8)] : shapes[shape].types[i];
    }
    if (odd)
        count = (int)take_below(in, 13);
    if (count > 0)
        PQsetResultAttrs(result, count, columns);
    for (int row = 0; row < rows && count > 0; row++)
        for (int column = 0; column < count; column++)
            set_value(in, result, row, column);
    return result;
}

/* Look at everything: what is handed out is there, and of the size that it says. */
static void look(const ec_events *events, bool appends)
{
    for (size_t i = 0; i < events->row_count; i++) {
        const ec_row *row = &events->rows[i];

        require(row->event.version >= 0);
        require(appends ? row->outcome != NULL : row->event.stream_id != NULL);
        if (row->event.version > 0)
            require(row->event.id != NULL && row->event.position > 0);
    }
    ec_events_stream_version(events, "a");
    for (size_t i = 0; i < ec_events_count(events) && !appends; i++) {
        const ec_event *event = ec_events_at(events, i);
        ec_uuid id = *ec_event_id(event);
        size_t size, sum = id.bytes[15];
        const char *payload = ec_event_payload(event, &size);

        require((ec_event_data(event) != NULL) != (payload != NULL));
        for (size_t j = 0; payload != NULL && j < size; j++)
            sum += (unsigned char)payload[j];
        require(strlen(ec_event_type(event)) + strlen(ec_event_stream_id(event)) + sum + 1 > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input in = {bytes, size};
    size_t shape = take_below(&in, sizeof shapes / sizeof *shapes);
    ec_statement statement = shapes[shape].statement;
    ec_failure failure = {.status = EC_OK};
    ec_events *events;
    ec_status status;

    malformed = false;
    status = ec_rows_decode(&events, make(&in, shape), statement, &failure);

    require(status == EC_OK || status == EC_PROTOCOL_ERROR);
    require(!malformed || status != EC_OK);
    require((events != NULL) == (status == EC_OK));
    if (events != NULL)
        look(events,
             statement == EC_STATEMENT_TRY_APPEND || statement == EC_STATEMENT_APPEND_BATCH);
    ec_events_free(events);
    ec_failure_clear(&failure);
    return 0;
}
