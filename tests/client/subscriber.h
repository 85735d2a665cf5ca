/*
 * subscriber.h: a subscription of a test's own, and a handler that notes what it was given.
 *
 * What is noted is a row a call, in the table `noted`, written through the handler's connection: so
 * it is there once if, and only if, it was done once.
 */
#ifndef SUBSCRIBER_H
#define SUBSCRIBER_H

#include "server.h"

enum { NOTHING = -1 };

struct subscriber {
    struct server *server;
    ec_connection *connection; /* that it consumes with */
    char name[64];             /* of the subscription, and what its streams begin with */
    int calls;
    int poison;       /* the number of the event that fails, in "n" of its data; or NOTHING */
    int fails;        /* how often it does; then it succeeds */
    int stop_at;      /* the call that asks to stop, from 1 on */
    int64_t delay_ms; /* of a failure */
    bool parks;       /* in place of a failure */
    bool unordered;   /* deliveries may overtake each other */
    bool elsewhere;   /* `done` notes what is done, and not the database */
    int done[200];    /* how often each event was */
    int last_attempt;
    int largest; /* delivery */
    ec_cancellation *cancellation;
    ec_progress progress;
    int progressed;
    int retries; /* asked for */
    ec_status last_status;
    void (*hook)(struct subscriber *subscriber); /* called by the handler first; may be NULL */
    void *hook_argument;
};

/* clang-format off */
#define NUMBERS_EVENTS(list, type)    \
    type(list, Odd, "Odd")            \
    type(list, Even, "Even")
#define ODDS_EVENTS(list, type) type(list, Odd, "Odd")
/* clang-format on */
EC_EVENTS(numbers, NUMBERS_EVENTS);
EC_SOME_EVENTS(odds, ODDS_EVENTS);
EC_EVENTS(only_odds, ODDS_EVENTS);
EC_CONSUMER(one, numbers, struct subscriber);
EC_BATCH_CONSUMER(many, numbers, struct subscriber);

static inline void note(struct subscriber *r, const ec_event *event, ec_delivery *delivery,
                        long long n)
{
    char statement[300];
    PGresult *result;

    if (r->elsewhere) {
        r->done[n]++;
        return;
    }
    snprintf(statement, sizeof statement, "INSERT INTO noted VALUES ('%s', %lld, '%s', %lld)",
             r->name, (long long)ec_event_position(event), ec_event_stream_id(event), n);
    result = PQexec(ec_delivery_pg(delivery), statement);
    PQclear(result);
}

static inline ec_status handle_number(struct subscriber *r, const ec_event *event,
                                      ec_delivery *delivery)
{
    long long n;
    ec_status status = ec_event_unpack(event, "{s:I}", "n", &n);

    if (status != EC_OK)
        return status;
    note(r, event, delivery, n);
    if (n == r->poison && r->fails-- > 0)
        return r->parks ? ec_delivery_park(delivery, "parked %lld", n)
                        : ec_delivery_fail(delivery, r->delay_ms, "failed %lld", n);
    return EC_OK;
}

static inline void begin_call(struct subscriber *r, const ec_delivery *delivery)
{
    r->calls++;
    r->last_attempt = ec_delivery_attempt(delivery);
    if ((int)ec_delivery_count(delivery) > r->largest)
        r->largest = (int)ec_delivery_count(delivery);
    if (r->calls == r->stop_at)
        ec_cancel(r->cancellation);
    if (r->hook != NULL)
        r->hook(r);
}

static ec_status one_handle(struct subscriber *r, numbers_kind kind, const ec_event *event,
                            ec_delivery *delivery)
{
    assert_string_equal(numbers_type(kind), ec_event_type(event));
    assert_ptr_equal(ec_delivery_event(delivery, 0), event);
    assert_null(ec_delivery_event(delivery, 1));
    begin_call(r, delivery);
    return handle_number(r, event, delivery);
}

