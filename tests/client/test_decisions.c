/*
 * test_decisions.c: what callbacks pack into events and unpack from them, and how they reject: in
 * the machine and with a server.
 */
#include "machine.h"
#include "server.h"

/* ------------------------------------------------------------------ packing */

static ec_status vrecord(ec_context *context, const char *type, const char *format, ...)
{
    va_list arguments;
    ec_status status;

    va_start(arguments, format);
    status = ec_vrecord(context, 0, 0, type, format, arguments);
    va_end(arguments);
    return status;
}

static const char *vpack(ec_context *context, const char *format, ...)
{
    va_list arguments;
    const char *text;

    va_start(arguments, format);
    text = ec_vpack(context, format, arguments);
    va_end(arguments);
    return text;
}

static ec_status record_all_sorts(ec_context *context)
{
    ec_new_event packed = {.type = "E3"};

    ec_record(context, 0, 0, "E0", NULL);
    ec_record(context, 0, 0, "E1", "{s:s, s:I, s:b, s:n, s:[i, f]}", "text", "\"\\\n\xc3\xa9",
              "large", 9007199254740993LL, "yes", 1, "none", "list", 7, 0.5);
    vrecord(context, "E2", "{s:s?, s:s*}", "null", NULL, "left out", NULL);
    packed.data = vpack(context, "[s]", "in a list");
    return ec_write(context, 0, 0, &packed);
}

static void test_packing(void **state)
{
    static const char *const data[] = {
        "{}",
        ("{\"text\":\"\\\"\\\\\\n\xc3\xa9\",\"large\":9007199254740993,\"yes\":true,"
         "\"none\":null,\"list\":[7,0.5]}"),
        "{\"null\":null}", "[\"in a list\"]"};
    struct fixture *f = *state;

    f->command.decide = record_all_sorts;
    start(f);
    feed_accounts(f);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    assert_int_equal(f->execution.context.entry_count, 4);
    for (int i = 0; i < 4; i++)
        assert_string_equal(f->execution.context.entries[i].event.data, data[i]);
}

/* Each of these does what `handle` may do wrong, and ignores the result. */
static void record_unknown_format(ec_context *context)
{
    ec_record(context, 0, 0, "E", "{s:q}", "a", 1);
}

static void record_null_string(ec_context *context)
{
    vrecord(context, "E", "{s:s}", "a", (const char *)NULL);
}

static void record_not_utf8(ec_context *context)
{
    ec_record(context, 0, 0, "E", "{s:s}", "a", "\xff");
}

static void record_infinity(ec_context *context)
{
    ec_record(context, 0, 0, "E", "{s:f}", "a", 1e308 * 10);
}

static void record_behind_the_end(ec_context *context)
{
    ec_record(context, 0, 0, "E", "{} s", "a");
}

static void pack_nothing(ec_context *context)
{
    assert_null(vpack(context, ""));
    assert_null(vpack(context, NULL));
}

static void (*wrong)(ec_context *context);

static ec_status do_wrong(ec_context *context)
{
    wrong(context);
    return EC_OK;
}

static void test_formats_that_do_not_fit(void **state)
{
    static void (*const cases[])(ec_context *) = {record_unknown_format, record_null_string,
                                                  record_not_utf8,       record_infinity,
                                                  record_behind_the_end, pack_nothing};
    static const char *const starts[] = {"event E with format \"", "event E with format \"",
                                         "event E with format \"", "event E with format \"",
                                         "event E with format \"", "ec_pack with format \""};
    struct fixture *f = *state;

    f->command.decide = do_wrong;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wrong = cases[i];
        start(f);
        feed_accounts(f);
        assert_done(f, EC_INVALID_ARGUMENT);
        assert_int_equal(strncmp(f->execution.failure.message, starts[i], strlen(starts[i])), 0);
        ec_execution_free(&f->execution);
    }
}

static ec_status unpack(const ec_event *event, const char *format, ...)
{
    va_list arguments;
    ec_status status;

    va_start(arguments, format);
    status = ec_event_vunpack(event, format, arguments);
    va_end(arguments);
    return status;
}

static void test_unpacking(void **state)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAM);
    ec_failure failure = {.status = EC_OK};
    const ec_event *event;
    ec_events *events;
    const char *text, *none = "unchanged";
    long long number;
    int truth;

    (void)state;
    reply_event(result, "a", 1, 1, "E", "{\"text\":\"\\u00e9\",\"n\":-1,\"b\":true}", 0);
    reply_event(result, "a", 2, 2, "E", "{\"n\":", 0);
    assert_int_equal(ec_rows_decode(&events, result, EC_STATEMENT_READ_STREAM, &failure), EC_OK);
    event = ec_events_at(events, 0);
    assert_int_equal(unpack(event, "{s:s, s:I, s?b, s?s}", "text", &text, "n", &number, "b", &truth,
                            "none", &none),
                     EC_OK);
    assert_string_equal(text, "\xc3\xa9");
    assert_int_equal(number, -1);
    assert_true(truth);
    assert_string_equal(none, "unchanged");
    assert_int_equal(
        ec_event_unpack(event, "{s:s, s:I, s:b!}", "text", &text, "n", &number, "b", &truth),
        EC_OK);
    assert_int_equal(ec_event_unpack(event, "{s:s!}", "text", &text), EC_INVALID_EVENT);
    assert_int_equal(ec_event_unpack(event, "{s:I}", "text", &number), EC_INVALID_EVENT);
    assert_int_equal(ec_event_unpack(event, "{s:I}", "none", &number), EC_INVALID_EVENT);
    assert_int_equal(ec_event_unpack(event, "[I]", &number), EC_INVALID_EVENT);
    assert_int_equal(ec_event_unpack(event, "{s:q}", "n", &number), EC_INVALID_ARGUMENT);
    assert_int_equal(ec_event_unpack(event, "{s:I", "n", &number), EC_INVALID_ARGUMENT);
    assert_int_equal(unpack(event, NULL), EC_INVALID_ARGUMENT);
    assert_int_equal(ec_event_unpack(ec_events_at(events, 1), "{s:I}", "n", &number),
                     EC_INVALID_EVENT);
    ec_events_free(events);
}

