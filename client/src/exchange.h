/*
 * exchange.h: one round trip to the server, which never blocks.
 *
 * Whoever drives it advances it until it is done, and in between waits as it is told, or does
 * something else. It must stay where it is from the start to the end.
 */
#ifndef EC_EXCHANGE_H
#define EC_EXCHANGE_H

#include "wire.h"

typedef struct ec_exchange {
    /* The result, once it is done: */
    ec_status status;
    ec_events *rows;
    bool maybe_done; /* without a definite answer the calls may have been carried out */

    /* Private: */
    ec_connection *connection;
    const ec_round_trip *trip;
    const ec_until *until;
    ec_failure *failure;
    enum {
        EC_EXCHANGE_BEGIN,
        EC_EXCHANGE_CONNECT,
        EC_EXCHANGE_RECEIVE,
        EC_EXCHANGE_CANCEL,
        EC_EXCHANGE_DONE
    } stage;
    short events; /* of poll(), that it waits for */
    bool waited;  /* for something to receive */
    size_t noted; /* as of ec_wire_noted() */
    bool rolls_back;
    ec_status over; /* why it was cancelled */
    ec_until grace;
    ec_reply reply;
} ec_exchange;

/*
 * Connect, unless connected, send `trip`, and receive its rows; with NULL only connect. When the
 * time is over, what runs is cancelled. Calls behind one that fails do not run. Everything that is
 * given lives until the exchange is done; `failure` is set if that is a failure.
 */
void ec_exchange_start(ec_exchange *exchange, ec_connection *connection, const ec_round_trip *trip,
                       const ec_until *until, ec_failure *failure);

/*
 * Leave the transaction, if the connection is in one; if that does not work, give the connection
 * up. The result is of no interest.
 */
void ec_exchange_start_roll_back(ec_exchange *exchange, ec_connection *connection,
                                 ec_failure *failure);

/* Go as far as it goes without waiting. True when it is done, else `*wait` says what for. */
bool ec_exchange_advance(ec_exchange *exchange, ec_wait *wait);

/* End it where it is: unless it is done, what runs is cancelled and the connection given up. */
void ec_exchange_abandon(ec_exchange *exchange);

#endif
