/* test_upcasters.c: events of earlier schema versions: folded, read, and written in the current. */
#include <eventcore/testkit.h>

#include "machine.h"
#include "server.h"

/* ------------------------------------------------------------------ a list and a command */

#define WALLET_EVENTS(list, type)                                                                  \
    type(list, Put, "MoneyPut") type(list, Taken, "MoneyTaken") type(list, Closed, "WalletClosed")

static ec_upcaster add_currency, count_cents;

#define WALLET_UPCASTERS(list, upcast)                                                             \
    upcast(list, Put, 1, 2, add_currency) upcast(list, Taken, 1, 2, NULL)                          \
        upcast(list, Put, 2, 3, count_cents)
EC_EVENTS_UPCAST(wallet, WALLET_EVENTS, WALLET_UPCASTERS);

/* The same types before anything had changed, and half way. */
EC_SOME_EVENTS(early, WALLET_EVENTS);

#define MIDDLE_UPCASTERS(list, upcast) upcast(list, Put, 1, 2, add_currency)
EC_SOME_EVENTS_UPCAST(middle, WALLET_EVENTS, MIDDLE_UPCASTERS);

static int added, counted;                                    /* calls of the upcasters */
static ec_status (*misbehave)(const ec_event *, ec_upcast *); /* in place of the first */

static ec_status add_currency(const ec_event *event, ec_upcast *upcast)
{
    added++;
    assert_non_null(ec_event_data(event));
    if (misbehave != NULL)
        return misbehave(event, upcast);
    return ec_upcast_set(upcast, "{s:s}", "currency", "EUR");
}

static ec_status count_cents(const ec_event *event, ec_upcast *upcast)
{
    long long amount;
    ec_status status = ec_event_unpack(event, "{s:I}", "amount", &amount);

    counted++;
    if (status != EC_OK)
        return status;
    assert_non_null(strstr(ec_event_data(event), "\"currency\":")); /* of the version before */
    ec_upcast_unset(upcast, "amount");
    return ec_upcast_set(upcast, "{s:I}", "cents", amount * 100);
}

struct take {
    long long cents;
    ec_status (*write)(ec_context *context); /* in place of the handler */
};

#define TAKE_STREAMS(command, stream) stream(command, writes, purse)
EC_COMMAND(take, TAKE_STREAMS, wallet, struct take, long long);

static ec_status take_apply(const struct take *take, long long *state, wallet_kind kind,
                            const ec_event *event)
{
    long long cents = 0;
    const char *currency;
    ec_status status = EC_OK;

    (void)take;
    if (kind == wallet_Put)
        status = ec_event_unpack(event, "{s:I, s:s !}", "cents", &cents, "currency", &currency);
    if (kind == wallet_Taken)
        status = ec_event_unpack(event, "{s:I}", "cents", &cents);
    *state += kind == wallet_Taken ? -cents : cents;
    return status;
}

static ec_status take_handle(const struct take *take, const long long *state, take_context ctx)
{
    if (take->write != NULL)
        return take->write(ctx.context);
    take_record(ctx, take_purse, wallet_Taken, "{s:I}", "cents", take->cents);
    return take_record(ctx, take_purse, wallet_Put, "{s:I, s:s}", "cents", *state, "currency",
                       "EUR");
}

/* ------------------------------------------------------------------ in the machine */

static struct take command;

static void begin(struct fixture *f)
{
    static const take_streams streams = {.purse = "p"};

    ec_execution_start(&f->execution, &take_definition, &streams, &command, &f->options, NULL,
                       f->outcome);
}

static int upcast_setup(void **state)
{
    added = counted = 0;
    misbehave = NULL;
    command = (struct take){.cents = 5};
    return setup(state);
}

#define MACHINE_TEST(name) cmocka_unit_test_setup_teardown(name, upcast_setup, teardown)

static void add_event(PGresult *result, int64_t version, const char *type, const char *data,
                      const char *metadata, int64_t last)
{
    reply_event(result, "p", version, version, type, data, last);
    if (metadata != NULL)
        reply_json(result, PQntuples(result) - 1, 7, metadata);
}

