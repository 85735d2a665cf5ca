/* test_connection.c: connecting, and appending and reading without a command. */
#include "server.h"

static void test_no_server(void **state)
{
    ec_connection *connection;

    (void)state;
    assert_int_equal(ec_connect(&connection, "host=/nonexistent", NULL), EC_CONNECTION_LOST);
    assert_non_null(strstr(ec_error_message(connection), "/nonexistent"));
    assert_true(ec_error_is_retriable(connection));
    assert_string_equal(ec_error_sqlstate(connection), "");
    ec_close(connection);
    assert_int_equal(ec_connect(&connection, "no such = option", NULL), EC_CONNECTION_LOST);
    ec_close(connection);
    ec_close(NULL);
    assert_int_equal(ec_error_status(NULL), EC_NO_MEMORY);
}

static void test_options(void **state)
{
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    struct server *s = *state;
    ec_connection *connection;
    ec_events *events;

    options.store = "no-such-store";
    assert_ok(connection, ec_connect(&connection, NULL, &options));
    assert_status(connection, ec_read_stream(connection, s->a, NULL, &events), EC_STORE_NOT_FOUND);
    assert_null(events);
    assert_string_equal(ec_error_sqlstate(connection), "VE008");
    ec_close(connection);

    options.timeout_ms = -1;
    assert_int_equal(ec_connect(&connection, NULL, &options), EC_INVALID_ARGUMENT);
    ec_close(connection);
}

static void test_append_and_read(void **state)
{
    struct server *s = *state;
    const ec_stream_event events[] = {
        {s->b, {.type = "Json", .data = "{\"n\": 1}", .metadata = "{\"user_id\": \"u1\"}"}},
        {s->limits, {.type = "Bytes", .payload = "a\0b", .payload_size = 3}},
        {s->b, {.type = "Empty"}},
        {s->limits, {.type = "NoBytes", .payload = "", .payload_size = 0}}};
    const ec_expectation expected[] = {
        {s->b, EC_EXPECT_NO_STREAM}, {s->limits, EC_EXPECT_ANY}, {s->a, EC_EXPECT_EXISTS}};
    const char *const ids[] = {s->limits, s->b, "missing-stream"};
    const ec_event *event;
    ec_events *read;
    size_t size = 9;

    assert_ok(s->connection, ec_append(s->connection, events, 4, expected, 3, &s->outcome));
    assert_int_equal(ec_outcome_event_count(s->outcome), 4);
    assert_int_equal(ec_event_version(ec_outcome_event(s->outcome, 2)), 2);

    assert_ok(s->connection, ec_read_streams(s->connection, ids, 3, NULL, &read));
    assert_int_equal(ec_events_count(read), 4);
    for (size_t i = 0; i < 4; i++) {
        const ec_event *written = ec_outcome_event(s->outcome, i);

        event = ec_events_at(read, i);
        assert_string_equal(ec_event_stream_id(event), events[i].stream_id);
        assert_string_equal(ec_event_type(event), events[i].event.type);
        assert_int_equal(ec_event_position(event), ec_event_position(written));
        assert_int_equal(ec_event_version(event), ec_event_version(written));
        assert_int_equal(ec_event_recorded_at(event), ec_event_recorded_at(written));
        assert_memory_equal(ec_event_id(event), ec_event_id(written), sizeof(ec_uuid));
    }
    event = ec_events_at(read, 0);
    assert_string_equal(ec_event_data(event), "{\"n\": 1}");
    assert_string_equal(ec_event_metadata(event), "{\"user_id\": \"u1\"}");
    assert_null(ec_event_payload(event, NULL));
    event = ec_events_at(read, 1);
    assert_null(ec_event_data(event));
    assert_memory_equal(ec_event_payload(event, &size), "a\0b", 3);
    assert_int_equal(size, 3);
    assert_string_equal(ec_event_data(ec_events_at(read, 2)), "{}");
    assert_non_null(ec_event_payload(ec_events_at(read, 3), &size));
    assert_int_equal(size, 0);
    assert_int_equal(ec_events_stream_version(read, s->b), 2);
    assert_int_equal(ec_events_stream_version(read, "missing-stream"), 0);
    ec_events_free(read);
}

