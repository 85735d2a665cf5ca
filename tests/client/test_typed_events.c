/*
 * test_typed_events.c: kinds of events, what is packed into them and unpacked, and rejections: in
 * the machine and with a server.
 */
#include <limits.h>

#include "machine.h"
#include "server.h"

/* ------------------------------------------------------------------ kinds */

#define TEN(list, type, n)                                                                         \
    type(list, t##n##0, "Type" #n "0") type(list, t##n##1, "Type" #n "1")                          \
        type(list, t##n##2, "Type" #n "2") type(list, t##n##3, "Type" #n "3")                      \
            type(list, t##n##4, "Type" #n "4") type(list, t##n##5, "Type" #n "5")                  \
                type(list, t##n##6, "Type" #n "6") type(list, t##n##7, "Type" #n "7")              \
                    type(list, t##n##8, "Type" #n "8") type(list, t##n##9, "Type" #n "9")
#define MANY_EVENTS(list, type)                                                                    \
    TEN(list, type, 1) TEN(list, type, 2) TEN(list, type, 3) TEN(list, type, 4) TEN(list, type, 5)
EC_EVENTS(many, MANY_EVENTS);

/* The same types in another order, and one of them twice. */
#define OTHER_EVENTS(list, type)                                                                   \
    TEN(list, type, 5) TEN(list, type, 1) type(list, again, "Type57") type(list, plus, "Plus")
EC_EVENTS(other, OTHER_EVENTS);

/* Events of all types of `many`, and one more. */
static ec_events *events_of_many_types(void)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAM);
    ec_failure failure = {.status = EC_OK};
    ec_events *events;

    for (int i = 0; i < 50; i++)
        reply_event(result, "a", i + 1, i + 1, many_type((many_kind)i), "{}", 0);
    reply_event(result, "a", 51, 51, "Plus", "{}", 0);
    assert_int_equal(ec_rows_decode(&events, result, EC_STATEMENT_READ_STREAM, &failure), EC_OK);
    return events;
}

static void test_kinds_of_long_lists(void **state)
{
    ec_events *events = events_of_many_types();
    many_kind kind = many_t10;

    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 50; i++) {
            const ec_event *event = ec_events_at(events, (size_t)i);

            assert_true(many_kind_of(event, &kind));
            assert_int_equal(kind, i);
            assert_int_equal(ec_event_kind(event, &other_event_types), i >= 40  ? i - 40
                                                                       : i < 10 ? i + 10
                                                                                : -1);
            assert_int_equal(ec_event_kind(event, &bank_event_types), -1);
        }
    assert_false(many_kind_of(ec_events_at(events, 50), &kind));
    assert_int_equal(kind, many_t59);
    assert_int_equal(ec_event_kind(ec_events_at(events, 50), &other_event_types), other_plus);
    ec_events_free(events);
}

/* Also of the list that an index was made for. */
static void test_kind_of_a_type_listed_twice(void **state)
{
    ec_events *events = events_of_many_types();

    (void)state;
    for (int i = 0; i < 30; i++)
        assert_int_equal(ec_event_kind(ec_events_at(events, 47), &other_event_types), other_t57);
    assert_string_equal(other_type(other_again), other_type(other_t57));
    ec_events_free(events);
}

static void test_kind_of_an_outcomes_event(void **state)
{
    struct fixture *f = *state;
    bank_kind kind;

    start(f);
    feed_accounts(f);
    feed_appended(f, "appended");
    assert_true(bank_kind_of(ec_outcome_event(f->outcome, 0), &kind));
    assert_int_equal(kind, bank_withdrawn);
    for (int i = 0; i < 30; i++)
        assert_int_equal(ec_event_kind(ec_outcome_event(f->outcome, 0), &many_event_types), -1);
}

static ec_status record_outside_of_the_enum(ec_context *context)
{
    transfer_context ctx = {context};

    transfer_record(ctx, transfer_from_account, (bank_kind)3, NULL);
    return EC_OK;
}

static void test_type_outside_of_the_enum(void **state)
{
    static const int outside[] = {3, 4, 100, INT_MAX, -1, INT_MIN};
    struct fixture *f = *state;

    assert_string_equal(bank_type(bank_limited), "LimitSet");
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        assert_null(bank_type((bank_kind)outside[i]));
    f->command.decide = record_outside_of_the_enum;
    start(f);
    feed_accounts(f);
    assert_done(f, EC_INVALID_EVENT);
    assert_message(f, "an event for stream a has no type");
}

/* ------------------------------------------------------------------ unknown types */

/* `restock` knows only some of the types; the others do not reach its fold. */
static void test_unknown_types_are_passed_over(void **state)
{
    struct fixture *f = *state;
    const char *const products[] = {"p"};
    restock_streams streams = {.ledger = "l", .products = {products, 1}, .catalogue = EC_NO_IDS};
    struct restock command = {.product_count = 1};
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    ec_execution_start(&f->execution, &restock_definition, &streams, &command, &f->options, NULL,
                       f->outcome);
    reply_event(result, "p", 1, 1, "Restocked", "{}", 4);
    reply_event(result, "p", 2, 2, "Renamed", "not even looked at", 4);
    reply_event(result, "p", 3, 3, "restocked", "{}", 4);
    reply_event(result, "p", 4, 4, "Restocked", "{}", 4);
    reply_stream(result, "l", 0);
    feed(f, result);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    assert_string_equal(f->execution.context.entries[0].event.data,
                        "{\"index\":0,\"quantity\":2,\"listed\":0}");
    assert_int_equal(f->execution.expected[1].version, 4); /* they count as changes all the same */
}

static void test_unknown_types_with_a_server(void **state)
{
    struct server *s = *state;
    const char *products[] = {s->a, s->b};
    restock_streams streams = {
        .ledger = s->limits, .products = {products, 2}, .catalogue = EC_NO_IDS};
    struct restock restock = {.product_count = 2};
    struct transfer transfer = {.amount = 1};
    ec_stream_event renamed = {s->a, {.type = "Renamed"}};

    assert_ok(s->connection, ec_append(s->connection, &renamed, 1, NULL, 0, NULL));
    assert_status(s->connection,
                  transfer_execute(s->connection, &s->streams, &transfer, &s->outcome),
                  EC_UNKNOWN_EVENT);
    assert_int_equal(version_of(s->sql, s->b), 0);
    assert_ok(s->connection, restock_execute(s->connection, &streams, &restock, &s->outcome));
    assert_string_equal(ec_event_data(ec_outcome_event(s->outcome, 0)),
                        "{\"index\":0,\"quantity\":1,\"listed\":0}");
}

/* A definition without types, as a binding may make it: all events, with kind -1. */
static ec_status count_kinds(const void *command, void *state, int kind, const ec_event *event)
{
    (void)command, (void)event;
    *(long long *)state += kind;
    return EC_OK;
}

static ec_status record_count(const void *command, const void *state, ec_context *context)
{
    (void)command;
    return ec_record(context, 0, 0, "Counted", "{s:I}", "count", *(const long long *)state);
}

static void test_definition_without_types(void **state)
{
    static const ec_stream_declaration streams[] = {{"stream", EC_MODE_writes, 0}};
    static const ec_definition definition = {
        sizeof definition, "count",      streams, 1, sizeof(long long), NULL,
        count_kinds,       record_count, NULL};
    struct server *s = *state;
    const char *ids[] = {s->a};

    deposit(s->sql, s->a, 1);
    assert_ok(s->connection, ec_execute(s->connection, &definition, ids, NULL, NULL, &s->outcome));
    assert_string_equal(ec_event_data(ec_outcome_event(s->outcome, 0)), "{\"count\":-2}");
}

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
        "{\"text\":\"\\\"\\\\\\n\xc3\xa9\",\"large\":9007199254740993,\"yes\":true,\"none\":null,"
        "\"list\":[7,0.5]}",
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
    struct fixture *f = *state;

    f->command.decide = do_wrong;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wrong = cases[i];
        start(f);
        feed_accounts(f);
        assert_done(f, EC_INVALID_ARGUMENT);
        assert_int_equal(strncmp(f->execution.failure.message, "ec_pack with format \"", 21), 0);
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
        cmocka_unit_test(test_kinds_of_long_lists),
        cmocka_unit_test(test_kind_of_a_type_listed_twice),
        TEST(test_kind_of_an_outcomes_event),
        TEST(test_type_outside_of_the_enum),
        TEST(test_unknown_types_are_passed_over),
        SERVER_TEST(test_unknown_types_with_a_server),
        SERVER_TEST(test_definition_without_types),
        TEST(test_packing),
        TEST(test_formats_that_do_not_fit),
        cmocka_unit_test(test_unpacking),
        TEST(test_rejections),
        TEST(test_a_status_that_is_no_rejection),
        SERVER_TEST(test_rejections_with_a_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
