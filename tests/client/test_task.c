/* test_task.c: tasks, and the loops around them. What they do is tested by test_task_*.c. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "as_task.h"

static ec_connection *connect_lazily(const char *conninfo)
{
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    ec_connection *connection;

    options.lazy = true;
    assert_ok(connection, ec_connect(&connection, conninfo, &options));
    assert_null(connection->pg);
    return connection;
}

/* Have the transfer wait for somebody who has written to "a" and not committed. */
static ec_task *start_and_wait(struct server *s, const struct transfer *command,
                               const ec_execute_options *options)
{
    int backend = backend_of(s->connection);
    ec_task *task;

    run_sql(s->sql, "BEGIN");
    deposit(s->sql, s->a, 1);
    assert_ok(s->connection,
              transfer_execute_start(s->connection, &s->streams, command, options, &task));
    while (run_sql(s->sql, "SELECT count(*) FROM pg_locks WHERE pid = %d AND NOT granted",
                   backend) == 0) {
        struct pollfd polled = {.fd = ec_task_socket(task), .events = ec_task_events(task)};

        assert_int_equal(advance(task), EC_PENDING);
        poll(&polled, 1, 5);
    }
    return task;
}

/* ------------------------------------------------------------------ the life of a task */

static void test_appends_and_reads(void **state)
{
    struct server *s = *state;
    const char *ids[] = {s->a, s->b};
    const ec_stream_event event = {s->b, {.type = "MoneyDeposited", .data = "{\"amount\": 7}"}};
    const ec_expectation expected = {s->b, EC_EXPECT_NO_STREAM};
    ec_connection *lazy = connect_lazily(NULL);
    ec_events *events;
    ec_task *task;

    assert_ok(lazy, append_as_task(lazy, &event, 1, &expected, 1, &s->outcome));
    assert_int_equal(ec_outcome_event_count(s->outcome), 1);
    assert_status(lazy, append_as_task(lazy, &event, 1, &expected, 1, &s->outcome),
                  EC_VERSION_CONFLICT);
    assert_int_equal(ec_error_violation(lazy, 0)->actual, 1);
    assert_int_equal(ec_outcome_event_count(s->outcome), 0);

    assert_ok(lazy, read_stream_as_task(lazy, s->b, NULL, &events));
    assert_string_equal(ec_event_stream_id(ec_events_at(events, 0)), s->b);
    ec_events_free(events);
    assert_ok(lazy, ec_read_streams_start(lazy, ids, 2, NULL, &task));
    loop(task, NULL);
    assert_ok(lazy, ec_task_finish_read(task, &events));
    assert_int_equal(ec_events_count(events), 2);
    ec_events_free(events);
    assert_ok(lazy, ec_read_all_start(lazy, 0, 1, &task));
    assert_ok(lazy, ec_task_finish_read(task, &events)); /* which waits for it */
    assert_int_equal(ec_events_count(events), 1);
    ec_events_free(events);
    assert_int_equal(ec_error_status(lazy), EC_OK);
    ec_close(lazy);
}

/* What is wrong with a command is its result, and needs no server. */
static void test_errors_are_results(void **state)
{
    struct server *s = *state;
    ec_connection *nowhere = connect_lazily("host=/nonexistent");
    struct transfer command = {.amount = 30};
    const transfer_streams unbound = {.from_account = s->a};
    ec_execute_options options = {0};
    ec_events *events;
    ec_task *task;

    assert_ok(nowhere, transfer_execute_start(nowhere, &unbound, &command, NULL, &task));
    assert_int_equal(advance(task), EC_OK);
    assert_int_equal(ec_task_socket(task), -1);
    assert_int_equal(ec_task_events(task), 0);
    assert_int_equal(ec_task_timeout_ms(task), 0);
    assert_int_equal(advance(task), EC_OK); /* and remains so */
    ec_task_cancel(task);                   /* too late */
    assert_status(nowhere, ec_task_finish(task, &s->outcome), EC_UNBOUND_STREAM);
    assert_int_equal(ec_error_status(nowhere), EC_UNBOUND_STREAM);
    assert_int_equal(ec_outcome_status(s->outcome), EC_UNBOUND_STREAM);

    assert_status(nowhere, read_stream_as_task(nowhere, NULL, NULL, &events), EC_INVALID_ARGUMENT);
    assert_status(nowhere, read_stream_as_task(nowhere, s->a, NULL, &events), EC_CONNECTION_LOST);
    assert_null(events);
    assert_ok(nowhere, ec_read_all_start(nowhere, 0, 0, &task));
    assert_status(nowhere, ec_task_finish(task, &s->outcome), EC_INVALID_ARGUMENT);

    assert_status(nowhere, transfer_execute_start(nowhere, &s->streams, &command, &options, &task),
                  EC_INVALID_ARGUMENT);
    assert_null(task);
    ec_task_free(task);
    ec_close(nowhere);
}

