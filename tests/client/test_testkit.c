/* test_testkit.c: commands tested in memory. */
#include "graph.h"
#include "kit.h"

/* ------------------------------------------------------------------ given, when, then */

static void test_success(void **state)
{
    struct kit *k = *state;
    const ec_events *written;

    GIVEN_100(k);
    assert_int_equal(EC_WHEN(k->test, transfer, &k->streams, &k->command), EC_OK);
    then_transferred(k, 1, 0);
    EC_THEN_VERSION(k->test, "a", 2);
    EC_THEN_VERSION(k->test, "limits", 0);
    assert_passed(k);

    written = ec_test_written(k->test);
    assert_int_equal(ec_events_count(written), 2);
    assert_int_equal(ec_event_version(ec_events_at(written, 0)), 2);
    assert_int_equal(ec_event_position(ec_events_at(written, 1)), 3);
    assert_memory_equal(ec_event_id(ec_events_at(written, 0)),
                        ec_event_id(ec_outcome_event(ec_test_outcome(k->test), 0)),
                        sizeof(ec_uuid));
    assert_true(ec_event_recorded_at(ec_events_at(written, 0)) > INT64_C(1600000000000000));
}

static void test_next_command_sees_the_last(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    WHEN(k);
    WHEN(k);
    EC_THEN(k->test, WITHDRAWN("a", 30), DEPOSITED("b", 30));
    EC_THEN_VERSION(k->test, "b", 2);
    WHEN(k);
    EC_GIVEN(k->test, DEPOSITED("a", 10)); /* is nothing that the command wrote */
    EC_THEN(k->test, WITHDRAWN("a", 30), DEPOSITED("b", 30));
    k->command.amount = 21;
    WHEN(k);
    EC_THEN_REJECTED(k->test, EC_REJECTED, "insufficient_funds");
    assert_string_equal(ec_outcome_rejection_message(ec_test_outcome(k->test)),
                        "balance 20, requested 21");
    k->command.amount = 20;
    WHEN(k);
    EC_THEN(k->test, WITHDRAWN("a", 20), DEPOSITED("b", 20));
    assert_passed(k);
}

static ec_status forbid(ec_context *context)
{
    return ec_reject(context, EC_FORBIDDEN, "not_the_owner", "it is not yours");
}

static void test_rejections(void **state)
{
    struct kit *k = *state;

    EC_GIVEN(k->test, DEPOSITED("a", 100),
             EC_EVENT(k->test, "limits", "LimitSet", "{s:i}", "amount", 29));
    WHEN(k);
    EC_THEN_REJECTED(k->test, EC_REJECTED, "above_limit");
    k->command.decide = forbid;
    WHEN(k);
    EC_THEN_REJECTED(k->test, EC_FORBIDDEN, "not_the_owner");
    EC_THEN_TRIED(k->test, 1, 0);
    assert_passed(k);
}

static ec_status do_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

static void test_unchanged(void **state)
{
    struct kit *k = *state;

    k->command.decide = do_nothing;
    WHEN(k);
    EC_THEN_UNCHANGED(k->test);
    k->options.verify = true;
    WHEN(k);
    EC_THEN_UNCHANGED(k->test);
    EC_THEN_TRIED(k->test, 1, 0);
    ec_test_conflict(k->test, 1);
    WHEN(k);
    EC_THEN_TRIED(k->test, 2, 1);
    assert_passed(k);
}

static ec_status write_undeclared(ec_context *context)
{
    return ec_record(context, transfer_limits_slot, 0, "LimitSet", NULL);
}

static ec_status write_bad_json(ec_context *context)
{
    ec_new_event event = {.type = "MoneyDeposited", .data = "{"};

    return ec_write(context, transfer_to_account_slot, 0, &event);
}

