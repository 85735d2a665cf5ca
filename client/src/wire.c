/*
 * wire.c: round trips to the server, which take no longer than wanted.
 *
 * All of libpq is used without blocking. A round trip is a pipeline of statements with one
 * synchronisation at its end: the server skips what stands behind a statement that fails, and
 * preparing a statement costs no round trip of its own.
 *
 * When the time is over, the statement under way is cancelled and its last word awaited for a
 * moment: an append that was carried out just then is a success, not a timeout.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "connection.h"
#include "retry.h"

#define GRACE_MS 1000

/* A library does not write to the program's stderr. */
static void ignore_notice(void *argument, const PGresult *notice)
{
    (void)argument;
    (void)notice;
}

static void give_up(ec_connection *connection)
{
    PQfinish(connection->pg);
    connection->pg = NULL;
    memset(connection->prepared, 0, sizeof connection->prepared);
}

/* The connection broke. `error` is the last that the server said, or NULL. */
static ec_status lose(ec_connection *connection, const PGresult *error, ec_failure *failure)
{
    if (error != NULL && PQresultErrorField(error, PG_DIAG_SQLSTATE) != NULL) {
        ec_fail_from_result(failure, error);
        failure->status = EC_CONNECTION_LOST;
    } else
        ec_fail_from_connection(failure, connection->pg);
    give_up(connection);
    return EC_CONNECTION_LOST;
}

/* ------------------------------------------------------------------ connecting */

static ec_status establish(PGconn *pg, const ec_until *until)
{
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;

    while (PQstatus(pg) != CONNECTION_BAD && wanted != PGRES_POLLING_OK) {
        ec_status status =
            ec_until_ready(until, PQsocket(pg), wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT);

        if (status != EC_OK)
            return status;
        wanted = PQconnectPoll(pg);
        if (wanted == PGRES_POLLING_FAILED)
            return EC_CONNECTION_LOST;
    }
    return wanted == PGRES_POLLING_OK ? EC_OK : EC_CONNECTION_LOST;
}

