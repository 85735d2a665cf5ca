/* test_metadata.c: the well-known keys of metadata: added to what is written, and read back. */
#include "machine.h"
#include "server.h"

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
#define KEYS "{\"correlation_id\":\"c\",\"user_id\":\"u\"}"

static const ec_metadata some_keys = {.correlation_id = "c", .user_id = "u"};

/* ------------------------------------------------------------------ adding, in the machine */

static const char *metadata_of(const struct fixture *f, size_t entry)
{
    return f->execution.context.entries[entry].event.metadata;
}

static void test_no_metadata(void **state)
{
    static const ec_metadata no_keys;
    struct fixture *f = *state;

    start(f);
    feed_accounts(f);
    assert_null(metadata_of(f, 0));
    ec_execution_free(&f->execution);
    f->options.metadata = &no_keys;
    start(f);
    feed_accounts(f);
    assert_null(metadata_of(f, 0));
}

static void test_rendered_once(void **state)
{
    struct fixture *f = *state;

    f->options.metadata = &some_keys;
    start(f);
    feed_accounts(f);
    assert_string_equal(metadata_of(f, 0), KEYS);
    assert_ptr_equal(metadata_of(f, 0), metadata_of(f, 1));
    feed_appended(f, "appended");
    assert_done(f, EC_OK);
    assert_string_equal(ec_event_metadata(ec_outcome_event(f->outcome, 1)), KEYS);
}

/* Through a conflict, a new decision, a lost reply and the append repeated after it. */
static void test_same_in_each_attempt(void **state)
{
    struct fixture *f = *state;
    const char *first;

    f->options.metadata = &some_keys;
    start(f);
    feed_accounts(f);
    first = metadata_of(f, 0);
    feed_conflict(f);
    resume(f);
    feed_accounts_at(f, 3);
    assert_int_equal(f->handled, 2);
    assert_ptr_equal(metadata_of(f, 0), first);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    assert_string_equal(metadata_of(f, 1), KEYS);
    feed_appended(f, "repeated");
    assert_done(f, EC_OK);
    assert_string_equal(ec_event_metadata(ec_outcome_event(f->outcome, 0)), KEYS);
}

/* An append of one event with metadata of its own. */
static void append_with(struct fixture *f, const char *own, const ec_metadata *keys)
{
    ec_stream_event event = {"a", {.type = "Noted", .metadata = own}};

    f->options.metadata = keys;
    ec_execution_start_append(&f->execution, &event, 1, NULL, 0, &f->options, NULL, f->outcome);
}

static void test_own_metadata_goes_first(void **state)
{
    static const char *const cases[][2] = {
        {"{}", KEYS},
        {" {\n} ", KEYS},
        {"{\"a\": 1}", "{\"correlation_id\":\"c\",\"user_id\":\"u\",\"a\": 1}"},
        {"{\"user_id\":\"mine\"}", "{\"correlation_id\":\"c\",\"user_id\":\"mine\"}"},
        {"{\"user_id\": null, \"correlation_id\": 1}",
         "{\"user_id\": null, \"correlation_id\": 1}"},
        {"{\"\\u0075ser_id\":\"mine\"}", "{\"correlation_id\":\"c\",\"\\u0075ser_id\":\"mine\"}"},
        {"\t{\"a\":{\"user_id\":\"{}\"}}",
         "{\"correlation_id\":\"c\",\"user_id\":\"u\",\"a\":{\"user_id\":\"{}\"}}"},
        {"{\"n\":12345678901234567890.10}",
         "{\"correlation_id\":\"c\",\"user_id\":\"u\",\"n\":12345678901234567890.10}"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        append_with(f, cases[i][0], &some_keys);
        assert_int_equal(f->execution.step, EC_STEP_APPEND);
        assert_string_equal(metadata_of(f, 0), cases[i][1]);
        ec_execution_free(&f->execution);
        append_with(f, cases[i][0], NULL);
        assert_string_equal(metadata_of(f, 0), cases[i][0]);
        ec_execution_free(&f->execution);
    }
}

static void test_own_metadata_that_takes_no_keys(void **state)
{
    static const char *const cases[] = {"[1]", "null",        "\"text\"",        "{",
                                        "",    "{\"a\":1} x", "{\"a\":\"\xff\"}"};
    static const ec_metadata no_keys;
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        append_with(f, cases[i], &some_keys);
        assert_done(f, EC_INVALID_EVENT);
        assert_non_null(strstr(f->execution.failure.message,
                               "event Noted for stream a: its metadata is not a JSON object"));
        assert_int_equal(ec_outcome_attempts(f->outcome), 0);
        ec_execution_free(&f->execution);
        append_with(f, cases[i], &no_keys); /* which the server may like */
        assert_int_equal(f->execution.step, EC_STEP_APPEND);
        assert_string_equal(metadata_of(f, 0), cases[i]);
        ec_execution_free(&f->execution);
        ec_outcome_prepare(&f->outcome);
    }
}

