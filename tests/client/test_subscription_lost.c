/*
 * test_subscription_lost.c: a consumer whose connection breaks, at every message of the protocol.
 *
 * In a transaction no event is left out and none is done twice; without, none is left out.
 */
#include "broken.h"
#include "subscriber.h"

enum { EVENTS = 3 };

struct form {
    bool acknowledge;
    bool elsewhere;
};

static void assert_done(struct subscriber *r, const proxy_plan *plan, bool broke)
{
    if (!r->elsewhere &&
        (noted(r, "count(*)") != EVENTS || noted(r, "count(DISTINCT n)") != EVENTS))
        fail_msg("%lld done, %lld of them once, with a break of kind %d at %s %zu",
                 noted(r, "count(*)"), noted(r, "count(DISTINCT n)"), (int)plan->fault,
                 plan->direction == PROXY_REQUESTS ? "request" : "reply", plan->message);
    for (int n = 0; n < EVENTS && r->elsewhere; n++)
        assert_in_range(r->done[n], 1, broke ? 2 : 1);
}

/* Whether it broke before all was done. */
static bool broken_consumption(struct server *s, proxy *proxy, const struct form *form,
                               const proxy_plan *plan)
{
    ec_subscription_options subscription = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct subscriber r = subscriber_of(s);
    ec_consume_options options;
    bool broke;

    r.elsewhere = form->elsewhere;
    r.unordered = form->acknowledge;
    options = options_of(&r);
    options.acknowledge = subscription.acknowledge = form->acknowledge;
    options.max_count = 2;
    subscription.visibility_ms = 50; /* what a lost reply gave comes again so soon */
    subscribe(&r, &subscription);
    append_numbers(&r, 0, EVENTS, 2);

    proxy_set(proxy, plan);
    assert_ok(r.connection, ec_connect(&r.connection, proxy_conninfo(proxy), NULL));
    do {
        r.progress = (ec_progress){.member = 0};
        assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    } while (lag_of(&r, EC_ANY_MEMBER) > 0);
    broke = proxy_faults(proxy) > 0;
    assert_in_range(r.retries, 0, broke); /* none if it was only in the way of a good-bye */
    assert_done(&r, plan, broke);
    proxy_set(proxy, NULL);
    ec_close(r.connection);
    r.connection = s->connection;
    subscriber_free(&r);
    return broke;
}

static void break_everywhere_in(struct server *s, const struct form *form)
{
    /* A request that is not done, one whose reply is lost, and a reply that comes in part. */
    static const proxy_plan breaks[] = {
        {PROXY_CUT_BEFORE, PROXY_REQUESTS, .connections = 1},
        {PROXY_CUT_AFTER, PROXY_REQUESTS, .connections = 1},
        {PROXY_CUT_WITHIN, PROXY_REPLIES, .connections = 1},
    };
    proxy *proxy = proxy_start(s->sql);

    run_sql(s->sql, "SET synchronous_commit = off");
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++) {
        size_t first = messages_to_connect(s, proxy, breaks[i].direction);
        proxy_plan plan = breaks[i];

        plan.message = first;
        while (broken_consumption(s, proxy, form, &plan))
            plan.message++;
        assert_true(plan.message > first + 10); /* it did break */
    }
    proxy_stop(proxy);
}

static void test_exactly_once(void **state)
{
    break_everywhere_in(*state, &(struct form){.elsewhere = false});
}

static void test_at_least_once(void **state)
{
    break_everywhere_in(*state, &(struct form){.elsewhere = true});
}

static void test_acknowledged_exactly_once(void **state)
{
    break_everywhere_in(*state, &(struct form){.acknowledge = true});
}

static void test_acknowledged_at_least_once(void **state)
{
    break_everywhere_in(*state, &(struct form){.acknowledge = true, .elsewhere = true});
}

/* ------------------------------------------------------------------ while it handles */

/* The session is gone when the handler wants to write. */
static void kill_backend(struct subscriber *r)
{
    int pid = backend_of(r->connection);

    if (r->calls % 3 != 2)
        return;
    run_sql(r->server->sql, "SELECT pg_terminate_backend(%d, 10000)", pid);
}

static void kill_while_it_handles(struct server *s, const struct form *form)
{
    ec_subscription_options subscription = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct subscriber r = subscriber_of(s);
    ec_consume_options options;

    r.elsewhere = form->elsewhere;
    r.hook = kill_backend;
    options = options_of(&r);
    options.acknowledge = subscription.acknowledge = form->acknowledge;
    r.unordered = form->acknowledge;
    options.max_count = form->elsewhere && form->acknowledge ? 1 : 2;
    subscribe(&r, &subscription);
    append_numbers(&r, 0, EVENTS, 2);
    assert_ok(s->connection, one_consume(s->connection, r.name, &r, &options));
    assert_true(r.retries > 0);
    assert_int_equal(r.last_status, EC_CONNECTION_LOST);
    if (!r.elsewhere)
        assert_noted_once(&r, EVENTS);
    for (int n = 0; n < EVENTS && r.elsewhere; n++) /* what is handled is settled, not repeated */
        assert_int_equal(r.done[n], 1);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 0);
    assert_int_equal(run_sql(s->sql,
                             "SELECT count(*) FROM eventcore.subscription_status"
                             " WHERE subscription = '%s' AND last_error IS NOT NULL",
                             r.name),
                     0); /* the handler was not to blame */
    subscriber_free(&r);
}

static void test_backend_is_killed(void **state)
{
    for (int i = 0; i < 4; i++) {
        const struct form form = {.acknowledge = i % 2 > 0, .elsewhere = i > 1};

        kill_while_it_handles(*state, &form);
    }
}

/* ------------------------------------------------------------------ without a server */

static void test_server_is_away(void **state)
{
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    ec_consume_options options = options_of(&r);
    proxy *proxy = proxy_start(s->sql);

    options.max_attempts = 5;
    subscribe(&r, NULL);
    append_numbers(&r, 0, 3, 1);
    assert_ok(r.connection, ec_connect(&r.connection, proxy_conninfo(proxy), NULL));
    proxy_set(proxy, &(proxy_plan){.connections = 1, .refused = 100});
    proxy_hide(proxy, true);
    run_sql(s->sql, "SELECT pg_terminate_backend(%d, 10000)", backend_of(r.connection));
    assert_status(r.connection, one_consume(r.connection, r.name, &r, &options),
                  EC_CONNECTION_LOST);
    assert_int_equal(r.retries, 4);
    assert_int_equal(r.calls, 0);
    proxy_hide(proxy, false);
    proxy_set(proxy, NULL);
    assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    assert_noted_once(&r, 3);
    ec_close(r.connection);
    r.connection = s->connection;
    proxy_stop(proxy);
    subscriber_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_exactly_once),
        SERVER_TEST(test_at_least_once),
        SERVER_TEST(test_acknowledged_exactly_once),
        SERVER_TEST(test_acknowledged_at_least_once),
        SERVER_TEST(test_backend_is_killed),
        SERVER_TEST(test_server_is_away),
    };

    /* No server crashes here, and there are many commits. */
    setenv("PGOPTIONS", "-c synchronous_commit=off", 1);
    return cmocka_run_group_tests_name("lost subscriptions", tests, NULL, NULL);
}