static void test_append_conflict(void **state)
{
    struct server *s = *state;
    const ec_stream_event event = {s->a, {.type = "T"}};
    const ec_expectation expected[] = {
        {s->a, 7}, {s->b, EC_EXPECT_EXISTS}, {s->limits, EC_EXPECT_NO_STREAM}};

    assert_status(s->connection, ec_append(s->connection, &event, 1, expected, 3, &s->outcome),
                  EC_VERSION_CONFLICT);
    assert_int_equal(ec_outcome_attempts(s->outcome), 1);
    assert_int_equal(ec_error_violation_count(s->connection), 2);
    for (size_t i = 0; i < 2; i++) {
        const ec_violation *violation = ec_error_violation(s->connection, i);
        bool is_a = strcmp(violation->stream_id, s->a) == 0;

        assert_string_equal(violation->stream_id, is_a ? s->a : s->b);
        assert_int_equal(violation->expected, is_a ? 7 : EC_EXPECT_EXISTS);
        assert_int_equal(violation->actual, is_a ? 1 : 0);
    }
    assert_int_equal(version_of(s->sql, s->a), 1);

    assert_status(s->connection, ec_append(s->connection, &event, 1, &expected[2], 1, NULL),
                  EC_UNDECLARED_STREAM);
    assert_ok(s->connection, ec_append(s->connection, &event, 1, NULL, 0, NULL));
    assert_int_equal(version_of(s->sql, s->a), 2);
    assert_ok(s->connection, ec_append(s->connection, NULL, 0, &expected[2], 1, &s->outcome));
    assert_int_equal(ec_outcome_event_count(s->outcome), 0);
}

static void test_append_is_idempotent(void **state)
{
    struct server *s = *state;
    ec_uuid id;
    ec_stream_event event = {s->a, {.type = "T", .data = "{\"n\": 1}", .event_id = &id}};
    const ec_expectation expected = {s->a, 1};
    int64_t position;

    assert_int_equal(ec_uuid_new(&id), EC_OK);
    assert_ok(s->connection, ec_append(s->connection, &event, 1, &expected, 1, &s->outcome));
    position = ec_event_position(ec_outcome_event(s->outcome, 0));
    assert_ok(s->connection, ec_append(s->connection, &event, 1, &expected, 1, &s->outcome));
    assert_int_equal(ec_event_position(ec_outcome_event(s->outcome, 0)), position);
    assert_int_equal(version_of(s->sql, s->a), 2);

    event.event.data = "{\"n\": 2}";
    assert_status(s->connection, ec_append(s->connection, &event, 1, NULL, 0, NULL),
                  EC_DUPLICATE_EVENT_ID);
    assert_string_equal(ec_error_sqlstate(s->connection), "VE006");
}

static void test_append_misuse(void **state)
{
    struct server *s = *state;
    const ec_stream_event homeless = {NULL, {.type = "T"}}, untyped = {s->a, {.data = "{}"}};
    const ec_stream_event lacking = {s->a, {.type = "T", .payload_size = 3}};
    ec_events *events;

    assert_status(s->connection, ec_append(s->connection, &homeless, 1, NULL, 0, NULL),
                  EC_INVALID_ARGUMENT);
    assert_status(s->connection, ec_append(s->connection, &untyped, 1, NULL, 0, NULL),
                  EC_INVALID_EVENT);
    assert_status(s->connection, ec_append(s->connection, &lacking, 1, NULL, 0, NULL),
                  EC_INVALID_EVENT);
    assert_status(s->connection, ec_append(s->connection, NULL, 1, NULL, 0, NULL),
                  EC_INVALID_ARGUMENT);
    assert_int_equal(version_of(s->sql, s->a), 1);
    assert_status(s->connection, ec_read_streams(s->connection, NULL, 1, NULL, &events),
                  EC_INVALID_ARGUMENT);
    assert_int_equal(ec_events_count(events), 0);
    assert_null(ec_events_at(events, 0));
    assert_int_equal(ec_events_stream_version(events, s->a), -1);
}

