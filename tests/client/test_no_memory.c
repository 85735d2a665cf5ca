/* Memory that runs out: in the state machine, by way of the test kit, which has no server. */
#include <eventcore/testkit.h>

#include "event.h"
#include "graph.h"
#include "no_memory.h"

static void ignore_failure(void *argument, const char *message, const char *file, int line)
{
    (void)argument, (void)message, (void)file, (void)line;
}

static const ec_metadata metadata = {.correlation_id = "correlation", .user_id = "user"};

/* What is tried in a transfer of 30 from "a", which has 100. */
struct trial {
    void (*arrange)(ec_test *test);
    ec_status (*decide)(ec_context *context);
    long long amount;
    ec_status expected;
    size_t written;
};

/* The command is done as expected, or it is not done and says why. */
static void transfer_30(void *argument)
{
    const struct trial *trial = argument;
    struct transfer command = {.amount = trial->amount, .decide = trial->decide};
    transfer_streams streams = {.from_account = "a", .to_account = "b", .limits = "limits"};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    const ec_events *written;
    const ec_outcome *outcome;
    ec_status status;
    bool failed;
    ec_test *test = ec_test_new();

    options.metadata = &metadata;
    ec_test_on_failure(test, ignore_failure, NULL);
    EC_GIVEN(test, EC_EVENT(test, "a", "MoneyDeposited", "{s:I}", "amount", 100LL));
    if (trial->arrange != NULL)
        trial->arrange(test);
    no_memory_begin();
    status = EC_WHEN_WITH(test, &options, transfer, &streams, &command);
    failed = no_memory_end();
    outcome = ec_test_outcome(test);
    written = ec_test_written(test);
    assert_survived(status == trial->expected || (failed && status == EC_NO_MEMORY));
    assert_survived(outcome != NULL || status == EC_NO_MEMORY);
    assert_survived(outcome == NULL || ec_outcome_status(outcome) == status);
    if (status == EC_OK)
        assert_survived(ec_events_count(written) == trial->written);
    else
        assert_survived(
            ec_events_count(written) == 0 ||
            (ec_outcome_in_doubt(outcome) && ec_events_count(written) == trial->written));
    if (status == EC_OK)
        assert_survived(ec_outcome_event_count(outcome) == trial->written);
    for (size_t i = 0; i < ec_events_count(written); i++) {
        const char *text = ec_event_metadata(ec_events_at(written, i));

        assert_survived(strstr(text, "correlation_id") != NULL && strstr(text, "user_id") != NULL);
    }

    /* And the next one is. */
    command = (struct transfer){.amount = 1};
    streams.to_account = "c";
    assert_survived(EC_WHEN(test, transfer, &streams, &command) == EC_OK);
    ec_test_free(test);
}

static void run(struct trial trial)
{
    if (trial.amount == 0)
        trial.amount = 30;
    no_memory_survive(transfer_30, &trial, 1);
}

static void test_transfer(void **state)
{
    (void)state;
    run((struct trial){.written = 2});
}

static void test_rejection(void **state)
{
    (void)state;
    run((struct trial){.amount = 1000, .expected = EC_REJECTED});
}

static void meet_conflict(ec_test *test)
{
    EC_MEANWHILE(test, EC_EVENT(test, "limits", "LimitSet", "{s:I}", "amount", 50LL));
}

static void test_conflict(void **state)
{
    (void)state;
    run((struct trial){.arrange = meet_conflict, .written = 2});
}

static void always_lose(ec_test *test)
{
    ec_test_conflict(test, 100);
}

static void test_giving_up(void **state)
{
    (void)state;
    run((struct trial){.arrange = always_lose, .expected = EC_VERSION_CONFLICT});
}

static void lose_reply(ec_test *test)
{
    ec_test_fail(test, EC_TEST_APPEND, EC_FAULT_REPLY_LOST);
    ec_test_fail(test, EC_TEST_READ, EC_FAULT_LOST);
    ec_test_fail_with(test, EC_TEST_READ, "40001");
}

static void test_lost_reply(void **state)
{
    (void)state;
    run((struct trial){.arrange = lose_reply, .written = 2});
}

/* Everything that a handler can do, heedless of what fails. */
static ec_status do_everything(ec_context *context)
{
    const char *large = ec_format(context, "{\"amount\": 1, \"text\": \"%08000d\"}", 0);
    ec_new_event event = {.type = "MoneyDeposited",
                          .data = large,
                          .metadata = "{\"correlation_id\": \"own\", \"more\": 1}"};

    for (int i = 0; i < 20; i++)
        ec_write(context, 0, 0, &event);
    event = (ec_new_event){.type = "MoneyDeposited", .payload = "bytes", .payload_size = 5};
    ec_write(context, 1, 0, &event);
    ec_alloc(context, 10000);
    ec_pack(context, "{s:[s,I]}", "key", "value", 1LL);
    return ec_record(context, 1, 0, "MoneyDeposited", "{s:I}", "amount", 1LL);
}

static void test_handler(void **state)
{
    (void)state;
    run((struct trial){.decide = do_everything, .written = 22});
}

/* ------------------------------------------------------------------ discovering */

enum { DISCOVERED = 20 };

