/*
 * wire.c: waiting for the server, never beyond a deadline.
 *
 * All of libpq is used without blocking, and poll() waits. At the deadline the statement is
 * cancelled and its last word awaited for a moment: an append that was carried out just then is a
 * success, not a timeout.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "connection.h"

#define CANCEL_GRACE_US INT64_C(1000000)

typedef enum { ARRIVED, LOST, LATE } arrival;

int64_t ec_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t ec_deadline_after(int64_t timeout_ms)
{
    int64_t now = ec_now_us();

    return timeout_ms == 0 || timeout_ms > (INT64_MAX - now) / 1000 ? EC_NO_DEADLINE
                                                                    : now + timeout_ms * 1000;
}

/* Milliseconds for poll(), rounded up so that it does not spin through the last one. */
static int poll_timeout(int64_t deadline)
{
    int64_t left;

    if (deadline == EC_NO_DEADLINE)
        return -1;
    left = deadline - ec_now_us();
    if (left <= 0)
        return 0;
    return left / 1000 >= INT32_MAX ? INT32_MAX : (int)((left + 999) / 1000);
}

static arrival wait_for(PGconn *pg, short events, int64_t deadline)
{
    struct pollfd socket = {.fd = PQsocket(pg), .events = events};
    int ready;

    if (socket.fd < 0)
        return LOST;
    do {
        int timeout = poll_timeout(deadline);

        if (timeout == 0)
            return LATE;
        ready = poll(&socket, 1, timeout);
    } while (ready == 0 || (ready < 0 && errno == EINTR));
    return ready < 0 ? LOST : ARRIVED;
}

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

static ec_status lose(ec_connection *connection, ec_failure *failure)
{
    ec_fail_from_connection(failure, connection->pg);
    give_up(connection);
    return EC_CONNECTION_LOST;
}

static arrival establish(PGconn *pg, int64_t deadline)
{
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;

    while (PQstatus(pg) != CONNECTION_BAD && wanted != PGRES_POLLING_OK) {
        arrival arrived =
            wait_for(pg, wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);

        if (arrived != ARRIVED)
            return arrived;
        wanted = PQconnectPoll(pg);
        if (wanted == PGRES_POLLING_FAILED)
            return LOST;
    }
    return wanted == PGRES_POLLING_OK ? ARRIVED : LOST;
}