static void test_failures(void **state)
{
    struct kit *k = *state;

    EC_GIVEN(k->test, EC_EVENT(k->test, "a", "AccountClosed", NULL));
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_UNKNOWN_EVENT);
    k->streams.from_account = NULL;
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_UNBOUND_STREAM);
    k->streams.from_account = "c ";
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_INVALID_STREAM_ID);
    k->streams.from_account = "c";
    k->command.decide = write_undeclared;
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_UNDECLARED_STREAM);
    k->command.decide = write_bad_json;
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_SERVER_ERROR);
    k->options.struct_size = 0;
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_INVALID_ARGUMENT);
    assert_int_equal(ec_test_execute(k->test, (ec_command){NULL, NULL, NULL, EC_OK, NULL}, NULL),
                     EC_INVALID_ARGUMENT);
    EC_THEN_FAILED(k->test, EC_INVALID_ARGUMENT);
    assert_passed(k);
}

static void test_lists_and_payloads(void **state)
{
    struct kit *k = *state;
    const char *products[] = {"p-1", "p-2"}, *catalogue[] = {"p-2", "c"};
    restock_streams streams = {"ledger", {products, 2}, {catalogue, 2}};
    struct restock restock = {.product_count = 2};

    EC_GIVEN(k->test, {"p-2", {.type = "Restocked", .payload = "\0\1", .payload_size = 2}},
             {"c", {.type = "OfAnotherKind", .metadata = "{\"user_id\": \"u\"}"}},
             EC_EVENT(k->test, "c", "Restocked", NULL));
    EC_WHEN(k->test, restock, &streams, &restock);
    EC_THEN(k->test,
            {"p-1", {.type = "Restocked", .data = "{\"listed\":1, \"index\": 0, \"quantity\":0}"}},
            EC_EVENT(k->test, "p-2", "Restocked", "{s:f, s:i, s:i}", "index", 1.0, "quantity", 1,
                     "listed", 1));
    assert_passed(k);
}

/* ------------------------------------------------------------------ conflicts */

static void test_conflicts(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    ec_test_conflict(k->test, 3);
    WHEN(k);
    then_transferred(k, 4, 3);
    assert_int_equal(k->handled, 4);
    assert_int_equal(ec_test_pause_count(k->test), 3);
    for (size_t i = 0; i < 3; i++)
        assert_in_range(ec_test_pause_us(k->test, i), 0, 1000 << i);
    assert_int_equal(ec_test_pause_us(k->test, 3), -1);
    assert_int_equal(ec_outcome_violation_count(ec_test_outcome(k->test)), 1);
}

static void test_attempts_are_used_up(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    ec_test_conflict(k->test, 100);
    k->options.max_attempts = 20; /* more pauses than there is room for at first */
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_VERSION_CONFLICT);
    EC_THEN_TRIED(k->test, 20, 20);
    assert_int_equal(ec_test_pause_count(k->test), 19);
    WHEN(k); /* what was left is forgotten */
    then_transferred(k, 1, 0);
    assert_int_equal(ec_test_pause_count(k->test), 0);
}

static void test_meanwhile(void **state)
{
    struct kit *k = *state;
    const ec_violation *violation;

    GIVEN_100(k);
    EC_MEANWHILE(k->test, WITHDRAWN("a", 10), DEPOSITED("elsewhere", 10));
    EC_MEANWHILE(k->test, DEPOSITED("elsewhere", 10));
    WHEN(k);
    then_transferred(k, 2, 1);
    EC_THEN_VERSION(k->test, "a", 3);
    EC_THEN_VERSION(k->test, "elsewhere", 2);
    violation = ec_outcome_violation(ec_test_outcome(k->test), 0);
    assert_string_equal(violation->stream_id, "a");
    assert_int_equal(violation->expected, 1);
    assert_int_equal(violation->actual, 2);

    /* The balance is 60. The one lost race changes the decision. */
    EC_MEANWHILE(k->test, WITHDRAWN("a", 20));
    EC_MEANWHILE(k->test, WITHDRAWN("a", 20));
    WHEN(k);
    EC_THEN_REJECTED(k->test, EC_REJECTED, "insufficient_funds");
    EC_THEN_TRIED(k->test, 3, 2);
    assert_passed(k);
}