/* ------------------------------------------------------------------ rejections */

static ec_status require(ec_context *context)
{
    transfer_context ctx = {context};

    transfer_record(ctx, transfer_from_account, bank_withdrawn, NULL);
    EC_REQUIRE(ctx, true, "never", "never");
    EC_REQUIRE(ctx, false, "insufficient_funds", "balance %d", 7);
    return EC_FAILED;
}

static ec_status authorize(ec_context *context)
{
    transfer_context ctx = {context};

    EC_AUTHORIZE(ctx, true, "never", "never");
    EC_AUTHORIZE(ctx, false, "not_the_owner", "%s may not", "Eve");
    return EC_FAILED;
}

static ec_status validate(ec_context *context)
{
    transfer_context ctx = {context};

    EC_VALIDATE(ctx, true, "never", "never");
    EC_VALIDATE(ctx, false, "negative_amount", "100%% wrong");
    return EC_FAILED;
}

static ec_status vreject(ec_context *context, const char *format, ...)
{
    va_list arguments;
    ec_status status;

    va_start(arguments, format);
    status = ec_vreject(context, EC_FORBIDDEN, "v", format, arguments);
    va_end(arguments);
    return status;
}

/* The first one counts, also if its status is not passed on. */
static ec_status reject_twice(ec_context *context)
{
    vreject(context, "%d", 1);
    return ec_reject(context, EC_REJECTED, "second", "2");
}

static ec_status reject_without_code(ec_context *context)
{
    return ec_reject(context, EC_REJECTED, NULL, "why not");
}

static const struct rejection {
    ec_status (*decide)(ec_context *context);
    ec_status status;
    const char *code, *message;
} rejections[] = {
    {require, EC_REJECTED, "insufficient_funds", "balance 7"},
    {authorize, EC_FORBIDDEN, "not_the_owner", "Eve may not"},
    {validate, EC_INVALID_COMMAND, "negative_amount", "100% wrong"},
    {reject_twice, EC_FORBIDDEN, "v", "1"},
    {reject_without_code, EC_REJECTED, "", "why not"},
};

#define REJECTION_COUNT (sizeof rejections / sizeof *rejections)

static void assert_rejected(const ec_outcome *outcome, const struct rejection *rejection)
{
    assert_true(ec_status_is_rejection(rejection->status));
    assert_int_equal(ec_outcome_status(outcome), rejection->status);
    assert_string_equal(ec_outcome_rejection_code(outcome), rejection->code);
    assert_string_equal(ec_outcome_rejection_message(outcome), rejection->message);
    assert_int_equal(ec_outcome_attempts(outcome), 1); /* it is never retried */
    assert_int_equal(ec_outcome_event_count(outcome), 0);
}

static void test_rejections(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < REJECTION_COUNT; i++) {
        f->command.decide = rejections[i].decide;
        start(f);
        feed_accounts(f);
        assert_done(f, rejections[i].status);
        assert_rejected(f->outcome, &rejections[i]);
        ec_execution_free(&f->execution);
        ec_outcome_prepare(&f->outcome);
    }
    assert_null(ec_outcome_rejection_code(f->outcome));
}

static ec_status reject_with_no_rejection(ec_context *context)
{
    return ec_reject(context, EC_VERSION_CONFLICT, "code", "message");
}

static void test_a_status_that_is_no_rejection(void **state)
{
    struct fixture *f = *state;

    f->command.decide = reject_with_no_rejection;
    start(f);
    feed_accounts(f);
    assert_done(f, EC_INVALID_ARGUMENT);
    assert_message(f, "ec_reject: version_conflict is not a rejection");
    assert_null(ec_outcome_rejection_code(f->outcome));
}

static void test_rejections_with_a_server(void **state)
{
    struct server *s = *state;

    for (size_t i = 0; i < REJECTION_COUNT; i++) {
        struct transfer command = {.decide = rejections[i].decide};

        assert_status(s->connection,
                      transfer_execute(s->connection, &s->streams, &command, &s->outcome),
                      rejections[i].status);
        assert_rejected(s->outcome, &rejections[i]);
        assert_int_equal(ec_error_status(s->connection), rejections[i].status);
        assert_false(ec_error_is_retriable(s->connection));
    }
    assert_int_equal(version_of(s->sql, s->a), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_packing),
        TEST(test_formats_that_do_not_fit),
        cmocka_unit_test(test_unpacking),
        TEST(test_rejections),
        TEST(test_a_status_that_is_no_rejection),
        SERVER_TEST(test_rejections_with_a_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
