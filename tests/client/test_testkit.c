/* test_testkit.c: commands tested in memory: what the kit lets through, and what it does not. */
#include "bank.h"
#include "graph.h"

#include <eventcore/testkit.h>
#include <stdlib.h>

struct kit {
    ec_test *test;
    struct transfer command;
    transfer_streams streams;
    ec_execute_options options;
    int handled;
    const char *message; /* of the last failed check */
    int line;
    jmp_buf leave;
    bool leaves;
};

static void note_failure(void *argument, const char *message, const char *file, int line)
{
    struct kit *k = argument;

    assert_string_equal(file, __FILE__);
    k->message = message;
    k->line = line;
    if (k->leaves)
        longjmp(k->leave, 1);
}

static int setup(void **state)
{
    struct kit *k = calloc(1, sizeof *k);

    if (k == NULL)
        return -1;
    k->test = ec_test_new();
    ec_test_on_failure(k->test, note_failure, k);
    k->command = (struct transfer){.amount = 30, .handled = &k->handled};
    k->streams = (transfer_streams){.from_account = "a", .to_account = "b", .limits = "limits"};
    k->options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    *state = k;
    return 0;
}

static int teardown(void **state)
{
    struct kit *k = *state;

    ec_test_free(k->test);
    free(k);
    return 0;
}

/* The checks so far hold. */
static void assert_passed(const struct kit *k)
{
    if (ec_test_failures(k->test) > 0)
        print_error("%d: %s\n", k->line, k->message);
    assert_int_equal(ec_test_failures(k->test), 0);
}

/* The one check since the last call of this has failed, with this message. */
static void assert_told(struct kit *k, const char *message)
{
    assert_non_null(k->message);
    assert_string_equal(k->message, message);
    k->message = NULL;
}

#define DEPOSITED(stream, amount)                                                                  \
    EC_EVENT(k->test, stream, "MoneyDeposited", "{s:I}", "amount", (long long)(amount))
#define WITHDRAWN(stream, amount)                                                                  \
    EC_EVENT(k->test, stream, "MoneyWithdrawn", "{s:I}", "amount", (long long)(amount))
#define GIVEN_100(k) EC_GIVEN((k)->test, DEPOSITED("a", 100))
#define WHEN(k) EC_WHEN_WITH((k)->test, &(k)->options, transfer, &(k)->streams, &(k)->command)

/* The transfer of 30 was done, once. */
static void then_transferred(struct kit *k, int attempts, int conflicts)
{
    EC_THEN(k->test, WITHDRAWN("a", 30), DEPOSITED("b", 30));
    EC_THEN_TRIED(k->test, attempts, conflicts);
    EC_THEN_VERSION(k->test, "b", 1);
    assert_passed(k);
}

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

/* ------------------------------------------------------------------ faults */

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

/* ------------------------------------------------------------------ checks that fail */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_success),
                                       TEST(test_next_command_sees_the_last),
                                       TEST(test_rejections),
                                       TEST(test_unchanged),
                                       TEST(test_failures),
                                       TEST(test_lists_and_payloads),
                                       TEST(test_conflicts),
                                       TEST(test_attempts_are_used_up),
                                       TEST(test_meanwhile),
                                       TEST(test_conflict_at_a_stream_only_read),
                                       TEST(test_discovery),
                                       TEST(test_cancellation),
                                       TEST(test_never_locked),
                                       TEST(test_retry_policy),
                                       TEST(test_lost_reply),
                                       TEST(test_lost_append),
                                       TEST(test_meanwhile_in_doubt),
                                       TEST(test_in_doubt),
                                       TEST(test_failed_read),
                                       TEST(test_server_errors),
                                       TEST(test_deadline),
                                       TEST(test_other_events),
                                       TEST(test_other_results),
                                       TEST(test_bad_events),
                                       TEST(test_handler_leaves)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
