/* wire.h: what is said to the server, and what its answers mean. Nothing here waits. */
#ifndef EC_WIRE_H
#define EC_WIRE_H

#include "connection.h"

/* What is wanted of a call, and what a result is the result of. */
typedef enum ec_purpose { EC_TO_PREPARE, EC_TO_RUN, EC_FOR_ROWS } ec_purpose;

/* The results of a round trip, in their order. */
typedef struct ec_reply {
    struct {
        ec_statement statement;
        ec_purpose purpose;
    } expected[2 * EC_MAX_CALLS];
    size_t expected_count;
    size_t received;
    PGresult *rows;
    PGresult *error; /* the first one */
} ec_reply;

/* Close the connection; the next call makes a new one. */
void ec_wire_give_up(ec_connection *connection);

/* The connection broke. `error` is the last that the server said, or NULL. EC_CONNECTION_LOST. */
ec_status ec_wire_lose(ec_connection *connection, const PGresult *error, ec_failure *failure);

/* Have a call sent, and prepared unless it is; note what results will come. False if it cannot. */
bool ec_wire_send(ec_connection *connection, const ec_call *call, ec_purpose purpose,
                  ec_reply *reply);

/*
 * Whether libpq itself failed, for want of memory or because it could not read what came. It may
 * stand in the place of any result, also of the synchronisation that ends a round trip: to wait for
 * more would be to wait for ever.
 */
bool ec_is_of_libpq(const PGresult *result);

/*
 * And without memory for a result it may only note that and go on as if the server had said
 * nothing. So what it notes while it waits means that there is nothing to wait for.
 */
size_t ec_wire_noted(const PGconn *pg);

/* A result that is an error is noted too, and what was noted may be forgotten with any. */
void ec_wire_note(size_t *before, const PGconn *pg, const PGresult *result);

/* Take over a result other than a synchronisation's. */
void ec_wire_take(ec_connection *connection, ec_reply *reply, PGresult *result);

void ec_reply_clear(ec_reply *reply);

/* Ask the server to stop what it is at. */
void ec_wire_cancel(ec_connection *connection);

/* Whether that is why a result, NULL for none, is an error. */
bool ec_was_cancelled(const PGresult *error);

/*
 * The failure that an error result stands for, in view of the time that there was.
 * `maybe_done` as of ec_connection_send().
 */
ec_status ec_wire_fail(ec_connection *connection, const PGresult *error, const ec_until *until,
                       ec_failure *failure, bool *maybe_done);

#endif