static void test_conflict_at_a_stream_only_read(void **state)
{
    struct kit *k = *state;

    GIVEN_100(k);
    EC_MEANWHILE(k->test, EC_EVENT(k->test, "limits", "LimitSet", "{s:i}", "amount", 1));
    WHEN(k);
    EC_THEN_REJECTED(k->test, EC_REJECTED, "above_limit");
    EC_THEN_TRIED(k->test, 2, 1);
    assert_passed(k);
}

/* ------------------------------------------------------------------ discovery, cancellation */

static void link_to_c(void *argument)
{
    struct kit *k = argument;

    EC_GIVEN(k->test, EC_EVENT(k->test, "a", "Linked", "{s:s}", "to", "c"));
}

/* Each round reads what it does not know, as of its own instant. */
static void test_discovery(void **state)
{
    struct kit *k = *state;
    visit_streams streams = {.root = "root", .visited = EC_NO_IDS, .peeked = EC_NO_IDS};
    struct visit visit = {.interfere = link_to_c, .argument = k};

    EC_GIVEN(k->test, EC_EVENT(k->test, "c", "Marked", NULL),
             EC_EVENT(k->test, "root", "Linked", "{s:s}", "to", "a"));
    EC_WHEN(k->test, visit, &streams, &visit);
    EC_THEN(k->test, EC_EVENT(k->test, "a", "Visited", "{s:i, s:i}", "place", 0, "version", 1),
            EC_EVENT(k->test, "c", "Visited", "{s:i, s:i}", "place", 1, "version", 1));
    EC_THEN_TRIED(k->test, 1, 0);
    assert_passed(k);
    assert_int_equal(visit.resolved, 3);
    assert_string_equal(visit.order, "cra");

    EC_MEANWHILE(k->test, EC_EVENT(k->test, "c", "Marked", NULL));
    EC_WHEN(k->test, visit, &streams, &visit);
    EC_THEN_TRIED(k->test, 2, 1);
    EC_THEN_VERSION(k->test, "c", 4);
    assert_passed(k);
}

static void cancel_it(void *argument)
{
    ec_cancel(argument);
}

static void test_cancellation(void **state)
{
    struct kit *k = *state;
    ec_cancellation *cancellation;

    assert_int_equal(ec_cancellation_new(&cancellation), EC_OK);
    k->options.cancellation = cancellation;
    k->command.interfere = cancel_it;
    k->command.argument = cancellation;
    GIVEN_100(k);
    ec_test_conflict(k->test, 1);
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_CANCELLED);
    EC_THEN_TRIED(k->test, 1, 0);
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_CANCELLED);
    ec_cancellation_free(cancellation);
    assert_int_equal(k->handled, 1);
    assert_passed(k);
}

/* In memory there is nothing to lock: a command that would be locked is tried as before. */
static void test_never_locked(void **state)
{
    struct kit *k = *state;

    k->options.lock_after = 0;
    GIVEN_100(k);
    ec_test_conflict(k->test, 2);
    WHEN(k);
    then_transferred(k, 3, 2);
}

static bool give_up_after_two(void *argument, const ec_failed_attempt *attempt)
{
    (void)argument;
    return attempt->attempts < 2;
}

static void test_retry_policy(void **state)
{
    struct kit *k = *state;

    k->options.retry = give_up_after_two;
    k->options.jitter_percent = 0;
    k->options.backoff_base_ms = 7;
    GIVEN_100(k);
    ec_test_conflict(k->test, 5);
    WHEN(k);
    EC_THEN_FAILED(k->test, EC_VERSION_CONFLICT);
    EC_THEN_TRIED(k->test, 2, 2);
    assert_int_equal(ec_test_pause_count(k->test), 1);
    assert_int_equal(ec_test_pause_us(k->test, 0), 7000);
    assert_passed(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_success),      TEST(test_next_command_sees_the_last),
        TEST(test_rejections),   TEST(test_unchanged),
        TEST(test_failures),     TEST(test_lists_and_payloads),
        TEST(test_conflicts),    TEST(test_attempts_are_used_up),
        TEST(test_meanwhile),    TEST(test_conflict_at_a_stream_only_read),
        TEST(test_discovery),    TEST(test_cancellation),
        TEST(test_never_locked), TEST(test_retry_policy)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
