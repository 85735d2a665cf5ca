/*
 * loop_by_hand.c: an event store as applications write their own: a table of events, an advisory
 * lock a stream, the versions by SELECT MAX(version). A round trip a statement: ten for a transfer.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "sql.h"

#define NUMBER_SIZE 24
#define DATA_SIZE 64

static const statement statements[] = {
    {"begin", "BEGIN"},
    {"commit", "COMMIT"},
    {"rollback", "ROLLBACK"},
    {"lock", "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"},
    {"read", "SELECT type, data FROM event WHERE stream_id = $1 ORDER BY version"},
    {"version", "SELECT coalesce(max(version), 0) FROM event WHERE stream_id = $1"},
    {"insert", "INSERT INTO event (stream_id, version, type, data) VALUES ($1, $2, $3, $4)"},
};

enum { STATEMENT_COUNT = sizeof statements / sizeof *statements };

static void *begin_session(void)
{
    return sql_connect(statements, STATEMENT_COUNT);
}

static bool apply(const char *type, const char *data, long long *balance)
{
    json_t *json = json_loads(data, 0, NULL);
    json_int_t amount;
    bool valid = json_unpack(json, "{s:I}", "amount", &amount) == 0;

    json_decref(json);
    if (valid)
        *balance += strcmp(type, "MoneyWithdrawn") == 0 ? -amount : amount;
    else
        fprintf(stderr, "commands: an event without an amount: %s\n", data);
    return valid;
}

static bool fold(PGconn *connection, const char *stream, long long *balance)
{
    PGresult *rows = sql_run(connection, "read", 1, &stream);
    bool folded = rows != NULL;

    *balance = 0;
    for (int i = 0; i < PQntuples(rows) && folded; i++)
        folded = apply(PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1), balance);
    PQclear(rows);
    return folded;
}

static bool version_of(PGconn *connection, const char *stream, long long *version)
{
    PGresult *rows = sql_run(connection, "version", 1, &stream);

    if (rows != NULL)
        *version = atoll(PQgetvalue(rows, 0, 0));
    PQclear(rows);
    return rows != NULL;
}

static bool insert(PGconn *connection, const char *stream, long long version, long long amount)
{
    char number[NUMBER_SIZE], data[DATA_SIZE];
    const char *values[] = {stream, number, amount < 0 ? "MoneyWithdrawn" : "MoneyDeposited", data};

    snprintf(number, sizeof number, "%lld", version);
    snprintf(data, sizeof data, "{\"amount\": %lld}", llabs(amount));
    return sql_do(connection, "insert", 4, values);
}

static result run(void *session, const char *const streams[2], int count,
                  const long long amounts[2])
{
    bool swapped = count == 2 && strcmp(streams[0], streams[1]) > 0;
    long long balances[2], versions[2];
    bool done = sql_do(session, "begin", 0, NULL);

    for (int i = 0; i < count && done; i++)
        done = sql_do(session, "lock", 1, &streams[i ^ swapped]);
    for (int i = 0; i < count && done; i++)
        done = fold(session, streams[i], &balances[i]);
    if (done && balances[0] + amounts[0] < 0)
        return sql_do(session, "rollback", 0, NULL) ? REJECTED : FAILED;
    for (int i = 0; i < count && done; i++)
        done = version_of(session, streams[i], &versions[i]);
    for (int i = 0; i < count && done; i++)
        done = insert(session, streams[i], versions[i] + 1, amounts[i]);
    return done && sql_do(session, "commit", 0, NULL) ? DONE : FAILED;
}

static result deposit(void *session, const char *account, long long amount, tries *tries)
{
    (void)tries;
    return run(session, (const char *[2]){account}, 1, (long long[2]){amount});
}

static result transfer(void *session, const char *from, const char *to, long long amount,
                       tries *tries)
{
    (void)tries;
    return run(session, (const char *[2]){from, to}, 2, (long long[2]){-amount, amount});
}

const contender loop_by_hand = {
    "loop by hand",
    "CREATE TABLE event"
    " (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream_id text COLLATE \"C\" NOT "
    "NULL,"
    "  version bigint NOT NULL, event_id uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,"
    "  type text NOT NULL, data jsonb NOT NULL, recorded_at timestamptz NOT NULL DEFAULT now(),"
    "  UNIQUE (stream_id, version))",
    "INSERT INTO event (stream_id, version, type, data)"
    " SELECT $1::text || i, n, 'MoneyDeposited', jsonb_build_object('amount', $4::bigint)"
    " FROM generate_series(1, $3::int) n, generate_series(0, $2::int - 1) i",
    "SELECT sum(balance), min(balance), sum(version) FROM"
    " (SELECT max(version) AS version, sum((data->>'amount')::bigint *"
    "         CASE type WHEN 'MoneyWithdrawn' THEN -1 ELSE 1 END) AS balance"
    "  FROM event WHERE stream_id > $1 AND stream_id < $1 || 'A'"
    "  GROUP BY stream_id) AS accounts",
    begin_session,
    deposit,
    transfer,
    sql_disconnect};