/* One event is read. */
static void feed_one(struct fixture *f, const char *type, const char *data, const char *metadata)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    begin(f);
    add_event(result, 1, type, data, metadata, 1);
    feed(f, result);
}

static void test_chain(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    begin(f);
    add_event(result, 1, "MoneyPut", "{\"amount\": 1}", NULL, 6);
    add_event(result, 2, "MoneyPut", "{\"amount\": 2}", "{\"user_id\": \"schema_version\"}", 6);
    add_event(result, 3, "MoneyPut", "{\"amount\": 4, \"currency\": \"EUR\"}",
              "{\"schema_version\": 2}", 6);
    add_event(result, 4, "MoneyPut", "{\"cents\": 8, \"currency\": \"EUR\"}",
              "{\"schema_version\": 3}", 6);
    add_event(result, 5, "MoneyTaken", "{\"cents\": 16}", NULL, 6);
    add_event(result, 6, "WalletClosed", "{}", "[\"schema_version\"]", 6);
    feed(f, result);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    assert_int_equal(added, 2);
    assert_int_equal(counted, 3);
    assert_string_equal(f->execution.context.entries[1].event.data,
                        "{\"cents\":692,\"currency\":\"EUR\"}");
}

static void test_newer_than_known(void **state)
{
    struct fixture *f = *state;

    feed_one(f, "MoneyPut", "{}", "{\"schema_version\": 4}");
    assert_done(f, EC_UNKNOWN_EVENT);
    assert_message(f, "take: event MoneyPut, version 1 of stream p: its schema version 4 is newer "
                      "than 3, the last that the list wallet knows");
    ec_execution_free(&f->execution);
    feed_one(f, "WalletClosed", "{}", "{\"schema_version\": 2}");
    assert_done(f, EC_UNKNOWN_EVENT);
    assert_message(f, "take: event WalletClosed, version 1 of stream p: its schema version 2 is "
                      "newer than 1, the last that the list wallet knows");
    assert_int_equal(added + counted, 0);
}

static void test_versions_that_are_none(void **state)
{
    static const char *const versions[] = {"0",   "-1",    "1.5",         "null", "\"2\"",
                                           "[2]", "1e300", "99999999999", "true"};
    struct fixture *f = *state;
    char metadata[100];

    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        snprintf(metadata, sizeof metadata, "{\"schema_version\": %s}", versions[i]);
        feed_one(f, "MoneyPut", "{\"amount\": 1}", metadata);
        assert_done(f, EC_INVALID_EVENT);
        assert_message(f, "take: event MoneyPut, version 1 of stream p: its metadata has no "
                          "integer above 0 as \"schema_version\"");
        ec_execution_free(&f->execution);
    }
    /* A key is a key, however it is written. */
    feed_one(f, "MoneyPut", "{}", "{\"\\u0073chema_version\": 4}");
    assert_done(f, EC_UNKNOWN_EVENT);
}

#define FAILS(to, from, reason)                                                                    \
    "take: event MoneyPut, version 1 of stream p: upcasting it from schema version " from          \
    " to " to " by the list wallet: " reason

static ec_status unpack_another(const ec_event *event, ec_upcast *upcast)
{
    (void)upcast;
    return ec_event_unpack(event, "{s:s}", "name", &(const char *){NULL});
}

static ec_status set_wrongly(const ec_event *event, ec_upcast *upcast)
{
    (void)event;
    ec_upcast_set(upcast, "{s:?}", "currency");
    ec_upcast_set(upcast, "{s:s}", "currency", "EUR");
    return EC_OK;
}

static ec_status set_no_object(const ec_event *event, ec_upcast *upcast)
{
    (void)event;
    return ec_upcast_set(upcast, "[i]", 1);
}

static ec_status say_failed(const ec_event *event, ec_upcast *upcast)
{
    (void)event, (void)upcast;
    return EC_FAILED;
}

static ec_status drop_amount(const ec_event *event, ec_upcast *upcast)
{
    (void)event;
    return ec_upcast_unset(upcast, "amount");
}

