/* test_subscription_acknowledged.c: events that are acknowledged, given back, parked, kept. */
#include "subscriber.h"

static struct subscriber acknowledged(struct server *s, bool elsewhere,
                                      ec_subscription_options *options)
{
    ec_subscription_options defaults = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct subscriber r = subscriber_of(s);

    if (options == NULL)
        options = &defaults;
    r.elsewhere = elsewhere;
    r.unordered = true;
    options->acknowledge = true;
    subscribe(&r, options);
    return r;
}

static ec_consume_options acknowledging(struct subscriber *r)
{
    ec_consume_options options = options_of(r);

    options.acknowledge = true;
    return options;
}

/* How many deliveries there are for which this holds. */
static long long deliveries(struct subscriber *r, const char *condition)
{
    return run_sql(r->server->sql,
                   "SELECT count(*) FROM eventcore.deliveries WHERE subscription = '%s' AND %s",
                   r->name, condition);
}

static void assert_all_done(struct subscriber *r, int count)
{
    if (!r->elsewhere)
        assert_noted_once(r, count);
    for (int n = 0; n < count && r->elsewhere; n++)
        assert_int_equal(r->done[n], 1);
    assert_int_equal(deliveries(r, "true"), 0);
    assert_int_equal(lag_of(r, EC_ANY_MEMBER), 0);
}

static void acknowledge_all(struct server *s, bool elsewhere, int max_count)
{
    struct subscriber r = acknowledged(s, elsewhere, NULL);
    ec_consume_options options = acknowledging(&r);

    options.max_count = max_count;
    append_numbers(&r, 0, 12, 3);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 12);
    assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    assert_int_equal(r.calls, 12);
    assert_int_equal(r.last_attempt, 1);
    assert_int_equal(r.progress.handled, 12);
    assert_int_equal(r.progress.member, -1);
    assert_all_done(&r, 12);

    append_numbers(&r, 12, 12, 3);
    r.progress.handled = 0;
    assert_ok(r.connection, many_consume(r.connection, r.name, &r, &options));
    assert_int_equal(r.calls, max_count == 0 ? 24 : 12 + (12 + max_count - 1) / max_count);
    assert_all_done(&r, 24);
    assert_idle(s, backend_of(r.connection));
    subscriber_free(&r);
}

static void test_acknowledged(void **state)
{
    acknowledge_all(*state, false, 0);
    acknowledge_all(*state, false, 5);
    acknowledge_all(*state, true, 0);
    acknowledge_all(*state, true, 5);
}

/* What fails is given back, with the reason; the others are done meanwhile. */
static void give_back(struct server *s, bool elsewhere, int max_count,
                      ec_status (*consume)(ec_connection *, const char *, struct subscriber *,
                                           const ec_consume_options *))
{
    struct subscriber r = acknowledged(s, elsewhere, NULL);
    ec_consume_options options = acknowledging(&r);

    options.max_count = max_count;
    r.poison = 3;
    r.fails = 1000;
    r.delay_ms = 3600000;
    append_numbers(&r, 0, 6, 6);
    assert_ok(r.connection, consume(r.connection, r.name, &r, &options));
    assert_int_equal(r.retries, 1);
    assert_int_equal(r.last_status, EC_FAILED);
    assert_int_equal(r.progress.handled, 5);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 1);
    assert_int_equal(deliveries(&r, "NOT in_flight AND attempt = 1 AND parked_at IS NULL"
                                    " AND reason LIKE '%: failed 3'"
                                    " AND visible_at > now() + '50 min'"),
                     1);
    if (!elsewhere)
        assert_int_equal(noted(&r, "count(*) FILTER (WHERE n = 3)"), 0);

    /* Due again: it is the second delivery. */
    run_sql(s->sql, "UPDATE eventcore.deliveries SET visible_at = now() WHERE subscription = '%s'",
            r.name);
    r.fails = 0;
    r.progress.handled = 0;
    assert_ok(r.connection, consume(r.connection, r.name, &r, &options));
    assert_int_equal(r.last_attempt, 2);
    if (!elsewhere)
        assert_all_done(&r, 6);
    assert_int_equal(deliveries(&r, "true"), 0);
    subscriber_free(&r);
}

