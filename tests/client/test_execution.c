/* test_execution.c: the state machine, without a server: what it asks for after each reply. */
#include "machine.h"

/* ------------------------------------------------------------------ the plain way */

static void test_success(void **state)
{
    struct fixture *f = *state;
    const ec_event *event;

    start(f);
    assert_int_equal(f->execution.step, EC_STEP_READ);
    feed_accounts_at(f, 4);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    feed_appended(f, "appended");
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_attempts(f->outcome), 1);
    assert_int_equal(ec_outcome_conflicts(f->outcome), 0);
    assert_int_equal(ec_outcome_event_count(f->outcome), 2);
    event = ec_outcome_event(f->outcome, 0);
    assert_string_equal(ec_event_stream_id(event), "a");
    assert_string_equal(ec_event_type(event), "MoneyWithdrawn");
    assert_string_equal(ec_event_data(event), "{\"amount\":30}");
    assert_int_equal(ec_event_version(event), 2);
    assert_int_equal(ec_event_position(event), 8);
    event = ec_outcome_event(f->outcome, 1);
    assert_string_equal(ec_event_stream_id(event), "b");
    assert_int_equal(ec_event_position(event), 9);
    assert_memory_equal(ec_event_id(event), &f->execution.context.entries[1].id, sizeof(ec_uuid));
    assert_null(ec_outcome_event(f->outcome, 2));
    assert_null(ec_outcome_rejection_code(f->outcome));
}

/* Every declared stream is expected where it was read, the only-read one included. */
static void test_expects_all_streams(void **state)
{
    static const ec_expectation expected[] = {{"a", 4}, {"b", 0}, {"limits", 0}};
    struct fixture *f = *state;

    start(f);
    assert_int_equal(f->execution.streams.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(f->execution.streams.streams[i].id, expected[i].stream_id);
        assert_int_equal(f->execution.streams.streams[i].version, 0);
    }
    feed_accounts_at(f, 4);
    assert_int_equal(f->execution.expected_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(f->execution.expected[i].stream_id, expected[i].stream_id);
        assert_int_equal(f->execution.expected[i].version, expected[i].version);
    }
}

static ec_status write_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

static void test_nothing_written(void **state)
{
    struct fixture *f = *state;

    f->command.decide = write_nothing;
    start(f);
    feed_accounts(f);
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_event_count(f->outcome), 0);
}

static void test_nothing_written_verified(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_TRY_APPEND);

    f->command.decide = write_nothing;
    f->options.verify = true;
    start(f);
    feed_accounts(f);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    assert_int_equal(f->execution.context.entry_count, 0);
    feed_conflict(f);
    resume(f);
    feed_accounts(f);
    reply_outcome(result, "verified");
    feed(f, result);
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_conflicts(f->outcome), 1);
}

static void test_folds_in_the_order_of_the_reply(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);
    char order[8] = "";

    f->command.order = order;
    start(f);
    reply_event(result, "b", 1, 3, "MoneyDeposited", "{\"amount\": 5}", 1);
    reply_event(result, "limits", 1, 4, "LimitSet", "{\"amount\": 40}", 1);
    reply_event(result, "a", 1, 5, "MoneyDeposited", "{\"amount\": 50}", 2);
    reply_event(result, "a", 2, 6, "MoneyWithdrawn", "{\"amount\": 10}", 2);
    feed(f, result);
    assert_string_equal(order, "MLMM");
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
}

/* ------------------------------------------------------------------ declared streams */

static void test_unbound_streams(void **state)
{
    struct fixture *f = *state;
    const char *const ids[] = {"p-1", NULL};
    const char *const twice[] = {"p-1", "p-2", "p-1"};
    transfer_streams forgotten = {.from_account = "a", .to_account = "b"};
    restock_streams unset = {.ledger = "l", .products = {ids, 1}};
    restock_streams hole = {.ledger = "l", .products = {ids, 2}, .catalogue = EC_NO_IDS};
    restock_streams repeated = {.ledger = "l", .products = EC_NO_IDS, .catalogue = {twice, 3}};

    start_with(f, &forgotten);
    assert_done(f, EC_UNBOUND_STREAM);
    assert_message(f, "the stream \"limits\" is not set");
    assert_int_equal(ec_outcome_attempts(f->outcome), 0);

    ec_execution_free(&f->execution);
    ec_execution_start(&f->execution, &restock_definition, &unset, NULL, &f->options, NULL,
                       f->outcome);
    assert_done(f, EC_UNBOUND_STREAM);
    assert_message(f, "the list of streams \"catalogue\" is not set (an empty one is EC_NO_IDS)");

    ec_execution_free(&f->execution);
    ec_execution_start(&f->execution, &restock_definition, &hole, NULL, &f->options, NULL,
                       f->outcome);
    assert_done(f, EC_UNBOUND_STREAM);
    assert_message(f, "stream 1 of the list \"products\" is not set");

    ec_execution_free(&f->execution);
    ec_execution_start(&f->execution, &restock_definition, &repeated, NULL, &f->options, NULL,
                       f->outcome);
    assert_done(f, EC_INVALID_ARGUMENT);
    assert_message(f, "the list \"catalogue\" names the stream \"p-1\" twice, at 0 and 2");
}

