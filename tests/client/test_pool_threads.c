/*
 * test_pool_threads.c: connections taken in turn by threads; run with SANITIZE=thread.
 *
 * The figures of ec_pool_look() tell when a thread waits, so that nothing here depends on time.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pool_fixture.h"

/* Until so many threads have begun to wait, some of them perhaps in vain. */
static void await_waiting(ec_pool *pool, size_t threads)
{
    for (;;) {
        ec_pool_usage usage = usage_of(pool);

        if (usage.waiting + (size_t)usage.timeouts == threads)
            return;
        usleep(500);
    }
}

/* ------------------------------------------------------------------ waiting */

static void test_timeout(void **state)
{
    struct fixture *f = *state;
    ec_connection *late;
    ec_events *events;

    make_pool(f, 1);
    f->connection = acquire(f);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(ec_pool_acquire(f->pool, 20, &late), EC_TIMEOUT);
        assert_non_null(strstr(ec_error_message(late), "in 20 ms: all 1 of the pool are in use"));
        assert_non_null(strstr(ec_error_message(late), "0 more threads"));
        assert_int_equal(usage_of(f->pool).timeouts, i);
        /* It is no way around the bound. */
        assert_int_equal(ec_read_all(late, 0, 1, &events), EC_CONNECTION_LOST);
        ec_pool_release(f->pool, late);
    }
    assert_usage(f->pool, 1, 0, 1);
    ec_pool_release(f->pool, f->connection);
    f->connection = acquire(f);
    assert_usage(f->pool, 1, 0, 1);
}

struct waiting_thread {
    pthread_t thread;
    ec_pool *pool;
    int64_t timeout_ms;
    ec_status status;
    char message[200];
    int place; /* in the order of being served */
    atomic_int *served;
    atomic_bool is_done;
};

static void *wait_for_connection(void *argument)
{
    struct waiting_thread *w = argument;
    ec_connection *connection;

    w->status = ec_pool_acquire(w->pool, w->timeout_ms, &connection);
    snprintf(w->message, sizeof w->message, "%s", ec_error_message(connection));
    if (w->served != NULL)
        w->place = atomic_fetch_add(w->served, 1);
    ec_pool_release(w->pool, connection);
    w->is_done = true;
    return NULL;
}

static void start_waiting(struct fixture *f, struct waiting_thread *w, int64_t timeout_ms)
{
    w->pool = f->pool;
    w->timeout_ms = timeout_ms;
    assert_int_equal(pthread_create(&w->thread, NULL, wait_for_connection, w), 0);
}

/* First come, first served, also beside one that gives up in their midst, and one who comes back.
 */
static void test_fair(void **state)
{
    enum { THREADS = 6, GIVES_UP = 3 };
    struct waiting_thread waiting[THREADS] = {0};
    struct fixture *f = *state;
    atomic_int served = 0;

    make_pool(f, 1);
    f->connection = acquire(f);
    for (int i = 0; i < THREADS; i++) {
        waiting[i].served = i == GIVES_UP ? NULL : &served;
        start_waiting(f, &waiting[i], i == GIVES_UP ? 500 : 0);
        await_waiting(f->pool, (size_t)i + 1);
    }
    pthread_join(waiting[GIVES_UP].thread, NULL);
    assert_int_equal(waiting[GIVES_UP].status, EC_TIMEOUT);
    ec_pool_release(f->pool, f->connection);
    f->connection = acquire(f);
    assert_int_equal(atomic_load(&served), THREADS - 1);
    for (int i = 0; i < THREADS; i++) {
        if (i == GIVES_UP)
            continue;
        pthread_join(waiting[i].thread, NULL);
        assert_int_equal(waiting[i].status, EC_OK);
        assert_int_equal(waiting[i].place, i < GIVES_UP ? i : i - 1);
    }
    assert_usage(f->pool, 1, 0, 1);
}