static void test_given_back(void **state)
{
    for (int i = 0; i < 2; i++) {
        give_back(*state, i > 0, 0, one_consume);
        give_back(*state, i > 0, 4, one_consume);
        give_back(*state, i > 0, 4, many_consume);
    }
}

/* Without a delay of the handler's own there is the backoff; then max_attempts. */
static void test_poison_is_parked(void **state)
{
    ec_subscription_options subscription = EC_SUBSCRIPTION_OPTIONS_INIT;
    struct subscriber r;
    ec_consume_options options;

    subscription.max_attempts = 3;
    r = acknowledged(*state, false, &subscription);
    options = acknowledging(&r);
    options.until_caught_up = false;
    r.poison = 1;
    r.fails = 1000;
    append_numbers(&r, 0, 2, 1);
    options.wait_ms = 50;
    options.max_attempts = 3; /* failures in a row, in this run */
    assert_status(r.connection, one_consume(r.connection, r.name, &r, &options), EC_FAILED);
    assert_int_equal(r.calls, 4);
    assert_int_equal(r.last_attempt, 3);
    assert_int_equal(deliveries(&r, "parked_at IS NOT NULL AND attempt = 3"
                                    " AND reason LIKE '%: failed 1'"),
                     1);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 0);
    assert_int_equal(run_sql(r.server->sql,
                             "SELECT count(*) FROM eventcore.subscription_status"
                             " WHERE subscription = '%s' AND last_error LIKE '%%: failed 1'",
                             r.name),
                     1);
    assert_noted_once(&r, 1);
    subscriber_free(&r);
}

static void test_parked_at_once(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct subscriber r = acknowledged(*state, i > 0, NULL);
        ec_consume_options options = acknowledging(&r);

        r.poison = 1;
        r.fails = 1;
        r.parks = true;
        append_numbers(&r, 0, 3, 3);
        assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
        assert_int_equal(r.calls, 3);
        assert_int_equal(deliveries(&r, "parked_at IS NOT NULL AND attempt = 1"
                                        " AND reason LIKE '%: parked 1'"),
                         1);
        assert_int_equal(run_sql(r.server->sql, "SELECT eventcore.replay_parked('%s')", r.name), 1);
        r.progress.handled = 0;
        assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
        if (i == 0)
            assert_all_done(&r, 3);
        subscriber_free(&r);
    }
}

/* ------------------------------------------------------------------ two consumers */

/* The visibility of what is handled ends, and another consumer takes and does it. */
static void let_other_have_it(struct subscriber *r)
{
    run_sql(r->server->sql,
            "UPDATE eventcore.deliveries SET visible_at = now() - interval '1 s'"
            " WHERE subscription = '%s' AND global_position ="
            " (SELECT max(global_position) FROM eventcore.deliveries WHERE subscription = '%s')",
            r->name, r->name);
    run_sql(r->server->sql, "SELECT count(*) FROM eventcore.receive('%s')", r->name);
    r->hook = NULL;
}

/* Received in twos: while the first is handled, another consumer gets the second. */
static void test_somebody_else_has_it(void **state)
{
    struct subscriber r = acknowledged(*state, false, NULL);
    ec_consume_options options = acknowledging(&r);

    options.max_count = 2;
    append_numbers(&r, 0, 2, 1);
    r.hook = let_other_have_it;
    assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    assert_int_equal(r.calls, 1);
    assert_noted_once(&r, 1);
    assert_int_equal(deliveries(&r, "in_flight AND attempt = 2"), 1); /* the other's */
    subscriber_free(&r);
}

