/*
 * test_subscription_group.c: consumers that share a subscription, come and go, and are told to
 * stop; run with SANITIZE=thread.
 */
#include <pthread.h>

#include "subscriber.h"

/* A consumer in a thread, on a connection of its own. */
struct worker {
    pthread_t thread;
    struct subscriber subscriber;
    ec_consume_options options;
    ec_connection *connection;
    ec_status status;
    int64_t ended_at;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    worker->status = one_consume(worker->connection, worker->subscriber.name, &worker->subscriber,
                                 &worker->options);
    worker->ended_at = ec_now_us();
    return NULL;
}

/* Start one for the subscription of `r`, to run until it is told to stop. */
static void start(struct worker *worker, const struct subscriber *r, int64_t wait_ms)
{
    *worker = (struct worker){.subscriber = *r};
    assert_int_equal(ec_cancellation_new(&worker->subscriber.cancellation), EC_OK);
    assert_int_equal(ec_connect(&worker->connection, NULL, NULL), EC_OK);
    worker->subscriber.connection = worker->connection;
    worker->options = options_of(&worker->subscriber);
    worker->options.until_caught_up = false;
    worker->options.wait_ms = wait_ms;
    worker->options.acknowledge = r->unordered;
    worker->options.progress = NULL;
    assert_int_equal(pthread_create(&worker->thread, NULL, work, worker), 0);
}

/* Tell it to stop; it does within a second. */
static void stop(struct worker *worker, ec_status expected)
{
    int64_t told_at = ec_now_us();

    ec_cancel(worker->subscriber.cancellation);
    pthread_join(worker->thread, NULL);
    assert_status(worker->connection, worker->status, expected);
    assert_in_range(worker->ended_at > told_at ? worker->ended_at - told_at : 0, 0, 1000000);
    ec_cancellation_free(worker->subscriber.cancellation);
    ec_close(worker->connection);
}

/* Wait until SQL gives a number. */
static void await(PGconn *sql, long long wanted, const char *query, const char *name)
{
    for (int i = 0; i < 3000; i++) {
        if (run_sql(sql, query, name) == wanted)
            return;
        run_sql(sql, "SELECT pg_sleep(0.01)");
    }
    fail_msg("%s with %s: not %lld", query, name, wanted);
}

#define NOTED "SELECT count(*) FROM noted WHERE subscription = '%s'"
#define CLAIMED                                                                                    \
    "SELECT count(claimed_by) FROM eventcore.subscription_status WHERE subscription = '%s'"
#define WAITING                                                                                    \
    "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'eventcore.(fetch|receive)'"              \
    " AND state = 'active' AND wait_event IS NOT NULL AND pid <> pg_backend_pid()"                 \
    " AND '%s' <> ''"

/* ------------------------------------------------------------------ stopping */

/* While it waits in the server for a minute. */
static void stop_while_waiting(struct server *s, bool acknowledge)
{
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct subscriber r = subscriber_of(s);
    struct worker worker;

    r.unordered = options.acknowledge = acknowledge;
    subscribe(&r, &options);
    append_numbers(&r, 0, 3, 1);
    start(&worker, &r, 60000);
    await(s->sql, 3, NOTED, r.name);
    await(s->sql, 1, WAITING, r.name);
    stop(&worker, EC_CANCELLED);
    assert_noted_once(&r, 3);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 0);
    await(s->sql, 0, CLAIMED, r.name);
    subscriber_free(&r);
}

static void test_stop_while_waiting(void **state)
{
    stop_while_waiting(*state, false);
    stop_while_waiting(*state, true);
}

/* Between two events: the one that is handled becomes done. */
static void test_stop_while_handling(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct subscriber r = subscriber_of(*state);
        ec_consume_options options;

        r.elsewhere = i > 0;
        options = options_of(&r);
        options.until_caught_up = false;
        r.stop_at = 4;
        subscribe(&r, NULL);
        append_numbers(&r, 0, 10, 1);
        assert_status(r.connection, one_consume(r.connection, r.name, &r, &options), EC_CANCELLED);
        assert_int_equal(r.calls, 4);
        assert_int_equal(r.progress.handled, 4);
        assert_int_equal(lag_of(&r, 0), 6);
        if (i == 0)
            assert_noted_once(&r, 4);
        assert_idle(r.server, backend_of(r.connection));

        /* It stays told. */
        assert_status(r.connection, one_consume(r.connection, r.name, &r, &options), EC_CANCELLED);
        assert_int_equal(r.calls, 4);
        subscriber_free(&r);
    }
}

