/*
 * consumption.c: taking events, having them handled, making them done; and what if that fails.
 *
 * There are two kinds of subscriptions, and each is consumed exactly once or at least once. What is
 * sent in turn, with the handler (h) in between:
 *
 *     checkpoint     exactly once    BEGIN fetch          h   commit_checkpoint COMMIT
 *                    at least once   fetch                h   commit_checkpoint
 *     acknowledged   exactly once    receive, BEGIN ack   h   COMMIT
 *                    at least once   receive              h   ack
 *
 * Exactly once. If anything goes wrong before the COMMIT, nothing was done. If its reply is lost,
 * nobody knows, and it does not matter: a fetch asks the server again how far it is; and an ack
 * with the attempt of a delivery that is done finds nothing, so the event is left out.
 *
 * At least once. What was handled and could not be settled is settled again, on a new connection if
 * need be: as long as the member is the same, nobody else has moved on from there.
 *
 * A poison event must not hold up those before it. In a transaction they were rolled back with it:
 * they are taken alone the next time, as many as had been handled. Of a handler that takes many at
 * once it is not known which one failed, so they are taken one by one until it shows. Only when an
 * event fails as the first of its delivery the failure counts.
 */
#include "consumption.h"

#define DEFAULT_COUNT 100
#define MEMBER_POLL_US 1000000 /* whether one has become free */

static void ask(ec_consumption *c, ec_request request)
{
    c->step = EC_CONSUME_SEND;
    c->request = request;
}

static void drop_events(ec_consumption *c)
{
    ec_events_free(c->events);
    c->events = NULL;
    c->next = c->chunk = c->handled = 0;
    c->one_by_one = c->reports = false;
}

static size_t left(const ec_consumption *c)
{
    return c->events == NULL ? 0 : c->events->event_count - c->next;
}

static void finish(ec_consumption *c)
{
    drop_events(c);
    if (ec_consumption_claims(c) && c->member >= 0)
        ask(c, EC_REQUEST_RELEASE);
    else
        c->step = EC_CONSUME_DONE;
}

/* Come to an end: others can have at once what was received and is not handled. */
static void wind_up(ec_consumption *c)
{
    c->stopping = true;
    ec_failure_clear(&c->failure);
    if (c->options.acknowledge && left(c) > 0)
        ask(c, EC_REQUEST_GIVE_BACK);
    else
        finish(c);
}

static void fail(ec_consumption *c, ec_failure *failure)
{
    ec_failure_move(&c->result, failure);
    wind_up(c);
}

void ec_consumption_start(ec_consumption *c, const char *subscription, const char *store,
                          const ec_consumer *consumer, void *argument,
                          const ec_consume_options *options)
{
    *c = (ec_consumption){.consumer = consumer,
                          .argument = argument,
                          .subscription = subscription,
                          .store = store,
                          .options = *options,
                          .member = options->acknowledge ? -1 : options->member,
                          .checkpoint = -1};
    if (c->options.max_count == 0)
        c->options.max_count = options->acknowledge ? 1 : DEFAULT_COUNT;
    if (options->until_caught_up)
        c->options.wait_ms = 0;
    c->limit = c->options.max_count;
    ask(c, ec_consumption_claims(c) ? EC_REQUEST_CLAIM : EC_REQUEST_TAKE);
}

/* ------------------------------------------------------------------ what comes next */

/* Have the next of the events that were received handled, or receive more. */
static void go_on(ec_consumption *c)
{
    c->handled = 0;
    if (c->stopping) {
        wind_up(c);
    } else if (left(c) == 0) {
        drop_events(c);
        ask(c, EC_REQUEST_TAKE);
    } else {
        c->chunk = c->consumer->handle == NULL && !c->one_by_one ? left(c) : 1;
        if (ec_consumption_is_transaction(c))
            ask(c, EC_REQUEST_ACKNOWLEDGE);
        else
            c->step = EC_CONSUME_HANDLE;
    }
}

/* Begin again, after a failure, from what is known to be. */
static void start_over(ec_consumption *c)
{
    bool settles = !ec_consumption_is_transaction(c) && c->handled > 0;

    if (c->options.acknowledge) {
        if (c->request == EC_REQUEST_GIVE_BACK || (c->request == EC_REQUEST_SETTLE && settles))
            ask(c, c->request);
        else
            go_on(c);
        return;
    }
    if (!settles)
        drop_events(c);
    if (ec_consumption_claims(c) && c->member < 0)
        ask(c, EC_REQUEST_CLAIM);
    else
        ask(c, settles ? EC_REQUEST_SETTLE : EC_REQUEST_TAKE);
}

