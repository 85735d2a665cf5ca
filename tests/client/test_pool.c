/* test_pool.c: connections of a pool: sound, and clean for the next. */
#include <sys/socket.h>
#include <unistd.h>

#include "pool_fixture.h"

static void kill_backend(struct fixture *f, int backend)
{
    run_sql(f->server->sql, "SELECT pg_terminate_backend(%d, 10000)", backend);
}

/* ------------------------------------------------------------------ one thread */

static void test_reused_last_first(void **state)
{
    struct fixture *f = *state;
    ec_connection *a, *b, *c;

    make_pool(f, 3);
    assert_usage(f->pool, 0, 0, 0);
    a = acquire(f);
    b = acquire(f);
    assert_usage(f->pool, 2, 0, 2);
    ec_pool_release(f->pool, a);
    ec_pool_release(f->pool, b);
    assert_usage(f->pool, 0, 2, 2);
    c = acquire(f);
    assert_ptr_equal(c, b);
    ec_pool_release(f->pool, c);
    ec_pool_release(f->pool, NULL);
    assert_usage(f->pool, 0, 2, 2);
}

static void test_metadata_and_error_are_forgotten(void **state)
{
    const ec_metadata metadata = {.user_id = "u1"};
    struct fixture *f = *state;
    ec_connection *first;
    ec_events *events;

    make_pool(f, 1);
    first = f->connection = acquire(f);
    assert_ok(first, ec_set_metadata(first, &metadata));
    append_to(first, f->server->b);
    assert_int_equal(ec_read_stream(first, NULL, NULL, &events), EC_INVALID_ARGUMENT);
    ec_pool_release(f->pool, first);
    f->connection = acquire(f);
    assert_ptr_equal(f->connection, first);
    assert_int_equal(ec_error_status(f->connection), EC_OK);
    append_to(f->connection, f->server->b);
    assert_int_equal(run_sql(f->server->sql,
                             "SELECT sum(version) FROM eventcore.read_stream('%s')"
                             " WHERE metadata->>'user_id' = 'u1'",
                             f->server->b),
                     1);
    assert_int_equal(version_of(f->server->sql, f->server->b), 2);
}

/* What its user left unfinished is over, and the next one does not meet it. */
static void test_left_amid_something(void **state)
{
    static const char *const statements[] = {"BEGIN; SELECT 1", "BEGIN; SELECT 1 / 0"};
    struct fixture *f = *state;

    for (int left = 0; left < 5; left++) {
        int backend;

        make_pool(f, 1);
        f->connection = acquire(f);
        backend = backend_of(f->connection);
        if (left < 2)
            PQclear(PQexec(f->connection->pg, statements[left]));
        else if (left == 2)
            assert_true(PQenterPipelineMode(f->connection->pg));
        else if (left == 3)
            assert_true(PQsendQuery(f->connection->pg, "SELECT 1"));
        else {
            PQfinish(f->connection->pg); /* as when it was given up */
            f->connection->pg = NULL;
        }
        ec_pool_release(f->pool, f->connection);
        assert_usage(f->pool, 0, 0, 1);
        f->connection = acquire(f);
        assert_int_not_equal(backend_of(f->connection), backend);
        append_to(f->connection, f->server->b);
        ec_pool_release(f->pool, f->connection);
        f->connection = NULL;
        assert_usage(f->pool, 0, 1, 2);
        ec_pool_free(f->pool);
        f->pool = NULL;
    }
}

static void test_options(void **state)
{
    ec_connect_options connect = EC_CONNECT_OPTIONS_INIT;
    const ec_connect_options no_connect = {.struct_size = 0};
    char store[] = "no-such-store", conninfo[100];
    ec_pool_usage no_usage = {.struct_size = 0};
    struct fixture *f = *state;
    ec_events *events;

    f->options.max_size = 0;
    assert_int_equal(ec_pool_new(&f->pool, NULL, &f->options), EC_INVALID_ARGUMENT);
    assert_null(f->pool);
    f->options.max_size = 1;
    f->options.check_after_ms = -1;
    assert_int_equal(ec_pool_new(&f->pool, NULL, &f->options), EC_INVALID_ARGUMENT);
    f->options.check_after_ms = 0;
    f->options.connect = &no_connect;
    assert_int_equal(ec_pool_new(&f->pool, NULL, &f->options), EC_INVALID_ARGUMENT);
    f->options.struct_size = 0;
    assert_int_equal(ec_pool_new(&f->pool, NULL, &f->options), EC_INVALID_ARGUMENT);
    ec_pool_free(NULL);

    f->options = (ec_pool_options)EC_POOL_OPTIONS_INIT;
    connect.store = store;
    f->options.connect = &connect;
    snprintf(conninfo, sizeof conninfo, "dbname=%s", PQdb(f->server->sql));
    assert_int_equal(ec_pool_new(&f->pool, conninfo, &f->options), EC_OK);
    memset(store, 'x', sizeof store - 1); /* all is copied */
    memset(conninfo, 'x', sizeof conninfo - 1);
    f->connection = acquire(f);
    assert_status(f->connection, ec_read_all(f->connection, 0, 1, &events), EC_STORE_NOT_FOUND);
    assert_non_null(strstr(ec_error_message(f->connection), "no-such-store"));
    assert_int_equal(ec_pool_look(f->pool, &no_usage), EC_INVALID_ARGUMENT);
    ec_pool_release(f->pool, f->connection);
    assert_int_equal(ec_pool_acquire(f->pool, -1, &f->connection), EC_INVALID_ARGUMENT);
    assert_int_equal(ec_error_status(f->connection), EC_INVALID_ARGUMENT);
}

