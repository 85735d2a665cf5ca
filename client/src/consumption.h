/*
 * consumption.h: the consuming of a subscription as a state machine without I/O.
 *
 * A driver starts it and then does what `step` says until that is EC_CONSUME_DONE:
 *
 *     EC_CONSUME_SEND    send the calls of `request`; pass on their rows, or the failure
 *     EC_CONSUME_HANDLE  have the handler called, and pass on what it returned, unless something
 *                        is wrong with the connection that it used
 *     EC_CONSUME_SLEEP   let `delay_us` pass, and resume
 *     EC_CONSUME_DONE    take the result: `result` (its status is EC_OK on success)
 *
 * The driver owns connection and clock: it connects before sending, and says so when the session is
 * another one than before. A transaction that is open at SLEEP or DONE is to be rolled back. When
 * it is told to stop, it says so between any two steps, and goes on: what is then still sent is
 * worth only a moment, and no new connection.
 */
#ifndef EC_CONSUMPTION_H
#define EC_CONSUMPTION_H

#include "event.h"
#include "subscription_call.h"

typedef enum ec_consume_step {
    EC_CONSUME_SEND,
    EC_CONSUME_HANDLE,
    EC_CONSUME_SLEEP,
    EC_CONSUME_DONE
} ec_consume_step;

typedef enum ec_request {
    EC_REQUEST_CLAIM,
    EC_REQUEST_TAKE,        /* fetch, or receive, events */
    EC_REQUEST_ACKNOWLEDGE, /* before they are handled, in their transaction */
    EC_REQUEST_SETTLE,      /* what was handled is done */
    EC_REQUEST_GIVE_BACK,   /* an event that was received: later, or never */
    EC_REQUEST_REPORT,      /* what failed; it is no harm if that fails */
    EC_REQUEST_RELEASE      /* the member; likewise */
} ec_request;

struct ec_connection;

struct ec_delivery {
    struct ec_connection *connection; /* of the driver, for what the handler does with it */
    const struct ec_consumption *consumption;
    const ec_event **events;
    size_t count;
    ec_failure *failure;
    bool failed; /* the handler said so, whatever it returns */
    bool parks;
    int64_t delay_ms; /* -1: the backoff */
};

typedef struct ec_consumption {
    ec_consume_step step;
    ec_request request;
    int64_t delay_us;
    ec_failure result;

    const ec_consumer *consumer;
    void *argument;
    const char *subscription;
    const char *store;
    ec_consume_options options;
    int64_t member; /* -1: still to be claimed, or none */
    int64_t limit;  /* how many events to take next */
    int64_t checkpoint;
    int64_t handled_in_all;
    int failures; /* since something was last done */
    bool stopping;
    ec_failure failure; /* the last */

    ec_events *events;  /* taken; NULL: none */
    size_t next;        /* the first that is not done */
    size_t chunk;       /* how many are handled and settled together */
    size_t handled;     /* so many of them are handled */
    int64_t handled_by; /* the member for which */
    bool one_by_one;    /* of received events, after some failed together */
    bool reports;       /* once what was handled is settled */
    ec_delivery delivery;
} ec_consumption;

/* Start. What is passed lives as long as the consumption. */
void ec_consumption_start(ec_consumption *consumption, const char *subscription, const char *store,
                          const ec_consumer *consumer, void *argument,
                          const ec_consume_options *options);

/* Whether what is handled and what makes it done are one transaction. */
bool ec_consumption_is_transaction(const ec_consumption *consumption);

/* Whether it claims the member that it uses. */
bool ec_consumption_claims(const ec_consumption *consumption);

/* Whether what failed may go better another time, if nothing else changes. */
bool ec_consumption_is_transient(const ec_consumption *consumption, const ec_failure *failure);

/* Count a failure, and ask whether to go on. If not, it is the result, and the run stops. */
bool ec_consumption_is_worth_another(ec_consumption *consumption, const ec_failure *failure);

/* The pause before a retry, from 1 on. */
int64_t ec_consumption_backoff_us(const ec_consumption *consumption, int retry);

/* The calls of `request`; `in_transaction`: the connection is in one. */
ec_status ec_consumption_encode(ec_consumption *consumption, ec_round_trip *trip, ec_arena *memory,
                                bool in_transaction, ec_failure *failure);

/* An event of the chunk, and how it was received. */
ec_event *ec_consumption_event(const ec_consumption *consumption, size_t index);
ec_receipt ec_consumption_receipt(const ec_consumption *consumption, size_t index);

/* The session is a new one: what was claimed or begun in the last one is gone. */
void ec_consumption_session(ec_consumption *consumption);

/* The rows of the reply, which are taken over. */
void ec_consumption_rows(ec_consumption *consumption, ec_events *rows);

/* Sending failed. The failure is taken over. */
void ec_consumption_failed(ec_consumption *consumption, ec_failure *failure);

/* Have the next event, or the whole delivery, handled; and pass on what came of it. */
ec_status ec_consumption_handle(ec_consumption *consumption);
void ec_consumption_handled(ec_consumption *consumption, ec_status status);

/* Have the failure say what failed, where, and why. */
void ec_consumption_describe(ec_consumption *consumption, ec_status status);

/* The pause is over. */
void ec_consumption_resume(ec_consumption *consumption);

/* It is told to stop. */
void ec_consumption_stop(ec_consumption *consumption);

void ec_consumption_free(ec_consumption *consumption);

#endif