static ec_status extended;

static ec_status keep_handle(struct subscriber *r, numbers_kind kind, const ec_event *event,
                             ec_delivery *delivery);
EC_CONSUMER(keep, numbers, struct subscriber);

static ec_status keep_handle(struct subscriber *r, numbers_kind kind, const ec_event *event,
                             ec_delivery *delivery)
{
    (void)kind, (void)event;
    begin_call(r, delivery);
    extended = ec_delivery_extend(delivery, 7200000);
    assert_int_equal(deliveries(r, "visible_at > now() + '110 min'"),
                     extended == EC_OK && r->elsewhere);
    return extended;
}

static void test_extended(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct subscriber r = acknowledged(*state, i > 0, NULL);
        ec_consume_options options = acknowledging(&r);

        append_numbers(&r, 0, 1, 1);
        assert_ok(r.connection, keep_consume(r.connection, r.name, &r, &options));
        assert_int_equal(extended, EC_OK);
        assert_int_equal(deliveries(&r, "true"), 0);

        append_numbers(&r, 1, 1, 1);
        if (i > 0)
            r.hook = let_other_have_it;
        r.progress.handled = 0;
        assert_ok(r.connection, keep_consume(r.connection, r.name, &r, &options));
        assert_int_equal(extended, i > 0 ? EC_NOT_DELIVERED : EC_OK);
        assert_int_equal(deliveries(&r, "in_flight AND attempt = 2"), i > 0);
        subscriber_free(&r);
    }
}

/* ------------------------------------------------------------------ the end */

/* What was received and is not handled is free for others at once. */
static void test_rest_is_given_back(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct subscriber r = acknowledged(*state, i > 0, NULL);
        ec_consume_options options = acknowledging(&r);

        options.max_count = 5;
        r.stop_at = 2;
        append_numbers(&r, 0, 5, 5);
        assert_status(r.connection, one_consume(r.connection, r.name, &r, &options), EC_CANCELLED);
        assert_int_equal(r.calls, 2);
        assert_int_equal(r.progress.handled, 2);
        assert_int_equal(deliveries(&r, "NOT in_flight AND reason IS NULL AND attempt = 1"), 3);
        assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 3);
        subscriber_free(&r);
    }
}

static void test_unknown_is_given_back(void **state)
{
    const ec_event_types odd_types = {sizeof odd_types, "odd_types", (const char *const[]){"Odd"},
                                      1, false, NULL, 0};
    const ec_consumer consumer = {sizeof consumer, "odd", &odd_types, one_consumer.handle, NULL};
    struct subscriber r = acknowledged(*state, true, NULL);
    ec_consume_options options = acknowledging(&r);

    options.backoff_base_ms = options.backoff_cap_ms = 3600000;
    options.jitter_percent = 0;
    append_numbers(&r, 1, 1, 1);
    append_numbers(&r, 2, 1, 1);
    /* "Odd" has the kind of the first of `numbers`, which is Odd as well. */
    assert_ok(r.connection, ec_consume(r.connection, r.name, &consumer, &r, &options));
    assert_int_equal(r.done[1], 1);
    assert_int_equal(r.done[2], 0);
    assert_int_equal(r.last_status, EC_UNKNOWN_EVENT);
    assert_int_equal(deliveries(&r, "NOT in_flight AND parked_at IS NULL"
                                    " AND visible_at > now() + '50 min'"),
                     1);
    subscriber_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_acknowledged),         SERVER_TEST(test_given_back),
        SERVER_TEST(test_poison_is_parked),     SERVER_TEST(test_parked_at_once),
        SERVER_TEST(test_somebody_else_has_it), SERVER_TEST(test_extended),
        SERVER_TEST(test_rest_is_given_back),   SERVER_TEST(test_unknown_is_given_back),
    };

    return cmocka_run_group_tests_name("acknowledged subscriptions", tests, NULL, NULL);
}