/* The last in the queue gives up: the next to come must not be lost behind it. */
static void test_last_gives_up(void **state)
{
    struct waiting_thread first = {0}, last = {0};
    struct fixture *f = *state;
    ec_connection *late;

    make_pool(f, 1);
    f->connection = acquire(f);
    start_waiting(f, &first, 0);
    await_waiting(f->pool, 1);
    assert_int_equal(ec_pool_acquire(f->pool, 10, &late), EC_TIMEOUT);
    ec_pool_release(f->pool, late);
    start_waiting(f, &last, 0);
    await_waiting(f->pool, 3);
    ec_pool_release(f->pool, f->connection);
    f->connection = NULL;
    pthread_join(first.thread, NULL);
    pthread_join(last.thread, NULL);
    assert_int_equal(first.status, EC_OK);
    assert_int_equal(last.status, EC_OK);
}

/* A connection that is given back broken leaves its seat to who waits. */
static void test_broken_for_waiter(void **state)
{
    struct waiting_thread waiting = {0};
    struct fixture *f = *state;

    make_pool(f, 1);
    f->connection = acquire(f);
    PQsetnonblocking(f->connection->pg, 0);
    PQclear(PQexec(f->connection->pg, "BEGIN"));
    start_waiting(f, &waiting, 0);
    await_waiting(f->pool, 1);
    ec_pool_release(f->pool, f->connection);
    f->connection = NULL;
    pthread_join(waiting.thread, NULL);
    assert_int_equal(waiting.status, EC_OK);
    assert_usage(f->pool, 0, 1, 2);
}

/* A server that accepts and says nothing: who waits for it holds up nobody. */
static void test_connecting_blocks_nobody(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char directory[] = "/tmp/eventcore.XXXXXX", conninfo[100];
    struct waiting_thread connecting = {0};
    struct fixture *f = *state;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ec_connection *late;

    assert_non_null(mkdtemp(directory));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", directory);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 5), 0);
    snprintf(conninfo, sizeof conninfo, "host=%s port=5432", directory);
    f->options.max_size = 2;
    assert_int_equal(ec_pool_new(&f->pool, conninfo, &f->options), EC_OK);
    start_waiting(f, &connecting, 0);
    while (usage_of(f->pool).connects == 0)
        usleep(500);
    assert_int_equal(ec_pool_acquire(f->pool, 30, &late), EC_TIMEOUT);
    assert_non_null(strstr(ec_error_message(late), "no connection by the deadline"));
    ec_pool_release(f->pool, late);
    assert_usage(f->pool, 1, 0, 2);
    assert_false(connecting.is_done);
    close(listener);
    pthread_join(connecting.thread, NULL);
    assert_int_equal(connecting.status, EC_CONNECTION_LOST);
    unlink(address.sun_path);
    rmdir(directory);
}

/* ------------------------------------------------------------------ the end */

static void test_freed_while_used(void **state)
{
    struct waiting_thread waiting[2] = {0};
    struct fixture *f = *state;
    ec_connection *a, *b;
    ec_pool *pool;
    int backend;

    make_pool(f, 2);
    a = acquire(f);
    b = acquire(f);
    for (int i = 0; i < 2; i++) {
        start_waiting(f, &waiting[i], 0);
        await_waiting(f->pool, (size_t)i + 1);
    }
    pool = f->pool;
    f->pool = NULL;
    ec_pool_free(pool);
    for (int i = 0; i < 2; i++) {
        pthread_join(waiting[i].thread, NULL);
        assert_int_equal(waiting[i].status, EC_CANCELLED);
        assert_non_null(strstr(waiting[i].message, "was freed"));
    }
    backend = backend_of(a);
    append_to(a, f->server->b);
    ec_pool_release(pool, a);
    while (run_sql(f->server->sql, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d",
                   backend) != 0)
        usleep(500);
    append_to(b, f->server->b);
    ec_pool_release(pool, b);
}

/* ------------------------------------------------------------------ many threads */

enum { THREADS = 16, SIZE = 4, ROUNDS = 20, SPOILED = 5 };

