/* test_cancellation.c: stopping executions, from another thread and from a signal handler. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "server.h"

/* Throws the switch when the backend waits for a lock. */
struct canceller {
    pthread_t thread;
    ec_cancellation *cancellation;
    int backend;
    int64_t cancelled_at;
};

static void *cancel_when_waiting(void *argument)
{
    struct canceller *canceller = argument;
    PGconn *sql = PQconnectdb("");

    while (run_sql(sql,
                   "SELECT count(*) FROM pg_stat_activity"
                   " WHERE pid = %d AND wait_event_type = 'Lock'",
                   canceller->backend) == 0)
        usleep(2000);
    PQfinish(sql);
    canceller->cancelled_at = ec_now_us();
    ec_cancel(canceller->cancellation);
    return NULL;
}

static void cancel_while_it_waits(struct server *s, int lock_after)
{
    struct canceller canceller = {.backend = backend_of(s->connection)};
    struct transfer command = {.amount = 30};
    ec_execute_options options = EC_EXECUTE_PERSISTENT_INIT;

    assert_int_equal(ec_cancellation_new(&canceller.cancellation), EC_OK);
    options.cancellation = canceller.cancellation;
    options.lock_after = lock_after;
    run_sql(s->sql, "BEGIN");
    deposit(s->sql, s->a, 1);
    pthread_create(&canceller.thread, NULL, cancel_when_waiting, &canceller);
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_CANCELLED);
    pthread_join(canceller.thread, NULL);
    assert_string_equal(ec_error_message(s->connection), "cancelled while the server was at work");
    assert_false(ec_error_is_retriable(s->connection));
    assert_false(ec_outcome_in_doubt(s->outcome));
    run_sql(s->sql, "ROLLBACK");

    /* The statement was cancelled; the connection is the same, and in no transaction. */
    assert_int_equal(backend_of(s->connection), canceller.backend);
    assert_int_equal(PQtransactionStatus(s->connection->pg), PQTRANS_IDLE);
    assert_int_equal(version_of(s->sql, s->a), 1);

    /* It stays thrown, and nothing is tried. */
    assert_true(ec_is_cancelled(canceller.cancellation));
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_CANCELLED);
    assert_string_equal(ec_error_message(s->connection), "cancelled after 1 attempts");
    ec_cancellation_free(canceller.cancellation);
}

static void test_cancelled_while_the_append_waits(void **state)
{
    cancel_while_it_waits(*state, -1);
}

static void test_cancelled_while_the_lock_waits(void **state)
{
    cancel_while_it_waits(*state, 0);
}

/* ------------------------------------------------------------------ signals, pauses */

static ec_cancellation *to_throw;
static volatile sig_atomic_t errno_is_kept;

static void throw_it(int signal)
{
    int before = errno;

    (void)signal;
    errno = EDOM;
    ec_cancel(to_throw);
    ec_cancel(to_throw);
    errno_is_kept = errno == EDOM;
    errno = before;
}

static void arm_timer(void *argument)
{
    struct itimerval after = {.it_value = {.tv_usec = 50000}};
    struct server *s = argument;

    deposit(s->sql, s->a, 1); /* so that the append conflicts */
    setitimer(ITIMER_REAL, &after, NULL);
}

static void test_cancelled_by_a_signal_in_a_pause(void **state)
{
    struct server *s = *state;
    struct sigaction action = {.sa_handler = throw_it}, before;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = arm_timer, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    int64_t started = ec_now_us();

    ec_cancel(NULL);
    assert_false(ec_is_cancelled(NULL));
    assert_int_equal(ec_cancellation_new(&to_throw), EC_OK);
    options.backoff_base_ms = options.backoff_cap_ms = 600000;
    options.jitter_percent = 0;
    options.cancellation = to_throw;
    sigaction(SIGALRM, &action, &before);
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_CANCELLED);
    sigaction(SIGALRM, &before, NULL);
    assert_true(errno_is_kept);
    assert_true(ec_now_us() - started < 60000000); /* and not ten minutes */
    assert_non_null(strstr(ec_error_message(s->connection),
                           "cancelled after 1 attempts; the last: 1 streams not at"));
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    ec_cancellation_free(to_throw);
}

/* ------------------------------------------------------------------ a server that says nothing */

struct silence {
    char directory[40], path[100], conninfo[100];
    int listener;
    pthread_t thread;
    ec_cancellation *cancellation;
};

static void *accept_and_cancel(void *argument)
{
    struct silence *silence = argument;
    int accepted = accept(silence->listener, NULL, NULL);

    ec_cancel(silence->cancellation);
    return (void *)(intptr_t)accepted;
}

static void test_cancelled_while_connecting(void **state)
{
    struct server *s = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct silence silence = {.directory = "/tmp/silence.XXXXXX"};
    struct transfer command = {.amount = 30};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    void *accepted;

    assert_non_null(mkdtemp(silence.directory));
    snprintf(silence.path, sizeof silence.path, "%s/.s.PGSQL.1", silence.directory);
    snprintf(silence.conninfo, sizeof silence.conninfo, "host=%s port=1", silence.directory);
    strcpy(address.sun_path, silence.path);
    silence.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(silence.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(silence.listener, 1), 0);
    assert_int_equal(ec_cancellation_new(&silence.cancellation), EC_OK);
    pthread_create(&silence.thread, NULL, accept_and_cancel, &silence);

    free(s->connection->conninfo); /* where it connects the next time */
    s->connection->conninfo = strdup(silence.conninfo);
    PQfinish(s->connection->pg);
    s->connection->pg = NULL;
    options.cancellation = silence.cancellation;
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_CANCELLED);
    assert_string_equal(ec_error_message(s->connection), "cancelled while connecting");
    pthread_join(silence.thread, &accepted);
    close((int)(intptr_t)accepted);
    close(silence.listener);
    unlink(silence.path);
    rmdir(silence.directory);
    ec_cancellation_free(silence.cancellation);
}

static void test_one_switch_for_many(void **state)
{
    ec_cancellation *cancellation;

    (void)state;
    assert_int_equal(ec_cancellation_new(&cancellation), EC_OK);
    assert_false(ec_is_cancelled(cancellation));
    ec_cancel(cancellation);
    ec_cancel(cancellation);
    assert_true(ec_is_cancelled(cancellation));
    ec_cancellation_free(cancellation);
    ec_cancellation_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_cancelled_while_the_append_waits),
        SERVER_TEST(test_cancelled_while_the_lock_waits),
        SERVER_TEST(test_cancelled_by_a_signal_in_a_pause),
        SERVER_TEST(test_cancelled_while_connecting),
        cmocka_unit_test(test_one_switch_for_many),
    };

    return cmocka_run_group_tests_name("cancellation", tests, NULL, NULL);
}