static ec_status write_broken_metadata(ec_context *context)
{
    ec_new_event event = {.type = "Noted", .metadata = "[]"};

    ec_write(context, 0, 0, &event); /* ignored: it sticks */
    return EC_OK;
}

static void test_broken_metadata_in_a_handler(void **state)
{
    struct fixture *f = *state;

    f->options.metadata = &some_keys;
    f->command.decide = write_broken_metadata;
    start(f);
    feed_accounts(f);
    assert_done(f, EC_INVALID_EVENT);
}

static void test_traceparent(void **state)
{
    static const struct {
        const char *text;
        ec_status status;
    } cases[] = {
        {TRACE, EC_OK},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff", EC_OK},
        {"00-00000000000000000000000000000001-1000000000000000-00", EC_OK},
        {"", EC_INVALID_ARGUMENT},
        {"00", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1", EC_INVALID_ARGUMENT},
        {TRACE "-", EC_INVALID_ARGUMENT},
        {TRACE " ", EC_INVALID_ARGUMENT},
        {"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", EC_INVALID_ARGUMENT},
        {"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", EC_INVALID_ARGUMENT},
        {"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e47361-0f067aa0ba902b7-01", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01", EC_INVALID_ARGUMENT},
        {"00-00000000000000000000000000000000-00f067aa0ba902b7-01", EC_INVALID_ARGUMENT},
        {"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", EC_INVALID_ARGUMENT},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_metadata keys = {.traceparent = cases[i].text};

        f->options.metadata = &keys;
        start(f);
        if (cases[i].status == EC_OK) {
            assert_int_equal(f->execution.step, EC_STEP_READ);
        } else {
            assert_done(f, cases[i].status);
            assert_int_equal(ec_outcome_attempts(f->outcome), 0);
        }
        ec_execution_free(&f->execution);
        ec_outcome_prepare(&f->outcome);
    }
}

static void test_not_utf8(void **state)
{
    static const char *const cases[] = {"\xff", "\xc3", "caf\xe9", "\xed\xa0\x80", "\xc0\x80"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_metadata keys = {.correlation_id = "c", .user_id = cases[i]};

        f->options.metadata = &keys;
        start(f);
        assert_done(f, EC_INVALID_ARGUMENT);
        assert_message(f, "metadata is not UTF-8");
        ec_execution_free(&f->execution);
    }
}

/* ------------------------------------------------------------------ reading, without a server */

/* The only event of a list, with this metadata. */
static const ec_event *event_with(ec_events **events, const char *metadata)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAM);
    ec_failure failure = {.status = EC_OK};

    reply_event(result, "a", 1, 0x12, "Noted", "{}", 0);
    if (metadata != NULL)
        reply_json(result, 0, 7, metadata);
    assert_int_equal(ec_rows_decode(events, result, EC_STATEMENT_READ_STREAM, &failure), EC_OK);
    return ec_events_at(*events, 0);
}

#define EVENT_ID "12000000-0000-0000-0000-000000000000"

