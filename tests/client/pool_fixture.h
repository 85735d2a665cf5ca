/* pool_fixture.h: a pool beside the server of server.h. */
#ifndef POOL_FIXTURE_H
#define POOL_FIXTURE_H

#include "server.h"

struct fixture {
    struct server *server;
    ec_pool_options options;
    ec_pool *pool;
    ec_connection *connection;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    void *server = NULL;

    if (f == NULL || server_setup(&server) != 0)
        return -1;
    f->server = server;
    f->options = (ec_pool_options)EC_POOL_OPTIONS_INIT;
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    void *server = f->server;

    ec_pool_release(f->pool, f->connection);
    ec_pool_free(f->pool);
    server_teardown(&server);
    free(f);
    return 0;
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static inline void make_pool(struct fixture *f, int max_size)
{
    f->options.max_size = max_size;
    assert_int_equal(ec_pool_new(&f->pool, NULL, &f->options), EC_OK);
}

static inline ec_connection *acquire(struct fixture *f)
{
    ec_connection *connection;

    assert_ok(connection, ec_pool_acquire(f->pool, 0, &connection));
    return connection;
}

static inline ec_pool_usage usage_of(ec_pool *pool)
{
    ec_pool_usage usage = EC_POOL_USAGE_INIT;

    assert_int_equal(ec_pool_look(pool, &usage), EC_OK);
    return usage;
}

#define assert_usage(pool, expected_in_use, expected_idle, expected_connects)                      \
    do {                                                                                           \
        ec_pool_usage found = usage_of(pool);                                                      \
        assert_int_equal(found.in_use, expected_in_use);                                           \
        assert_int_equal(found.idle, expected_idle);                                               \
        assert_int_equal(found.connects, expected_connects);                                       \
        assert_int_equal(found.waiting, 0);                                                        \
    } while (0)

static inline void append_to(ec_connection *connection, const char *stream_id)
{
    const ec_stream_event event = {stream_id, {.type = "T"}};

    assert_ok(connection, ec_append(connection, &event, 1, NULL, 0, NULL));
}

#endif
