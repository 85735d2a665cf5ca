/* test_testkit_checks.c: what the checks of the test kit do not let through, and what they say. */
#include "kit.h"

static void test_other_events(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    WHEN(k);
    EC_THEN(k->test, WITHDRAWN("a", 30), DEPOSITED("b", 31));
    assert_int_equal(k->line, __LINE__ - 1);
    assert_told(k, "transfer: 2 events written, not the expected 2 in content and order:\n"
                   "  1. as expected: a MoneyWithdrawn {\"amount\":30}\n"
                   "  2. other data\n"
                   "     expected: b MoneyDeposited {\"amount\":31}\n"
                   "     found:    b MoneyDeposited {\"amount\":30}");
    EC_THEN(k->test, WITHDRAWN("a", 30));
    assert_told(k, "transfer: 2 events written, not the expected 1 in content and order:\n"
                   "  1. as expected: a MoneyWithdrawn {\"amount\":30}\n"
                   "  2. nothing more was expected\n"
                   "     expected: nothing\n"
                   "     found:    b MoneyDeposited {\"amount\":30}");
    EC_THEN(k->test, WITHDRAWN("a", 30), DEPOSITED("b", 30), DEPOSITED("c", 1));
    assert_told(k, "transfer: 2 events written, not the expected 3 in content and order:\n"
                   "  1. as expected: a MoneyWithdrawn {\"amount\":30}\n"
                   "  2. as expected: b MoneyDeposited {\"amount\":30}\n"
                   "  3. it is missing\n"
                   "     expected: c MoneyDeposited {\"amount\":1}\n"
                   "     found:    nothing");
    EC_THEN(k->test, DEPOSITED("b", 30), WITHDRAWN("a", 30)); /* in the wrong order */
    assert_told(k, "transfer: 2 events written, not the expected 2 in content and order:\n"
                   "  1. another stream\n"
                   "     expected: b MoneyDeposited {\"amount\":30}\n"
                   "     found:    a MoneyWithdrawn {\"amount\":30}\n"
                   "  2. another stream\n"
                   "     expected: a MoneyWithdrawn {\"amount\":30}\n"
                   "     found:    b MoneyDeposited {\"amount\":30}");
    EC_THEN(k->test, WITHDRAWN("a", 30), WITHDRAWN("b", 30));
    assert_non_null(strstr(k->message, "2. another type"));
    EC_THEN_UNCHANGED(k->test);
    assert_non_null(strstr(k->message, "2 events written, not the expected 0"));
    EC_THEN(k->test, {NULL, {.type = NULL}}, {"b", {.type = "MoneyDeposited", .payload = "x"}});
    assert_non_null(strstr(k->message, "1. the expected event has no stream or no type"));
    assert_non_null(strstr(k->message, "2. other data"));
    EC_THEN(k->test, WITHDRAWN("a", 30),
            {"b", {.type = "MoneyDeposited", .data = "{\"amount\": 30}", .metadata = "{}"}});
    assert_non_null(strstr(k->message, "2. other metadata"));
    EC_THEN(
        k->test,
        {"a", {.type = "MoneyWithdrawn", .data = "{\"amount\": 30}", .event_id = &(ec_uuid){{1}}}},
        DEPOSITED("b", 30));
    assert_non_null(strstr(k->message, "1. another event id"));
    assert_int_equal(ec_test_failures(k->test), 9);
}

static void test_other_results(void **state)
{
    struct kit *k = *state;

    EC_THEN_UNCHANGED(k->test);
    assert_told(k, "no command was executed before this check");
    WHEN(k);
    EC_THEN_UNCHANGED(k->test);
    assert_told(k, "transfer: expected success, found rejected: insufficient_funds: balance 0, "
                   "requested 30");
    EC_THEN_REJECTED(k->test, EC_REJECTED, "above_limit");
    assert_told(k, "transfer: expected a rejection with code \"above_limit\", found "
                   "insufficient_funds: balance 0, requested 30");
    EC_THEN_REJECTED(k->test, EC_FORBIDDEN, "insufficient_funds");
    assert_told(k, "transfer: expected forbidden, found rejected: insufficient_funds: balance 0, "
                   "requested 30");
    EC_THEN_FAILED(k->test, EC_TIMEOUT);
    assert_told(k, "transfer: expected timeout, found rejected: insufficient_funds: balance 0, "
                   "requested 30");
    EC_THEN_TRIED(k->test, 2, 1);
    assert_told(k, "transfer: expected 2 attempts with 1 conflicts, found 1 with 0");
    EC_THEN_VERSION(k->test, "a", 1);
    assert_told(k, "stream a: expected version 1, found 0");
    GIVEN_100(k);
    WHEN(k);
    EC_THEN_REJECTED(k->test, EC_REJECTED, "insufficient_funds");
    assert_told(k, "transfer: expected rejected, found ok");
    EC_THEN_FAILED(k->test, EC_OK); /* it wrote */
    assert_non_null(strstr(k->message, "not the expected 0"));
}

static void test_bad_events(void **state)
{
    struct kit *k = *state;

    EC_EVENT(k->test, "a", "T", "x");
    assert_told(
        k, "the data of event T cannot be made by format \"x\": Unexpected format character 'x'");
    EC_GIVEN(k->test, {NULL, {.type = "T"}});
    assert_told(k, "these events cannot be given: event 0 has no stream id");
    EC_GIVEN(k->test, {"a", {.type = NULL}});
    assert_told(k, "these events cannot be given: an event for stream a has no type");
    EC_GIVEN(k->test, {"a", {.type = "T"}}, {"a", {.type = ""}});
    assert_told(k, "these events cannot be given: event 2 has an empty type");
    EC_GIVEN(k->test, {"a", {.type = "T", .data = "nonsense"}});
    assert_non_null(strstr(k->message, "invalid input syntax for type json"));
    EC_MEANWHILE(k->test, {"a", {.type = "T", .data = "1", .payload = "1"}});
    assert_told(k, "these events cannot be written: event T for stream a has both data and a "
                   "payload");
    EC_THEN_VERSION(k->test, "a", 0);
    assert_null(k->message);

    EC_MEANWHILE(k->test, {"a", {.type = "T", .data = "nonsense"}});
    GIVEN_100(k);
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_SERVER_ERROR);
    assert_null(k->message);
}

/* A framework's handler leaves the test: nothing is lost. */
static void test_handler_leaves(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    WHEN(k);
    k->leaves = true;
    if (setjmp(k->leave) == 0) {
        EC_THEN_UNCHANGED(k->test);
        fail();
    }
    if (setjmp(k->leave) == 0) {
        EC_EVENT(k->test, "a", "T", "{");
        fail();
    }
    k->leaves = false;
    assert_int_equal(ec_test_failures(k->test), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_other_events), TEST(test_other_results),
                                       TEST(test_bad_events), TEST(test_handler_leaves)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