static void assert_keys(const ec_metadata *in_event, const char *correlation, const char *causation,
                        const char *user, const char *traceparent)
{
    const char *const wanted[] = {correlation, causation, user, traceparent};
    const char *const keys[] = {in_event->correlation_id, in_event->causation_id, in_event->user_id,
                                in_event->traceparent};

    for (int i = 0; i < 4; i++)
        if (wanted[i] == NULL)
            assert_null(keys[i]);
        else
            assert_string_equal(keys[i], wanted[i]);
}

static void test_read(void **state)
{
    static const char *const without[] = {NULL,
                                          "{}",
                                          "[]",
                                          "1",
                                          "null",
                                          "{\"user_id\":[\"u\"]}",
                                          "{\"user_id\":null,\"traceparent\":7}"};
    ec_metadata in_event = some_keys, again;
    ec_events *events;
    const ec_event *event;

    (void)state;
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        in_event = some_keys;
        event = event_with(&events, without[i]);
        assert_int_equal(ec_event_read_metadata(event, &in_event), EC_OK);
        assert_keys(&in_event, NULL, NULL, NULL, NULL);
        ec_events_free(events);
    }
    event =
        event_with(&events, "{\"correlation_id\":\"c\",\"causation_id\":\"\",\"user_id\":"
                            "\"\\u00e9\\n\",\"traceparent\":\"t\",\"n\":123456789012345678901}");
    assert_int_equal(ec_event_read_metadata(event, &in_event), EC_OK);
    assert_int_equal(ec_event_read_metadata(event, &again), EC_OK);
    assert_keys(&in_event, "c", "", "\xc3\xa9\n", "t");
    assert_ptr_equal(in_event.user_id, again.user_id);
    ec_events_free(events);
}

static void test_read_beyond_what_can_be_parsed(void **state)
{
    ec_metadata in_event = some_keys;
    ec_events *events;
    const ec_event *event = event_with(&events, "{\"user_id\":\"u\",\"n\":1e400}");

    (void)state;
    assert_int_equal(ec_event_read_metadata(event, &in_event), EC_INVALID_EVENT);
    assert_keys(&in_event, NULL, NULL, NULL, NULL);
    in_event = some_keys;
    assert_int_equal(ec_metadata_caused_by(event, &in_event), EC_INVALID_EVENT);
    assert_keys(&in_event, NULL, NULL, NULL, NULL);
    ec_events_free(events);
}

static void test_caused_by(void **state)
{
    ec_metadata in_event;
    ec_events *events;

    (void)state;
    assert_int_equal(ec_metadata_caused_by(event_with(&events, NULL), &in_event), EC_OK);
    assert_keys(&in_event, EVENT_ID, EVENT_ID, NULL, NULL);
    ec_events_free(events);
    assert_int_equal(ec_metadata_caused_by(event_with(&events, "{\"correlation_id\":\"c\",\"user_id"
                                                               "\":\"u\",\"causation_id\":\"x\","
                                                               "\"traceparent\":\"" TRACE "\"}"),
                                           &in_event),
                     EC_OK);
    assert_keys(&in_event, "c", EVENT_ID, "u", TRACE);
    ec_events_free(events);
    /* A traceparent that could not be written is not passed on. */
    assert_int_equal(
        ec_metadata_caused_by(event_with(&events, "{\"traceparent\":\"00-1\"}"), &in_event), EC_OK);
    assert_keys(&in_event, EVENT_ID, EVENT_ID, NULL, NULL);
    ec_events_free(events);
}

/* ------------------------------------------------------------------ with a server */

/* How many events of a stream have this text at a key; NULL: lack it. */
static long long count_with(struct server *s, const char *stream_id, const char *key,
                            const char *value)
{
    return run_sql(s->sql,
                   "SELECT count(*) FROM eventcore.read_stream('%s') WHERE metadata->>'%s' "
                   "IS NOT DISTINCT FROM %s%s%s",
                   stream_id, key, value == NULL ? "" : "'", value == NULL ? "NULL" : value,
                   value == NULL ? "" : "'");
}

static void transfer_with(struct server *s, const ec_metadata *metadata, ec_status expected)
{
    struct transfer command = {.amount = 1, .handled = &s->handled};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    options.metadata = metadata;
    s->handled = 0;
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        expected);
}