/* "a" is written and only read: it is read once, counts for both slots, and can be written. */
static void test_one_stream_in_two_slots(void **state)
{
    struct fixture *f = *state;
    transfer_streams streams = {.from_account = "a", .to_account = "b", .limits = "a"};
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    start_with(f, &streams);
    assert_int_equal(f->execution.streams.count, 2);
    reply_event(result, "a", 1, 5, "LimitSet", "{\"amount\": 40}", 1);
    reply_stream(result, "b", 0);
    feed(f, result);
    feed_appended(f, "appended");
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_event_count(f->outcome), 2);
}

static void test_lists(void **state)
{
    struct fixture *f = *state;
    const char *const products[] = {"p-2", "p-1", "p-0"};
    const char *const catalogue[] = {"p-1", "c-1"};
    restock_streams streams = {
        .ledger = "ledger", .products = {products, 3}, .catalogue = {catalogue, 2}};
    struct restock command = {.product_count = 3};
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);
    const ec_entry *entries;

    ec_execution_start(&f->execution, &restock_definition, &streams, &command, &f->options, NULL,
                       f->outcome);
    reply_event(result, "p-1", 1, 1, "Restocked", "{}", 2);
    reply_event(result, "p-1", 2, 2, "Restocked", "{}", 2);
    reply_event(result, "p-2", 1, 3, "Restocked", "{}", 1);
    reply_stream(result, "p-0", 0);
    reply_stream(result, "c-1", 0);
    reply_stream(result, "ledger", 0);
    feed(f, result);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    assert_int_equal(f->execution.context.entry_count, 3);
    entries = f->execution.context.entries;
    assert_string_equal(entries[0].stream_id, "p-2");
    assert_string_equal(entries[0].event.data, "{\"index\":0,\"quantity\":1,\"listed\":2}");
    assert_string_equal(entries[1].stream_id, "p-1");
    assert_string_equal(entries[1].event.data, "{\"index\":1,\"quantity\":2,\"listed\":0}");
    assert_string_equal(entries[2].stream_id, "p-0");
    assert_string_equal(entries[2].event.data, "{\"index\":2,\"quantity\":0,\"listed\":0}");
}

/* ------------------------------------------------------------------ decisions that fail */

static void test_rejection(void **state)
{
    struct fixture *f = *state;

    f->command.amount = 101;
    start(f);
    feed_accounts(f);
    assert_done(f, EC_REJECTED);
    assert_message(f, "insufficient_funds: balance 100, requested 101");
    assert_string_equal(ec_outcome_rejection_code(f->outcome), "insufficient_funds");
    assert_string_equal(ec_outcome_rejection_message(f->outcome), "balance 100, requested 101");
}

static ec_status reject_and_ignore(ec_context *context)
{
    ec_reject(context, EC_REJECTED, "no", "not %s", "now");
    return EC_OK;
}

static ec_status reject_by_status_alone(ec_context *context)
{
    (void)context;
    return EC_REJECTED;
}

static ec_status fail_in_handler(ec_context *context)
{
    (void)context;
    return EC_FAILED;
}

static const ec_new_event some_event = {.type = "T"};

static ec_status write_only_read(ec_context *context)
{
    ec_write(context, transfer_limits_slot, 0, &some_event);
    return ec_write(context, transfer_from_account_slot, 0, &some_event);
}

static ec_status write_beyond(ec_context *context)
{
    ec_write(context, transfer_from_account_slot, 1, &some_event);
    return EC_OK;
}

static ec_status write_unknown_slot(ec_context *context)
{
    ec_write(context, 77, 0, &some_event);
    return EC_OK;
}

static ec_status write_without_type(ec_context *context)
{
    const ec_new_event event = {.data = "{}"};

    ec_write(context, 0, 0, &event);
    return ec_reject(context, EC_REJECTED, "late", "the write error came first");
}

static ec_status write_data_and_payload(ec_context *context)
{
    const ec_new_event event = {.type = "T", .data = "{}", .payload = "x", .payload_size = 1};

    ec_write(context, 0, 0, &event);
    return EC_OK;
}

static ec_status reject_with_formatted(ec_context *context)
{
    return ec_reject(context, EC_REJECTED, ec_format(context, "no_%s", "stock"), "%s",
                     ec_format(context, "%zu", ec_stream_count(context, 0)));
}

static ec_status pack_badly(ec_context *context)
{
    const ec_new_event event = {.type = "T", .data = ec_pack(context, "{s:I", "a", 1LL)};

    return ec_write(context, 0, 0, &event) == EC_OK ? EC_OK : EC_FAILED;
}

