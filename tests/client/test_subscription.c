/* test_subscription.c: subscriptions with a checkpoint: consumed exactly once, and at least once.
 */
#include "subscriber.h"

/* ------------------------------------------------------------------ making them */

static void test_create(void **state)
{
    struct server *s = *state;
    static const char *const types[] = {"Odd", "Even"};
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    bool created = false;
    char name[64];

    unique_id(name, "created");
    options.types = types;
    options.type_count = 2;
    options.category = "numbers";
    options.prefix = "numbers-1";
    options.pattern = "*-12*";
    options.correlation_id = "c";
    options.start = 1;
    options.group_size = 4;
    assert_ok(s->connection, ec_create_subscription(s->connection, name, &options, &created));
    assert_true(created);
    assert_int_equal(run_sql(s->sql,
                             "SELECT count(*) FROM eventcore.subscriptions WHERE name = '%s'"
                             " AND types = '{Odd,Even}' AND category = 'numbers'"
                             " AND prefix = 'numbers-1' AND pattern = '*-12*'"
                             " AND correlation_id = 'c' AND checkpoint = 1 AND group_size = 4"
                             " AND kind = 'checkpoint' AND store = 'default'",
                             name),
                     1);

    /* The same again, wherever it begins; and another. */
    options.start = EC_FROM_THE_END;
    assert_ok(s->connection, ec_create_subscription(s->connection, name, &options, &created));
    assert_false(created);
    options.group_size = 5;
    assert_status(s->connection, ec_create_subscription(s->connection, name, &options, NULL),
                  EC_SUBSCRIPTION_EXISTS);
    options.group_size = 0;
    assert_status(s->connection, ec_create_subscription(s->connection, name, &options, NULL),
                  EC_INVALID_SUBSCRIPTION);
    assert_status(s->connection, ec_create_subscription(s->connection, NULL, NULL, NULL),
                  EC_INVALID_ARGUMENT);
    run_sql(s->sql, "SELECT eventcore.drop_subscription('%s')", name);

    options = (ec_subscription_options)EC_SUBSCRIPTION_OPTIONS_INIT;
    options.acknowledge = options.keep_order = true;
    options.max_attempts = 3;
    options.visibility_ms = 1500;
    options.start = EC_FROM_THE_END;
    assert_ok(s->connection, ec_create_subscription(s->connection, name, &options, &created));
    assert_true(created);
    assert_int_equal(run_sql(s->sql,
                             "SELECT count(*) FROM eventcore.subscriptions WHERE name = '%s'"
                             " AND types IS NULL AND category IS NULL AND prefix IS NULL"
                             " AND pattern IS NULL AND correlation_id IS NULL AND max_attempts = 3"
                             " AND visibility = '1.5 s' AND keep_order"
                             " AND kind = 'acknowledged' AND checkpoint > 0",
                             name),
                     1);
    run_sql(s->sql, "SELECT eventcore.drop_subscription('%s')", name);
}

static void test_lag(void **state)
{
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    ec_lag lag;

    options.group_size = 2;
    subscribe(&r, &options);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 0);
    append_numbers(&r, 0, 10, 5);
    assert_int_equal(lag_of(&r, EC_ANY_MEMBER), 10);
    assert_int_equal(lag_of(&r, 0) + lag_of(&r, 1), 10);
    assert_status(s->other, ec_subscription_lag(s->other, r.name, 2, &lag),
                  EC_SUBSCRIPTION_NOT_FOUND);
    assert_int_equal(lag.events, -1);
    assert_status(s->other, ec_subscription_lag(s->other, "nobody", EC_ANY_MEMBER, &lag),
                  EC_SUBSCRIPTION_NOT_FOUND);
    assert_status(s->other, ec_subscription_lag(s->other, NULL, EC_ANY_MEMBER, &lag),
                  EC_INVALID_ARGUMENT);
    subscriber_free(&r);
}

/* ------------------------------------------------------------------ consuming them */

