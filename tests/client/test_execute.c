/* test_execute.c: commands against a server: what they write, and what makes them run again. */
#include "server.h"

static void test_transfer(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30};
    const ec_event *event;

    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(ec_outcome_attempts(s->outcome), 1);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 0);
    assert_int_equal(ec_outcome_event_count(s->outcome), 2);
    event = ec_outcome_event(s->outcome, 0);
    assert_string_equal(ec_event_stream_id(event), s->a);
    assert_int_equal(ec_event_version(event), 2);
    assert_true(ec_event_recorded_at(event) > INT64_C(1600000000000000));
    event = ec_outcome_event(s->outcome, 1);
    assert_string_equal(ec_event_stream_id(event), s->b);
    assert_int_equal(ec_event_version(event), 1);
    assert_int_equal(ec_event_position(event),
                     ec_event_position(ec_outcome_event(s->outcome, 0)) + 1);
    assert_int_equal(balance_of(s->sql, s->a), 70);
    assert_int_equal(balance_of(s->sql, s->b), 30);
    assert_int_equal(version_of(s->sql, s->limits), 0);
    assert_int_equal(ec_error_status(s->connection), EC_OK);
    assert_string_equal(ec_error_message(s->connection), "");
}

static void test_rejection_writes_nothing(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 101};

    assert_status(s->connection,
                  transfer_execute(s->connection, &s->streams, &command, &s->outcome), EC_REJECTED);
    assert_string_equal(ec_outcome_rejection_code(s->outcome), "insufficient_funds");
    assert_string_equal(ec_outcome_rejection_message(s->outcome), "balance 100, requested 101");
    assert_string_equal(ec_error_message(s->connection),
                        "insufficient_funds: balance 100, requested 101");
    assert_false(ec_error_is_retriable(s->connection));
    assert_int_equal(version_of(s->sql, s->a), 1);

    /* The outcome is reused, and remembers nothing. */
    command.amount = 1;
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_null(ec_outcome_rejection_code(s->outcome));
    assert_int_equal(ec_outcome_event_count(s->outcome), 2);
}

/* ------------------------------------------------------------------ conflicts */

static void withdraw_50(void *argument)
{
    struct server *s = argument;

    run_sql(s->sql,
            "SELECT 1 FROM eventcore.append('%s', 1, 'MoneyWithdrawn', '{\"amount\": 50}'::jsonb)",
            s->a);
}

static void test_forced_conflict(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = withdraw_50, .argument = s};

    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(s->handled, 2);
    assert_int_equal(ec_outcome_attempts(s->outcome), 2);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    assert_int_equal(ec_outcome_violation_count(s->outcome), 1);
    assert_string_equal(ec_outcome_violation(s->outcome, 0)->stream_id, s->a);
    assert_int_equal(ec_outcome_violation(s->outcome, 0)->expected, 1);
    assert_int_equal(ec_outcome_violation(s->outcome, 0)->actual, 2);
    assert_int_equal(ec_event_version(ec_outcome_event(s->outcome, 0)), 3);
    assert_int_equal(balance_of(s->sql, s->a), 20);
    assert_int_equal(balance_of(s->sql, s->b), 30);
}

/* What was true when it was read is no longer: the second look rejects. */
static void test_conflict_changes_the_decision(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 80, .handled = &s->handled, .interfere = withdraw_50, .argument = s};

    assert_status(s->connection,
                  transfer_execute(s->connection, &s->streams, &command, &s->outcome), EC_REJECTED);
    assert_string_equal(ec_outcome_rejection_message(s->outcome), "balance 50, requested 80");
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    assert_int_equal(balance_of(s->sql, s->b), 0);
}

static void set_limit_20(void *argument)
{
    struct server *s = argument;

    run_sql(s->sql,
            "SELECT 1 FROM eventcore.append('%s', 0, 'LimitSet', '{\"amount\": 20}'::jsonb)",
            s->limits);
}