/* The versions that a read gives, as digits. */
static void assert_versions(struct server *s, const ec_read_options *options, const char *expected)
{
    char versions[16] = "";
    ec_events *events;

    assert_ok(s->connection, ec_read_stream(s->connection, s->a, options, &events));
    for (size_t i = 0; i < ec_events_count(events); i++)
        versions[i] = (char)('0' + ec_event_version(ec_events_at(events, i)));
    ec_events_free(events);
    assert_string_equal(versions, expected);
}

static void test_read_stream(void **state)
{
    struct server *s = *state;
    ec_read_options options = EC_READ_OPTIONS_INIT;
    ec_events *events;

    for (int i = 2; i <= 5; i++)
        deposit(s->sql, s->a, i);
    assert_versions(s, NULL, "12345");
    options.after_version = 2;
    assert_versions(s, &options, "345");
    options.max_count = 2;
    assert_versions(s, &options, "34");
    options.backward = true;
    options.after_version = 4;
    assert_versions(s, &options, "32");
    options.after_version = 0;
    assert_versions(s, &options, "54");
    assert_ok(s->connection, ec_read_stream(s->connection, s->b, NULL, &events));
    assert_int_equal(ec_events_count(events), 0);
    ec_events_free(events);
    assert_status(s->connection, ec_read_stream(s->connection, NULL, NULL, &events),
                  EC_INVALID_ARGUMENT);
}

/* What a read is given may lie in the last error, also if the connection is lost meanwhile. */
static void test_read_a_violated_stream(void **state)
{
    struct server *s = *state;
    const ec_stream_event event = {s->a, {.type = "MoneyDeposited"}};
    const ec_expectation expected = {s->a, 7};
    ec_events *events;

    assert_status(s->connection, ec_append(s->connection, &event, 1, &expected, 1, NULL),
                  EC_VERSION_CONFLICT);
    run_sql(s->sql, "SELECT pg_terminate_backend(%d, 10000)", backend_of(s->connection));
    assert_ok(s->connection,
              ec_read_stream(s->connection, ec_error_violation(s->connection, 0)->stream_id, NULL,
                             &events));
    assert_int_equal(ec_events_count(events), 1);
    assert_int_equal(ec_error_status(s->connection), EC_OK);
    ec_events_free(events);
}

static void test_read_streams_after(void **state)
{
    struct server *s = *state;
    const char *const ids[] = {s->a, s->b};
    const int64_t after[] = {1, 0};
    ec_events *events;

    deposit(s->sql, s->b, 5);
    assert_ok(s->connection, ec_read_streams(s->connection, ids, 2, after, &events));
    assert_int_equal(ec_events_count(events), 1);
    assert_string_equal(ec_event_stream_id(ec_events_at(events, 0)), s->b);
    assert_int_equal(ec_events_stream_version(events, s->a), 1);
    ec_events_free(events);
}

static void test_read_all(void **state)
{
    struct server *s = *state;
    const ec_stream_event events[] = {{s->a, {.type = "T1"}}, {s->b, {.type = "T2"}}};
    int64_t before;
    ec_events *read;

    assert_ok(s->connection, ec_append(s->connection, events, 2, NULL, 0, &s->outcome));
    before = ec_event_position(ec_outcome_event(s->outcome, 0)) - 1;
    for (int i = 1; i <= 2; i++) {
        assert_ok(s->connection, ec_read_all(s->connection, before, i, &read));
        assert_int_equal(ec_events_count(read), i);
        assert_string_equal(ec_event_type(ec_events_at(read, i - 1)), i == 1 ? "T1" : "T2");
        assert_int_equal(ec_events_stream_version(read, s->a), -1);
        ec_events_free(read);
    }
    assert_status(s->connection, ec_read_all(s->connection, INT64_MAX / 2, 1, &read),
                  EC_POSITION_BEYOND_LOG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_server),       SERVER_TEST(test_options),
        SERVER_TEST(test_append_and_read),      SERVER_TEST(test_append_conflict),
        SERVER_TEST(test_append_is_idempotent), SERVER_TEST(test_append_misuse),
        SERVER_TEST(test_read_stream),          SERVER_TEST(test_read_a_violated_stream),
        SERVER_TEST(test_read_streams_after),   SERVER_TEST(test_read_all),
    };

    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