/* Nobody else uses the connection between the steps of a task. */
static void test_one_task_a_connection(void **state)
{
    struct server *s = *state;
    ec_connection *c = s->connection;
    struct transfer command = {.amount = 30};
    ec_command many[] = {transfer_prepare(&s->streams, &command)};
    ec_task *task = start_and_wait(s, &command, NULL), *other;
    const ec_metadata metadata = {.user_id = "u"};
    ec_events *events;

    assert_status(c, transfer_execute(c, &s->streams, &command, NULL), EC_INVALID_ARGUMENT);
    assert_non_null(strstr(ec_error_message(c), "in use by a task"));
    assert_status(c, ec_append(c, NULL, 0, NULL, 0, NULL), EC_INVALID_ARGUMENT);
    assert_status(c, ec_read_stream(c, s->a, NULL, &events), EC_INVALID_ARGUMENT);
    assert_status(c, ec_read_all(c, 0, 1, &events), EC_INVALID_ARGUMENT);
    assert_status(c, ec_execute_batch(c, many, 1, NULL), EC_INVALID_ARGUMENT);
    assert_status(c, ec_execute_pipelined(c, many, 1, NULL), EC_INVALID_ARGUMENT);
    assert_status(c, ec_set_metadata(c, &metadata), EC_INVALID_ARGUMENT);
    assert_status(c, transfer_execute_start(c, &s->streams, &command, NULL, &other),
                  EC_INVALID_ARGUMENT);
    assert_null(other);
    ec_outcome_free(many[0].outcome);

    run_sql(s->sql, "ROLLBACK");
    loop(task, NULL);
    assert_ok(c, ec_task_finish(task, &s->outcome));
    assert_int_equal(ec_outcome_attempts(s->outcome), 1);
    assert_int_equal(ec_error_status(c), EC_OK);
    assert_ok(c, ec_set_metadata(c, &metadata));
    assert_int_equal(balance_of(s->sql, s->b), 30);
}

/* ------------------------------------------------------------------ stopping */

static void assert_gone(struct server *s, int backend)
{
    /* In a transaction the view would stay as it was first seen. */
    do
        run_sql(s->sql, "SELECT pg_stat_clear_snapshot()");
    while (run_sql(s->sql, "SELECT count(*) FROM pg_stat_activity WHERE pid = %d", backend) > 0);
}

/* What was sent is not left behind, waiting for a lock, to be done later. */
static void abandon_while_it_waits(struct server *s, int lock_after)
{
    int backend = backend_of(s->connection);
    struct transfer command = {.amount = 30};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    options.lock_after = lock_after;
    ec_task_free(start_and_wait(s, &command, &options));
    assert_null(s->connection->pg);
    assert_gone(s, backend);
    run_sql(s->sql, "COMMIT");
    assert_int_equal(version_of(s->sql, s->b), 0);
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_idle(s, backend_of(s->connection));
}

static void test_abandoned_while_the_append_waits(void **state)
{
    abandon_while_it_waits(*state, -1);
}

static void test_abandoned_while_the_lock_waits(void **state)
{
    abandon_while_it_waits(*state, 0);
}

static void deposit_1(void *argument)
{
    struct server *s = argument;

    deposit(s->sql, s->a, 1);
}

/* A transfer that has lost a race, and pauses for ten minutes. */
static ec_task *start_and_pause(struct server *s, struct transfer *command, int lock_after)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_task *task;

    *command = (struct transfer){
        .amount = 30, .handled = &s->handled, .interfere = deposit_1, .argument = s};
    options.backoff_base_ms = options.backoff_cap_ms = 600000;
    options.jitter_percent = 0;
    options.lock_after = lock_after;
    assert_ok(s->connection,
              transfer_execute_start(s->connection, &s->streams, command, &options, &task));
    while (advance(task) == EC_PENDING && ec_task_socket(task) >= 0) {
        struct pollfd polled = {.fd = ec_task_socket(task), .events = ec_task_events(task)};

        assert_int_equal(ec_task_timeout_ms(task), -1);
        poll(&polled, 1, -1);
    }
    assert_int_equal(ec_task_events(task), 0);
    assert_in_range(ec_task_timeout_ms(task), 590000, 600000);
    return task;
}