struct crowd {
    struct fixture *fixture;
    transfer_streams streams[2]; /* there and back */
    atomic_int out, most, transferred, lost;
    atomic_bool is_over;
};

/* Each in its turn moves money, and gives some connections back that nobody can use. */
static void *transfer_in_turn(void *argument)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    struct crowd *crowd = argument;
    struct transfer command = {.amount = 1};
    ec_outcome *outcome = NULL;

    options.max_attempts = 1000;
    for (int i = 0; i < ROUNDS; i++) {
        ec_connection *connection;
        int out, most;

        while (ec_pool_acquire(crowd->fixture->pool, 60000, &connection) == EC_CONNECTION_LOST) {
            atomic_fetch_add(&crowd->lost, 1); /* killed while connecting */
            ec_pool_release(crowd->fixture->pool, connection);
        }
        out = atomic_fetch_add(&crowd->out, 1) + 1;
        most = atomic_load(&crowd->most);
        while (out > most && !atomic_compare_exchange_weak(&crowd->most, &most, out))
            ;
        if (transfer_execute_with(connection, &crowd->streams[i % 2], &command, &options,
                                  &outcome) == EC_OK)
            atomic_fetch_add(&crowd->transferred, 1);
        else
            print_error("%s\n", ec_error_message(connection));
        atomic_fetch_sub(&crowd->out, 1);
        if (i % SPOILED == 0 && connection->pg != NULL)
            shutdown(PQsocket(connection->pg), SHUT_RDWR);
        ec_pool_release(crowd->fixture->pool, connection);
    }
    ec_outcome_free(outcome);
    return NULL;
}

static void *kill_backends(void *argument)
{
    struct crowd *crowd = argument;
    PGconn *sql = PQconnectdb("options='-c client_min_messages=error'");

    while (!crowd->is_over) {
        run_sql(sql, "SELECT count(pg_terminate_backend(pid)) FROM"
                     " (SELECT pid FROM pg_stat_activity WHERE application_name = 'crowd'"
                     " ORDER BY random() LIMIT 1) AS victim");
        usleep(20000);
    }
    PQfinish(sql);
    return NULL;
}

/* 16 threads on 4 connections, while backends are killed: everybody gets all its turns. */
static void test_crowd(void **state)
{
    struct fixture *f = *state;
    struct crowd crowd = {.fixture = f};
    pthread_t threads[THREADS], killer;
    ec_pool_usage usage;

    f->options.max_size = SIZE;
    assert_int_equal(ec_pool_new(&f->pool, "application_name=crowd", &f->options), EC_OK);
    crowd.streams[0] = crowd.streams[1] = f->server->streams;
    crowd.streams[1].from_account = f->server->b;
    crowd.streams[1].to_account = f->server->a;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, transfer_in_turn, &crowd), 0);
    assert_int_equal(pthread_create(&killer, NULL, kill_backends, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    crowd.is_over = true;
    pthread_join(killer, NULL);
    assert_int_equal(crowd.transferred, THREADS * ROUNDS);
    assert_in_range(crowd.most, 2, SIZE);
    usage = usage_of(f->pool);
    assert_int_equal(usage.in_use, 0);
    assert_int_equal(usage.waiting, 0);
    assert_in_range(usage.idle, 1, SIZE);
    assert_true(usage.connects >= THREADS * ROUNDS / SPOILED);
    assert_int_equal(balance_of(f->server->sql, f->server->a), 100);
    assert_int_equal(balance_of(f->server->sql, f->server->b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(test_timeout),
        POOL_TEST(test_fair),
        POOL_TEST(test_last_gives_up),
        POOL_TEST(test_broken_for_waiter),
        POOL_TEST(test_connecting_blocks_nobody),
        POOL_TEST(test_freed_while_used),
        POOL_TEST(test_crowd),
    };

    return cmocka_run_group_tests_name("pool_threads", tests, NULL, NULL);
}
