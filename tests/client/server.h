/*
 * server.h: the server that the PG* environment names, for the tests that need one.
 *
 * Each test works on streams of its own, so that tests do not depend on each other. A plain libpq
 * connection stands beside the client's, to look and to interfere.
 */
#ifndef SERVER_H
#define SERVER_H

#include <libpq-fe.h>
#include <stdlib.h>

#include "bank.h"
#include "connection.h"

struct server {
    ec_connection *connection;
    ec_connection *other;
    PGconn *sql;
    ec_outcome *outcome;
    char a[64], b[64], limits[64]; /* streams of this test */
    transfer_streams streams;      /* from a to b */
    int handled;
};

#define assert_status(connection, status, expected)                                                \
    do {                                                                                           \
        ec_status found = (status);                                                                \
        if (found != (expected))                                                                   \
            print_error("%s: %s\n", ec_status_name(found), ec_error_message(connection));          \
        assert_int_equal(found, expected);                                                         \
    } while (0)

#define assert_ok(connection, status) assert_status(connection, status, EC_OK)

static inline void unique_id(char id[64], const char *category)
{
    char text[EC_UUID_TEXT_SIZE];
    ec_uuid uuid;

    assert_int_equal(ec_uuid_new(&uuid), EC_OK);
    ec_uuid_format(&uuid, text);
    snprintf(id, 64, "%s-%s", category, text);
}

/* Run SQL; the first value of its result, if any, as a number. */
static inline long long run_sql(PGconn *sql, const char *format, ...) EC_PRINTF(2, 3);
static inline long long run_sql(PGconn *sql, const char *format, ...)
{
    char statement[1000];
    va_list arguments;
    PGresult *result;
    long long number = 0;

    va_start(arguments, format);
    vsnprintf(statement, sizeof statement, format, arguments);
    va_end(arguments);
    result = PQexec(sql, statement);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", statement, PQerrorMessage(sql));
    if (PQntuples(result) > 0)
        number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return number;
}

/* Append one event that moves money, outside the client. */
static inline void deposit(PGconn *sql, const char *stream_id, long long amount)
{
    run_sql(sql,
            "SELECT version FROM eventcore.append('%s', -1, 'MoneyDeposited',"
            " '{\"amount\": %lld}'::jsonb)",
            stream_id, amount);
}

static inline long long version_of(PGconn *sql, const char *stream_id)
{
    return run_sql(sql, "SELECT eventcore.stream_version('%s')", stream_id);
}

static inline long long balance_of(PGconn *sql, const char *stream_id)
{
    return run_sql(sql,
                   "SELECT coalesce(sum((data->>'amount')::bigint"
                   " * CASE type WHEN 'MoneyWithdrawn' THEN -1 ELSE 1 END), 0)"
                   " FROM eventcore.read_stream('%s')",
                   stream_id);
}

static inline int backend_of(const ec_connection *connection)
{
    return PQbackendPID(connection->pg);
}

/* Whatever happened: the connection is there, and in no transaction. */
static inline void assert_idle(struct server *s, int backend)
{
    assert_non_null(s->connection->pg);
    assert_int_equal(PQtransactionStatus(s->connection->pg), PQTRANS_IDLE);
    assert_int_equal(backend_of(s->connection), backend);
    assert_int_equal(run_sql(s->sql, "SELECT count(*) FROM pg_locks WHERE pid = %d", backend), 0);
}

static inline int server_setup(void **state)
{
    struct server *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -1;
    s->sql = PQconnectdb("options='-c client_min_messages=warning'");
    assert_ok(s->connection, ec_connect(&s->connection, NULL, NULL));
    assert_ok(s->other, ec_connect(&s->other, NULL, NULL));
    run_sql(s->sql, "CREATE EXTENSION IF NOT EXISTS eventcore");
    unique_id(s->a, "account");
    unique_id(s->b, "account");
    unique_id(s->limits, "limits");
    s->streams = (transfer_streams){.from_account = s->a, .to_account = s->b, .limits = s->limits};
    deposit(s->sql, s->a, 100);
    *state = s;
    return 0;
}

static inline int server_teardown(void **state)
{
    struct server *s = *state;

    ec_outcome_free(s->outcome);
    ec_close(s->connection);
    ec_close(s->other);
    PQfinish(s->sql);
    free(s);
    return 0;
}

#define SERVER_TEST(name) cmocka_unit_test_setup_teardown(name, server_setup, server_teardown)

#endif
