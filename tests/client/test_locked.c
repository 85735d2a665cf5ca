/* test_locked.c: commands that lock their streams before they read them, against a server. */
#include <pthread.h>
#include <unistd.h>

#include "execution.h"
#include "server.h"

static const ec_execute_options locked = EC_EXECUTE_OPTIONS_(10, 0, 1, 250, 0);

static ec_status transfer_locked(struct server *s, struct transfer *command)
{
    return transfer_execute_with(s->connection, &s->streams, command, &locked, &s->outcome);
}

static ec_status append_at_once(PGconn *sql, const char *stream_id)
{
    PGresult *result;
    char statement[300];
    bool refused;

    snprintf(statement, sizeof statement,
             "SET lock_timeout = 50; SELECT 1 FROM eventcore.append('%s', -1, 'MoneyDeposited',"
             " '{\"amount\": 1}'::jsonb)",
             stream_id);
    result = PQexec(sql, statement);
    refused = PQresultStatus(result) == PGRES_FATAL_ERROR &&
              strcmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), "55P03") == 0;
    assert_true(refused || PQresultStatus(result) == PGRES_TUPLES_OK);
    PQclear(result);
    PQclear(PQexec(sql, "RESET lock_timeout"));
    return refused ? EC_TIMEOUT : EC_OK;
}

/* While it decides, its streams stay as they are; those only read can be read by others' commands.
 */
static void try_to_interfere(void *argument)
{
    struct server *s = argument;
    const ec_expectation unchanged = {s->limits, 0};

    assert_int_equal(append_at_once(s->sql, s->a), EC_TIMEOUT);
    assert_int_equal(append_at_once(s->sql, s->b), EC_TIMEOUT);
    assert_int_equal(append_at_once(s->sql, s->limits), EC_TIMEOUT);
    assert_ok(s->other, ec_append(s->other, NULL, 0, &unchanged, 1, NULL));
}

static void test_nobody_interferes(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = try_to_interfere, .argument = s};

    for (int i = 0; i < 2; i++) { /* the statements are prepared, and then they are there */
        s->handled = 0;
        assert_ok(s->connection, transfer_locked(s, &command));
        assert_int_equal(s->handled, 1);
        assert_int_equal(ec_outcome_attempts(s->outcome), 1);
        assert_int_equal(ec_outcome_event_count(s->outcome), 2);
        assert_idle(s, backend);
    }
    assert_int_equal(balance_of(s->sql, s->a), 40);
    assert_int_equal(balance_of(s->sql, s->b), 60);
}

struct losing {
    struct server *server;
    int lost;
};

static void lose(void *argument)
{
    struct losing *losing = argument;

    if (losing->lost < 3) {
        losing->lost++;
        losing->server->handled = 0; /* so that the next one is interfered with too */
        deposit(losing->server->sql, losing->server->a, 1);
    } else
        assert_int_equal(append_at_once(losing->server->sql, losing->server->a), EC_TIMEOUT);
}

static void test_locked_after_three_losses(void **state)
{
    struct server *s = *state;
    struct losing losing = {.server = s};
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = lose, .argument = &losing};

    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(losing.lost, 3);
    assert_int_equal(ec_outcome_attempts(s->outcome), 4);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 3);
    assert_int_equal(balance_of(s->sql, s->a), 73);
    assert_idle(s, backend_of(s->connection));
}

/* ------------------------------------------------------------------ nothing is left open */

static ec_status fail_in_handler(ec_context *context)
{
    (void)context;
    return EC_FAILED;
}

static ec_status write_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

static ec_status write_bad_json(ec_context *context)
{
    const ec_new_event event = {.type = "MoneyDeposited", .data = "{"};

    return ec_write(context, 0, 0, &event);
}