/* A stream that is only read is part of the decision. */
static void test_change_of_an_only_read_stream(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = set_limit_20, .argument = s};

    assert_status(s->connection,
                  transfer_execute(s->connection, &s->streams, &command, &s->outcome), EC_REJECTED);
    assert_string_equal(ec_outcome_rejection_code(s->outcome), "above_limit");
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    assert_string_equal(ec_outcome_violation(s->outcome, 0)->stream_id, s->limits);
    assert_int_equal(version_of(s->sql, s->a), 1);
}

/* Write skew: either doctor may go off call if the other is on, and both try at once. */
struct leave {
    struct server *server;
    bool outer;
};

struct on_call {
    bool mine;
    bool theirs;
};

#define DUTY_EVENTS(list, type)                                                                    \
    type(list, started, "MoneyDeposited")                                                          \
        type(list, left, "WentOffCall") /* the first was at hand */
EC_EVENTS(duty, DUTY_EVENTS);

#define LEAVE_STREAMS(command, stream) stream(command, writes, mine) stream(command, reads, theirs)
EC_COMMAND(leave, LEAVE_STREAMS, duty, struct leave, struct on_call);

static ec_status leave_apply(const struct leave *leave, struct on_call *state, duty_kind kind,
                             const ec_event *event)
{
    (void)leave;
    *(EC_FROM(event, leave_mine) ? &state->mine : &state->theirs) = kind == duty_started;
    return EC_OK;
}

static ec_status leave_handle(const struct leave *leave, const struct on_call *state,
                              leave_context ctx)
{
    if (leave->outer && state->theirs) {
        struct server *s = leave->server;
        leave_streams streams = {.mine = s->b, .theirs = s->a};
        struct leave inner = {.outer = false};

        assert_ok(s->other, leave_execute(s->other, &streams, &inner, NULL));
    }
    EC_REQUIRE(ctx, state->theirs, "nobody_left", "the other is off call");
    return leave_record(ctx, leave_mine, duty_left, NULL);
}

static void test_no_write_skew(void **state)
{
    struct server *s = *state;
    leave_streams streams = {.mine = s->a, .theirs = s->b};
    struct leave command = {.server = s, .outer = true};

    deposit(s->sql, s->b, 1);
    assert_status(s->connection, leave_execute(s->connection, &streams, &command, &s->outcome),
                  EC_REJECTED);
    assert_string_equal(ec_outcome_rejection_code(s->outcome), "nobody_left");
    assert_int_equal(version_of(s->sql, s->a), 1);
    assert_int_equal(version_of(s->sql, s->b), 2);
}

static void test_attempts_run_out(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = withdraw_50, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    options.max_attempts = 1;
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome),
        EC_VERSION_CONFLICT);
    assert_true(ec_error_is_retriable(s->connection));
    assert_int_equal(ec_error_violation_count(s->connection), 1);
    assert_string_equal(ec_error_violation(s->connection, 0)->stream_id, s->a);
    assert_int_equal(ec_error_violation(s->connection, 0)->actual, 2);
    assert_null(ec_error_violation(s->connection, 1));
    assert_int_equal(ec_outcome_attempts(s->outcome), 1);
    assert_false(ec_outcome_in_doubt(s->outcome));
    assert_int_equal(version_of(s->sql, s->b), 0);
}

/* ------------------------------------------------------------------ nothing written */

static ec_status write_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

