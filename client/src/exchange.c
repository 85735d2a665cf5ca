/*
 * exchange.c: a round trip to the server, step by step.
 *
 *     BEGIN -> CONNECT -> send -> RECEIVE -> DONE
 *                                    |        ^
 *                                    +-CANCEL-+
 *
 * A round trip is a pipeline of statements with one synchronisation at its end. When the time is
 * over, the statement under way is cancelled and its last word awaited for a moment: an append that
 * was carried out just then is a success, not a timeout.
 */
#include "exchange.h"

#include <poll.h>

#define GRACE_MS 1000

static bool done(ec_exchange *exchange, ec_status status)
{
    exchange->stage = EC_EXCHANGE_DONE;
    exchange->status = status;
    return true;
}

static bool lost(ec_exchange *exchange)
{
    return done(exchange,
                ec_wire_lose(exchange->connection, exchange->reply.error, exchange->failure));
}

/* Something takes time: say what is waited for, no longer than until then. */
static bool pending(const ec_exchange *exchange, const ec_until *until, ec_wait *wait)
{
    *wait = (ec_wait){.descriptor = PQsocket(exchange->connection->pg),
                      .events = exchange->events,
                      .until = *until};
    return false;
}

/* ------------------------------------------------------------------ connecting */

/* A library does not write to the program's stderr. */
static void ignore_notice(void *argument, const PGresult *notice)
{
    (void)argument;
    (void)notice;
}

