/*
 * test_lost_connections.c: what a command knows and does when connections break, against a server:
 * attempts that run out, conflicts meanwhile, servers that are away or say nothing.
 */
#include "broken.h"

/*
 * The requests of a first transfer, with prepared statements: what the tests below break. Each
 * round trip is sent as one.
 */
enum {
    STARTUP,
    READ_PARSE,
    READ_BIND,
    READ_DESCRIBE,
    READ_EXECUTE,
    READ_SYNC,
    APPEND_PARSE,
    APPEND_BIND,
    APPEND_DESCRIBE,
    APPEND_EXECUTE,
    APPEND_SYNC,
    ALL_REQUESTS
};

static ec_status try_transfer(struct run *run, const ec_execute_options *options)
{
    struct transfer command = {.amount = AMOUNT, .handled = &run->handled};
    struct server *s = run->server;
    ec_status status;

    status = transfer_execute_with(run->connection, &s->streams, &command, options, &s->outcome);
    run->attempts = ec_outcome_attempts(s->outcome);
    return status;
}

/* One connection breaks, the server stays away, and the attempts run out. */
static void test_attempts_run_out(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    proxy *proxy = proxy_start(s->sql);

    options.max_attempts = 3;
    for (proxy_fault fault = PROXY_CUT_BEFORE; fault <= PROXY_CUT_AFTER; fault++)
        for (size_t request = READ_PARSE; request < ALL_REQUESTS; request++) {
            struct run run = {
                .plan = {fault, PROXY_REQUESTS, request, .connections = 1, .refused = 2}};

            assert_true(begin(&run, s, proxy, false));
            check(&run, try_transfer(&run, &options) == EC_CONNECTION_LOST);
            check(&run, ec_error_is_retriable(run.connection));
            check(&run, proxy_faults(proxy) == 3 && run.attempts == 3);
            check(&run, run.handled == (request >= APPEND_PARSE));
            check(&run, ec_outcome_in_doubt(s->outcome) == (request >= APPEND_PARSE));
            check(&run, ec_outcome_event_count(s->outcome) == 0);
            run.done = fault == PROXY_CUT_AFTER && request == APPEND_SYNC;
            check_store(&run);

            check(&run, try_transfer(&run, NULL) == EC_OK);
            run.done++;
            check_store(&run);
            end(&run, proxy);
        }
    proxy_stop(proxy);
}

/* While the connection is away, somebody else writes to the stream. */
struct intruder {
    struct run *run;
    long long written; /* by the command, before it */
    int handled;
};

static void intrude(void *argument)
{
    struct intruder *intruder = argument;
    struct server *s = intruder->run->server;

    intruder->written = version_of(s->sql, s->b);
    intruder->handled = intruder->run->handled;
    deposit(s->sql, s->a, 1000);
}

static void beat_while_away(struct server *s, const ec_execute_options *options)
{
    proxy *proxy = proxy_start(s->sql);

    for (proxy_direction direction = 0; direction < PROXY_DIRECTIONS; direction++)
        for (proxy_fault fault = PROXY_CUT_BEFORE; fault <= PROXY_CUT_AFTER; fault++) {
            struct run run = {.plan = {fault, direction, 0, .connections = 1}};
            struct intruder intruder = {.run = &run};
            bool broke, beaten;

            run.plan.broken = intrude;
            run.plan.argument = &intruder;
            run.plan.message = messages_to_connect(s, proxy, direction);
            do {
                run.handled = 0;
                assert_true(begin(&run, s, proxy, false));
                check(&run, try_transfer(&run, options) == EC_OK);
                broke = proxy_faults(proxy) > 0;
                beaten = broke && intruder.handled == 1 && intruder.written == 0;
                check(&run, ec_outcome_conflicts(s->outcome) == beaten);
                check(&run, run.handled == 1 + beaten);
                check(&run, version_of(s->sql, s->a) == 2 + broke);
                check(&run, version_of(s->sql, s->b) == 1);
                check(&run, balance_of(s->sql, s->a) == 100 - AMOUNT + 1000 * broke);
                check(&run, balance_of(s->sql, s->b) == AMOUNT);
                end(&run, proxy);
                run.plan.message++;
            } while (broke);
        }
    proxy_stop(proxy);
}

/* What was decided before holds only if it was written before: else it is decided anew. */
static void test_beaten_while_away(void **state)
{
    ec_execute_options locked = EC_EXECUTE_OPTIONS_INIT;

    locked.lock_after = 0;
    beat_while_away(*state, NULL);
    beat_while_away(*state, &locked);
}

/* Asked before a retry. */
static bool be_there_again(void *proxy, const ec_failed_attempt *attempt)
{
    if (attempt->attempts == 3)
        proxy_hide(proxy, false);
    return true;
}

