/* test_counters.c: the counters, and what they print for Prometheus. */
#include <pthread.h>

#include "exposition.h"
#include "server.h"

static char *print(const ec_counters *counters)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    assert_non_null(file);
    assert_int_equal(ec_counters_print(counters, file), EC_OK);
    fclose(file);
    check_exposition(text);
    return text;
}

enum { THREADS = 4, COMMANDS = 25 };

struct worker {
    struct server *server;
    ec_counters *counters;
    int rejected;
    int conflicts;
    int attempts;
};

/* Every fifth command is rejected; all write to the same two streams. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    const ec_hooks hooks = ec_counters_hooks(worker->counters);
    ec_connection *connection;
    ec_outcome *outcome = NULL;

    assert_int_equal(ec_connect(&connection, NULL, NULL), EC_OK);
    assert_int_equal(ec_set_hooks(connection, &hooks), EC_OK);
    for (int i = 0; i < COMMANDS; i++) {
        struct transfer command = {.amount = i % 5 == 0 ? 1000 : 1};
        ec_status status =
            transfer_execute(connection, &worker->server->streams, &command, &outcome);

        worker->rejected += status == EC_REJECTED;
        worker->conflicts += ec_outcome_conflicts(outcome);
        worker->attempts += ec_outcome_attempts(outcome);
    }
    ec_outcome_free(outcome);
    ec_close(connection);
    return NULL;
}

static void test_counters(void **state)
{
    struct server *s = *state;
    ec_counters *counters;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    int conflicts = 0, attempts = 0;
    char *text;

    assert_int_equal(ec_counters_new(&counters), EC_OK);
    free(print(counters)); /* with nothing in it */
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.server = s, .counters = counters};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 20; i++)
        free(print(counters)); /* while they count */
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].rejected, COMMANDS / 5);
        conflicts += workers[i].conflicts;
        attempts += workers[i].attempts;
    }
    text = print(counters);
#define OF_TRANSFER(metric) (int)sample(text, "eventcore_" metric "{command=\"transfer\"}")
    assert_int_equal(sample(text, "eventcore_commands_total{command=\"transfer\",result=\"ok\"}"),
                     THREADS * COMMANDS * 4 / 5);
    assert_int_equal(
        sample(text, "eventcore_commands_total{command=\"transfer\",result=\"rejected\"}"),
        THREADS * COMMANDS / 5);
    assert_int_equal(OF_TRANSFER("attempts_total"), attempts);
    assert_int_equal(OF_TRANSFER("conflicts_total"), conflicts);
    assert_int_equal(OF_TRANSFER("retries_total"), attempts - THREADS * COMMANDS);
    assert_int_equal(OF_TRANSFER("events_written_total"), THREADS * COMMANDS * 4 / 5 * 2);
    assert_true(OF_TRANSFER("locked_attempts_total") <= attempts);
    assert_int_equal(histogram(text, "transfer"), THREADS * COMMANDS);
    free(text);
    ec_counters_free(counters);
}

static void tell(ec_counters *counters, const char *command, int64_t total_us, ec_status status)
{
    const ec_hooks hooks = ec_counters_hooks(counters);
    const ec_hook_info info = {.command = command, .status = status, .total_us = total_us};

    hooks.on_attempt(hooks.argument, &info);
    hooks.on_finish(hooks.argument, &info);
}

enum { ROUNDS = 30, NAMES = 40, TIMES = 100 };

struct counting {
    ec_counters *counters;
    pthread_barrier_t *start;
};

static void *count(void *argument)
{
    const struct counting *counting = argument;
    char name[20];

    pthread_barrier_wait(counting->start);
    for (int i = 0; i < NAMES * TIMES; i++) {
        snprintf(name, sizeof name, "many-%d", i / TIMES);
        tell(counting->counters, name, 1, EC_OK);
    }
    return NULL;
}

/* All threads meet new names at the same time, and count them together. */
static void test_counting_at_once(void **state)
{
    pthread_barrier_t start;
    pthread_t threads[THREADS];

    (void)state;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int round = 0; round < ROUNDS; round++) {
        struct counting counting = {.start = &start};
        char *text, metric[100];

        assert_int_equal(ec_counters_new(&counting.counters), EC_OK);
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, count, &counting), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        text = print(counting.counters);
        for (int i = 0; i < NAMES; i++) {
            snprintf(metric, sizeof metric, "eventcore_attempts_total{command=\"many-%d\"}", i);
            assert_int_equal(sample(text, metric), THREADS * TIMES);
        }
        free(text);
        ec_counters_free(counting.counters);
    }
    pthread_barrier_destroy(&start);
}

/* Names are data, bounds are inclusive, and what a callback returns may be no status. */
static void test_exposition(void **state)
{
    ec_counters *counters;
    char *text, name[20];

    (void)state;
    assert_int_equal(ec_counters_new(&counters), EC_OK);
    tell(counters, "a\"b\\c\nd", 1000, EC_OK);
    tell(counters, "a\"b\\c\nd", 1001, (ec_status)12345);
    tell(counters, "slow", INT64_C(3600000000), EC_TIMEOUT);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        tell(counters, name, 0, EC_OK);
    }
    text = print(counters);
#define ODD "command=\"a\\\"b\\\\c\\nd\""
    assert_int_equal(sample(text, "eventcore_commands_total{" ODD ",result=\"ok\"}"), 1);
    assert_int_equal(sample(text, "eventcore_commands_total{" ODD ",result=\"failed\"}"), 1);
    assert_int_equal(
        sample(text, "eventcore_command_duration_seconds_bucket{" ODD ",le=\"0.001\"}"), 1);
    assert_int_equal(
        sample(text, "eventcore_command_duration_seconds_bucket{" ODD ",le=\"0.0025\"}"), 2);
    assert_true(sample(text, "eventcore_command_duration_seconds_sum{" ODD "}") == 0.002001);
    assert_int_equal(
        sample(text, "eventcore_command_duration_seconds_bucket{command=\"slow\",le=\"10\"}"), 0);
    assert_int_equal(histogram(text, "slow"), 1);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "many-%d", i);
        assert_int_equal(histogram(text, name), 1);
    }
    free(text);
    ec_counters_free(counters);
    ec_counters_free(NULL);
}

static void test_printing_fails(void **state)
{
    FILE *full = fopen("/dev/full", "w");
    ec_counters *counters;

    (void)state;
    if (full == NULL)
        skip();
    assert_int_equal(ec_counters_new(&counters), EC_OK);
    assert_int_equal(ec_counters_print(counters, full), EC_FAILED);
    ec_counters_free(counters);
    fclose(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_counters),
        cmocka_unit_test(test_counting_at_once),
        cmocka_unit_test(test_exposition),
        cmocka_unit_test(test_printing_fails),
    };

    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
