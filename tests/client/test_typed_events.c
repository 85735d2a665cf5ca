/* test_typed_events.c: kinds of events, in the machine and with a server. */
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