static void test_server_is_away_for_a_while(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    struct run run = {.plan = {.refused = 5}};
    proxy *proxy = proxy_start(s->sql);

    assert_false(begin(&run, s, proxy, false));
    assert_int_equal(try_transfer(&run, NULL), EC_OK);
    assert_int_equal(run.attempts, 5);
    end(&run, proxy);

    run = (struct run){.plan = {.connections = 0}};
    options.max_attempts = 3;
    proxy_hide(proxy, true);
    assert_false(begin(&run, s, proxy, false));
    assert_int_equal(try_transfer(&run, &options), EC_CONNECTION_LOST);
    assert_int_equal(run.attempts, 3);
    assert_int_equal(run.handled, 0);
    assert_false(ec_outcome_in_doubt(s->outcome));
    options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    options.retry = be_there_again;
    options.retry_argument = proxy;
    assert_int_equal(try_transfer(&run, &options), EC_OK);
    assert_int_equal(run.attempts, 4);
    run.done = 1;
    check_store(&run);
    end(&run, proxy);
    proxy_stop(proxy);
}

/* The number of the last reply to a transfer: that the server is ready. */
static size_t last_reply(struct server *s, proxy *proxy)
{
    struct run run = {.attempts = 0};
    size_t passed;

    assert_true(begin(&run, s, proxy, false));
    assert_int_equal(try_transfer(&run, NULL), EC_OK);
    passed = proxy_passed(proxy, PROXY_REPLIES);
    end(&run, proxy);
    return passed - 1;
}

/* The reply cannot be read: the append is repeated on another connection, and was done once. */
static void test_unreadable_reply(void **state)
{
    struct server *s = *state;
    proxy *proxy = proxy_start(s->sql);
    struct run run = {
        .plan = {PROXY_GARBLE, PROXY_REPLIES, last_reply(s, proxy) - 2, .connections = 1}};

    assert_true(begin(&run, s, proxy, false));
    check(&run, try_transfer(&run, NULL) == EC_OK);
    check(&run, proxy_faults(proxy) == 1);
    check(&run, !ec_outcome_in_doubt(s->outcome));
    run.done = 1;
    check_store(&run);
    check(&run, try_transfer(&run, NULL) == EC_OK);
    run.done = 2;
    check_store(&run);
    end(&run, proxy);
    proxy_stop(proxy);
}

static void throw_switch(void *cancellation)
{
    ec_cancel(cancellation);
}

/* Nothing comes back, and nobody hangs up: only the deadline helps, or a cancellation. */
static void test_silence(void **state)
{
    static const struct {
        proxy_direction direction;
        size_t message; /* the first that does not get through */
        ec_status status;
        bool in_doubt;
    } silences[] = {{PROXY_REQUESTS, READ_PARSE, EC_TIMEOUT, false},
                    {PROXY_REQUESTS, APPEND_PARSE, EC_CANCELLED, true},
                    {PROXY_REPLIES, 0 /* the last one */, EC_TIMEOUT, true},
                    {PROXY_REPLIES, 0, EC_CANCELLED, true}};
    struct server *s = *state;
    ec_connect_options connect_options = EC_CONNECT_OPTIONS_INIT;
    proxy *proxy = proxy_start(s->sql);
    ec_connection *connection;
    proxy_plan plan = {PROXY_SILENCE, PROXY_REQUESTS, STARTUP, .connections = 1};

    connect_options.timeout_ms = 500;
    proxy_set(proxy, &plan);
    assert_int_equal(ec_connect(&connection, proxy_conninfo(proxy), &connect_options), EC_TIMEOUT);
    ec_close(connection);

    for (size_t i = 0; i < sizeof silences / sizeof *silences; i++) {
        bool of_reply = silences[i].direction == PROXY_REPLIES;
        size_t message = of_reply ? last_reply(s, proxy) : silences[i].message;
        struct run run = {
            .plan = {PROXY_SILENCE, silences[i].direction, message, .connections = 1}};
        ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

        assert_int_equal(ec_cancellation_new(&options.cancellation), EC_OK);
        if (silences[i].status == EC_CANCELLED) {
            run.plan.broken = throw_switch;
            run.plan.argument = options.cancellation;
        } else
            options.deadline_ms = 500;
        assert_true(begin(&run, s, proxy, false));
        check(&run, try_transfer(&run, &options) == silences[i].status);
        check(&run, proxy_faults(proxy) == 1);
        check(&run, ec_outcome_in_doubt(s->outcome) == silences[i].in_doubt);
        run.done = of_reply;
        check_store(&run);
        check(&run, try_transfer(&run, NULL) == EC_OK);
        run.done++;
        check_store(&run);
        end(&run, proxy);
        ec_cancellation_free(options.cancellation);
    }
    proxy_stop(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_attempts_run_out),           SERVER_TEST(test_beaten_while_away),
        SERVER_TEST(test_server_is_away_for_a_while), SERVER_TEST(test_silence),
        SERVER_TEST(test_unreadable_reply),
    };

    return cmocka_run_group_tests_name("lost connections", tests, NULL, NULL);
}