/* False, with nothing changed but the failure, if it cannot begin. */
static bool begin_connecting(ec_exchange *exchange)
{
    ec_connection *connection = exchange->connection;
    const char *const keywords[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
    const char *const values[] = {connection->conninfo, "UTF8", "eventcore", NULL};

    if (connection->conninfo == NULL) {
        ec_fail(exchange->failure, EC_CONNECTION_LOST, "the connection was never made");
        return false;
    }
    ec_wire_give_up(connection);
    connection->pg = PQconnectStartParams(keywords, values, 1);
    if (connection->pg == NULL) {
        ec_fail(exchange->failure, EC_NO_MEMORY, "out of memory for a connection");
        return false;
    }
    PQsetNoticeReceiver(connection->pg, ignore_notice, NULL);
    exchange->stage = EC_EXCHANGE_CONNECT;
    exchange->events = POLLOUT;
    return true;
}

/* libpq takes its next step towards a connection only when told that the socket is ready. */
static bool is_ready(const ec_exchange *exchange)
{
    struct pollfd polled = {.fd = PQsocket(exchange->connection->pg), .events = exchange->events};

    return poll(&polled, 1, 0) > 0;
}

static bool out_of_time_to_connect(ec_exchange *exchange, ec_status over)
{
    ec_wire_give_up(exchange->connection);
    return done(exchange, ec_fail(exchange->failure, over,
                                  over == EC_CANCELLED ? "cancelled while connecting"
                                                       : "no connection by the deadline"));
}

/* ------------------------------------------------------------------ sending and receiving */

static bool send_trip(ec_exchange *exchange)
{
    const ec_round_trip *trip = exchange->trip;
    ec_connection *connection = exchange->connection;
    bool sent = PQenterPipelineMode(connection->pg);

    exchange->stage = EC_EXCHANGE_RECEIVE;
    exchange->maybe_done = true;
    for (size_t i = 0; i < trip->count && sent; i++)
        sent = ec_wire_send(connection, &trip->calls[i],
                            trip->only_prepares  ? EC_TO_PREPARE
                            : i == trip->rows_of ? EC_FOR_ROWS
                                                 : EC_TO_RUN,
                            &exchange->reply);
    return sent && PQpipelineSync(connection->pg);
}

/* Send what is buffered, and receive what has come. EC_OK when the round trip is over. */
static ec_status receive(ec_exchange *exchange)
{
    PGconn *pg = exchange->connection->pg;
    int unsent;

    if (!exchange->waited)
        exchange->noted = ec_wire_noted(pg);
    else if (!PQconsumeInput(pg) && PQstatus(pg) != CONNECTION_OK)
        return EC_CONNECTION_LOST;
    exchange->waited = true;
    unsent = PQflush(pg);
    while (!PQisBusy(pg)) {
        PGresult *result = PQgetResult(pg); /* NULL after each statement */

        if (result != NULL)
            ec_wire_note(&exchange->noted, pg, result);
        if (result != NULL && PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            return PQexitPipelineMode(pg) ? EC_OK : EC_CONNECTION_LOST;
        }
        if (ec_is_of_libpq(result)) {
            PQclear(result);
            return EC_CONNECTION_LOST;
        }
        if (result != NULL)
            ec_wire_take(exchange->connection, &exchange->reply, result);
        else if (PQstatus(pg) != CONNECTION_OK)
            return EC_CONNECTION_LOST;
    }
    if ((unsent < 0 && PQstatus(pg) != CONNECTION_OK) || PQsocket(pg) < 0 ||
        ec_wire_noted(pg) > exchange->noted)
        return EC_CONNECTION_LOST;
    exchange->events = unsent > 0 ? POLLIN | POLLOUT : POLLIN;
    return EC_PENDING;
}

/* The server has answered. */
static bool take_reply(ec_exchange *exchange)
{
    ec_connection *connection = exchange->connection;
    const ec_round_trip *trip = exchange->trip;
    ec_reply *reply = &exchange->reply;
    ec_status status = EC_OK;

    exchange->maybe_done = false;
    /* The request to cancel came too late: it must not hit what is sent next. */
    if (exchange->over != EC_OK && !ec_was_cancelled(reply->error))
        ec_wire_give_up(connection);
    if (reply->error != NULL) {
        status = ec_wire_fail(connection, reply->error, exchange->until, exchange->failure,
                              &exchange->maybe_done);
    } else if (reply->rows != NULL) {
        status = ec_rows_decode(&exchange->rows, reply->rows, trip->calls[trip->rows_of].statement,
                                exchange->failure);
        reply->rows = NULL; /* taken over */
        exchange->maybe_done = status != EC_OK;
    } else if (trip->rows_of < trip->count && !trip->only_prepares) {
        status = ec_fail(exchange->failure, EC_PROTOCOL_ERROR, "the server's reply has no result");
        exchange->maybe_done = true;
    }
    return done(exchange, status);
}

static bool has_no_answer(ec_exchange *exchange)
{
    ec_wire_give_up(exchange->connection);
    return done(
        exchange,
        ec_fail(exchange->failure, exchange->over, "no answer %s, nor to a request to cancel",
                exchange->over == EC_TIMEOUT ? "by the deadline" : "before it was cancelled"));
}

/* ------------------------------------------------------------------ stages */

/* A stage returns false if it waits, and true if it is over. */
static bool begin(ec_exchange *exchange)
{
    PGconn *pg = exchange->connection->pg;

    if (pg == NULL || PQstatus(pg) != CONNECTION_OK)
        return begin_connecting(exchange) || done(exchange, exchange->failure->status);
    if (exchange->trip == NULL)
        return done(exchange, EC_OK);
    return send_trip(exchange) || lost(exchange);
}

static bool go_on_connecting(ec_exchange *exchange, ec_wait *wait)
{
    PGconn *pg = exchange->connection->pg;
    PostgresPollingStatusType wanted;
    ec_status over = ec_until_status(exchange->until);

    if (PQstatus(pg) == CONNECTION_BAD || PQsocket(pg) < 0)
        return lost(exchange);
    if (over != EC_OK)
        return out_of_time_to_connect(exchange, over);
    if (!is_ready(exchange))
        return pending(exchange, exchange->until, wait);
    wanted = PQconnectPoll(pg);
    if (wanted == PGRES_POLLING_FAILED)
        return lost(exchange);
    exchange->events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (wanted == PGRES_POLLING_OK) {
        PQsetnonblocking(pg, 1);
        exchange->stage = EC_EXCHANGE_BEGIN;
    }
    return true;
}

static bool go_on_receiving(ec_exchange *exchange, ec_wait *wait)
{
    ec_status status = receive(exchange);

    if (status != EC_PENDING)
        return status == EC_OK ? take_reply(exchange) : lost(exchange);
    if (exchange->stage == EC_EXCHANGE_RECEIVE) {
        exchange->over = ec_until_status(exchange->until);
        if (exchange->over == EC_OK)
            return pending(exchange, exchange->until, wait);
        ec_wire_cancel(exchange->connection);
        exchange->grace = ec_until_after(GRACE_MS, NULL);
        exchange->stage = EC_EXCHANGE_CANCEL;
    } else if (ec_until_status(&exchange->grace) != EC_OK)
        return has_no_answer(exchange);
    return pending(exchange, &exchange->grace, wait);
}

/* It is done: leave nothing behind. */
static void end(ec_exchange *exchange)
{
    ec_connection *connection = exchange->connection;

    ec_reply_clear(&exchange->reply);
    if (!exchange->rolls_back)
        return;
    if (connection->pg != NULL && PQtransactionStatus(connection->pg) != PQTRANS_IDLE)
        ec_wire_give_up(connection);
    ec_events_free(exchange->rows);
    exchange->rows = NULL;
    ec_failure_clear(exchange->failure);
}

bool ec_exchange_advance(ec_exchange *exchange, ec_wait *wait)
{
    bool goes_on = true;

    if (exchange->stage == EC_EXCHANGE_DONE)
        return true;
    while (goes_on && exchange->stage != EC_EXCHANGE_DONE)
        switch (exchange->stage) {
        case EC_EXCHANGE_BEGIN:
            goes_on = begin(exchange);
            break;
        case EC_EXCHANGE_CONNECT:
            goes_on = go_on_connecting(exchange, wait);
            break;
        default:
            goes_on = go_on_receiving(exchange, wait);
        }
    if (goes_on)
        end(exchange);
    return goes_on;
}

void ec_exchange_start(ec_exchange *exchange, ec_connection *connection, const ec_round_trip *trip,
                       const ec_until *until, ec_failure *failure)
{
    *exchange = (ec_exchange){.connection = connection,
                              .trip = trip,
                              .until = until,
                              .failure = failure,
                              .stage = EC_EXCHANGE_BEGIN};
    if (ec_connection_is_taken(connection))
        done(exchange, ec_fail(failure, EC_INVALID_ARGUMENT,
                               "the connection is in use by a task that has not ended"));
}

void ec_exchange_start_roll_back(ec_exchange *exchange, ec_connection *connection,
                                 ec_failure *failure)
{
    static const ec_round_trip roll_back = {
        .calls = {{.statement = EC_STATEMENT_ROLLBACK}}, .count = 1, .rows_of = 1};

    ec_exchange_start(exchange, connection, &roll_back, &exchange->grace, failure);
    exchange->grace = ec_until_after(GRACE_MS, NULL);
    exchange->rolls_back = true;
    ec_failure_clear(failure); /* of a connection that is taken */
    if (connection->pg == NULL || PQtransactionStatus(connection->pg) == PQTRANS_IDLE)
        done(exchange, EC_OK);
}

void ec_exchange_abandon(ec_exchange *exchange)
{
    if (exchange->stage != EC_EXCHANGE_DONE && exchange->stage != EC_EXCHANGE_BEGIN) {
        if (exchange->stage == EC_EXCHANGE_RECEIVE)
            ec_wire_cancel(exchange->connection);
        ec_wire_give_up(exchange->connection);
    }
    ec_reply_clear(&exchange->reply);
    ec_events_free(exchange->rows);
    exchange->rows = NULL;
    exchange->stage = EC_EXCHANGE_DONE;
}

/* ------------------------------------------------------------------ blocking */

static ec_status run(ec_exchange *exchange)
{
    ec_wait wait;

    while (!ec_exchange_advance(exchange, &wait))
        ec_wait_for(&wait);
    return exchange->status;
}

ec_status ec_connection_open(ec_connection *connection, const ec_until *until, ec_failure *failure)
{
    ec_exchange exchange;

    ec_exchange_start(&exchange, connection, NULL, until, failure);
    return run(&exchange);
}

ec_status ec_connection_send(ec_connection *connection, const ec_round_trip *trip,
                             const ec_until *until, ec_events **rows, ec_failure *failure,
                             bool *maybe_done)
{
    ec_exchange exchange;

    ec_exchange_start(&exchange, connection, trip, until, failure);
    run(&exchange);
    *rows = exchange.rows;
    *maybe_done = exchange.maybe_done;
    return exchange.status;
}

ec_status ec_connection_call(ec_connection *connection, const ec_call *call, const ec_until *until,
                             ec_events **rows, ec_failure *failure, bool *maybe_done)
{
    ec_round_trip trip = {.calls = {*call}, .count = 1};

    return ec_connection_send(connection, &trip, until, rows, failure, maybe_done);
}

void ec_connection_roll_back(ec_connection *connection)
{
    ec_failure failure = {.status = EC_OK};
    ec_exchange exchange;

    ec_exchange_start_roll_back(&exchange, connection, &failure);
    run(&exchange);
    ec_failure_clear(&failure);
}
