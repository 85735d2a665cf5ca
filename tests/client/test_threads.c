/* test_threads.c: threads with a connection each share nothing; run with SANITIZE=thread. */
#include <pthread.h>

#include "server.h"

enum { THREADS = 4, TRANSFERS = 25 };

struct worker {
    pthread_t thread;
    transfer_streams streams;
    int transferred;
    int failed;
};

static void *work(void *argument)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    struct worker *worker = argument;
    struct transfer command = {.amount = 1};
    ec_connection *connection;
    ec_outcome *outcome = NULL;

    options.max_attempts = 1000;
    if (ec_connect(&connection, NULL, NULL) != EC_OK)
        worker->failed++;
    for (int i = 0; i < TRANSFERS && worker->failed == 0; i++) {
        if (transfer_execute_with(connection, &worker->streams, &command, &options, &outcome) ==
            EC_OK)
            worker->transferred++;
        else
            worker->failed++;
    }
    ec_outcome_free(outcome);
    ec_close(connection);
    return NULL;
}

/* Half of the threads transfer one way, half the other: all on the same two accounts. */
static void test_threads(void **state)
{
    struct server *s = *state;
    transfer_streams back = {.from_account = s->b, .to_account = s->a, .limits = s->limits};
    struct worker workers[THREADS];

    deposit(s->sql, s->b, 100);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.streams = i % 2 == 0 ? s->streams : back};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failed, 0);
        assert_int_equal(workers[i].transferred, TRANSFERS);
    }
    assert_int_equal(balance_of(s->sql, s->a), 100);
    assert_int_equal(balance_of(s->sql, s->b), 100);
    assert_int_equal(version_of(s->sql, s->a), 1 + THREADS * TRANSFERS);
    assert_int_equal(version_of(s->sql, s->b), 1 + THREADS * TRANSFERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SERVER_TEST(test_threads)};

    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
