/* iterator_fixture.h: a store for each test, so that nothing else stands in its log. */
#ifndef ITERATOR_FIXTURE_H
#define ITERATOR_FIXTURE_H

#include "server.h"

struct fixture {
    ec_connection *connection;
    PGconn *sql;
    ec_iterator *iterator;
    char store[64];
};

static inline int setup(void **state)
{
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    f->sql = PQconnectdb("options='-c client_min_messages=warning'");
    run_sql(f->sql, "CREATE EXTENSION IF NOT EXISTS eventcore");
    unique_id(f->store, "store");
    run_sql(f->sql, "SELECT eventcore.create_store('%s')", f->store);
    options.store = f->store;
    assert_ok(f->connection, ec_connect(&f->connection, NULL, &options));
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    ec_close(f->connection);
    ec_iterator_free(f->iterator); /* which may outlive its connection */
    PQfinish(f->sql);
    free(f);
    return 0;
}

#define ITERATOR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void append(PGconn *sql, const struct fixture *f, const char *stream_id)
{
    run_sql(sql, "SELECT version FROM eventcore.append('%s', -1, 'T', '{}', store => '%s')",
            stream_id, f->store);
}

/* Streams of three categories, events of three types, some correlated: `count` in all. */
static inline void append_mixture(struct fixture *f, int count)
{
    run_sql(
        f->sql,
        "SELECT count(version) FROM generate_series(1, %d) AS i,"
        " eventcore.append((ARRAY['account', 'order', 'order_line'])[1 + i %% 3] || '-' || i %% 7,"
        " -1, (ARRAY['A', 'B', 'C'])[1 + i %% 4 %% 3], '{}',"
        " CASE i %% 5 WHEN 0 THEN '{\"correlation_id\": \"c\"}'::jsonb END, store => '%s')",
        count, f->store);
}

static inline void iterate_log(struct fixture *f, const ec_log_options *options)
{
    ec_iterator_free(f->iterator);
    assert_ok(f->connection, ec_iterate_log(f->connection, options, &f->iterator));
}

static inline void iterate_stream(struct fixture *f, const char *stream_id,
                                  const ec_read_options *options)
{
    ec_iterator_free(f->iterator);
    assert_ok(f->connection, ec_iterate_stream(f->connection, stream_id, options, &f->iterator));
}

static inline const ec_event *next(struct fixture *f)
{
    const ec_event *event;

    assert_ok(f->connection, ec_iterator_next(f->iterator, &event));
    return event;
}

#endif