static void test_read_only_command(void **state)
{
    struct server *s = *state;
    struct transfer command = {
        .decide = write_nothing, .handled = &s->handled, .interfere = withdraw_50, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    /* Unverified, it does not notice that what it read has changed. */
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_int_equal(s->handled, 1);
    assert_int_equal(ec_outcome_attempts(s->outcome), 1);

    options.verify = true;
    s->handled = 0;
    command.interfere = set_limit_20;
    assert_status(
        s->connection,
        transfer_execute_with(s->connection, &s->streams, &command, &options, &s->outcome), EC_OK);
    assert_int_equal(s->handled, 2);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    assert_string_equal(ec_outcome_violation(s->outcome, 0)->stream_id, s->limits);
    assert_int_equal(ec_outcome_event_count(s->outcome), 0);
    assert_int_equal(version_of(s->sql, s->a), 2);
}

/* ------------------------------------------------------------------ declared streams */

static void test_lists(void **state)
{
    struct server *s = *state;
    const char *const products[] = {s->b, s->limits, s->a};
    const char *const catalogue[] = {s->a};
    restock_streams streams = {
        .ledger = s->b, .products = {products, 3}, .catalogue = {catalogue, 1}};
    struct restock command = {.product_count = 3};

    assert_ok(s->connection, restock_execute(s->connection, &streams, &command, &s->outcome));
    assert_int_equal(ec_outcome_event_count(s->outcome), 3);
    assert_string_equal(ec_event_stream_id(ec_outcome_event(s->outcome, 0)), s->b);
    assert_string_equal(ec_event_stream_id(ec_outcome_event(s->outcome, 2)), s->a);
    assert_string_equal(ec_event_data(ec_outcome_event(s->outcome, 2)),
                        "{\"index\":2,\"quantity\":1,\"listed\":0}");
    assert_string_equal(ec_event_data(ec_outcome_event(s->outcome, 0)),
                        "{\"index\":0,\"quantity\":0,\"listed\":1}");
    assert_int_equal(version_of(s->sql, s->a), 2);
    assert_int_equal(version_of(s->sql, s->b), 1);
}

static void test_unbound_stream(void **state)
{
    struct server *s = *state;
    transfer_streams forgotten = {.from_account = s->a, .to_account = s->b};
    struct transfer command = {.amount = 1, .handled = &s->handled};

    assert_status(s->connection, transfer_execute(s->connection, &forgotten, &command, NULL),
                  EC_UNBOUND_STREAM);
    assert_string_equal(ec_error_message(s->connection), "the stream \"limits\" is not set");
    assert_int_equal(s->handled, 0);
}

static void test_errors_of_the_server(void **state)
{
    struct server *s = *state;
    transfer_streams streams = s->streams;
    struct transfer command = {.amount = 1};

    streams.to_account = " leading space";
    assert_status(s->connection, transfer_execute(s->connection, &streams, &command, NULL),
                  EC_INVALID_STREAM_ID);
    assert_string_equal(ec_error_sqlstate(s->connection), "VE004");
    assert_non_null(strstr(ec_error_detail(s->connection), "\"invalid_stream_id\""));
    assert_string_not_equal(ec_error_hint(s->connection), "");

    streams.to_account = "\xff";
    assert_status(s->connection, transfer_execute(s->connection, &streams, &command, NULL),
                  EC_SERVER_ERROR);
    assert_string_equal(ec_error_sqlstate(s->connection), "22021");

    /* The connection is as good as before. */
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, NULL));
}

static void test_apply_error(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 1, .handled = &s->handled};
    char expected[200];

    run_sql(s->sql,
            "SELECT 1 FROM eventcore.append('%s', 1, 'AccountClosed', '{\"amount\": 0}'::jsonb)",
            s->a);
    assert_status(s->connection, transfer_execute(s->connection, &s->streams, &command, NULL),
                  EC_UNKNOWN_EVENT);
    snprintf(
        expected, sizeof expected,
        "transfer: event AccountClosed, version 2 of stream %s: its type is not in the list bank",
        s->a);
    assert_string_equal(ec_error_message(s->connection), expected);
    assert_int_equal(s->handled, 0);
}

static void test_misuse(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 1};
    ec_execute_options unset = {.struct_size = 0};

    ec_execute_options negative = EC_EXECUTE_OPTIONS_INIT;

    negative.deadline_ms = INT64_MIN;
    assert_status(s->connection,
                  transfer_execute_with(s->connection, &s->streams, &command, &negative, NULL),
                  EC_INVALID_ARGUMENT);
    assert_status(s->connection,
                  transfer_execute_with(s->connection, &s->streams, &command, &unset, &s->outcome),
                  EC_INVALID_ARGUMENT);
    assert_int_equal(ec_outcome_status(s->outcome), EC_INVALID_ARGUMENT);
    assert_string_equal(ec_outcome_message(s->outcome), ec_error_message(s->connection));
    assert_status(s->connection, transfer_execute(s->connection, NULL, &command, NULL),
                  EC_INVALID_ARGUMENT);
    assert_status(s->connection, ec_execute(s->connection, NULL, &s->streams, &command, NULL, NULL),
                  EC_INVALID_ARGUMENT);
}