void ec_consumption_session(ec_consumption *c)
{
    if (ec_consumption_claims(c))
        c->member = -1;
    if (c->request != EC_REQUEST_RELEASE)
        start_over(c);
}

void ec_consumption_resume(ec_consumption *c)
{
    start_over(c);
}

static void sleep_for(ec_consumption *c, int64_t delay_us)
{
    c->delay_us = delay_us;
    c->step = EC_CONSUME_SLEEP;
}

/* ------------------------------------------------------------------ handling */

/* The first event of a delivery has failed, by itself. */
static void count_failure(ec_consumption *c)
{
    bool acknowledges = c->options.acknowledge;
    bool again = ec_consumption_is_worth_another(c, &c->failure);
    int tries = acknowledges ? ec_delivery_attempt(&c->delivery) : c->failures;

    if (c->delivery.delay_ms < 0)
        c->delivery.delay_ms = again ? ec_consumption_backoff_us(c, tries) / 1000 : 0;
    ask(c, acknowledges ? EC_REQUEST_GIVE_BACK : EC_REQUEST_REPORT);
}

/* Of several events that were to be done together one has failed. */
static void take_apart(ec_consumption *c)
{
    if (c->options.acknowledge) {
        c->one_by_one = true;
        go_on(c);
        return;
    }
    c->limit = c->handled > 0 ? (int64_t)c->handled : 1;
    if (!ec_consumption_is_transaction(c) && c->handled > 0) {
        c->reports = true;
        ask(c, EC_REQUEST_SETTLE);
    } else {
        drop_events(c);
        ask(c, EC_REQUEST_TAKE);
    }
}

void ec_consumption_handled(ec_consumption *c, ec_status status)
{
    bool all = c->consumer->handle == NULL;

    if (status == EC_OK) {
        c->handled = all ? c->chunk : c->handled + 1;
        c->handled_by = c->member;
        if (c->handled == c->chunk)
            ask(c, EC_REQUEST_SETTLE);
        return;
    }
    ec_consumption_describe(c, status);
    if (all ? c->chunk > 1 : c->handled > 0)
        take_apart(c);
    else
        count_failure(c);
}

/* What was handled cannot be committed: a deferred constraint of the application, for example. */
static void refused(ec_consumption *c, ec_failure *failure)
{
    ec_failure_move(&c->failure, failure);
    c->handled = 0;
    if (c->chunk > 1) {
        take_apart(c);
    } else {
        ec_consumption_describe(c, c->failure.status);
        count_failure(c);
    }
}

/* ------------------------------------------------------------------ replies */

static void claimed(ec_consumption *c, int64_t member)
{
    c->member = member;
    if (member >= 0) {
        if (c->handled > 0 && c->handled_by != member)
            drop_events(c);
        start_over(c);
    } else if (c->options.until_caught_up) {
        ec_fail(&c->result, EC_MEMBER_CLAIMED, "all members of subscription \"%s\" are claimed",
                c->subscription);
        wind_up(c);
    } else
        sleep_for(c, MEMBER_POLL_US);
}

static void took(ec_consumption *c, ec_events *events)
{
    drop_events(c);
    c->events = events;
    if (c->options.acknowledge) {
        if (left(c) == 0 && c->options.until_caught_up)
            wind_up(c);
        else
            go_on(c);
        return;
    }
    c->chunk = left(c);
    if (c->chunk > 0)
        c->step = EC_CONSUME_HANDLE;
    else
        ask(c, EC_REQUEST_SETTLE); /* what has no events for us may be done, too */
}

static void step_forward(ec_consumption *c)
{
    const ec_consume_options *options = &c->options;
    ec_progress progress = {.member = (int)c->member};

    if (c->handled == 0)
        return;
    c->failures = 0;
    c->handled_in_all += (int64_t)c->handled;
    progress.position = ec_consumption_event(c, c->handled - 1)->position;
    progress.handled = c->handled_in_all;
    c->limit = c->limit > options->max_count / 2 ? options->max_count : c->limit * 2;
    if (options->progress != NULL)
        options->progress(options->progress_argument, &progress);
}