static void test_sql_sees_the_keys(void **state)
{
    struct server *s = *state;
    const ec_metadata of_command = {
        .causation_id = "cause", .user_id = "bob", .traceparent = TRACE};
    char correlation[] = "correlation-1";
    const ec_metadata of_connection = {.correlation_id = correlation, .user_id = "alice"};

    assert_ok(s->connection, ec_set_metadata(s->connection, &of_connection));
    strcpy(correlation, "overwritten"); /* it was copied */
    transfer_with(s, NULL, EC_OK);
    assert_int_equal(count_with(s, s->b, "correlation_id", "correlation-1"), 1);
    assert_int_equal(count_with(s, s->b, "user_id", "alice"), 1);
    transfer_with(s, &of_command, EC_OK);
    assert_int_equal(count_with(s, s->b, "correlation_id", "correlation-1"), 2);
    assert_int_equal(count_with(s, s->b, "user_id", "bob"), 1);
    assert_int_equal(count_with(s, s->b, "causation_id", "cause"), 1);
    assert_int_equal(count_with(s, s->b, "causation_id", NULL), 1);
    assert_int_equal(count_with(s, s->b, "traceparent", TRACE), 1);
    assert_ok(s->connection, ec_set_metadata(s->connection, NULL));
    transfer_with(s, NULL, EC_OK);
    assert_int_equal(run_sql(s->sql,
                             "SELECT count(*) FROM eventcore.read_stream('%s')"
                             " WHERE metadata IS NULL",
                             s->b),
                     1);
}

static void test_append_and_read_back(void **state)
{
    static const char *const user = "\"\\\b\n\x01\x7f/ \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80";
    struct server *s = *state;
    const ec_metadata keys = {.correlation_id = "c", .user_id = user};
    ec_stream_event written[] = {
        {s->b, {.type = "Noted"}},
        {s->b, {.type = "Noted", .payload = "bytes", .payload_size = 5}},
        {s->b, {.type = "Noted", .metadata = "{\"correlation_id\": \"mine\", \"n\": 1.10}"}},
    };
    ec_metadata in_event;
    ec_events *events;

    assert_ok(s->connection, ec_set_metadata(s->connection, &keys));
    assert_ok(s->connection, ec_append(s->connection, written, 3, NULL, 0, NULL));
    assert_ok(s->connection, ec_read_stream(s->connection, s->b, NULL, &events));
    for (size_t i = 0; i < 3; i++) {
        assert_ok(s->connection, ec_event_read_metadata(ec_events_at(events, i), &in_event));
        assert_keys(&in_event, i < 2 ? "c" : "mine", NULL, user, NULL);
    }
    ec_events_free(events);
    assert_int_equal(run_sql(s->sql,
                             "SELECT count(*) FROM eventcore.read_stream('%s')"
                             " WHERE metadata->>'n' = '1.10'",
                             s->b),
                     1);
}

static void test_chain_of_causes(void **state)
{
    struct server *s = *state;
    const ec_metadata keys = {.user_id = "alice", .traceparent = TRACE};
    ec_metadata caused, in_event;
    char first[EC_UUID_TEXT_SIZE], second[EC_UUID_TEXT_SIZE];
    ec_outcome *earlier;
    ec_events *events;

    transfer_with(s, &keys, EC_OK);
    ec_uuid_format(ec_event_id(ec_outcome_event(s->outcome, 1)), first);
    assert_ok(s->connection, ec_read_stream(s->connection, s->b, NULL, &events));
    assert_ok(s->connection, ec_metadata_caused_by(ec_events_at(events, 0), &caused));
    transfer_with(s, &caused, EC_OK);
    ec_events_free(events);
    ec_uuid_format(ec_event_id(ec_outcome_event(s->outcome, 1)), second);
    earlier = s->outcome; /* what was caused by its event lives in it */
    s->outcome = NULL;
    assert_ok(s->connection, ec_metadata_caused_by(ec_outcome_event(earlier, 1), &caused));
    transfer_with(s, &caused, EC_OK);
    ec_outcome_free(earlier);
    assert_ok(s->connection, ec_read_stream(s->connection, s->b, NULL, &events));
    assert_ok(s->connection, ec_event_read_metadata(ec_events_at(events, 2), &in_event));
    assert_keys(&in_event, first, second, "alice", TRACE);
    ec_events_free(events);
}