/* Arguments may lie in the outcome that is filled anew, and in those of a batch's neighbours. */
static void test_arguments_in_the_outcome(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_outcome *other = NULL;
    ec_command commands[2];
    transfer_streams back = s->streams;
    ec_stream_event event = {.event = {.type = "MoneyDeposited"}};
    ec_metadata caused;

    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &s->outcome));
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, &other));
    back.from_account = ec_event_stream_id(ec_outcome_event(s->outcome, 1));
    back.to_account = ec_event_stream_id(ec_outcome_event(s->outcome, 0));
    assert_int_equal(ec_metadata_caused_by(ec_outcome_event(s->outcome, 0), &caused), EC_OK);
    options.metadata = &caused;
    assert_ok(s->connection,
              transfer_execute_with(s->connection, &back, &command, &options, &s->outcome));
    assert_string_equal(ec_event_stream_id(ec_outcome_event(s->outcome, 0)), s->b);

    back.from_account = ec_event_stream_id(ec_outcome_event(s->outcome, 0));
    back.to_account = ec_event_stream_id(ec_outcome_event(other, 0));
    commands[0] = transfer_prepare(&back, &command);
    commands[1] = transfer_prepare(&back, &command);
    commands[0].outcome = s->outcome;
    commands[1].outcome = other;
    assert_status(s->connection, ec_execute_batch(s->connection, commands, 2, NULL), EC_REJECTED);
    assert_string_equal(ec_event_stream_id(ec_outcome_event(s->outcome, 0)), s->b);
    assert_int_equal(ec_outcome_event_count(other), 0);
    ec_outcome_free(other);

    event.stream_id = ec_event_stream_id(ec_outcome_event(s->outcome, 1));
    event.event.data = ec_event_data(ec_outcome_event(s->outcome, 1));
    assert_ok(s->connection, ec_append(s->connection, &event, 1, NULL, 0, &s->outcome));
    assert_int_equal(balance_of(s->sql, s->a), 130);
    assert_int_equal(balance_of(s->sql, s->b), 0);
}

static void test_unprepared(void **state)
{
    struct server *s = *state;
    struct transfer command = {.amount = 30};
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    ec_connection *connection;
    PGresult *result;

    options.unprepared = true;
    assert_ok(connection, ec_connect(&connection, NULL, &options));
    assert_ok(connection, transfer_execute(connection, &s->streams, &command, &s->outcome));
    result = PQexec(connection->pg, "SELECT FROM pg_prepared_statements");
    assert_int_equal(PQntuples(result), 0);
    PQclear(result);
    ec_close(connection);
    assert_int_equal(balance_of(s->sql, s->b), 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_transfer),
        SERVER_TEST(test_rejection_writes_nothing),
        SERVER_TEST(test_forced_conflict),
        SERVER_TEST(test_conflict_changes_the_decision),
        SERVER_TEST(test_change_of_an_only_read_stream),
        SERVER_TEST(test_no_write_skew),
        SERVER_TEST(test_attempts_run_out),
        SERVER_TEST(test_read_only_command),
        SERVER_TEST(test_lists),
        SERVER_TEST(test_unbound_stream),
        SERVER_TEST(test_errors_of_the_server),
        SERVER_TEST(test_apply_error),
        SERVER_TEST(test_misuse),
        SERVER_TEST(test_arguments_in_the_outcome),
        SERVER_TEST(test_unprepared),
    };

    return cmocka_run_group_tests_name("execute", tests, NULL, NULL);
}