ec_status ec_connection_open(ec_connection *connection, const ec_until *until, ec_failure *failure)
{
    const char *const keywords[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
    const char *const values[] = {connection->conninfo, "UTF8", "eventcore", NULL};
    ec_status status;

    if (connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_OK)
        return EC_OK;
    if (connection->conninfo == NULL)
        return ec_fail(failure, EC_CONNECTION_LOST, "the connection was never made");
    give_up(connection);
    connection->pg = PQconnectStartParams(keywords, values, 1);
    if (connection->pg == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for a connection");
    PQsetNoticeReceiver(connection->pg, ignore_notice, NULL);
    status = establish(connection->pg, until);
    if (status == EC_OK) {
        PQsetnonblocking(connection->pg, 1);
        return EC_OK;
    }
    if (status == EC_CONNECTION_LOST)
        return lose(connection, NULL, failure);
    give_up(connection);
    return ec_fail(failure, status,
                   status == EC_CANCELLED ? "cancelled while connecting"
                                          : "no connection by the deadline");
}

/* ------------------------------------------------------------------ sending */

/* What the server is going to answer: a result each. */
typedef struct {
    ec_statement statement;
    enum { PREPARES, RUNS, GIVES_ROWS } does;
} expected_result;

typedef struct {
    expected_result expected[2 * EC_MAX_CALLS];
    size_t expected_count;
    size_t received;
    PGresult *rows;
    PGresult *error; /* the first one */
} reply;

static void expect(reply *reply, ec_statement statement, int does)
{
    reply->expected[reply->expected_count++] = (expected_result){statement, does};
}

static bool send_call(ec_connection *connection, const ec_call *call, bool gives_rows, reply *reply)
{
    static const int binary[EC_MAX_PARAMETERS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const ec_statement_text *text = &ec_statements[call->statement];
    bool sent = true;

    if (text->name == NULL || connection->options.unprepared) {
        sent = PQsendQueryParams(connection->pg, text->sql, text->parameter_count, text->types,
                                 call->values, call->lengths, binary, 1);
    } else {
        if (!connection->prepared[call->statement]) {
            expect(reply, call->statement, PREPARES);
            sent = PQsendPrepare(connection->pg, text->name, text->sql, text->parameter_count,
                                 text->types);
        }
        sent = sent && PQsendQueryPrepared(connection->pg, text->name, text->parameter_count,
                                           call->values, call->lengths, binary, 1);
    }
    expect(reply, call->statement, gives_rows ? GIVES_ROWS : RUNS);
    return sent;
}

static bool send_trip(ec_connection *connection, const ec_round_trip *trip, reply *reply)
{
    bool sent = PQenterPipelineMode(connection->pg);

    for (size_t i = 0; i < trip->count && sent; i++)
        sent = send_call(connection, &trip->calls[i], i == trip->rows_of, reply);
    return sent && PQpipelineSync(connection->pg);
}

/* ------------------------------------------------------------------ receiving */

static bool is_success(PGresult *result, const expected_result *expected)
{
    /* A COMMIT of what has failed succeeds, as a ROLLBACK. */
    if (expected->statement == EC_STATEMENT_COMMIT)
        return strcmp(PQcmdStatus(result), "COMMIT") == 0;
    return PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
}

/*
 * Whether libpq itself failed, for want of memory or because it could not read what came. It may
 * stand in the place of any result, also of the synchronisation that ends a round trip: to wait for
 * more would be to wait for ever.
 */
static bool is_of_libpq(const PGresult *result)
{
    return result != NULL && PQresultStatus(result) == PGRES_FATAL_ERROR &&
           PQresultErrorField(result, PG_DIAG_SQLSTATE) == NULL;
}

/*
 * And without memory for a result it may only note that and go on as if the server had said
 * nothing. So what it notes while it waits means that there is nothing to wait for.
 */
static size_t noted(const PGconn *pg)
{
    return strlen(PQerrorMessage(pg));
}

/* A result that is an error is noted too, and what was noted may be forgotten with any. */
static void update_noted(size_t *before, const PGconn *pg, const PGresult *result)
{
    size_t now = noted(pg);

    if (now < *before || PQresultStatus(result) == PGRES_FATAL_ERROR)
        *before = now;
}

/* Take a result over. */
static void take_result(ec_connection *connection, reply *reply, PGresult *result)
{
    /* A server that is going away may add errors to what was asked for. */
    bool asked_for = reply->received < reply->expected_count;
    const expected_result *expected = &reply->expected[asked_for ? reply->received : 0];

    reply->received++;
    if (asked_for && is_success(result, expected)) {
        if (expected->does == PREPARES)
            connection->prepared[expected->statement] = true;
        if (expected->does == GIVES_ROWS) {
            reply->rows = result;
            return;
        }
    } else if (reply->error == NULL && PQresultStatus(result) != PGRES_PIPELINE_ABORTED) {
        reply->error = result;
        return;
    }
    PQclear(result);
}

/* Send what is buffered and receive until the round trip is over. */
static ec_status receive(ec_connection *connection, const ec_until *until, reply *reply)
{
    PGconn *pg = connection->pg;
    size_t before = noted(pg);

    for (;;) {
        int unsent = PQflush(pg);
        ec_status status;

        while (!PQisBusy(pg)) {
            PGresult *result = PQgetResult(pg); /* NULL after each statement */

            if (result != NULL)
                update_noted(&before, pg, result);
            if (result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
                PQclear(result);
                return PQexitPipelineMode(pg) ? EC_OK : EC_CONNECTION_LOST;
            }
            if (is_of_libpq(result)) {
                PQclear(result);
                return EC_CONNECTION_LOST;
            }
            if (result != NULL)
                take_result(connection, reply, result);
            else if (PQstatus(pg) != CONNECTION_OK)
                return EC_CONNECTION_LOST;
        }
        if ((unsent < 0 && PQstatus(pg) != CONNECTION_OK) || noted(pg) > before)
            return EC_CONNECTION_LOST;
        status = ec_until_ready(until, PQsocket(pg), unsent > 0 ? POLLIN | POLLOUT : POLLIN);
        if (status != EC_OK)
            return status;
        if (!PQconsumeInput(pg) && PQstatus(pg) != CONNECTION_OK)
            return EC_CONNECTION_LOST;
    }
}

static void *send_cancel(void *request)
{
    char problem[256];

    PQcancel(request, problem, sizeof problem);
    PQfreeCancel(request);
    return NULL;
}

/*
 * Ask the server to stop. libpq waits for the answer without a limit, which a server that hangs
 * never gives: so a thread does that, and nobody waits for the thread. The program's signals are
 * not for it, nor is a SIGPIPE, which PQcancel() does not hold back, for the program.
 */
static void cancel(PGconn *pg)
{
    PGcancel *request = PQgetCancel(pg);
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

static bool was_cancelled(const reply *reply)
{
    const char *sqlstate = PQresultErrorField(reply->error, PG_DIAG_SQLSTATE);

    return sqlstate != NULL && strcmp(sqlstate, "57014") == 0;
}

/*
 * Wait for the answer to what was sent, or cancel it. EC_OK with an answer, which may be an error;
 * else without, and with the connection given up.
 */
static ec_status await_reply(ec_connection *connection, const ec_until *until, reply *reply,
                             ec_failure *failure)
{
    ec_status status = receive(connection, until, reply);

    if (status == EC_TIMEOUT || status == EC_CANCELLED) {
        ec_status over = status;
        ec_until grace = ec_until_after(GRACE_MS, NULL);

        cancel(connection->pg);
        status = receive(connection, &grace, reply);
        if (status == EC_TIMEOUT) {
            give_up(connection);
            return ec_fail(failure, over, "no answer %s, nor to a request to cancel",
                           over == EC_TIMEOUT ? "by the deadline" : "before it was cancelled");
        }
        /* The request came too late: it must not hit what is sent next. */
        if (status == EC_OK && !was_cancelled(reply))
            give_up(connection);
    }
    return status == EC_OK ? EC_OK : lose(connection, reply->error, failure);
}

/* The server, or libpq, answered with an error. */
static ec_status fail_from_error(ec_connection *connection, const reply *reply,
                                 const ec_until *until, ec_failure *failure, bool *maybe_done)
{
    ec_status over = ec_until_status(until), status;

    /* Without an SQLSTATE it is libpq's: it could not read what the server answered. */
    *maybe_done = PQresultErrorField(reply->error, PG_DIAG_SQLSTATE) == NULL;
    /* A statement that was cancelled because the time was over, and nothing else, has timed out. */
    if (over != EC_OK && was_cancelled(reply))
        return ec_fail(failure, over, "%s while the server was at work",
                       over == EC_TIMEOUT ? "the deadline passed" : "cancelled");
    status = ec_fail_from_result(failure, reply->error);
    /* Behind a pooler that changes sessions nothing can be prepared: so not next time. */
    if (ec_is_other_session(failure->sqlstate))
        connection->options.unprepared = true;
    /* A server, or a pooler, that will not keep the connection, or has lost it. */
    if (status == EC_CONNECTION_LOST) {
        give_up(connection);
        *maybe_done = true;
    }
    return status;
}

ec_status ec_connection_send(ec_connection *connection, const ec_round_trip *trip,
                             const ec_until *until, ec_events **rows, ec_failure *failure,
                             bool *maybe_done)
{
    reply reply = {.expected_count = 0};
    ec_status status;

    *rows = NULL;
    if (send_trip(connection, trip, &reply))
        status = await_reply(connection, until, &reply, failure);
    else
        status = lose(connection, NULL, failure);
    *maybe_done = status != EC_OK;
    if (status == EC_OK && reply.error != NULL) {
        status = fail_from_error(connection, &reply, until, failure, maybe_done);
    } else if (status == EC_OK && reply.rows != NULL) {
        status = ec_rows_decode(rows, reply.rows, trip->calls[trip->rows_of].statement, failure);
        reply.rows = NULL; /* taken over */
        *maybe_done = status != EC_OK;
    }
    if (status == EC_OK && *rows == NULL && trip->rows_of < trip->count) {
        status = ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply has no result");
        *maybe_done = true;
    }
    PQclear(reply.rows);
    PQclear(reply.error);
    return status;
}

ec_status ec_connection_call(ec_connection *connection, const ec_call *call, const ec_until *until,
                             ec_events **rows, ec_failure *failure, bool *maybe_done)
{
    ec_round_trip trip = {.calls = {*call}, .count = 1};

    return ec_connection_send(connection, &trip, until, rows, failure, maybe_done);
}

void ec_connection_roll_back(ec_connection *connection)
{
    ec_round_trip trip = {
        .calls = {{.statement = EC_STATEMENT_ROLLBACK}}, .count = 1, .rows_of = 1};
    ec_until grace = ec_until_after(GRACE_MS, NULL);
    ec_failure failure = {.status = EC_OK};
    ec_events *rows;
    bool maybe_done;

    if (connection->pg == NULL || PQtransactionStatus(connection->pg) == PQTRANS_IDLE)
        return;
    ec_connection_send(connection, &trip, &grace, &rows, &failure, &maybe_done);
    ec_events_free(rows);
    ec_failure_clear(&failure);
    if (connection->pg != NULL && PQtransactionStatus(connection->pg) != PQTRANS_IDLE)
        give_up(connection);
}

/* ------------------------------------------------------------------ pipelining */

static ec_status prepare(ec_connection *connection, ec_statement statement, const ec_until *until,
                         ec_failure *failure)
{
    const ec_statement_text *text = &ec_statements[statement];
    reply reply = {.expected_count = 0};
    bool maybe_done;
    ec_status status;

    expect(&reply, statement, PREPARES);
    if (PQenterPipelineMode(connection->pg) &&
        PQsendPrepare(connection->pg, text->name, text->sql, text->parameter_count, text->types) &&
        PQpipelineSync(connection->pg))
        status = await_reply(connection, until, &reply, failure);
    else
        status = lose(connection, NULL, failure);
    if (status == EC_OK && reply.error != NULL)
        status = fail_from_error(connection, &reply, until, failure, &maybe_done);
    PQclear(reply.error);
    return status;
}

ec_status ec_pipeline_enter(ec_connection *connection, const ec_until *until, ec_failure *failure)
{
    static const ec_statement statements[] = {EC_STATEMENT_READ_STREAMS, EC_STATEMENT_TRY_APPEND};
    ec_status status = ec_connection_open(connection, until, failure);

    if (status == EC_OK && PQpipelineStatus(connection->pg) == PQ_PIPELINE_ON)
        return EC_OK;
    for (size_t i = 0; i < sizeof statements / sizeof *statements && status == EC_OK; i++)
        if (!connection->options.unprepared && !connection->prepared[statements[i]])
            status = prepare(connection, statements[i], until, failure);
    if (status == EC_OK && (connection->pg == NULL || !PQenterPipelineMode(connection->pg)))
        status = lose(connection, NULL, failure);
    return status;
}

ec_status ec_pipeline_send(ec_connection *connection, const ec_call *call, ec_failure *failure)
{
    reply unused = {.expected_count = 0};

    if (send_call(connection, call, true, &unused) && PQpipelineSync(connection->pg))
        return EC_OK;
    return lose(connection, NULL, failure);
}

/*
 * The next call's result, if it has arrived as a whole: what it gave, a NULL, and the end of its
 * transaction. It is committed only there, so an error may follow what it gave, and stands in its
 * place. A server that is going away may give something and no end.
 */
static bool take_pipelined(PGconn *pg, PGresult **result, size_t *before, bool *out_of_step)
{
    while (!PQisBusy(pg)) {
        PGresult *next = PQgetResult(pg);

        if (next != NULL)
            update_noted(before, pg, next);
        if (next == NULL) {
            if (PQstatus(pg) != CONNECTION_OK || is_of_libpq(*result))
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
    size_t before = noted(pg);
    bool out_of_step = false;

    for (;;) {
        int unsent = PQflush(pg);
        ec_status status;

        if (take_pipelined(pg, result, &before, &out_of_step))
            return EC_OK;
        if (PQstatus(pg) != CONNECTION_OK || is_of_libpq(*result) || out_of_step ||
            noted(pg) > before)
            break;
        status = ec_until_ready(until, PQsocket(pg), unsent > 0 ? POLLIN | POLLOUT : POLLIN);
        if (status == EC_TIMEOUT || status == EC_CANCELLED)
            return status;
        if (status != EC_OK || (!PQconsumeInput(pg) && PQstatus(pg) != CONNECTION_OK))
            break;
    }
    return lose(connection, *result, failure);
}

ec_status ec_pipeline_take(ec_connection *connection, PGresult *result, ec_statement statement,
                           const ec_until *until, ec_events **rows, ec_failure *failure,
                           bool *maybe_done)
{
    const reply reply = {.error = result};
    ec_status status;

    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        status = ec_rows_decode(rows, result, statement, failure);
        *maybe_done = status != EC_OK;
        return status;
    }
    status = fail_from_error(connection, &reply, until, failure, maybe_done);
    PQclear(result);
    return status;
}

void ec_pipeline_cancel(ec_connection *connection)
{
    cancel(connection->pg);
}

void ec_pipeline_abandon(ec_connection *connection)
{
    give_up(connection);
}

void ec_pipeline_leave(ec_connection *connection)
{
    if (connection->pg != NULL && !PQexitPipelineMode(connection->pg))
        give_up(connection);
}
