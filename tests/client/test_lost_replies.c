/*
 * test_lost_replies.c: the connection breaks at every message of the protocol, against a server.
 *
 * No command is lost, and none is done twice: after each break the store is looked at.
 */
#include "broken.h"

/* ------------------------------------------------------------------ what is executed */

static void execute(struct run *run, const ec_execute_options *options)
{
    struct transfer command = {.amount = AMOUNT};
    struct server *s = run->server;
    ec_status status;

    command.handled = &run->handled;
    status = transfer_execute_with(run->connection, &s->streams, &command, options, &s->outcome);
    run->attempts += ec_outcome_attempts(s->outcome);
    check(run, status == EC_OK);
    check(run, ec_outcome_event_count(s->outcome) == 2);
    check(run, ec_event_version(ec_outcome_event(s->outcome, 0)) == run->done + 2);
    check(run, !ec_outcome_in_doubt(s->outcome));
}

static void transfer(struct run *run)
{
    execute(run, NULL);
}

static void transfer_locked(struct run *run)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    options.lock_after = 0;
    execute(run, &options);
}

static void append(struct run *run)
{
    struct server *s = run->server;
    const ec_stream_event events[] = {
        {s->a, {.type = "MoneyWithdrawn", .data = "{\"amount\": 30}"}},
        {s->b, {.type = "MoneyDeposited", .data = "{\"amount\": 30}"}}};
    const ec_expectation expected[] = {{s->a, run->done + 1}, {s->b, run->done}};
    ec_status status = ec_append(run->connection, events, 2, expected, 2, &s->outcome);

    run->attempts += ec_outcome_attempts(s->outcome);
    run->handled++;
    check(run, status == EC_OK);
    check(run, ec_event_version(ec_outcome_event(s->outcome, 1)) == run->done + 1);
}

static void check_read(struct run *run, ec_status status, ec_events *events)
{
    check(run, status == EC_OK);
    check(run, ec_events_count(events) == 1);
    check(run, strcmp(ec_event_stream_id(ec_events_at(events, 0)), run->server->a) == 0);
    ec_events_free(events);
}

static void read_stream(struct run *run)
{
    ec_events *events;
    ec_status status = ec_read_stream(run->connection, run->server->a, NULL, &events);

    check_read(run, status, events);
}

static void read_all(struct run *run)
{
    int64_t before = run_sql(run->server->sql,
                             "SELECT max(global_position) - 1"
                             " FROM eventcore.read_stream('%s')",
                             run->server->a);
    ec_events *events;
    ec_status status = ec_read_all(run->connection, before, 1, &events);

    check_read(run, status, events);
}

/* ------------------------------------------------------------------ broken everywhere */

static void test_connecting_and_transfer(void **state)
{
    break_everywhere(*state, &(operation){.run = transfer}, true);
}

static void test_unprepared_transfer(void **state)
{
    break_everywhere(*state, &(operation){.run = transfer, .unprepared = true}, false);
}

static void test_locked_transfer(void **state)
{
    break_everywhere(*state, &(operation){.run = transfer_locked}, false);
}

static void test_append(void **state)
{
    break_everywhere(*state, &(operation){.run = append}, false);
}

static void test_reads(void **state)
{
    break_everywhere(*state, &(operation){.run = read_stream, .reads = true}, false);
    break_everywhere(*state, &(operation){.run = read_all, .reads = true, .unprepared = true},
                     false);
}

/* ------------------------------------------------------------------ again and again */

static void test_several_connections_break(void **state)
{
    struct server *s = *state;
    proxy *proxy = proxy_start(s->sql);

    for (proxy_direction direction = 0; direction < PROXY_DIRECTIONS; direction++)
        for (proxy_fault fault = PROXY_CUT_BEFORE; fault <= PROXY_CUT_AFTER; fault++) {
            struct run run = {.plan = {fault, direction, .connections = 3}};
            size_t faults;

            run.plan.message = messages_to_connect(s, proxy, direction);
            do {
                run.attempts = run.handled = run.done = 0;
                assert_true(begin(&run, s, proxy, true));
                transfer(&run);
                faults = proxy_faults(proxy);
                run.done = 1;
                check_store(&run);
                check(&run, run.handled == 1);
                /* What breaks behind the last message breaks nothing. */
                check(&run, run.attempts == 1 + (int)faults ||
                                (direction == PROXY_REPLIES && fault == PROXY_CUT_AFTER &&
                                 run.attempts == (int)faults));
                end(&run, proxy);
                run.plan.message++;
            } while (faults > 0);
        }
    proxy_stop(proxy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_connecting_and_transfer),
        SERVER_TEST(test_unprepared_transfer),
        SERVER_TEST(test_locked_transfer),
        SERVER_TEST(test_append),
        SERVER_TEST(test_reads),
        SERVER_TEST(test_several_connections_break),
    };

    return cmocka_run_group_tests_name("lost replies", tests, NULL, NULL);
}