static void test_exactly_once(void **state)
{
    struct subscriber r = subscriber_of(*state);
    ec_consume_options options = options_of(&r);

    subscribe(&r, NULL);
    append_numbers(&r, 0, 25, 3);
    options.max_count = 10;
    assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    assert_noted_once(&r, 25);
    assert_int_equal(r.calls, 25);
    assert_int_equal(r.largest, 1);
    assert_int_equal(r.last_attempt, 1);
    assert_int_equal(r.progressed, 3);
    assert_int_equal(r.progress.handled, 25);
    assert_int_equal(r.progress.member, 0);
    assert_int_equal(r.progress.position, noted(&r, "max(position)"));
    assert_int_equal(lag_of(&r, 0), 0);
    assert_idle(r.server, backend_of(r.connection)); /* nor a claim */

    /* And on from there. */
    append_numbers(&r, 25, 25, 3);
    r.progress.handled = 0;
    assert_ok(r.connection, many_consume(r.connection, r.name, &r, &options));
    assert_noted_once(&r, 50);
    assert_int_equal(r.calls, 28);
    assert_int_equal(r.largest, 10);
    assert_int_equal(r.retries, 0);
    subscriber_free(&r);
}

static void test_at_least_once(void **state)
{
    struct subscriber r = subscriber_of(*state);
    ec_consume_options options;

    r.elsewhere = true;
    options = options_of(&r);
    options.max_count = 7;
    subscribe(&r, NULL);
    append_numbers(&r, 0, 20, 3);
    assert_ok(r.connection, one_consume(r.connection, r.name, &r, &options));
    for (int n = 0; n < 20; n++)
        assert_int_equal(r.done[n], 1);
    assert_int_equal(r.progressed, 3);
    append_numbers(&r, 20, 10, 3);
    r.progress = (ec_progress){.member = 0};
    assert_ok(r.connection, many_consume(r.connection, r.name, &r, &options));
    for (int n = 0; n < 30; n++)
        assert_int_equal(r.done[n], 1);
    assert_int_equal(lag_of(&r, 0), 0);
    subscriber_free(&r);
}

static void assert_state(struct subscriber *r, const char *state)
{
    assert_int_equal(run_sql(r->server->sql,
                             "SELECT count(*) FROM eventcore.subscription_status"
                             " WHERE subscription = '%s' AND state = '%s'",
                             r->name, state),
                     1);
}

/* What stands before a failure is done first; then the failure shows, and it is tried again. */
static void fail_at(struct server *s, int poison, bool elsewhere,
                    ec_status (*consume)(ec_connection *, const char *, struct subscriber *,
                                         const ec_consume_options *))
{
    struct subscriber r = subscriber_of(s);
    ec_consume_options options;

    r.elsewhere = elsewhere;
    options = options_of(&r);
    r.poison = poison;
    r.fails = 1000;
    options.max_attempts = 3;
    subscribe(&r, NULL);
    append_numbers(&r, 0, 20, 3);
    assert_status(s->connection, consume(s->connection, r.name, &r, &options), EC_FAILED);
    assert_non_null(strstr(ec_error_message(s->connection), ": failed "));
    assert_non_null(strstr(ec_error_message(s->connection), ": event "));
    assert_int_equal(r.progress.handled, poison);
    assert_int_equal(r.retries, 2);
    assert_int_equal(r.last_status, EC_FAILED);
    assert_int_equal(r.last_attempt, 3);
    assert_int_equal(lag_of(&r, 0), 20 - poison);
    assert_state(&r, "failing");
    assert_idle(s, backend_of(s->connection));
    if (elsewhere)
        for (int n = 0; n < 20 && consume == one_consume; n++)
            assert_int_equal(r.done[n], n < poison ? 1 : n == poison ? 3 : 0);
    else
        assert_noted_once(&r, poison);

    r.fails = 2;
    r.retries = 0;
    r.progress = (ec_progress){.member = 0};
    options.max_attempts = 0;
    assert_ok(s->connection, consume(s->connection, r.name, &r, &options));
    if (!elsewhere)
        assert_noted_once(&r, 20);
    assert_int_equal(lag_of(&r, 0), 0);
    assert_state(&r, "caught up");
    assert_int_equal(r.progress.handled, 20 - poison);
    subscriber_free(&r);
}

static void test_poison(void **state)
{
    for (int i = 0; i < 2; i++) {
        fail_at(*state, 0, i > 0, one_consume);
        fail_at(*state, 12, i > 0, one_consume);
        fail_at(*state, 19, i > 0, one_consume);
        fail_at(*state, 0, i > 0, many_consume);
        fail_at(*state, 12, i > 0, many_consume);
    }
}