static ec_status many_handle(struct subscriber *r, ec_delivery *delivery)
{
    ec_status status = EC_OK;

    begin_call(r, delivery);
    for (size_t i = 0; i < ec_delivery_count(delivery) && status == EC_OK; i++)
        status = handle_number(r, ec_delivery_event(delivery, i), delivery);
    return status;
}

static inline void note_progress(void *argument, const ec_progress *progress)
{
    struct subscriber *r = argument;

    assert_true(progress->position > r->progress.position || r->unordered);
    assert_true(progress->handled > r->progress.handled);
    r->progress = *progress;
    r->progressed++;
}

static inline bool note_retry(void *argument, const ec_failed_attempt *attempt)
{
    struct subscriber *r = argument;

    r->retries++;
    r->last_status = attempt->status;
    return true;
}

/* Events 0 to count - 1, of as many streams, in order. */
static inline void append_numbers(struct subscriber *r, int first, int count, int streams)
{
    for (int n = first; n < first + count; n++)
        run_sql(r->server->sql,
                "SELECT version FROM eventcore.append('%s-%d', -1, '%s', '{\"n\": %d}'::jsonb)",
                r->name, n % streams, n % 2 == 0 ? "Even" : "Odd", n);
}

static inline void subscribe(struct subscriber *r, const ec_subscription_options *given)
{
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    bool created;

    if (given != NULL)
        options = *given;
    options.prefix = r->name;
    options.start = EC_FROM_THE_END; /* lags are exact near the end of the log */
    assert_ok(r->connection, ec_create_subscription(r->connection, r->name, &options, &created));
    assert_true(created);
}

/* A subscription without events, to be consumed with the test's connection. */
static inline struct subscriber subscriber_of(struct server *s)
{
    struct subscriber r = {.server = s, .connection = s->connection, .poison = NOTHING};

    unique_id(r.name, "numbers");
    r.delay_ms = -1;
    run_sql(s->sql, "CREATE TABLE IF NOT EXISTS noted"
                    " (subscription text, position bigint, stream_id text, n int,"
                    " at timestamptz DEFAULT clock_timestamp())");
    assert_int_equal(ec_cancellation_new(&r.cancellation), EC_OK);
    return r;
}

static inline void subscriber_free(struct subscriber *r)
{
    run_sql(r->server->sql, "SELECT eventcore.drop_subscription('%s')", r->name);
    ec_cancellation_free(r->cancellation);
}

/* Until there is nothing left; short pauses. */
static inline ec_consume_options options_of(struct subscriber *r)
{
    ec_consume_options options = EC_CONSUME_OPTIONS_INIT;

    options.until_caught_up = true;
    options.backoff_base_ms = 1;
    options.backoff_cap_ms = 5;
    options.cancellation = r->cancellation;
    options.progress = note_progress;
    options.progress_argument = r;
    options.retry = note_retry;
    options.retry_argument = r;
    options.at_least_once = r->elsewhere;
    return options;
}

static inline long long noted(struct subscriber *r, const char *what)
{
    return run_sql(r->server->sql, "SELECT %s FROM noted WHERE subscription = '%s'", what, r->name);
}

/* Each of the first `count` events was noted once, those of a stream in their order. */
static inline void assert_noted_once(struct subscriber *r, int count)
{
    assert_int_equal(noted(r, "count(*)"), count);
    assert_int_equal(noted(r, "count(DISTINCT n)"), count);
    assert_int_equal(noted(r, "coalesce(max(n), -1)"), count - 1);
    assert_int_equal(run_sql(r->server->sql,
                             "SELECT count(*) FROM (SELECT position, lag(position) OVER"
                             " (PARTITION BY stream_id ORDER BY at) AS before FROM noted"
                             " WHERE subscription = '%s') AS n WHERE position < before",
                             r->name),
                     0);
}

static inline long long lag_of(struct subscriber *r, int member)
{
    ec_lag lag;

    assert_ok(r->server->other, ec_subscription_lag(r->server->other, r->name, member, &lag));
    assert_true((lag.events == 0) == (lag.seconds == 0));
    return lag.events;
}

#endif
