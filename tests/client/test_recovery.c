/*
 * test_recovery.c: killed backends, lost replies and deadlines, against a server.
 *
 * A command is never lost and never done twice: each test counts the money afterwards.
 */
#include <pthread.h>
#include <unistd.h>

#include "execution.h"
#include "server.h"

/* ------------------------------------------------------------------ lost connections */

static void kill_backend(PGconn *sql, int backend)
{
    run_sql(sql, "SELECT pg_terminate_backend(%d, 10000)", backend);
}

static void kill_own_backend(void *argument)
{
    struct server *s = argument;

    kill_backend(s->sql, backend_of(s->connection));
}

/* So that what is lost next is the append, and not its preparation. */
static void have_append_prepared(struct server *s)
{
    const ec_expectation expected = {s->a, EC_EXPECT_EXISTS};

    assert_ok(s->connection, ec_append(s->connection, NULL, 0, &expected, 1, NULL));
}

static void test_killed_while_idle(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30, .handled = &s->handled};
    ec_events *events;

    kill_own_backend(s);
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(s->handled, 1);
    assert_int_equal(balance_of(s->sql, s->b), 30);

    kill_own_backend(s);
    assert_ok(s->connection, ec_read_stream(s->connection, s->b, NULL, &events));
    assert_int_equal(ec_events_count(events), 1);
    assert_int_equal(ec_error_status(s->connection), EC_OK);
    ec_events_free(events);
}

/* The append is sent into a connection that is gone: it is repeated on a new one. */
static void test_killed_between_read_and_append(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = kill_own_backend, .argument = s};

    have_append_prepared(s);
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(s->handled, 1);
    assert_int_equal(ec_outcome_attempts(s->outcome), 2);
    assert_int_equal(ec_outcome_event_count(s->outcome), 2);
    assert_int_equal(balance_of(s->sql, s->a), 70);
    assert_int_equal(balance_of(s->sql, s->b), 30);
}

static void test_attempts_limit_reconnecting(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = kill_own_backend, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    have_append_prepared(s);
    options.max_attempts = 1;
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_CONNECTION_LOST);
    assert_true(ec_error_is_retriable(s->connection));
    assert_true(ec_outcome_in_doubt(s->outcome));
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(balance_of(s->sql, s->b), 30);
}

/*
 * Somebody else's transaction holds stream "a"; when our append waits for it, our backend is
 * killed, and then that transaction ends.
 */
struct killer {
    struct server *server;
    PGconn *holder;
    int backend;
    const char *ending;
};

static void *kill_when_waiting(void *argument)
{
    struct killer *killer = argument;
    PGconn *sql = killer->server->sql;

    while (run_sql(sql,
                   "SELECT count(*) FROM pg_stat_activity"
                   " WHERE pid = %d AND wait_event_type = 'Lock'",
                   killer->backend) == 0)
        usleep(2000);
    kill_backend(sql, killer->backend);
    run_sql(killer->holder, "%s", killer->ending);
    return NULL;
}

static void transfer_while_killed(struct server *s, const char *ending)
{
    struct killer killer = {.server = s, .backend = backend_of(s->connection), .ending = ending};
    struct transfer command = {.amount = 30, .handled = &s->handled};
    pthread_t thread;

    killer.holder = PQconnectdb("");
    run_sql(killer.holder, "BEGIN");
    deposit(killer.holder, s->a, 1000);
    assert_int_equal(pthread_create(&thread, NULL, kill_when_waiting, &killer), 0);
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    pthread_join(thread, NULL);
    PQfinish(killer.holder);
    assert_int_equal(balance_of(s->sql, s->b), 30);
    assert_int_equal(version_of(s->sql, s->b), 1);
}

static void test_killed_while_the_append_waits(void **state)
{
    struct server *s = *state;

    transfer_while_killed(s, "ROLLBACK");
    assert_int_equal(s->handled, 1);
    assert_true(ec_outcome_attempts(s->outcome) >= 2);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 0);
    assert_int_equal(balance_of(s->sql, s->a), 70);
}

static void test_killed_and_then_beaten(void **state)
{
    struct server *s = *state;

    transfer_while_killed(s, "COMMIT");
    assert_int_equal(s->handled, 2);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    assert_int_equal(balance_of(s->sql, s->a), 1070);
}