ec_status ec_connection_open(ec_connection *connection, int64_t deadline, ec_failure *failure)
{
    const char *const keywords[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
    const char *const values[] = {connection->conninfo, "UTF8", "eventcore", NULL};

    if (connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_OK)
        return EC_OK;
    if (connection->conninfo == NULL)
        return ec_fail(failure, EC_CONNECTION_LOST, "the connection was never made");
    give_up(connection);
    connection->pg = PQconnectStartParams(keywords, values, 1);
    if (connection->pg == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for a connection");
    switch (establish(connection->pg, deadline)) {
    case ARRIVED:
        PQsetnonblocking(connection->pg, 1);
        PQsetNoticeReceiver(connection->pg, ignore_notice, NULL);
        return EC_OK;
    case LATE:
        give_up(connection);
        return ec_fail(failure, EC_TIMEOUT, "no connection by the deadline");
    case LOST:
        break;
    }
    return lose(connection, failure);
}

/*
 * Send what is buffered and receive until the statement is over. The first result is what it
 * gave; a server that is going away may add others.
 */
static arrival receive(PGconn *pg, int64_t deadline, PGresult **result)
{
    for (;;) {
        int unsent = PQflush(pg);
        PGresult *next;
        arrival arrived;

        while (!PQisBusy(pg)) {
            next = PQgetResult(pg);
            if (next == NULL)
                return PQstatus(pg) == CONNECTION_OK ? ARRIVED : LOST;
            if (*result == NULL)
                *result = next;
            else
                PQclear(next);
        }
        if (unsent < 0 && PQstatus(pg) != CONNECTION_OK)
            return LOST;
        arrived = wait_for(pg, unsent > 0 ? POLLIN | POLLOUT : POLLIN, deadline);
        if (arrived != ARRIVED)
            return arrived;
        if (!PQconsumeInput(pg) && PQstatus(pg) != CONNECTION_OK)
            return LOST;
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
 * never gives: so a thread does that, and nobody waits for the thread.
 */
static void cancel(PGconn *pg)
{
    PGcancel *request = PQgetCancel(pg);
    pthread_attr_t detached;
    pthread_t thread;

    if (request == NULL || pthread_attr_init(&detached) != 0) {
        PQfreeCancel(request);
        return;
    }
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &detached, send_cancel, request) != 0)
        PQfreeCancel(request);
    pthread_attr_destroy(&detached);
}

/*
 * Wait for the result of what was sent, or cancel it. EC_OK with a result, which may be an error;
 * EC_CONNECTION_LOST or EC_TIMEOUT without, and with the connection given up.
 */
static ec_status await_result(ec_connection *connection, int64_t deadline, PGresult **result,
                              ec_failure *failure)
{
    arrival arrived = receive(connection->pg, deadline, result);

    if (arrived == LATE) {
        cancel(connection->pg);
        arrived = receive(connection->pg, ec_now_us() + CANCEL_GRACE_US, result);
    }
    if (arrived == ARRIVED)
        return EC_OK;
    PQclear(*result);
    *result = NULL;
    if (arrived == LOST)
        return lose(connection, failure);
    give_up(connection);
    return ec_fail(failure, EC_TIMEOUT, "no answer by the deadline, nor to a cancellation");
}

/* A statement that the deadline cancelled, and nothing else, has timed out. */
static ec_status fail_from_result(ec_failure *failure, PGresult *result, int64_t deadline)
{
    ec_fail_from_result(failure, result);
    PQclear(result);
    if (strcmp(failure->sqlstate, "57014") == 0 && ec_now_us() >= deadline)
        ec_fail(failure, EC_TIMEOUT, "the deadline passed while the server was at work");
    return failure->status;
}

static ec_status prepare(ec_connection *connection, ec_statement statement, int64_t deadline,
                         ec_failure *failure)
{
    const ec_statement_text *text = &ec_statements[statement];
    PGresult *result = NULL;
    ec_status status;

    if (!PQsendPrepare(connection->pg, text->name, text->sql, text->parameter_count, text->types))
        return lose(connection, failure);
    status = await_result(connection, deadline, &result, failure);
    if (status != EC_OK)
        return status;
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        return fail_from_result(failure, result, deadline);
    PQclear(result);
    connection->prepared[statement] = true;
    return EC_OK;
}

static bool send_call(ec_connection *connection, const ec_call *call)
{
    static const int binary[EC_MAX_PARAMETERS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const ec_statement_text *text = &ec_statements[call->statement];

    if (connection->options.unprepared)
        return PQsendQueryParams(connection->pg, text->sql, text->parameter_count, text->types,
                                 call->values, call->lengths, binary, 1);
    return PQsendQueryPrepared(connection->pg, text->name, text->parameter_count, call->values,
                               call->lengths, binary, 1);
}

ec_status ec_connection_call(ec_connection *connection, const ec_call *call, int64_t deadline,
                             ec_events **rows, ec_failure *failure, bool *maybe_done)
{
    PGresult *result = NULL;
    ec_status status;

    *maybe_done = false;
    if (!connection->options.unprepared && !connection->prepared[call->statement]) {
        status = prepare(connection, call->statement, deadline, failure);
        if (status != EC_OK)
            return status;
    }
    if (!send_call(connection, call)) {
        *maybe_done = true;
        return lose(connection, failure);
    }
    status = await_result(connection, deadline, &result, failure);
    if (status != EC_OK) {
        *maybe_done = true;
        return status;
    }
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return fail_from_result(failure, result, deadline);
    status = ec_rows_decode(rows, result, call->statement, failure);
    *maybe_done = status != EC_OK;
    return status;
}

/* ------------------------------------------------------------------ pipelining */

ec_status ec_pipeline_enter(ec_connection *connection, int64_t deadline, ec_failure *failure)
{
    static const ec_statement statements[] = {EC_STATEMENT_READ_STREAMS, EC_STATEMENT_TRY_APPEND};
    ec_status status = ec_connection_open(connection, deadline, failure);

    if (status == EC_OK && PQpipelineStatus(connection->pg) == PQ_PIPELINE_ON)
        return EC_OK;
    for (size_t i = 0; i < sizeof statements / sizeof *statements && status == EC_OK; i++)
        if (!connection->options.unprepared && !connection->prepared[statements[i]])
            status = prepare(connection, statements[i], deadline, failure);
    if (status == EC_OK && !PQenterPipelineMode(connection->pg))
        status = lose(connection, failure);
    return status;
}

ec_status ec_pipeline_send(ec_connection *connection, const ec_call *call, ec_failure *failure)
{
    if (send_call(connection, call) && PQpipelineSync(connection->pg))
        return EC_OK;
    return lose(connection, failure);
}

/*
 * The next statement's result, if it has arrived as a whole: what the statement gave, a NULL, and
 * the end of its transaction. A server that is going away may give something and no end.
 */
static bool take_pipelined(PGconn *pg, PGresult **result)
{
    while (!PQisBusy(pg)) {
        PGresult *next = PQgetResult(pg);

        if (next == NULL) {
            if (PQstatus(pg) != CONNECTION_OK)
                return false;
        } else if (PQresultStatus(next) == PGRES_PIPELINE_SYNC) {
            PQclear(next);
            return true;
        } else if (*result == NULL)
            *result = next;
        else
            PQclear(next);
    }
    return false;
}

ec_status ec_pipeline_receive(ec_connection *connection, int64_t until, PGresult **result,
                              ec_failure *failure)
{
    PGconn *pg = connection->pg;

    for (;;) {
        int unsent = PQflush(pg);
        arrival arrived;

        if (take_pipelined(pg, result))
            return EC_OK;
        arrived = PQstatus(pg) != CONNECTION_OK
                      ? LOST
                      : wait_for(pg, unsent > 0 ? POLLIN | POLLOUT : POLLIN, until);
        if (arrived == LATE)
            return EC_TIMEOUT;
        if (arrived == LOST || !PQconsumeInput(pg))
            break;
    }
    return lose(connection, failure);
}

ec_status ec_pipeline_take(PGresult *result, ec_statement statement, int64_t deadline,
                           ec_events **rows, ec_failure *failure)
{
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return fail_from_result(failure, result, deadline);
    return ec_rows_decode(rows, result, statement, failure);
}

void ec_pipeline_cancel(ec_connection *connection)
{
    cancel(connection->pg);
}

void ec_pipeline_leave(ec_connection *connection)
{
    if (connection->pg != NULL && !PQexitPipelineMode(connection->pg))
        give_up(connection);
}
