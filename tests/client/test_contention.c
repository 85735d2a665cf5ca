/*
 * test_contention.c: many who all want the same stream; nobody starves.
 *
 * Each worker withdraws from one account again and again. A command that has lost `lock_after`
 * races locks the stream before it reads it, and then cannot lose: so no command needs more than
 * one try more, whatever the others do. And its connection learns from that: the next commands lock
 * from the first try on, but for one now and then.
 */
#include <pthread.h>

#include "server.h"

enum { WORKERS = 32, COMMANDS = 20, LOCK_AFTER = 3, PERIOD = 16 };

struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    transfer_streams streams;
    int succeeded;
    int most_attempts;
    int most_conflicts;
    int locked; /* commands that had to lock after they had lost */
    int conflicts;
};

static ec_status withdraw(ec_context *context)
{
    return ec_record(context, transfer_from_account_slot, 0, "MoneyWithdrawn", "{s:I}", "amount",
                     1LL);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct transfer command = {.decide = withdraw};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_connection *connection;
    ec_outcome *outcome = NULL;
    ec_status status = ec_connect(&connection, NULL, NULL);

    options.lock_after = LOCK_AFTER;
    pthread_barrier_wait(worker->start);
    for (int i = 0; i < COMMANDS && status == EC_OK; i++) {
        status = transfer_execute_with(connection, &worker->streams, &command, &options, &outcome);
        if (status != EC_OK)
            break;
        worker->succeeded++;
        if (ec_outcome_attempts(outcome) > worker->most_attempts)
            worker->most_attempts = ec_outcome_attempts(outcome);
        if (ec_outcome_conflicts(outcome) > worker->most_conflicts)
            worker->most_conflicts = ec_outcome_conflicts(outcome);
        worker->conflicts += ec_outcome_conflicts(outcome);
        worker->locked += ec_outcome_conflicts(outcome) == LOCK_AFTER;
    }
    if (status != EC_OK)
        print_error("%s: %s\n", ec_status_name(status), ec_error_message(connection));
    ec_outcome_free(outcome);
    ec_close(connection);
    return NULL;
}

static void test_nobody_starves(void **state)
{
    struct server *s = *state;
    struct worker workers[WORKERS];
    pthread_barrier_t start;
    int locked = 0;

    pthread_barrier_init(&start, NULL, WORKERS);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.start = &start, .streams = s->streams};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_barrier_destroy(&start);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(workers[i].succeeded, COMMANDS);
        assert_in_range(workers[i].most_conflicts, 0, LOCK_AFTER);
        assert_in_range(workers[i].most_attempts, 1, LOCK_AFTER + 1);
        assert_in_range(workers[i].conflicts, 0, LOCK_AFTER + COMMANDS / PERIOD);
        locked += workers[i].locked;
    }
    assert_true(locked > 0); /* else it was no contention, and nothing is proven */
    assert_int_equal(version_of(s->sql, s->a), 1 + WORKERS * COMMANDS);
    assert_int_equal(balance_of(s->sql, s->a), 100 - WORKERS * COMMANDS);
}

/* ------------------------------------------------------------------ what a connection learns */

static ec_status write_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

struct watching {
    struct server *server;
    ec_connection *connection;
    bool locked;
};

static void watch(void *argument)
{
    struct watching *watching = argument;

    watching->locked = run_sql(watching->server->sql,
                               "SELECT count(*) FROM pg_locks"
                               " WHERE pid = %d AND locktype = 'advisory'",
                               backend_of(watching->connection)) > 0;
}

/* Whether a command that meets nobody is locked in its first try. */
static bool is_locked(struct server *s, ec_connection *connection, int lock_after)
{
    struct watching watching = {.server = s, .connection = connection};
    struct transfer command = {
        .handled = &s->handled, .interfere = watch, .argument = &watching, .decide = write_nothing};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    s->handled = 0;
    options.lock_after = lock_after;
    assert_ok(connection,
              transfer_execute_with(connection, &s->streams, &command, &options, &s->outcome));
    assert_int_equal(s->handled, 1);
    return watching.locked;
}

struct losing {
    struct server *server;
    int left;
};

static void lose(void *argument)
{
    struct losing *losing = argument;

    if (losing->left-- > 0) {
        losing->server->handled = 0; /* so that the next one is interfered with too */
        deposit(losing->server->sql, losing->server->a, 1);
    }
}

/* Lose so many races, and then none; the number of attempts. */
static int lose_races(struct server *s, int count)
{
    struct losing losing = {.server = s, .left = count};
    struct transfer command = {
        .amount = 1, .handled = &s->handled, .interfere = lose, .argument = &losing};

    s->handled = 0;
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_true(losing.left < 0);
    return ec_outcome_attempts(s->outcome);
}

static void test_a_connection_learns(void **state)
{
    struct server *s = *state;
    ec_command other = {.definition = &transfer_definition,
                        .streams = &s->streams,
                        .command = &(struct transfer){.amount = 1}};
    int count = 0;

    assert_false(is_locked(s, s->connection, LOCK_AFTER));
    assert_int_equal(lose_races(s, LOCK_AFTER), LOCK_AFTER + 1);
    assert_true(is_locked(s, s->connection, LOCK_AFTER));
    assert_false(is_locked(s, s->connection, -1));
    assert_false(is_locked(s, s->connection, LOCK_AFTER + 1));
    assert_false(is_locked(s, s->other, LOCK_AFTER));
    while (is_locked(s, s->connection, LOCK_AFTER))
        count++;
    assert_int_equal(count, PERIOD - 1 - 3);
    assert_int_equal(lose_races(s, 1), 2); /* the second try is locked, and so are the next */
    assert_true(is_locked(s, s->connection, LOCK_AFTER));

    /* In a batch, and in a pipeline, it would have to be alone for that. */
    assert_ok(s->connection, ec_execute_batch(s->connection, &other, 1, NULL));
    assert_ok(s->connection, ec_execute_pipelined(s->connection, &other, 1, NULL));
    assert_true(is_locked(s, s->connection, LOCK_AFTER));
    ec_outcome_free(other.outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SERVER_TEST(test_nobody_starves),
                                       SERVER_TEST(test_a_connection_learns)};

    return cmocka_run_group_tests_name("contention", tests, NULL, NULL);
}