static void test_upcasters_that_fail(void **state)
{
    struct fixture *f = *state;
    static const struct {
        ec_status (*misbehave)(const ec_event *, ec_upcast *);
        const char *data;
        ec_status status;
        const char *message;
    } cases[] = {
        {unpack_another, "{}", EC_INVALID_EVENT, FAILS("2", "1", "Object item not found: name")},
        {set_wrongly, "{}", EC_INVALID_ARGUMENT,
         FAILS("2", "1", "format \"{s:?}\": Unexpected format character '?'")},
        {set_no_object, "{}", EC_INVALID_ARGUMENT,
         FAILS("2", "1", "format \"[i]\" makes no JSON object")},
        {say_failed, "{}", EC_FAILED, FAILS("2", "1", "a callback failed for a reason of its own")},
        {drop_amount, "{\"amount\": 1}", EC_INVALID_EVENT,
         FAILS("3", "2", "Object item not found: amount")},
        {drop_amount, "[1]", EC_INVALID_EVENT, FAILS("2", "1", "its data is not a JSON object")},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        misbehave = cases[i].misbehave;
        feed_one(f, "MoneyPut", cases[i].data, NULL);
        assert_done(f, cases[i].status);
        assert_message(f, cases[i].message);
        ec_execution_free(&f->execution);
    }
}

static ec_status replace_all(const ec_event *event, ec_upcast *upcast)
{
    json_t *data;

    ec_upcast_set(upcast, "{s:s}", "note", "is replaced");
    if (ec_event_unpack(event, "o", &data) != EC_OK)
        return EC_FAILED;
    data = json_pack("{s:O}", "amount", json_array_get(json_object_get(data, "pair"), 1));
    ec_upcast_replace(upcast, "o", data);
    return ec_upcast_set(upcast, "{s:s}", "currency", "CHF");
}

static void test_replacing_data(void **state)
{
    struct fixture *f = *state;

    misbehave = replace_all;
    feed_one(f, "MoneyPut", "{\"pair\": [1, 2]}", NULL);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    assert_string_equal(f->execution.context.entries[1].event.data,
                        "{\"cents\":200,\"currency\":\"EUR\"}");
}

/* A list that a binding built by hand is not checked by the compiler. */
static void test_gap(void **state)
{
    static const ec_upcast_step steps[] = {{wallet_Put, 2, count_cents}};
    static const ec_upcast_step zero[] = {{wallet_Put, 0, add_currency}};
    struct fixture *f = *state;
    ec_event_types types = wallet_event_types;
    ec_definition definition = take_definition;
    take_streams streams = {.purse = "p"};
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    types.upcasters = steps;
    types.upcaster_count = 1;
    definition.event_types = &types;
    ec_execution_start(&f->execution, &definition, &streams, &command, &f->options, NULL,
                       f->outcome);
    add_event(result, 1, "MoneyPut", "{\"amount\": 1}", NULL, 1);
    feed(f, result);
    assert_done(f, EC_INVALID_ARGUMENT);
    assert_message(f, FAILS("2", "1", "there is no such upcaster"));
    types.upcasters = zero;
    assert_int_equal(ec_schema_version(&types, wallet_Put), 1);
}

/* ------------------------------------------------------------------ payloads */

static void feed_payload(struct fixture *f, const char *metadata)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    begin(f);
    add_event(result, 1, "MoneyTaken", "{}", metadata, 1);
    reply_bytes(result, 0, 5, NULL, 0);
    reply_bytes(result, 0, 6, "bytes", 5);
    feed(f, result);
}

static void test_payloads(void **state)
{
    struct fixture *f = *state;

    feed_payload(f, NULL);
    assert_done(f, EC_INVALID_EVENT);
    assert_message(f,
                   "take: event MoneyTaken, version 1 of stream p: upcasting it from schema "
                   "version 1 to 2 by the list wallet: it carries a payload, which is not upcast");
    ec_execution_free(&f->execution);
    feed_payload(f, "{\"schema_version\": 2}"); /* nothing would have to be done */
    assert_message(f,
                   "take: event MoneyTaken, version 1 of stream p: it carries a payload, not JSON");
}

/* ------------------------------------------------------------------ reading */