/* While it sleeps before it tries again. */
static void test_stop_while_sleeping(void **state)
{
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    struct worker worker;

    r.poison = 0;
    r.fails = 1;
    r.delay_ms = 3600000;
    subscribe(&r, NULL);
    append_numbers(&r, 0, 1, 1);
    start(&worker, &r, 1000);
    await(s->sql, 1,
          "SELECT count(last_error) FROM eventcore.subscription_status WHERE subscription = '%s'",
          r.name);
    stop(&worker, EC_CANCELLED);
    assert_int_equal(lag_of(&r, 0), 1);
    subscriber_free(&r);
}

/* ------------------------------------------------------------------ together */

/* Each of two consumers has a member. A third stands by, until one of them is gone. */
static void test_group(void **state)
{
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    struct worker workers[2], third;
    ec_consume_options once;

    options.group_size = 2;
    subscribe(&r, &options);
    for (int i = 0; i < 2; i++)
        start(&workers[i], &r, 60000);
    await(s->sql, 2, CLAIMED, r.name);
    append_numbers(&r, 0, 40, 20);
    await(s->sql, 40, NOTED, r.name);

    once = options_of(&r);
    assert_status(r.connection, one_consume(r.connection, r.name, &r, &once), EC_MEMBER_CLAIMED);
    start(&third, &r, 60000);
    await(s->sql, 2, WAITING, r.name);
    stop(&workers[0], EC_CANCELLED);
    await(s->sql, 2, CLAIMED, r.name);
    append_numbers(&r, 40, 40, 20);
    await(s->sql, 80, NOTED, r.name);
    await(s->sql, 2, WAITING, r.name);
    stop(&third, EC_CANCELLED);
    stop(&workers[1], EC_CANCELLED);
    assert_noted_once(&r, 80);
    assert_true(workers[0].subscriber.calls > 0 && workers[1].subscriber.calls > 0);
    assert_true(third.subscriber.calls > 0);
    assert_int_equal(
        workers[0].subscriber.calls + workers[1].subscriber.calls + third.subscriber.calls, 80);
    subscriber_free(&r);
}

/* Without a claim, as behind a pooler: those with one member take turns. */
static void test_given_member(void **state)
{
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    ec_consume_options options = options_of(&r);
    ec_subscription_options subscription = EC_SUBSCRIPTION_OPTIONS_INIT;

    subscription.group_size = 2;
    subscribe(&r, &subscription);
    append_numbers(&r, 0, 20, 10);
    for (int member = 0; member < 2; member++) {
        int64_t lag = lag_of(&r, member);

        options.member = member;
        r.progress = (ec_progress){.member = 0};
        assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
        assert_int_equal(r.progress.member, member);
        assert_int_equal(r.progress.handled, lag);
    }
    assert_noted_once(&r, 20);

    /* What somebody else has claimed cannot be used. */
    run_sql(s->sql, "SELECT eventcore.claim_member('%s')", r.name);
    options.member = 0;
    assert_status(r.connection, one_consume(r.connection, r.name, &r, &options), EC_MEMBER_CLAIMED);
    run_sql(s->sql, "SELECT eventcore.release_member('%s', 0)", r.name);
    subscriber_free(&r);
}

/* ------------------------------------------------------------------ resizing, resetting */

