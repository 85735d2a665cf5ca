/*
 * test_contention.c: many who all want the same stream; nobody starves.
 *
 * Each worker withdraws from one account again and again. A command that has lost `lock_after`
 * races locks the stream before it reads it, and then cannot lose: so no command needs more than
 * one try more, whatever the others do.
 */
#include <pthread.h>

#include "server.h"

enum { WORKERS = 32, COMMANDS = 20, LOCK_AFTER = 3 };

struct worker {
    pthread_t thread;
    pthread_barrier_t *start;
    transfer_streams streams;
    int succeeded;
    int most_attempts;
    int most_conflicts;
    int locked; /* commands that had to lock */
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
        locked += workers[i].locked;
    }
    assert_true(locked > 0); /* else it was no contention, and nothing is proven */
    assert_int_equal(version_of(s->sql, s->a), 1 + WORKERS * COMMANDS);
    assert_int_equal(balance_of(s->sql, s->a), 100 - WORKERS * COMMANDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SERVER_TEST(test_nobody_starves)};

    return cmocka_run_group_tests_name("contention", tests, NULL, NULL);
}