static ec_events *read_one(const char *data, const char *metadata)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAM);
    ec_failure failure = {.status = EC_OK};
    ec_events *events;

    added = counted = 0;
    misbehave = NULL;
    add_event(result, 1, "MoneyPut", data, metadata, 0);
    assert_int_equal(ec_rows_decode(&events, result, EC_STATEMENT_READ_STREAM, &failure), EC_OK);
    return events;
}

static void test_reading(void **state)
{
    ec_events *events = read_one("{\"amount\": 1, \"note\": \"kept\"}", NULL);
    const ec_event *event = ec_events_at(events, 0);
    const char *note, *currency;
    wallet_kind kind;

    (void)state;
    assert_string_equal(ec_event_data(event), "{\"amount\": 1, \"note\": \"kept\"}");
    assert_int_equal(ec_event_unpack(event, "{s:s}", "note", &note), EC_OK);
    for (int i = 0; i < 2; i++) {
        assert_true(wallet_kind_of(event, &kind));
        assert_int_equal(kind, wallet_Put);
        assert_int_equal(ec_event_unpack(event, "{s:s}", "currency", &currency), EC_OK);
        assert_string_equal(ec_event_data(event),
                            "{\"note\":\"kept\",\"currency\":\"EUR\",\"cents\":100}");
        assert_ptr_equal(ec_event_data(event), ec_event_data(event));
    }
    assert_int_equal(added, 1);
    assert_int_equal(counted, 1);
    assert_int_equal(ec_event_schema_version(event), 1);
    assert_null(ec_event_problem(event));
    assert_string_equal(note, "kept");
    ec_events_free(events);
}

/* Lists that know more or less see the same event each in its way, in whatever order. */
static void test_lists_that_differ(void **state)
{
    ec_events *events = read_one("{\"amount\": 1}", NULL);
    const ec_event *event = ec_events_at(events, 0);
    const char *first = NULL;
    wallet_kind kind;
    middle_kind middle;
    early_kind early;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_true(wallet_kind_of(event, &kind));
        assert_string_equal(ec_event_data(event), "{\"currency\":\"EUR\",\"cents\":100}");
        first = first == NULL ? ec_event_data(event) : first;
        assert_true(middle_kind_of(event, &middle));
        assert_string_equal(ec_event_data(event), "{\"amount\":1,\"currency\":\"EUR\"}");
        assert_int_equal(ec_event_kind(event, &bank_event_types), -1);
        assert_string_equal(ec_event_data(event), "{\"amount\":1,\"currency\":\"EUR\"}");
        assert_true(early_kind_of(event, &early));
        assert_string_equal(ec_event_data(event), "{\"amount\": 1}");
    }
    assert_int_equal(added, 2);
    assert_int_equal(counted, 1);
    assert_string_equal(first, "{\"currency\":\"EUR\",\"cents\":100}");
    ec_events_free(events);
}

static void test_reading_what_is_newer(void **state)
{
    ec_events *events = read_one("{\"amount\": 1}", "{\"schema_version\": 3}");
    const ec_event *event = ec_events_at(events, 0);
    middle_kind kind;
    wallet_kind wallet;
    long long amount;

    (void)state;
    assert_true(middle_kind_of(event, &kind)); /* it is of a type that is known */
    assert_null(ec_event_data(event));
    assert_int_equal(ec_event_unpack(event, "{s:I}", "amount", &amount), EC_UNKNOWN_EVENT);
    assert_string_equal(ec_event_problem(event),
                        "event MoneyPut, version 1 of stream p: its schema version 3 is newer "
                        "than 2, the last that the list middle knows");
    assert_int_equal(ec_event_schema_version(event), 3);
    assert_true(wallet_kind_of(event, &wallet));
    assert_string_equal(ec_event_data(event), "{\"amount\": 1}");
    assert_null(ec_event_problem(event));
    ec_events_free(events);
    events = read_one("{}", "{\"schema_version\": \"3\"}");
    assert_int_equal(ec_event_schema_version(ec_events_at(events, 0)), -1);
    ec_events_free(events);
}