/* Discovers streams and looks at them, heedless of what fails. */
static ec_status discover_heedlessly(ec_context *context)
{
    for (int i = 0; i < DISCOVERED; i++) {
        const char *id = ec_format(context, "stream-%d", i);
        size_t index = 0;

        ec_discover(context, visit_visited.slot, id, &index);
        ec_stream_find(context, visit_visited.slot, "stream-0", &index);
        ec_stream_id(context, visit_visited.slot, index);
        ec_stream_version(context, visit_visited.slot, index);
    }
    for (size_t i = 0; i < ec_stream_count(context, visit_visited.slot); i++)
        assert_survived(ec_stream_id(context, visit_visited.slot, i) != NULL);
    return EC_OK;
}

static void visit_streams_found(void *argument)
{
    struct visit command = {.resolve = discover_heedlessly};
    visit_streams streams = {.root = "root", .visited = EC_NO_IDS, .peeked = EC_NO_IDS};
    ec_test *test = ec_test_new();
    ec_status status;
    bool failed;

    (void)argument;
    ec_test_on_failure(test, ignore_failure, NULL);
    EC_GIVEN(test, EC_EVENT(test, "root", "Marked", NULL),
             EC_EVENT(test, "stream-3", "Marked", NULL));
    no_memory_begin();
    status = EC_WHEN(test, visit, &streams, &command);
    failed = no_memory_end();
    assert_survived(status == EC_OK || (failed && status == EC_NO_MEMORY));
    assert_survived(
        ec_events_count(ec_test_written(test)) ==
        (status == EC_OK || ec_outcome_in_doubt(ec_test_outcome(test)) ? DISCOVERED : 0));
    ec_test_free(test);
}

static void test_discovery(void **state)
{
    (void)state;
    no_memory_survive(visit_streams_found, NULL, 1);
}

/* ------------------------------------------------------------------ the test kit */

/* A check that says that it holds is right; one that fails is counted. */
static void test_something(void *argument)
{
    struct transfer command = {.amount = 30};
    transfer_streams streams = {.from_account = "a", .to_account = "b", .limits = "limits"};
    ec_test *test;
    size_t failures;
    bool failed;

    (void)argument;
    no_memory_begin();
    test = ec_test_new();
    if (test != NULL) {
        ec_test_on_failure(test, ignore_failure, NULL);
        EC_GIVEN(test, EC_EVENT(test, "a", "MoneyDeposited", "{s:I}", "amount", 100LL));
        EC_MEANWHILE(test, EC_EVENT(test, "c", "MoneyDeposited", "{s:I}", "amount", 100LL));
        EC_WHEN(test, transfer, &streams, &command);
        EC_THEN(test, EC_EVENT(test, "a", "MoneyWithdrawn", "{s:I}", "amount", 30LL),
                EC_EVENT(test, "b", "MoneyDeposited", "{s:I}", "amount", 30LL));
        EC_THEN_TRIED(test, 1, 0);
        EC_THEN_VERSION(test, "c", 1);
    }
    failed = no_memory_end();
    failures = test == NULL ? 0 : ec_test_failures(test);
    assert_survived(failed || (test != NULL && failures == 0));
    if (test != NULL && failures == 0) {
        assert_survived(ec_test_version(test, "a") == 2 && ec_test_version(test, "b") == 1);
        assert_survived(ec_test_version(test, "c") == 1);
    }
    ec_test_free(test);
}

static void test_kit(void **state)
{
    (void)state;
    no_memory_survive(test_something, NULL, 1);
}

/* ------------------------------------------------------------------ metadata */

static void cause(void *argument)
{
    static const ec_uuid id = {{1}};
    ec_arena memory = {NULL};
    ec_event event = {.version = 1,
                      .id = &id,
                      .data = "{\"list\": [1, {\"key\": \"value\"}], \"text\": \"abc\"}",
                      .metadata = "{\"correlation_id\": \"c\", \"n\": [1.5, {\"deep\": null}]}",
                      .memory = &memory};
    ec_metadata found = {.user_id = "untouched"};
    const char *text;
    ec_status status, unpacked;
    bool failed;

    (void)argument;
    no_memory_begin();
    status = ec_metadata_caused_by(&event, &found);
    unpacked = ec_event_unpack(&event, "{s:s, s:[I, {}]}", "text", &text, "list", &(json_int_t){0});
    failed = no_memory_end();
    assert_survived(status == EC_OK || (failed && status == EC_NO_MEMORY));
    assert_survived(unpacked == EC_OK || (failed && unpacked == EC_NO_MEMORY));
    if (unpacked == EC_OK)
        assert_string_equal(text, "abc");
    if (status == EC_OK)
        assert_string_equal(found.correlation_id, "c");
    else
        assert_survived(found.correlation_id == NULL && found.causation_id == NULL);
    ec_event_release(&event);
    ec_arena_free(&memory);
}

static void test_reading_metadata(void **state)
{
    (void)state;
    no_memory_survive(cause, NULL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transfer),         cmocka_unit_test(test_rejection),
        cmocka_unit_test(test_conflict),         cmocka_unit_test(test_giving_up),
        cmocka_unit_test(test_lost_reply),       cmocka_unit_test(test_handler),
        cmocka_unit_test(test_discovery),        cmocka_unit_test(test_kit),
        cmocka_unit_test(test_reading_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