static void settled(ec_consumption *c, int64_t checkpoint)
{
    bool caught_up = left(c) == 0 && c->options.until_caught_up && checkpoint == c->checkpoint;

    if (c->options.acknowledge) {
        step_forward(c);
        c->next += c->chunk;
        go_on(c);
        return;
    }
    c->checkpoint = checkpoint;
    if (c->reports) {
        step_forward(c);
        c->next += c->handled;
        c->chunk -= c->handled;
        c->handled = 0;
        count_failure(c);
        return;
    }
    step_forward(c);
    drop_events(c);
    if (c->stopping || caught_up)
        wind_up(c);
    else
        ask(c, EC_REQUEST_TAKE);
}

static void acknowledged(ec_consumption *c, int64_t count)
{
    if (count == (int64_t)c->chunk) {
        c->step = EC_CONSUME_HANDLE;
    } else {
        /* Somebody else has one, or it was done, and nobody could tell. */
        c->one_by_one = true;
        c->next += c->chunk == 1;
        go_on(c);
    }
}

static void reported(ec_consumption *c)
{
    c->handled = 0;
    if (c->stopping)
        wind_up(c);
    else
        sleep_for(c, c->delivery.delay_ms * 1000);
}

void ec_consumption_rows(ec_consumption *c, ec_events *rows)
{
    int64_t answer = rows == NULL || rows->row_count == 0 ? -1 : rows->rows[0].answers[0];

    if (c->request == EC_REQUEST_TAKE) {
        took(c, rows);
        return;
    }
    ec_events_free(rows);
    switch (c->request) {
    case EC_REQUEST_CLAIM:
        claimed(c, answer);
        break;
    case EC_REQUEST_ACKNOWLEDGE:
        acknowledged(c, answer);
        break;
    case EC_REQUEST_SETTLE:
        settled(c, answer);
        break;
    case EC_REQUEST_GIVE_BACK:
        c->next++;
        go_on(c);
        break;
    case EC_REQUEST_REPORT:
        reported(c);
        break;
    default:
        c->step = EC_CONSUME_DONE;
    }
}

/* ------------------------------------------------------------------ failures */

static bool is_cleaning_up(const ec_consumption *c)
{
    return c->request == EC_REQUEST_REPORT || c->request == EC_REQUEST_RELEASE;
}

/* Whether what is being sent is to be finished, and has not failed with its transaction. */
static bool survives_stop(const ec_consumption *c)
{
    return is_cleaning_up(c) || c->request == EC_REQUEST_GIVE_BACK ||
           (c->request == EC_REQUEST_SETTLE && c->handled > 0);
}

static void stop_because(ec_consumption *c)
{
    c->stopping = true;
    ec_fail(&c->result, EC_CANCELLED, "told to stop consuming subscription \"%s\"",
            c->subscription);
}

void ec_consumption_stop(ec_consumption *c)
{
    if (c->stopping || c->step == EC_CONSUME_DONE)
        return;
    stop_because(c);
    if (c->step == EC_CONSUME_HANDLE && c->handled > 0)
        ask(c, EC_REQUEST_SETTLE);
    else if (c->step != EC_CONSUME_SEND || !survives_stop(c))
        wind_up(c);
}

void ec_consumption_failed(ec_consumption *c, ec_failure *failure)
{
    if (is_cleaning_up(c)) {
        ec_failure_clear(failure);
        ec_consumption_rows(c, NULL);
        return;
    }
    if (c->stopping) {
        ec_failure_clear(failure);
        drop_events(c);
        wind_up(c);
        return;
    }
    if (failure->status == EC_CANCELLED) {
        ec_failure_clear(failure);
        stop_because(c);
        if (!survives_stop(c) ||
            (c->request == EC_REQUEST_SETTLE && ec_consumption_is_transaction(c)))
            wind_up(c);
        return;
    }
    c->reports = false; /* the handler will fail again */
    if (failure->status == EC_NOT_DELIVERED || failure->status == EC_MEMBER_NOT_FOUND)
        drop_events(c);
    if (failure->status == EC_MEMBER_NOT_FOUND && ec_consumption_claims(c))
        c->member = -1;
    if (ec_consumption_is_transient(c, failure)) {
        if (ec_consumption_is_worth_another(c, failure))
            sleep_for(c, ec_consumption_backoff_us(c, c->failures));
        else
            wind_up(c);
        ec_failure_clear(failure);
    } else if (c->request == EC_REQUEST_SETTLE && c->handled > 0 &&
               ec_consumption_is_transaction(c) && failure->status == EC_SERVER_ERROR)
        refused(c, failure);
    else
        fail(c, failure);
}

void ec_consumption_free(ec_consumption *c)
{
    drop_events(c);
    ec_failure_clear(&c->failure);
    ec_failure_clear(&c->result);
}