static void test_ends_without_an_append(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command = {.amount = 101};
    transfer_streams streams = s->streams;

    assert_status(s->connection, transfer_locked(s, &command), EC_REJECTED);
    assert_idle(s, backend);
    command.decide = write_nothing;
    assert_ok(s->connection, transfer_locked(s, &command));
    assert_idle(s, backend);
    command.decide = fail_in_handler;
    assert_status(s->connection, transfer_locked(s, &command), EC_FAILED);
    assert_idle(s, backend);
    command.decide = write_bad_json;
    assert_status(s->connection, transfer_locked(s, &command), EC_SERVER_ERROR);
    assert_string_equal(ec_error_sqlstate(s->connection), "22P02");
    assert_false(ec_outcome_in_doubt(s->outcome));
    assert_idle(s, backend);

    streams.to_account = " leading space"; /* refused by the lock */
    assert_status(s->connection,
                  transfer_execute_with(s->connection, &streams, &command, &locked, NULL),
                  EC_INVALID_STREAM_ID);
    assert_idle(s, backend);
    run_sql(s->sql, "SELECT 1 FROM eventcore.append('%s', -1, 'Unknown', '{}'::jsonb)", s->limits);
    assert_status(s->connection, transfer_locked(s, &command), EC_UNKNOWN_EVENT);
    assert_idle(s, backend);
    assert_int_equal(version_of(s->sql, s->a), 1);
}

static void test_deadline_while_it_waits_for_the_lock(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command = {.amount = 30, .handled = &s->handled};
    ec_execute_options options = locked;

    options.deadline_ms = 200;
    run_sql(s->sql, "BEGIN");
    deposit(s->sql, s->a, 1);
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_TIMEOUT);
    assert_int_equal(s->handled, 0);
    assert_false(ec_outcome_in_doubt(s->outcome));
    run_sql(s->sql, "ROLLBACK");
    assert_idle(s, backend);
}

/* The deadline passes in the handler, after the lock: nothing is sent any more but a ROLLBACK. */
static void wait_for_the_deadline(void *argument)
{
    int64_t until = ec_now_us() + 150000;

    (void)argument;
    while (ec_now_us() < until)
        ;
}

static void test_deadline_while_it_holds_the_lock(void **state)
{
    struct server *s = *state;
    int backend = backend_of(s->connection);
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = wait_for_the_deadline};
    ec_execute_options options = locked;

    options.deadline_ms = 100;
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_TIMEOUT);
    assert_idle(s, backend);
    assert_int_equal(version_of(s->sql, s->a), 1);
}

/* ------------------------------------------------------------------ lost connections */

static void kill_own_backend(void *argument)
{
    struct server *s = argument;

    run_sql(s->sql, "SELECT pg_terminate_backend(%d, 10000)", backend_of(s->connection));
}

static void test_killed_while_it_holds_the_lock(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = kill_own_backend, .argument = s};

    assert_ok(s->connection, transfer_locked(s, &command));
    assert_int_equal(s->handled, 1); /* the append is repeated, not the decision */
    assert_int_equal(ec_outcome_attempts(s->outcome), 2);
    assert_int_equal(balance_of(s->sql, s->a), 70);
    assert_int_equal(balance_of(s->sql, s->b), 30);
    assert_idle(s, backend_of(s->connection));
}

static void kill_and_beat(void *argument)
{
    struct server *s = argument;

    kill_own_backend(s);
    deposit(s->sql, s->a, 1000);
}

static void test_killed_and_beaten_while_it_held_the_lock(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = kill_and_beat, .argument = s};

    assert_ok(s->connection, transfer_locked(s, &command));
    assert_int_equal(s->handled, 2);
    assert_int_equal(ec_outcome_attempts(s->outcome), 3);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    assert_int_equal(balance_of(s->sql, s->a), 1070);
    assert_int_equal(balance_of(s->sql, s->b), 30);
}