/* A program built before there were upcasters knows version 1, whatever lies behind its struct. */
static void test_types_of_an_older_header(void **state)
{
    ec_events *events = read_one("{\"amount\": 1}", NULL);
    ec_event_types types = wallet_event_types;

    (void)state;
    types.struct_size = offsetof(ec_event_types, upcasters);
    assert_int_equal(ec_event_kind(ec_events_at(events, 0), &types), wallet_Put);
    assert_string_equal(ec_event_data(ec_events_at(events, 0)), "{\"amount\": 1}");
    assert_int_equal(ec_schema_version(&types, wallet_Put), 1);
    assert_int_equal(ec_schema_version(&wallet_event_types, wallet_Put), 3);
    assert_int_equal(ec_schema_version(&wallet_event_types, wallet_Closed), 1);
    ec_events_free(events);
}

/* ------------------------------------------------------------------ writing */

static ec_status write_all(ec_context *context)
{
    static const ec_new_event events[] = {
        {.type = "MoneyPut"},
        {.type = "MoneyTaken", .metadata = "{\"own\": 1.50}"},
        {.type = "MoneyPut", .metadata = "{\"schema_version\": 2, \"user_id\": null}"},
        {.type = "WalletClosed"},
        {.type = "WalletClosed", .metadata = "[]"},
        {.type = "Other", .metadata = "{}"},
        {.type = "MoneyTaken", .payload = "bytes", .payload_size = 5},
    };

    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        ec_write(context, 0, 0, &events[i]);
    return EC_OK;
}

static void assert_metadata(const struct fixture *f, const char *const *expected)
{
    for (size_t i = 0; i < f->execution.context.entry_count; i++)
        if (expected[i] == NULL)
            assert_null(f->execution.context.entries[i].event.metadata);
        else
            assert_string_equal(f->execution.context.entries[i].event.metadata, expected[i]);
}

static void test_writing(void **state)
{
    static const char *const expected[] = {"{\"schema_version\":3}",
                                           "{\"schema_version\":2,\"own\": 1.50}",
                                           "{\"schema_version\": 2, \"user_id\": null}",
                                           NULL,
                                           "[]",
                                           "{}",
                                           "{\"schema_version\":2}"};
    struct fixture *f = *state;

    command.write = write_all;
    feed_one(f, "WalletClosed", "{}", NULL);
    assert_int_equal(f->execution.context.entry_count, 7);
    assert_metadata(f, expected);
}

static ec_status write_some(ec_context *context)
{
    take_context ctx = {context};
    ec_new_event put = {.type = "MoneyPut",
                        .metadata = "{\"schema_version\": 2, \"user_id\": null}"};

    take_record(ctx, take_purse, wallet_Put, NULL);
    take_record(ctx, take_purse, wallet_Closed, NULL);
    return take_write(ctx, take_purse, &put);
}

static void test_writing_beside_other_metadata(void **state)
{
    static const ec_metadata keys = {.correlation_id = "c", .user_id = "u"};
    static const char *const expected[] = {
        "{\"correlation_id\":\"c\",\"user_id\":\"u\",\"schema_version\":3}",
        "{\"correlation_id\":\"c\",\"user_id\":\"u\"}",
        "{\"correlation_id\":\"c\",\"schema_version\": 2, \"user_id\": null}"};
    struct fixture *f = *state;

    f->options.metadata = &keys;
    command.write = write_some;
    feed_one(f, "WalletClosed", "{}", NULL);
    assert_int_equal(f->execution.context.entry_count, 3);
    assert_metadata(f, expected);
}

static ec_status write_into_an_array(ec_context *context)
{
    ec_new_event event = {.type = "MoneyPut", .metadata = "[1]"};

    return ec_write(context, 0, 0, &event);
}

static void test_metadata_that_takes_no_version(void **state)
{
    struct fixture *f = *state;

    command.write = write_into_an_array;
    feed_one(f, "WalletClosed", "{}", NULL);
    assert_done(f, EC_INVALID_EVENT);
    assert_message(f, "event MoneyPut for stream p: its metadata is not a JSON object that keys "
                      "can be added to");
}

/* ------------------------------------------------------------------ with a server, and in memory
 */