static bool no_retry(void *argument, const ec_failed_attempt *attempt)
{
    note_retry(argument, attempt);
    assert_int_equal(attempt->attempts, 1);
    return false;
}

static void test_retry_says_no(void **state)
{
    struct subscriber r = subscriber_of(*state);
    ec_consume_options options = options_of(&r);

    options.retry = no_retry;
    r.poison = 3;
    r.fails = 1000;
    subscribe(&r, NULL);
    append_numbers(&r, 0, 5, 1);
    assert_status(r.connection, one_consume(r.connection, r.name, &r, &options), EC_FAILED);
    assert_int_equal(r.retries, 1);
    assert_noted_once(&r, 3);
    subscriber_free(&r);
}

/* ------------------------------------------------------------------ types */

static ec_status odd_handle(struct subscriber *r, only_odds_kind kind, const ec_event *event,
                            ec_delivery *delivery);
EC_CONSUMER(odd, only_odds, struct subscriber);
EC_CONSUMER(some, odds, struct subscriber);
EC_BATCH_CONSUMER(some_together, odds, struct subscriber);

static ec_status odd_handle(struct subscriber *r, only_odds_kind kind, const ec_event *event,
                            ec_delivery *delivery)
{
    (void)kind;
    begin_call(r, delivery);
    return handle_number(r, event, delivery);
}

static ec_status some_handle(struct subscriber *r, odds_kind kind, const ec_event *event,
                             ec_delivery *delivery)
{
    assert_int_equal(kind, odds_Odd);
    begin_call(r, delivery);
    return handle_number(r, event, delivery);
}

static ec_status some_together_handle(struct subscriber *r, ec_delivery *delivery)
{
    return many_handle(r, delivery);
}

static void test_unknown_types(void **state)
{
    struct subscriber r = subscriber_of(*state);
    ec_consume_options options = options_of(&r);

    subscribe(&r, NULL);
    append_numbers(&r, 1, 2, 1); /* odd, even */
    assert_status(r.connection, odd_consume(r.connection, r.name, &r, &options), EC_UNKNOWN_EVENT);
    assert_non_null(strstr(ec_error_message(r.connection), "not in the list \"only_odds\""));
    assert_int_equal(noted(&r, "count(*)"), 1); /* what stands before it is done */
    assert_int_equal(lag_of(&r, 0), 1);
    assert_state(&r, "failing");
    subscriber_free(&r);
}

static void test_types_passed_over(void **state)
{
    struct subscriber r = subscriber_of(*state);
    ec_consume_options options = options_of(&r);

    subscribe(&r, NULL);
    append_numbers(&r, 0, 10, 1);
    assert_ok(r.connection, some_consume(r.connection, r.name, &r, &options));
    assert_int_equal(r.calls, 5);
    assert_int_equal(r.progress.handled, 10);
    assert_int_equal(noted(&r, "count(*) FILTER (WHERE n % 2 = 1)"), 5);
    assert_int_equal(lag_of(&r, 0), 0);
    append_numbers(&r, 10, 5, 1);
    r.progress.handled = 0;
    assert_ok(r.connection, some_together_consume(r.connection, r.name, &r, &options));
    assert_int_equal(r.largest, 2);
    assert_int_equal(r.calls, 6);
    assert_int_equal(lag_of(&r, 0), 0);
    subscriber_free(&r);
}

static ec_status handle_any(void *argument, int kind, const ec_event *event, ec_delivery *delivery)
{
    assert_int_equal(kind, -1);
    return handle_number(argument, event, delivery);
}

static void test_without_types(void **state)
{
    const ec_consumer any = {.struct_size = sizeof any, .name = "any", .handle = handle_any};
    struct subscriber r = subscriber_of(*state);
    ec_consume_options options = options_of(&r);

    subscribe(&r, NULL);
    append_numbers(&r, 0, 3, 1);
    assert_ok(r.connection, ec_consume(r.connection, r.name, &any, &r, &options));
    assert_noted_once(&r, 3);
    subscriber_free(&r);
}

/* ------------------------------------------------------------------ bad handlers */

static const char *misdeed;

static ec_status bad_handle(struct subscriber *r, numbers_kind kind, const ec_event *event,
                            ec_delivery *delivery);