/* The group grows and shrinks while its consumers run; members that are gone are claimed anew. */
static void test_resize(void **state)
{
    enum { WORKERS = 3, ROUNDS = 6, EVENTS = 30 };
    static const int sizes[ROUNDS] = {3, 1, 2, 3, 2, 1};
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    struct worker workers[WORKERS];

    options.group_size = 2;
    subscribe(&r, &options);
    for (int i = 0; i < WORKERS; i++)
        start(&workers[i], &r, 100);
    for (int round = 0; round < ROUNDS; round++) {
        append_numbers(&r, round * EVENTS, EVENTS, 10);
        run_sql(s->sql, "SELECT eventcore.resize_subscription('%s', %d)", r.name, sizes[round]);
        await(s->sql, (round + 1) * EVENTS, NOTED, r.name);
    }
    for (int i = 0; i < WORKERS; i++)
        stop(&workers[i], EC_CANCELLED);
    assert_noted_once(&r, ROUNDS * EVENTS);
    subscriber_free(&r);
}

static void resize_meanwhile(struct subscriber *r)
{
    if (r->calls == 1)
        run_sql(r->server->sql, "SELECT eventcore.resize_subscription('%s', 2)", r->name);
    if (r->calls == 6)
        run_sql(r->server->sql,
                "SELECT eventcore.reset_subscription('%s', min(global_position) - 1)"
                " FROM eventcore.events WHERE starts_with(stream_id, '%s')",
                r->name, r->name);
}

/* What was taken before cannot be committed any more; it is taken again, not the run's end. */
static void test_not_delivered(void **state)
{
    struct subscriber r = subscriber_of(*state);
    ec_consume_options options;

    r.elsewhere = true;
    options = options_of(&r);
    options.progress = NULL;
    r.hook = resize_meanwhile;
    subscribe(&r, NULL);
    append_numbers(&r, 0, 4, 1);
    assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    if (lag_of(&r, EC_ANY_MEMBER) > 0) { /* the stream is the other member's by now */
        options.member = 1;
        assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    }
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 0);
    for (int n = 0; n < 4; n++)
        assert_in_range(r.done[n], 2, 3);
    assert_true(r.retries > 0);
    assert_int_equal(r.last_status, EC_NOT_DELIVERED);
    subscriber_free(&r);
}

/* ------------------------------------------------------------------ competing */

static void test_competing(void **state)
{
    enum { WORKERS = 3, EVENTS = 60 };
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    struct worker workers[WORKERS];

    options.acknowledge = options.keep_order = r.unordered = true;
    subscribe(&r, &options);
    append_numbers(&r, 0, EVENTS, 10);
    r.poison = 7;
    r.fails = 1;
    r.delay_ms = 1;
    for (int i = 0; i < WORKERS; i++)
        start(&workers[i], &r, 200);
    await(s->sql, EVENTS, NOTED, r.name);
    for (int i = 0; i < WORKERS; i++)
        stop(&workers[i], EC_CANCELLED);
    assert_noted_once(&r, EVENTS);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 0);
    subscriber_free(&r);
}

/* Sessions are killed at any moment, and claim again. */
static void test_killed_at_random(void **state)
{
    enum { EVENTS = 100 };
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    struct worker workers[2];

    options.group_size = 2;
    subscribe(&r, &options);
    for (int i = 0; i < 2; i++)
        start(&workers[i], &r, 100);
    for (int n = 0; n < EVENTS; n += 5) {
        append_numbers(&r, n, 5, 20);
        run_sql(s->sql,
                "SELECT count(pg_terminate_backend(claimed_by))"
                " FROM eventcore.subscription_status WHERE subscription = '%s'",
                r.name);
    }
    await(s->sql, EVENTS, NOTED, r.name);
    await(s->sql, 2, CLAIMED, r.name);
    for (int i = 0; i < 2; i++)
        stop(&workers[i], EC_CANCELLED);
    assert_noted_once(&r, EVENTS);
    assert_true(workers[0].subscriber.retries + workers[1].subscriber.retries > 0);
    subscriber_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_stop_while_waiting),  SERVER_TEST(test_stop_while_handling),
        SERVER_TEST(test_stop_while_sleeping), SERVER_TEST(test_group),
        SERVER_TEST(test_given_member),        SERVER_TEST(test_resize),
        SERVER_TEST(test_not_delivered),       SERVER_TEST(test_competing),
        SERVER_TEST(test_killed_at_random),
    };

    return cmocka_run_group_tests_name("consumer groups", tests, NULL, NULL);
}