static void test_round_trip(void **state)
{
    struct server *s = *state;
    struct take take = {.cents = 5};
    take_streams streams = {.purse = s->b};
    const ec_event *event;
    ec_events *events;
    wallet_kind kind;

    added = counted = 0;
    misbehave = NULL;
    run_sql(s->sql, "SELECT version FROM eventcore.append('%s', 0, 'MoneyPut', '{\"amount\": 1}')",
            s->b);
    assert_ok(s->connection, take_execute(s->connection, &streams, &take, &s->outcome));
    assert_true(wallet_kind_of(ec_outcome_event(s->outcome, 1), &kind));
    assert_null(ec_event_problem(ec_outcome_event(s->outcome, 1)));
    assert_ok(s->connection, take_execute(s->connection, &streams, &take, &s->outcome));
    assert_string_equal(ec_event_data(ec_outcome_event(s->outcome, 1)),
                        "{\"cents\":195,\"currency\":\"EUR\"}");
    assert_int_equal(added, 2); /* once an event that was read */
    assert_int_equal(run_sql(s->sql,
                             "SELECT string_agg(coalesce(metadata->>'schema_version', '1'), ''"
                             " ORDER BY version) FROM eventcore.read_stream('%s')",
                             s->b),
                     12323);
    assert_ok(s->connection, ec_read_stream(s->connection, s->b, NULL, &events));
    event = ec_events_at(events, 0);
    assert_true(wallet_kind_of(event, &kind));
    assert_string_equal(ec_event_data(event), "{\"currency\":\"EUR\",\"cents\":100}");
    event = ec_events_at(events, 2);
    assert_true(wallet_kind_of(event, &kind));
    assert_string_equal(ec_event_data(event), "{\"cents\": 100, \"currency\": \"EUR\"}");
    ec_events_free(events);
}

static void test_newer_than_known_with_a_server(void **state)
{
    struct server *s = *state;
    struct take take = {.cents = 5};
    take_streams streams = {.purse = s->b};

    run_sql(s->sql,
            "SELECT version FROM eventcore.append('%s', 0, 'MoneyPut', '{}',"
            " '{\"schema_version\": 7}')",
            s->b);
    assert_status(s->connection, take_execute(s->connection, &streams, &take, NULL),
                  EC_UNKNOWN_EVENT);
    assert_non_null(strstr(ec_error_message(s->connection),
                           "its schema version 7 is newer than 3, the last that the list wallet "
                           "knows"));
    assert_int_equal(version_of(s->sql, s->b), 1);
}

static void test_in_memory(void **state)
{
    ec_test *test = ec_test_new();
    take_streams streams = {.purse = "p"};
    struct take take = {.cents = 5};
    ec_stream_event taken = EC_EVENT(test, "p", "MoneyTaken", "{s:i}", "cents", 5);
    ec_stream_event put =
        EC_EVENT(test, "p", "MoneyPut", "{s:i, s:s}", "cents", 100, "currency", "EUR");

    (void)state;
    misbehave = NULL;
    taken.event.metadata = "{\"schema_version\": 2}";
    put.event.metadata = "{\"schema_version\": 3}";
    EC_GIVEN(test, EC_EVENT(test, "p", "MoneyPut", "{s:i}", "amount", 1));
    EC_WHEN(test, take, &streams, &take);
    EC_THEN(test, taken, put);
    EC_WHEN(test, take, &streams, &take);
    put.event.data = "{\"cents\": 195, \"currency\": \"EUR\"}";
    EC_THEN(test, taken, put);
    assert_int_equal(ec_test_failures(test), 0);
    ec_test_free(test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(test_chain),
        MACHINE_TEST(test_newer_than_known),
        MACHINE_TEST(test_versions_that_are_none),
        MACHINE_TEST(test_upcasters_that_fail),
        MACHINE_TEST(test_replacing_data),
        MACHINE_TEST(test_gap),
        MACHINE_TEST(test_payloads),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_lists_that_differ),
        cmocka_unit_test(test_reading_what_is_newer),
        cmocka_unit_test(test_types_of_an_older_header),
        MACHINE_TEST(test_writing),
        MACHINE_TEST(test_writing_beside_other_metadata),
        MACHINE_TEST(test_metadata_that_takes_no_version),
        SERVER_TEST(test_round_trip),
        SERVER_TEST(test_newer_than_known_with_a_server),
        cmocka_unit_test(test_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
