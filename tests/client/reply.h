/* reply.h: replies of a server that is not there. */
#ifndef REPLY_H
#define REPLY_H

#include "parameter.h"
#include "statement.h"

static inline PGresult *reply_begin(ec_statement statement)
{
    static const Oid read[] = {EC_OID_TEXT,   EC_OID_BIGINT, EC_OID_BIGINT,
                               EC_OID_UUID,   EC_OID_TEXT,   EC_OID_JSONB,
                               EC_OID_BYTEA,  EC_OID_JSONB,  EC_OID_TIMESTAMPTZ,
                               EC_OID_BIGINT, EC_OID_BYTEA,  EC_OID_BIGINT_ARRAY};
    static const Oid append[] = {EC_OID_TEXT,        EC_OID_BIGINT, EC_OID_BIGINT, EC_OID_UUID,
                                 EC_OID_TIMESTAMPTZ, EC_OID_TEXT,   EC_OID_BIGINT, EC_OID_BIGINT};
    bool appends = statement == EC_STATEMENT_TRY_APPEND;
    int count = appends                                   ? 8
                : statement == EC_STATEMENT_READ_SNAPSHOT ? 12
                : statement == EC_STATEMENT_READ_STREAMS  ? 10
                                                          : 9;
    PGresAttDesc columns[12] = {{.name = NULL}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);

    for (int i = 0; i < count; i++) {
        columns[i].name = (char *)"column";
        columns[i].format = 1;
        columns[i].typid = appends ? append[i] : read[i];
    }
    PQsetResultAttrs(result, count, columns);
    return result;
}

static inline void reply_bytes(PGresult *result, int row, int column, const void *bytes, int size)
{
    PQsetvalue(result, row, column, (char *)(uintptr_t)bytes, bytes == NULL ? -1 : size);
}

static inline void reply_text(PGresult *result, int row, int column, const char *text)
{
    reply_bytes(result, row, column, text, text == NULL ? 0 : (int)strlen(text));
}

static inline void reply_number(PGresult *result, int row, int column, int64_t number)
{
    char bytes[8];

    ec_put_int64(bytes, number);
    reply_bytes(result, row, column, bytes, 8);
}

static inline void reply_json(PGresult *result, int row, int column, const char *json)
{
    char bytes[200] = {EC_JSONB_VERSION};

    strncat(bytes + 1, json, sizeof bytes - 2);
    reply_bytes(result, row, column, bytes, (int)strlen(bytes));
}

/* An event that read_streams returns; its id is made of its position. */
static inline void reply_event(PGresult *result, const char *stream_id, int64_t version,
                               int64_t position, const char *type, const char *data,
                               int64_t stream_version)
{
    ec_uuid id = {.bytes = {(uint8_t)position}};
    int row = PQntuples(result);

    for (int column = 0; column < PQnfields(result); column++)
        reply_bytes(result, row, column, NULL, 0);
    reply_text(result, row, 0, stream_id);
    reply_number(result, row, 1, version);
    reply_number(result, row, 2, position);
    reply_bytes(result, row, 3, id.bytes, 16);
    reply_text(result, row, 4, type);
    reply_json(result, row, 5, data);
    reply_number(result, row, 8, 1000000);
    if (PQnfields(result) >= 10)
        reply_number(result, row, 9, stream_version);
}

/* The snapshot, behind all others. The array of versions is as the wire has it. */
static inline void reply_snapshot(PGresult *result, int64_t position, const int64_t *versions,
                                  int count, const char *state)
{
    char array[200], *at = array;
    int row = PQntuples(result);

    at = ec_put_uint32(ec_put_uint32(ec_put_uint32(at, 1), 0), EC_OID_BIGINT);
    at = ec_put_uint32(ec_put_uint32(at, (uint32_t)count), 1);
    for (int i = 0; i < count; i++)
        at = ec_put_int64(ec_put_uint32(at, 8), versions[i]);
    for (int column = 0; column < PQnfields(result); column++)
        reply_bytes(result, row, column, NULL, 0);
    reply_number(result, row, 2, position);
    reply_text(result, row, 10, state);
    reply_bytes(result, row, 11, array, (int)(at - array));
}

/* A stream without events to give. */
static inline void reply_stream(PGresult *result, const char *stream_id, int64_t stream_version)
{
    int row = PQntuples(result);

    for (int column = 0; column < PQnfields(result); column++)
        reply_bytes(result, row, column, NULL, 0);
    reply_text(result, row, 0, stream_id);
    reply_number(result, row, 9, stream_version);
}

static inline void reply_outcome(PGresult *result, const char *outcome)
{
    int row = PQntuples(result);

    for (int column = 0; column < PQnfields(result); column++)
        reply_bytes(result, row, column, NULL, 0);
    reply_text(result, row, 5, outcome);
}

static inline void reply_appended(PGresult *result, const char *outcome, const char *stream_id,
                                  int64_t version, int64_t position, const ec_uuid *id)
{
    int row = PQntuples(result);

    reply_outcome(result, outcome);
    reply_text(result, row, 0, stream_id);
    reply_number(result, row, 1, version);
    reply_number(result, row, 2, position);
    reply_bytes(result, row, 3, id->bytes, 16);
    reply_number(result, row, 4, 2000000);
}

static inline void reply_conflict(PGresult *result, const char *stream_id, int64_t expected,
                                  int64_t actual)
{
    int row = PQntuples(result);

    reply_outcome(result, "conflict");
    reply_text(result, row, 0, stream_id);
    reply_number(result, row, 6, expected);
    reply_number(result, row, 7, actual);
}

#endif
