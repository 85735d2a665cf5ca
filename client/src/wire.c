/*
 * wire.c: statements to the server, and what it answers.
 *
 * All of libpq is used without blocking, in pipeline mode: the server skips what stands behind a
 * statement that fails, and preparing a statement costs no round trip of its own.
 */
#include "wire.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "retry.h"

void ec_wire_give_up(ec_connection *connection)
{
    PQfinish(connection->pg);
    connection->pg = NULL;
    memset(connection->prepared, 0, sizeof connection->prepared);
}

ec_status ec_wire_lose(ec_connection *connection, const PGresult *error, ec_failure *failure)
{
    if (error != NULL && PQresultErrorField(error, PG_DIAG_SQLSTATE) != NULL) {
        ec_fail_from_result(failure, error);
        failure->status = EC_CONNECTION_LOST;
    } else
        ec_fail_from_connection(failure, connection->pg);
    ec_wire_give_up(connection);
    return EC_CONNECTION_LOST;
}

/* ------------------------------------------------------------------ sending */

static void expect(ec_reply *reply, ec_statement statement, ec_purpose purpose)
{
    reply->expected[reply->expected_count].statement = statement;
    reply->expected[reply->expected_count++].purpose = purpose;
}

bool ec_wire_send(ec_connection *connection, const ec_call *call, ec_purpose purpose,
                  ec_reply *reply)
{
    static const int binary[EC_MAX_PARAMETERS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const ec_statement_text *text = &ec_statements[call->statement];
    bool named = text->name != NULL && !connection->options.unprepared, sent = true;

    if (named && !connection->prepared[call->statement]) {
        expect(reply, call->statement, EC_TO_PREPARE);
        sent = PQsendPrepare(connection->pg, text->name, text->sql, text->parameter_count,
                             text->types);
    }
    if (purpose == EC_TO_PREPARE)
        return sent;
    expect(reply, call->statement, purpose);
    if (named)
        return sent && PQsendQueryPrepared(connection->pg, text->name, text->parameter_count,
                                           call->values, call->lengths, binary, 1);
    return PQsendQueryParams(connection->pg, text->sql, text->parameter_count, text->types,
                             call->values, call->lengths, binary, 1);
}

/* ------------------------------------------------------------------ receiving */

static bool is_success(PGresult *result, ec_statement statement)
{
    /* A COMMIT of what has failed succeeds, as a ROLLBACK. */
    if (statement == EC_STATEMENT_COMMIT)
        return strcmp(PQcmdStatus(result), "COMMIT") == 0;
    return PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
}

bool ec_is_of_libpq(const PGresult *result)
{
    return result != NULL && PQresultStatus(result) == PGRES_FATAL_ERROR &&
           PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL;
}

size_t ec_wire_noted(const PGconn *pg)
{
    return strlen(PQerrorMessage(pg));
}

void ec_wire_note(size_t *before, const PGconn *pg, const PGresult *result)
{
    size_t now = ec_wire_noted(pg);

    if (now < *before || PQresultStatus(result) == PGRES_FATAL_ERROR)
        *before = now;
}

void ec_wire_take(ec_connection *connection, ec_reply *reply, PGresult *result)
{
    /* A server that is going away may add errors to what was asked for. */
    bool asked_for = reply->received < reply->expected_count;
    size_t at = asked_for ? reply->received : 0;

    reply->received++;
    if (asked_for && is_success(result, reply->expected[at].statement)) {
        if (reply->expected[at].purpose == EC_TO_PREPARE)
            connection->prepared[reply->expected[at].statement] = true;
        if (reply->expected[at].purpose == EC_FOR_ROWS) {
            reply->rows = result;
            return;
        }
    } else if (reply->error == NULL && PQresultStatus(result) != PGRES_PIPELINE_ABORTED) {
        reply->error = result;
        return;
    }
    PQclear(result);
}

void ec_reply_clear(ec_reply *reply)
{
    PQclear(reply->rows);
    PQclear(reply->error);
    *reply = (ec_reply){.expected_count = 0};
}

bool ec_was_cancelled(const PGresult *error)
{
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);

    return sqlstate != NULL && strcmp(sqlstate, "57014") == 0;
}

ec_status ec_wire_fail(ec_connection *connection, const PGresult *error, const ec_until *until,
                       ec_failure *failure, bool *maybe_done)
{
    ec_status over = ec_until_status(until), status;

    /* Without an SQLSTATE it is libpq's: it could not read what the server answered. */
    *maybe_done = PQresultErrorField(error, PG_DIAG_SQLSTATE) == NULL;
    /* A statement that was cancelled because the time was over, and nothing else, has timed out. */
    if (over != EC_OK && ec_was_cancelled(error))
        return ec_fail(failure, over, "%s while the server was at work",
                       over == EC_TIMEOUT ? "the deadline passed" : "cancelled");
    status = ec_fail_from_result(failure, error);
    /* Behind a pooler that changes sessions nothing can be prepared: so not next time. */
    if (ec_is_other_session(failure->sqlstate))
        connection->options.unprepared = true;
    /* A server, or a pooler, that will not keep the connection, or has lost it. */
    if (status == EC_CONNECTION_LOST) {
        ec_wire_give_up(connection);
        *maybe_done = true;
    }
    return status;
}

/* ------------------------------------------------------------------ cancelling */

static void *send_cancel(void *request)
{
    char problem[256];

    PQcancel(request, problem, sizeof problem);
    PQfreeCancel(request);
    return NULL;
}

/*
 * libpq waits for the answer to a request without a limit, which a server that hangs never gives:
 * so a thread does that, and nobody waits for the thread. The program's signals are not for it, nor
 * is a SIGPIPE, which PQcancel() does not hold back, for the program.
 */
void ec_wire_cancel(ec_connection *connection)
{
    PGcancel *request = PQgetCancel(connection->pg);
    sigset_t all, before;
    pthread_attr_t detached;
    pthread_t thread;

    if (request == NULL || pthread_attr_init(&detached) != 0) {
        PQfreeCancel(request);
        return;
    }
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, &detached, send_cancel, request) != 0)
        PQfreeCancel(request);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&detached);
}