static void test_errors_of_the_handler_stick(void **state)
{
    static const struct {
        ec_status (*decide)(ec_context *context);
        ec_status status;
        const char *message;
    } cases[] = {
        {reject_and_ignore, EC_REJECTED, "no: not now"},
        {reject_with_formatted, EC_REJECTED, "no_stock: 1"},
        {reject_by_status_alone, EC_REJECTED,
         "transfer: its handler failed: the command was rejected: a rule does not allow it"},
        {fail_in_handler, EC_FAILED,
         "transfer: its handler failed: a callback failed for a reason of its own"},
        {write_only_read, EC_UNDECLARED_STREAM,
         "\"limits\" is declared as only read, so it cannot be written"},
        {write_beyond, EC_INVALID_ARGUMENT,
         "the list \"from_account\" has 1 streams: there is no index 1"},
        {write_unknown_slot, EC_UNDECLARED_STREAM,
         "the command declares 3 streams and lists: there is no slot 77"},
        {write_without_type, EC_INVALID_EVENT, "an event for stream a has no type"},
        {write_data_and_payload, EC_INVALID_EVENT,
         "event T for stream a has both data and a payload"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_execution_free(&f->execution);
        f->command.decide = cases[i].decide;
        start(f);
        feed_accounts(f);
        assert_done(f, cases[i].status);
        assert_message(f, cases[i].message);
    }
    ec_execution_free(&f->execution);
    f->command.decide = pack_badly;
    start(f);
    feed_accounts(f);
    assert_done(f, EC_INVALID_ARGUMENT);
    assert_non_null(strstr(f->execution.failure.message, "ec_pack with format \"{s:I\": "));
}

static void test_apply_error_ends_the_fold(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);
    char order[8] = "";

    f->command.order = order;
    start(f);
    reply_event(result, "a", 1, 5, "MoneyDeposited", "{\"amount\": 50}", 3);
    reply_event(result, "a", 2, 6, "AccountRenamed", "{\"amount\": 1}", 3);
    reply_event(result, "a", 3, 7, "MoneyDeposited", "{\"amount\": 50}", 3);
    reply_stream(result, "b", 0);
    reply_stream(result, "limits", 0);
    feed(f, result);
    assert_done(f, EC_UNKNOWN_EVENT);
    assert_message(f,
                   "transfer: event AccountRenamed, version 2 of stream a: its type is not in the "
                   "list bank");
    assert_string_equal(order, "M");
    assert_int_equal(f->handled, 0);
}

static void test_bad_data_is_told(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    start(f);
    reply_event(result, "a", 1, 5, "MoneyDeposited", "{\"amount\": \"much\"}", 1);
    reply_stream(result, "b", 0);
    reply_stream(result, "limits", 0);
    feed(f, result);
    assert_done(f, EC_INVALID_EVENT);
    assert_message(f, "transfer: event MoneyDeposited, version 1 of stream a: "
                      "Expected integer, got string");
}

/* ------------------------------------------------------------------ replies out of shape */

static void test_replies_that_do_not_fit(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    start(f);
    reply_stream(result, "a", 0);
    reply_stream(result, "b", 0);
    feed(f, result);
    assert_done(f, EC_PROTOCOL_ERROR);
    assert_message(f, "the server's reply leaves out a stream");

    ec_execution_free(&f->execution);
    start(f);
    result = reply_begin(EC_STATEMENT_READ_STREAMS);
    reply_event(result, "c", 1, 1, "T", "{}", 1);
    feed(f, result);
    assert_done(f, EC_PROTOCOL_ERROR);

    ec_execution_free(&f->execution);
    start(f);
    feed_accounts(f);
    result = reply_begin(EC_STATEMENT_TRY_APPEND);
    reply_appended(result, "appended", "a", 2, 8, &f->execution.context.entries[0].id);
    feed(f, result);
    assert_done(f, EC_PROTOCOL_ERROR);
    assert_message(f, "the server answered an append of 2 events with 1 rows and \"appended\"");
    assert_true(ec_outcome_in_doubt(f->outcome));

    ec_execution_free(&f->execution);
    start(f);
    feed_accounts(f);
    feed(f, reply_begin(EC_STATEMENT_TRY_APPEND));
    assert_done(f, EC_PROTOCOL_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_success),
        TEST(test_expects_all_streams),
        TEST(test_nothing_written),
        TEST(test_nothing_written_verified),
        TEST(test_folds_in_the_order_of_the_reply),
        TEST(test_unbound_streams),
        TEST(test_one_stream_in_two_slots),
        TEST(test_lists),
        TEST(test_rejection),
        TEST(test_errors_of_the_handler_stick),
        TEST(test_apply_error_ends_the_fold),
        TEST(test_bad_data_is_told),
        TEST(test_replies_that_do_not_fit),
    };

    return cmocka_run_group_tests_name("execution", tests, NULL, NULL);
}