/* The append was done and only its reply is lost: the server knows its ids. */
static void test_reply_lost_after_commit(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30, .handled = &s->handled};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_failure failure = {.status = EC_OK};
    ec_execution execution;
    bool maybe_done, appending, lost = false;
    ec_arena memory = {NULL};
    ec_events *rows;
    ec_until for_ever = {EC_NO_DEADLINE, NULL};
    ec_round_trip trip;

    assert_non_null(ec_outcome_prepare(&s->outcome));
    ec_execution_start(&execution, &transfer_definition, &s->streams, &command, &options, NULL,
                       s->outcome);
    while (execution.step != EC_STEP_DONE) {
        if (execution.step == EC_STEP_SLEEP) {
            ec_execution_resume(&execution);
            continue;
        }
        appending = execution.step == EC_STEP_APPEND;
        assert_int_equal(ec_execution_encode(&execution, &trip, &memory, &failure), EC_OK);
        assert_int_equal(
            ec_connection_send(s->connection, &trip, &for_ever, &rows, &failure, &maybe_done),
            EC_OK);
        if (appending && !lost) {
            lost = true;
            assert_string_equal(rows->rows[0].outcome, "appended");
            ec_events_free(rows);
            ec_fail(&failure, EC_CONNECTION_LOST, "pretended");
            ec_execution_failed(&execution, &failure, true);
        } else {
            if (appending)
                assert_string_equal(rows->rows[0].outcome, "repeated");
            ec_execution_rows(&execution, rows);
        }
    }
    assert_int_equal(execution.failure.status, EC_OK);
    ec_execution_free(&execution);
    ec_arena_free(&memory);
    assert_true(lost);
    assert_int_equal(s->handled, 1);
    assert_int_equal(ec_event_version(ec_outcome_event(s->outcome, 0)), 2);
    assert_int_equal(balance_of(s->sql, s->a), 70);
    assert_int_equal(balance_of(s->sql, s->b), 30);
}

/* ------------------------------------------------------------------ deadlines */

static void test_deadline_while_the_append_waits(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    int64_t started = ec_now_us();
    int backend = backend_of(s->connection);

    options.deadline_ms = 200;
    run_sql(s->sql, "BEGIN");
    deposit(s->sql, s->a, 1);
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_TIMEOUT);
    assert_in_range(ec_now_us() - started, 200000, 1500000);
    assert_false(ec_outcome_in_doubt(s->outcome));
    run_sql(s->sql, "ROLLBACK");
    assert_int_equal(version_of(s->sql, s->a), 1);

    /* The statement was cancelled, the connection is still the same. */
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(backend_of(s->connection), backend);
}

static void test_deadline_while_the_read_waits(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30, .handled = &s->handled};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_connect_options connect_options = EC_CONNECT_OPTIONS_INIT;
    ec_connection *limited;
    ec_events *events;

    connect_options.timeout_ms = options.deadline_ms = 200;
    assert_ok(limited, ec_connect(&limited, NULL, &connect_options));
    run_sql(s->sql, "BEGIN");
    run_sql(s->sql, "LOCK TABLE eventcore.events IN ACCESS EXCLUSIVE MODE");
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_TIMEOUT);
    assert_int_equal(s->handled, 0);
    assert_status(limited, ec_read_stream(limited, s->a, NULL, &events), EC_TIMEOUT);
    assert_null(events);
    run_sql(s->sql, "ROLLBACK");
    ec_close(limited);
}

static void deposit_1(void *argument)
{
    struct server *s = argument;

    deposit(s->sql, s->a, 1);
    s->handled = 0; /* so that every attempt is interfered with */
}

static void test_deadline_in_a_pause(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = deposit_1, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    int64_t started = ec_now_us();

    options.deadline_ms = 300;
    options.backoff_base_ms = options.backoff_cap_ms = 20000;
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_TIMEOUT);
    assert_true(ec_now_us() - started < 1000000);
    assert_non_null(strstr(ec_error_message(s->connection), "; the last: 1 streams"));
    assert_true(ec_outcome_violation_count(s->outcome) == 1);
    assert_false(ec_error_is_retriable(s->connection));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_killed_while_idle),
        SERVER_TEST(test_killed_between_read_and_append),
        SERVER_TEST(test_attempts_limit_reconnecting),
        SERVER_TEST(test_killed_while_the_append_waits),
        SERVER_TEST(test_killed_and_then_beaten),
        SERVER_TEST(test_reply_lost_after_commit),
        SERVER_TEST(test_deadline_while_the_append_waits),
        SERVER_TEST(test_deadline_while_the_read_waits),
        SERVER_TEST(test_deadline_in_a_pause),
    };

    return cmocka_run_group_tests_name("recovery", tests, NULL, NULL);
}