EC_CONSUMER(bad, numbers, struct subscriber);

static ec_status bad_handle(struct subscriber *r, numbers_kind kind, const ec_event *event,
                            ec_delivery *delivery)
{
    (void)kind;
    note(r, event, delivery, 0);
    if (strcmp(misdeed, "look away") == 0)
        ec_delivery_fail(delivery, -1, "looked away");
    else
        PQclear(PQexec(ec_delivery_pg(delivery), misdeed));
    return EC_OK;
}

static void misbehave(struct server *s, const char *deed, bool elsewhere, ec_status status,
                      const char *message)
{
    struct subscriber r = subscriber_of(s);
    ec_consume_options options;

    r.elsewhere = elsewhere;
    options = options_of(&r);
    options.max_attempts = 2;
    misdeed = deed;
    subscribe(&r, NULL);
    append_numbers(&r, 0, 3, 1);
    assert_status(s->connection, bad_consume(s->connection, r.name, &r, &options), status);
    assert_int_equal(r.retries, 1);
    if (strstr(ec_error_message(s->connection), message) == NULL)
        fail_msg("%s: %s", deed, ec_error_message(s->connection));
    assert_int_equal(lag_of(&r, 0), 3);
    assert_int_equal(PQtransactionStatus(s->connection->pg), PQTRANS_IDLE);
    subscriber_free(&r);
}

static void test_bad_handlers(void **state)
{
    run_sql(((struct server *)*state)->sql,
            "CREATE TABLE IF NOT EXISTS deferred (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    misbehave(*state, "look away", false, EC_FAILED, "looked away");
    misbehave(*state, "look away", true, EC_FAILED, "looked away");
    misbehave(*state, "SELECT 1 / 0", false, EC_FAILED, "division by zero");
    misbehave(*state, "COMMIT", false, EC_FAILED, "the handler ended the transaction");
    misbehave(*state, "ROLLBACK", false, EC_FAILED, "the handler ended the transaction");
    misbehave(*state, "BEGIN", true, EC_FAILED, "left a transaction open");
    misbehave(*state, "INSERT INTO deferred VALUES (1), (1)", false, EC_SERVER_ERROR,
              "duplicate key");
}

/* ------------------------------------------------------------------ what it cannot be used for */

static void test_refused(void **state)
{
    struct server *s = *state;
    struct subscriber r = subscriber_of(s);
    ec_consume_options options = options_of(&r);
    ec_consumer none = {.struct_size = sizeof none, .name = "none"};

    assert_status(s->connection, one_consume(s->connection, r.name, &r, &options),
                  EC_SUBSCRIPTION_NOT_FOUND);
    subscribe(&r, NULL);
    options.acknowledge = true;
    assert_status(s->connection, one_consume(s->connection, r.name, &r, &options),
                  EC_INVALID_SUBSCRIPTION);
    options.acknowledge = false;
    options.member = 1;
    assert_status(s->connection, one_consume(s->connection, r.name, &r, &options),
                  EC_MEMBER_NOT_FOUND);
    options.member = -2;
    assert_status(s->connection, one_consume(s->connection, r.name, &r, &options),
                  EC_INVALID_ARGUMENT);
    options.member = 0;
    options.max_attempts = -1;
    assert_status(s->connection, one_consume(s->connection, r.name, &r, &options),
                  EC_INVALID_ARGUMENT);
    assert_status(s->connection, one_consume(s->connection, NULL, &r, NULL), EC_INVALID_ARGUMENT);
    assert_status(s->connection, ec_consume(s->connection, r.name, &none, &r, NULL),
                  EC_INVALID_ARGUMENT);
    assert_int_equal(r.calls, 0);
    subscriber_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_create),        SERVER_TEST(test_lag),
        SERVER_TEST(test_exactly_once),  SERVER_TEST(test_at_least_once),
        SERVER_TEST(test_poison),        SERVER_TEST(test_retry_says_no),
        SERVER_TEST(test_unknown_types), SERVER_TEST(test_types_passed_over),
        SERVER_TEST(test_without_types), SERVER_TEST(test_bad_handlers),
        SERVER_TEST(test_refused),
    };

    return cmocka_run_group_tests_name("subscriptions", tests, NULL, NULL);
}