static void test_abandoned_in_a_pause(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command;

    ec_task_free(start_and_pause(s, &command, -1));
    assert_idle(s, backend);
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(backend_of(s->connection), backend);
}

static void test_abandoned_before_it_began(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command = {.amount = 30};
    ec_task *task;

    assert_ok(s->connection,
              transfer_execute_start(s->connection, &s->streams, &command, NULL, &task));
    ec_task_free(task);
    assert_idle(s, backend);
    assert_int_equal(version_of(s->sql, s->b), 0);
}

static void test_closed_under_a_task(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command = {.amount = 30};
    ec_task *task = start_and_wait(s, &command, NULL);

    ec_close(s->connection);
    s->connection = NULL;
    assert_int_equal(advance(task), EC_OK);
    assert_int_equal(ec_task_finish(task, &s->outcome), EC_CANCELLED);
    assert_gone(s, backend);
    run_sql(s->sql, "COMMIT");
    assert_int_equal(version_of(s->sql, s->b), 0);
}

/* Who borrows it next finds neither the task nor the hooks. */
static void test_given_back_to_a_pool(void **state)
{
    struct server *s = *state;
    ec_pool_options options = EC_POOL_OPTIONS_INIT;
    const struct transfer command = {.amount = 30};
    ec_connection *lent;
    ec_counters *counters;
    ec_hooks hooks;
    ec_pool *pool;
    ec_task *task;

    options.max_size = 1;
    assert_int_equal(ec_pool_new(&pool, NULL, &options), EC_OK);
    assert_int_equal(ec_counters_new(&counters), EC_OK);
    assert_ok(lent, ec_pool_acquire(pool, 0, &lent));
    hooks = ec_counters_hooks(counters);
    assert_ok(lent, ec_set_hooks(lent, &hooks));
    assert_ok(lent, transfer_execute_start(lent, &s->streams, &command, NULL, &task));
    assert_int_equal(advance(task), EC_PENDING);
    ec_pool_release(pool, lent);
    assert_int_equal(ec_task_finish(task, NULL), EC_CANCELLED);
    ec_counters_free(counters);
    assert_ok(lent, ec_pool_acquire(pool, 0, &lent));
    assert_ok(lent, transfer_execute(lent, &s->streams, &command, NULL));
    ec_pool_release(pool, lent);
    ec_pool_free(pool);
    assert_int_equal(version_of(s->sql, s->b), 1);
}

static void test_cancelled(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command = {.amount = 30};
    ec_task *task = start_and_wait(s, &command, NULL);

    ec_task_cancel(task);
    assert_int_equal(ec_task_timeout_ms(task), 0);
    loop(task, NULL);
    assert_status(s->connection, ec_task_finish(task, &s->outcome), EC_CANCELLED);
    assert_string_equal(ec_error_message(s->connection), "cancelled while the server was at work");
    run_sql(s->sql, "ROLLBACK");
    assert_idle(s, backend);

    task = start_and_pause(s, &command, -1);
    ec_task_cancel(task);
    assert_int_equal(advance(task), EC_OK);
    assert_status(s->connection, ec_task_finish(task, &s->outcome), EC_CANCELLED);
    assert_idle(s, backend);
    assert_int_equal(version_of(s->sql, s->b), 0);
}

/* ------------------------------------------------------------------ not waiting, not spinning */