static void test_max_idle(void **state)
{
    struct fixture *f = *state;
    ec_connection *other;

    f->options.max_idle_ms = 1;
    make_pool(f, 2);
    f->connection = acquire(f);
    other = acquire(f);
    ec_pool_release(f->pool, other);
    usleep(20000);
    ec_pool_release(f->pool, f->connection); /* the other is too old by now */
    assert_usage(f->pool, 0, 1, 2);
    usleep(20000);
    f->connection = acquire(f);
    assert_usage(f->pool, 1, 0, 3);
}

/* ------------------------------------------------------------------ broken connections */

/* Without a round trip: the pool may take a connection for alive that is idle for no second. */
static void test_killed_while_idle(void **state)
{
    struct fixture *f = *state;
    int backend;

    f->options.check_after_ms = 1000000;
    make_pool(f, 2);
    f->connection = acquire(f);
    backend = backend_of(f->connection);
    ec_pool_release(f->pool, f->connection);
    kill_backend(f, backend);
    f->connection = acquire(f);
    assert_int_not_equal(backend_of(f->connection), backend);
    assert_usage(f->pool, 1, 0, 2);
    append_to(f->connection, f->server->b);
}

static void test_killed_while_out(void **state)
{
    struct fixture *f = *state;

    make_pool(f, 1);
    f->connection = acquire(f);
    kill_backend(f, backend_of(f->connection));
    ec_pool_release(f->pool, f->connection); /* nobody has noticed */
    f->connection = acquire(f);
    append_to(f->connection, f->server->b);
    assert_usage(f->pool, 1, 0, 2);
}

static void sever(ec_connection *connection, int *peer)
{
    int pair[2];

    /* A peer that is there, and silent: as one that was unplugged. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    assert_int_equal(dup2(pair[0], PQsocket(connection->pg)), PQsocket(connection->pg));
    close(pair[0]);
    *peer = pair[1];
}

static void test_silent_peer(void **state)
{
    struct fixture *f = *state;
    int backend, peer;

    f->options.check_after_ms = 0;
    make_pool(f, 1);
    f->connection = acquire(f);
    backend = backend_of(f->connection);
    ec_pool_release(f->pool, f->connection);
    f->connection = acquire(f);
    assert_int_equal(backend_of(f->connection), backend); /* it has answered */
    assert_usage(f->pool, 1, 0, 1);
    sever(f->connection, &peer);
    ec_pool_release(f->pool, f->connection);
    f->connection = acquire(f);
    close(peer);
    assert_int_not_equal(backend_of(f->connection), backend);
    assert_usage(f->pool, 1, 0, 2);
    append_to(f->connection, f->server->b);
}

/* Each failure gives its seat back, and says why. */
static void test_no_server(void **state)
{
    struct fixture *f = *state;

    f->options.max_size = 1;
    assert_int_equal(ec_pool_new(&f->pool, "host=/nonexistent", &f->options), EC_OK);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(ec_pool_acquire(f->pool, 0, &f->connection), EC_CONNECTION_LOST);
        assert_non_null(strstr(ec_error_message(f->connection), "/nonexistent"));
        assert_true(ec_error_is_retriable(f->connection));
        assert_usage(f->pool, 0, 0, i);
        ec_pool_release(f->pool, f->connection);
        assert_usage(f->pool, 0, 0, i);
    }
    f->connection = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_reused_last_first),
        POOL_TEST(test_metadata_and_error_are_forgotten),
        POOL_TEST(test_left_amid_something),
        POOL_TEST(test_options),
        POOL_TEST(test_max_idle),
        POOL_TEST(test_killed_while_idle),
        POOL_TEST(test_killed_while_out),
        POOL_TEST(test_silent_peer),
        POOL_TEST(test_no_server),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