/* COMMIT was done and only the reply to it is lost. */
static void test_reply_lost_at_commit(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30, .handled = &s->handled};
    ec_until for_ever = {EC_NO_DEADLINE, NULL};
    ec_failure failure = {.status = EC_OK};
    ec_execution execution;
    ec_arena memory = {NULL};
    ec_round_trip trip;
    ec_events *rows;
    bool maybe_done;
    int appends = 0;

    assert_non_null(ec_outcome_prepare(&s->outcome));
    ec_execution_start(&execution, &transfer_definition, &s->streams, &command, &locked, NULL,
                       s->outcome);
    while (execution.step != EC_STEP_DONE) {
        bool appending = execution.step == EC_STEP_APPEND;

        if (execution.step == EC_STEP_SLEEP) {
            ec_execution_resume(&execution);
            continue;
        }
        assert_int_equal(ec_execution_encode(&execution, &trip, &memory, &failure), EC_OK);
        assert_int_equal(
            ec_connection_send(s->connection, &trip, &for_ever, &rows, &failure, &maybe_done),
            EC_OK);
        if (appending && appends++ == 0) {
            assert_int_equal(trip.count, 2);
            assert_string_equal(rows->rows[0].outcome, "appended");
            ec_events_free(rows);
            ec_fail(&failure, EC_CONNECTION_LOST, "pretended");
            ec_execution_failed(&execution, &failure, true);
        } else
            ec_execution_rows(&execution, rows);
    }
    assert_int_equal(execution.failure.status, EC_OK);
    assert_int_equal(appends, 2);
    ec_execution_free(&execution);
    ec_arena_free(&memory);
    assert_int_equal(s->handled, 1);
    assert_int_equal(balance_of(s->sql, s->a), 70);
    assert_idle(s, backend_of(s->connection));
}

/* ------------------------------------------------------------------ sessions of other kinds */

static void *commit_when_waited_for(void *argument)
{
    struct server *s = argument;
    PGconn *sql = PQconnectdb("");

    while (run_sql(sql,
                   "SELECT count(*) FROM pg_stat_activity"
                   " WHERE pid = %d AND wait_event_type = 'Lock'",
                   backend_of(s->connection)) == 0)
        usleep(2000);
    PQfinish(sql);
    run_sql(s->sql, "COMMIT");
    return NULL;
}

/* What was committed while it waited for its locks is seen, whatever the isolation otherwise is. */
static void test_reads_behind_its_locks(void **state)
{
    static const char *const sessions[] = {
        "options='-c default_transaction_isolation=serializable'",
        "options='-c default_transaction_isolation=repeatable\\\\ read'", ""};
    struct server *s = *state;
    struct transfer command = {.amount = 30, .handled = &s->handled};

    for (int i = 0; i < 6; i++) {
        ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
        pthread_t thread;

        options.unprepared = i >= 3;
        ec_close(s->connection);
        assert_ok(s->connection, ec_connect(&s->connection, sessions[i % 3], &options));
        run_sql(s->sql, "BEGIN");
        deposit(s->sql, s->a, 1000);
        assert_int_equal(pthread_create(&thread, NULL, commit_when_waited_for, s), 0);
        assert_ok(s->connection, transfer_locked(s, &command));
        pthread_join(thread, NULL);
        assert_int_equal(ec_outcome_attempts(s->outcome), 1);
        assert_int_equal(s->handled, i + 1);
        assert_int_equal(balance_of(s->sql, s->a), 100 + (i + 1) * 970);
        assert_idle(s, backend_of(s->connection));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_nobody_interferes),
        SERVER_TEST(test_locked_after_three_losses),
        SERVER_TEST(test_ends_without_an_append),
        SERVER_TEST(test_deadline_while_it_waits_for_the_lock),
        SERVER_TEST(test_deadline_while_it_holds_the_lock),
        SERVER_TEST(test_killed_while_it_holds_the_lock),
        SERVER_TEST(test_killed_and_beaten_while_it_held_the_lock),
        SERVER_TEST(test_reply_lost_at_commit),
        SERVER_TEST(test_reads_behind_its_locks),
    };

    return cmocka_run_group_tests_name("locked commands", tests, NULL, NULL);
}
