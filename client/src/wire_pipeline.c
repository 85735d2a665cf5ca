/* wire_pipeline.c: calls one behind the other, each a transaction by itself; see pipeline.c. */
#include <poll.h>

#include "exchange.h"

/* Have the statements prepared that executions need. */
static ec_status prepare(ec_connection *connection, const ec_until *until, ec_failure *failure)
{
    static const ec_round_trip statements = {
        .calls = {{.statement = EC_STATEMENT_READ_STREAMS}, {.statement = EC_STATEMENT_TRY_APPEND}},
        .count = 2,
        .only_prepares = true};
    ec_events *rows;
    bool maybe_done, prepared = true;

    for (size_t i = 0; i < statements.count; i++)
        prepared &= connection->prepared[statements.calls[i].statement];
    if (prepared || connection->options.unprepared)
        return EC_OK;
    return ec_connection_send(connection, &statements, until, &rows, failure, &maybe_done);
}

ec_status ec_pipeline_enter(ec_connection *connection, const ec_until *until, ec_failure *failure)
{
    ec_status status = ec_connection_open(connection, until, failure);

    if (status == EC_OK && PQpipelineStatus(connection->pg) == PQ_PIPELINE_ON)
        return EC_OK;
    if (status == EC_OK)
        status = prepare(connection, until, failure);
    if (status == EC_OK && (connection->pg == NULL || !PQenterPipelineMode(connection->pg)))
        status = ec_wire_lose(connection, NULL, failure);
    return status;
}

ec_status ec_pipeline_send(ec_connection *connection, const ec_call *call, ec_failure *failure)
{
    ec_reply unused = {.expected_count = 0};

    if (ec_wire_send(connection, call, EC_FOR_ROWS, &unused) && PQpipelineSync(connection->pg))
        return EC_OK;
    return ec_wire_lose(connection, NULL, failure);
}

/*
 * The next call's result, if it has arrived as a whole: what it gave, a NULL, and the end of its
 * transaction. It is committed only there, so an error may follow what it gave, and stands in its
 * place. A server that is going away may give something and no end.
 */
static bool take_pipelined(PGconn *pg, PGresult **result, size_t *noted, bool *out_of_step)
{
    while (!PQisBusy(pg)) {
        PGresult *next = PQgetResult(pg);

        if (next != NULL)
            ec_wire_note(noted, pg, next);
        if (next == NULL) {
            if (PQstatus(pg) != CONNECTION_OK || ec_is_of_libpq(*result))
                return false;
        } else if (PQresultStatus(next) == PGRES_PIPELINE_SYNC) {
            PQclear(next);
            return true;
        } else if (*result == NULL) {
            *result = next;
        } else if (PQresultStatus(next) != PGRES_FATAL_ERROR) {
            PQclear(next); /* of the next call: libpq had no memory for the end of this one */
            *out_of_step = true;
            return false;
        } else if (PQresultStatus(*result) == PGRES_FATAL_ERROR) {
            PQclear(next); /* the first error counts */
        } else {
            PQclear(*result);
            *result = next;
        }
    }
    return false;
}

ec_status ec_pipeline_receive(ec_connection *connection, const ec_until *until, PGresult **result,
                              ec_failure *failure)
{
    PGconn *pg = connection->pg;
    size_t noted = ec_wire_noted(pg);
    bool out_of_step = false;

    for (;;) {
        int unsent = PQflush(pg);
        ec_status status;

        if (take_pipelined(pg, result, &noted, &out_of_step))
            return EC_OK;
        if (PQstatus(pg) != CONNECTION_OK || ec_is_of_libpq(*result) || out_of_step ||
            ec_wire_noted(pg) > noted)
            break;
        status = ec_until_ready(until, PQsocket(pg), unsent > 0 ? POLLIN | POLLOUT : POLLIN);
        if (status == EC_TIMEOUT || status == EC_CANCELLED)
            return status;
        if (status != EC_OK || (!PQconsumeInput(pg) && PQstatus(pg) != CONNECTION_OK))
            break;
    }
    return ec_wire_lose(connection, *result, failure);
}

ec_status ec_pipeline_take(ec_connection *connection, PGresult *result, ec_statement statement,
                           const ec_until *until, ec_events **rows, ec_failure *failure,
                           bool *maybe_done)
{
    ec_status status;

    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        status = ec_rows_decode(rows, result, statement, failure);
        *maybe_done = status != EC_OK;
        return status;
    }
    status = ec_wire_fail(connection, result, until, failure, maybe_done);
    PQclear(result);
    return status;
}

void ec_pipeline_cancel(ec_connection *connection)
{
    ec_wire_cancel(connection);
}

void ec_pipeline_abandon(ec_connection *connection)
{
    ec_wire_give_up(connection);
}

void ec_pipeline_leave(ec_connection *connection)
{
    if (connection->pg != NULL && !ec_connection_is_taken(connection) &&
        !PQexitPipelineMode(connection->pg))
        ec_wire_give_up(connection);
}