static void interfere(void *argument)
{
    struct server *s = argument;

    deposit(s->sql, s->a, 1);
}

static void test_retried_command(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 1, .handled = &s->handled, .interfere = interfere, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    const ec_metadata keys = {.correlation_id = "once"};

    options.metadata = &keys;
    assert_ok(s->connection,
              transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome));
    assert_int_equal(s->handled, 2);
    assert_int_equal(count_with(s, s->b, "correlation_id", "once"), 1);
}

static void test_invalid_before_anything_is_sent(void **state)
{
    struct server *s = *state;
    const ec_metadata good = {.user_id = "alice"}, bad = {.traceparent = "00-xyz"};
    const ec_metadata not_utf8 = {.user_id = "\xff"};

    assert_ok(s->connection, ec_set_metadata(s->connection, &good));
    assert_status(s->connection, ec_set_metadata(s->connection, &bad), EC_INVALID_ARGUMENT);
    assert_int_equal(ec_error_status(s->connection), EC_INVALID_ARGUMENT);
    assert_non_null(strstr(ec_error_message(s->connection), "00-xyz"));
    assert_status(s->connection, ec_set_metadata(s->connection, &not_utf8), EC_INVALID_ARGUMENT);
    transfer_with(s, &bad, EC_INVALID_ARGUMENT);
    assert_int_equal(s->handled, 0);
    assert_int_equal(ec_outcome_attempts(s->outcome), 0);
    transfer_with(s, NULL, EC_OK); /* with what was set before */
    assert_int_equal(count_with(s, s->b, "user_id", "alice"), 1);
    assert_ok(s->connection, ec_set_metadata(s->connection, &good));
    assert_int_equal(ec_error_status(s->connection), EC_OK);
}

/* Both ways to execute many: with the connection's keys, and behind those of the call. */
static void test_many_commands(void **state)
{
    struct server *server = *state;
    struct transfer command = {.amount = 1};
    ec_metadata called = {.user_id = "called"};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_command commands[2];

    deposit(server->sql, server->a, 10);
    assert_ok(server->connection, ec_set_metadata(server->connection, &some_keys));
    for (int i = 0; i < 2; i++)
        commands[i] = transfer_prepare(&server->streams, &command);
    assert_ok(server->connection, ec_execute_batch(server->connection, commands, 2, NULL));
    assert_string_equal(ec_event_metadata(ec_outcome_event(commands[1].outcome, 0)), KEYS);
    options.metadata = &called;
    assert_ok(server->connection, ec_execute_pipelined(server->connection, commands, 2, &options));
    assert_string_equal(ec_event_metadata(ec_outcome_event(commands[1].outcome, 0)),
                        "{\"correlation_id\":\"c\",\"user_id\":\"called\"}");
    for (int i = 0; i < 2; i++)
        ec_outcome_free(commands[i].outcome);
    assert_int_equal(run_sql(server->sql,
                             "SELECT count(*) FROM eventcore.read_stream('%s')"
                             " WHERE metadata->>'correlation_id' = 'c'",
                             server->b),
                     4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_metadata),
        TEST(test_rendered_once),
        TEST(test_same_in_each_attempt),
        TEST(test_own_metadata_goes_first),
        TEST(test_own_metadata_that_takes_no_keys),
        TEST(test_broken_metadata_in_a_handler),
        TEST(test_traceparent),
        TEST(test_not_utf8),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_beyond_what_can_be_parsed),
        cmocka_unit_test(test_caused_by),
        SERVER_TEST(test_sql_sees_the_keys),
        SERVER_TEST(test_append_and_read_back),
        SERVER_TEST(test_chain_of_causes),
        SERVER_TEST(test_retried_command),
        SERVER_TEST(test_many_commands),
        SERVER_TEST(test_invalid_before_anything_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
