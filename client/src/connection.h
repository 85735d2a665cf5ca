/* connection.h: the handle, and one round trip on it. */
#ifndef EC_CONNECTION_H
#define EC_CONNECTION_H

#include "heat.h"
#include "statement.h"
#include "until.h"

struct ec_connection {
    PGconn *pg; /* NULL between a connection given up and the next */
    char *conninfo;
    char *store; /* NULL: the default one */
    ec_connect_options options;
    ec_metadata metadata; /* of all that is written, in metadata_memory */
    ec_arena metadata_memory;
    ec_heat heat; /* of the commands executed */
    ec_hooks hooks;
    bool hooked;                       /* there are hooks */
    ec_failure failure;                /* of the last call */
    bool prepared[EC_STATEMENT_COUNT]; /* on `pg` */
    ec_pool *pool;                     /* that lent it; NULL: none */
    ec_task *task;                     /* that has the sole use of it; NULL: none */
    bool advancing;                    /* that task is being advanced */
};

/* As ec_connect(), but without connecting. EC_OK, EC_INVALID_ARGUMENT or EC_NO_MEMORY. */
ec_status ec_connection_new(ec_connection **connection, const char *conninfo,
                            const ec_connect_options *options);

/* The hooks that were given to a call, or else those of the connection; NULL: none. */
static inline const ec_hooks *ec_connection_hooks(const ec_connection *connection,
                                                  const ec_hooks *given)
{
    return given == NULL && connection->hooked ? &connection->hooks : given;
}

/* End a task of a connection that is going to be closed. */
void ec_task_abandon(ec_task *task);

/* Whether a task that is not being advanced has the sole use of it. */
static inline bool ec_connection_is_taken(const ec_connection *connection)
{
    return connection->task != NULL && !connection->advancing;
}

/*
 * The three that follow are round trips (exchange.h) that are waited for. A task that has not ended
 * makes them fail with EC_INVALID_ARGUMENT.
 */

/* Connect unless connected. EC_OK, EC_CONNECTION_LOST, EC_TIMEOUT or EC_CANCELLED. */
ec_status ec_connection_open(ec_connection *connection, const ec_until *until, ec_failure *failure);

/*
 * Send a round trip of calls and wait for its rows: when the time is over, what runs is cancelled.
 * Calls behind one that fails do not run. `maybe_done` is set if there was no definite answer
 * though the calls may have been carried out. `connection` is open.
 */
ec_status ec_connection_send(ec_connection *connection, const ec_round_trip *trip,
                             const ec_until *until, ec_events **rows, ec_failure *failure,
                             bool *maybe_done);

/* As ec_connection_send(), for one call. */
ec_status ec_connection_call(ec_connection *connection, const ec_call *call, const ec_until *until,
                             ec_events **rows, ec_failure *failure, bool *maybe_done);

/* Leave the transaction, if the connection is in one; if that fails, give the connection up. */
void ec_connection_roll_back(ec_connection *connection);

/* ------------------------------------------------------------------ pipelining */

/*
 * Connect unless connected, have what executions need prepared, and enter pipeline mode, unless in
 * it. As of ec_connection_call(): EC_OK, or a failure after which nothing was sent.
 */
ec_status ec_pipeline_enter(ec_connection *connection, const ec_until *until, ec_failure *failure);

/* Send a call, a transaction by itself, without waiting; never blocks. EC_OK or the connection is
 * lost, and with it whatever is on its way. */
ec_status ec_pipeline_send(ec_connection *connection, const ec_call *call, ec_failure *failure);

/*
 * Send what is buffered, and wait for the result of the oldest call that is on its way; there is
 * one. `*result`, at first NULL, keeps a part of it between calls. EC_OK; EC_TIMEOUT if it has not
 * come until then, EC_CANCELLED; or the connection is lost.
 */
ec_status ec_pipeline_receive(ec_connection *connection, const ec_until *until, PGresult **result,
                              ec_failure *failure);

/* What a result, which is taken over, says: its rows, or its failure, as ec_connection_call(). */
ec_status ec_pipeline_take(ec_connection *connection, PGresult *result, ec_statement statement,
                           const ec_until *until, ec_events **rows, ec_failure *failure,
                           bool *maybe_done);

/* Ask the server to stop what it is at, as far as that goes. */
void ec_pipeline_cancel(ec_connection *connection);

/* Give the connection up, whatever may still be on its way to it. */
void ec_pipeline_abandon(ec_connection *connection);

/* Leave pipeline mode; the connection is given up if results are still to come. */
void ec_pipeline_leave(ec_connection *connection);

#endif
