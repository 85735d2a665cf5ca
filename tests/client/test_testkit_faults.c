/* test_testkit_faults.c: commands in memory, when something goes wrong: each is done at most once.
 */
#include "kit.h"

static void test_lost_reply(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    ec_test_fail(k->test, EC_TEST_APPEND, EC_FAULT_REPLY_LOST);
    WHEN(k);
    then_transferred(k, 2, 0);
    assert_int_equal(k->handled, 1);
}

static void test_lost_append(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    ec_test_fail(k->test, EC_TEST_APPEND, EC_FAULT_LOST);
    ec_test_fail(k->test, EC_TEST_APPEND, EC_FAULT_LOST);
    WHEN(k);
    then_transferred(k, 3, 0);
    assert_int_equal(k->handled, 1);
}

/* Whether the first try was done decides what somebody else's event in between means. */
static void test_meanwhile_in_doubt(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    ec_test_fail(k->test, EC_TEST_APPEND, EC_FAULT_REPLY_LOST);
    EC_MEANWHILE(k->test, WITHDRAWN("a", 70));
    WHEN(k);
    then_transferred(k, 2, 0);

    EC_GIVEN(k->test, DEPOSITED("a", 100));
    ec_test_fail(k->test, EC_TEST_APPEND, EC_FAULT_LOST);
    EC_MEANWHILE(k->test, WITHDRAWN("a", 71));
    WHEN(k);
    EC_THEN_REJECTED(k->test, EC_REJECTED, "insufficient_funds");
    EC_THEN_TRIED(k->test, 3, 1);
    assert_passed(k);
}

static void test_in_doubt(void **state)
{
    static const struct {
        ec_test_fault fault;
        ec_status status;
        size_t written;
    } cases[] = {{EC_FAULT_LOST, EC_CONNECTION_LOST, 0},
                 {EC_FAULT_REPLY_LOST, EC_CONNECTION_LOST, 2},
                 {EC_FAULT_LATE, EC_TIMEOUT, 0},
                 {EC_FAULT_REPLY_LATE, EC_TIMEOUT, 2}};
    struct kit *k = *state;

    EC_GIVEN(k->test, DEPOSITED("a", 1000));
    k->options.max_attempts = 1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_test_fail(k->test, EC_TEST_APPEND, cases[i].fault);
        WHEN(k);
        EC_THEN_FAILED(k->test, cases[i].status);
        assert_true(ec_outcome_in_doubt(ec_test_outcome(k->test)));
        assert_int_equal(ec_events_count(ec_test_written(k->test)), cases[i].written);
    }
    assert_passed(k);
}

static void test_failed_read(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    ec_test_fail(k->test, EC_TEST_READ, EC_FAULT_LOST);
    ec_test_fail_with(k->test, EC_TEST_READ, "40001");
    ec_test_fail(k->test, EC_TEST_READ, EC_FAULT_REPLY_LOST);
    WHEN(k);
    then_transferred(k, 4, 0);
    ec_test_fail(k->test, EC_TEST_READ, EC_FAULT_LATE);
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_TIMEOUT);
    EC_THEN_TRIED(k->test, 1, 0);
    assert_false(ec_outcome_in_doubt(ec_test_outcome(k->test)));
    assert_passed(k);
}

static void test_server_errors(void **state)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    static const struct {
        const char *sqlstate;
        ec_status status; /* EC_OK: tried again */
    } cases[] = {{"40001", EC_OK},           {"40P01", EC_OK},
                 {"53200", EC_OK},           {"23505", EC_SERVER_ERROR},
                 {"42501", EC_SERVER_ERROR}, {"VE006", EC_DUPLICATE_EVENT_ID}};
    struct kit *k = *state;

    EC_GIVEN(k->test, DEPOSITED("a", 1000));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(ec_test_fail_with(k->test, EC_TEST_APPEND, cases[i].sqlstate));
        assert_int_equal(WHEN(k), cases[i].status);
        if (cases[i].status == EC_OK)
            EC_THEN(k->test, WITHDRAWN("a", 30), DEPOSITED("b", 30));
        else
            EC_THEN_FAILED(k->test, cases[i].status);
        EC_THEN_TRIED(k->test, cases[i].status == EC_OK ? 2 : 1, 0);
        assert_passed(k);
    }
    /* A server that goes away may have done it. */
    options.max_attempts = 1;
    ec_test_fail_with(k->test, EC_TEST_APPEND, "57P01");
    EC_WHEN_WITH(k->test, &options, transfer, &k->streams, &k->command);
    EC_THEN_FAILED(k->test, EC_CONNECTION_LOST);
    assert_true(ec_outcome_in_doubt(ec_test_outcome(k->test)));
    assert_passed(k);
    assert_false(ec_test_fail_with(k->test, EC_TEST_APPEND, "4000"));
    assert_false(ec_test_fail_with(k->test, EC_TEST_APPEND, "40p01"));
    assert_false(ec_test_fail_with(k->test, EC_TEST_APPEND, "00000"));
    assert_false(ec_test_fail_with(k->test, EC_TEST_APPEND, NULL));
}

static void test_deadline(void **state)
{
    struct kit *k = *state;
    int64_t paused = 0;

    GIVEN_100(k);
    k->options.max_attempts = 1000000;
    k->options.backoff_base_ms = k->options.backoff_cap_ms = 100;
    k->options.deadline_ms = 2000;
    ec_test_conflict(k->test, 1000);
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_TIMEOUT);
    assert_in_range(ec_outcome_attempts(ec_test_outcome(k->test)), 20, 999);
    for (size_t i = 0; i < ec_test_pause_count(k->test); i++)
        paused += ec_test_pause_us(k->test, i);
    assert_in_range(paused, 1900000, 2000000);
    assert_passed(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lost_reply), TEST(test_lost_append), TEST(test_meanwhile_in_doubt),
        TEST(test_in_doubt),   TEST(test_failed_read), TEST(test_server_errors),
        TEST(test_deadline)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