/* A server that takes connections, and whatever is sent, and never says a word. */
static void test_server_says_nothing(void **state)
{
    struct server *s = *state;
    char directory[] = "/tmp/silence.XXXXXX", path[100], conninfo[100];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct transfer command = {.amount = 30};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_connection *connection;
    struct loop seen;
    ec_task *task;

    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/.s.PGSQL.1", directory);
    snprintf(conninfo, sizeof conninfo, "host=%s port=1", directory);
    strcpy(address.sun_path, path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    connection = connect_lazily(conninfo);
    options.deadline_ms = 200;
    assert_ok(connection,
              transfer_execute_start(connection, &s->streams, &command, &options, &task));
    seen = loop(task, NULL);
    assert_status(connection, ec_task_finish(task, &s->outcome), EC_TIMEOUT);
    assert_string_equal(ec_error_message(connection), "no connection by the deadline");
    assert_in_range(seen.advances, 2, 6);
    ec_close(connection);
    close(listener);
    unlink(path);
    rmdir(directory);
}

static void test_deadline_while_the_server_works(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_task *task;

    run_sql(s->sql, "BEGIN");
    deposit(s->sql, s->a, 1);
    options.deadline_ms = 200;
    assert_ok(s->connection,
              transfer_execute_start(s->connection, &s->streams, &command, &options, &task));
    assert_in_range(loop(task, NULL).advances, 3, 12);
    assert_status(s->connection, ec_task_finish(task, &s->outcome), EC_TIMEOUT);
    run_sql(s->sql, "ROLLBACK");
    assert_idle(s, backend_of(s->connection));
}

/* More than the socket takes at once. */
static void test_much_to_send(void **state)
{
    struct server *s = *state;
    size_t size = 16 << 20;
    ec_stream_event event = {s->b, {.type = "MoneyDeposited", .payload_size = size}};
    ec_task *task;

    event.event.payload = calloc(1, size);
    assert_non_null(event.event.payload);
    assert_ok(s->connection, ec_append_start(s->connection, &event, 1, NULL, 0, &task));
    assert_true(loop(task, NULL).sent);
    assert_ok(s->connection, ec_task_finish(task, &s->outcome));
    assert_int_equal(version_of(s->sql, s->b), 1);
    free((void *)event.event.payload);
}

/* ------------------------------------------------------------------ many at once */

enum { CONNECTIONS = 10, TASKS = 100 };

/* Ten connections move money to and fro between two accounts, in one loop. */
static void test_many_in_one_loop(void **state)
{
    struct server *s = *state;
    ec_connection *connections[CONNECTIONS];
    ec_task *tasks[CONNECTIONS] = {NULL};
    const transfer_streams back = {.from_account = s->b, .to_account = s->a, .limits = s->limits};
    const struct transfer command = {.amount = 1};
    int started = 0, ended = 0, conflicts = 0;

    for (int i = 0; i < CONNECTIONS; i++)
        connections[i] = connect_lazily(NULL);
    deposit(s->sql, s->b, 100);
    while (ended < TASKS) {
        struct pollfd polled[CONNECTIONS];
        int timeout = -1;

        for (int i = 0; i < CONNECTIONS; i++) {
            int left;

            if (tasks[i] == NULL && started < TASKS) {
                assert_ok(connections[i],
                          transfer_execute_start(connections[i],
                                                 started % 4 == 0 ? &back : &s->streams, &command,
                                                 NULL, &tasks[i]));
                started++;
            }
            if (tasks[i] != NULL && advance(tasks[i]) == EC_OK) {
                assert_ok(connections[i], ec_task_finish(tasks[i], &s->outcome));
                conflicts += ec_outcome_conflicts(s->outcome);
                tasks[i] = NULL;
                ended++;
                timeout = 0;
            }
            polled[i] = (struct pollfd){.fd = -1};
            if (tasks[i] == NULL)
                continue;
            polled[i].fd = ec_task_socket(tasks[i]);
            polled[i].events = ec_task_events(tasks[i]);
            left = ec_task_timeout_ms(tasks[i]);
            if (left >= 0 && (timeout < 0 || left < timeout))
                timeout = left;
        }
        poll(polled, CONNECTIONS, timeout);
    }
    assert_true(conflicts > 0);
    assert_int_equal(balance_of(s->sql, s->a), 100 - 75 + 25);
    assert_int_equal(balance_of(s->sql, s->b), 100 + 75 - 25);
    for (int i = 0; i < CONNECTIONS; i++)
        ec_close(connections[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_appends_and_reads),
        SERVER_TEST(test_errors_are_results),
        SERVER_TEST(test_one_task_a_connection),
        SERVER_TEST(test_abandoned_while_the_append_waits),
        SERVER_TEST(test_abandoned_while_the_lock_waits),
        SERVER_TEST(test_abandoned_in_a_pause),
        SERVER_TEST(test_abandoned_before_it_began),
        SERVER_TEST(test_closed_under_a_task),
        SERVER_TEST(test_given_back_to_a_pool),
        SERVER_TEST(test_cancelled),
        SERVER_TEST(test_server_says_nothing),
        SERVER_TEST(test_deadline_while_the_server_works),
        SERVER_TEST(test_much_to_send),
        SERVER_TEST(test_many_in_one_loop),
    };

    return cmocka_run_group_tests_name("task", tests, NULL, NULL);
}
