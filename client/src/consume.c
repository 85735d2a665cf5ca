/* consume.c: the blocking driver of a consumption. */
#include "connection.h"
#include "consumption.h"
#include "options.h"

#define LAST_WORDS_MS 700 /* for what is still to be said when it is told to stop */

static bool is_open(const ec_connection *connection)
{
    return connection->pg != NULL && PQstatus(connection->pg) == CONNECTION_OK;
}

static bool is_in_transaction(const ec_connection *connection)
{
    return PQtransactionStatus(connection->pg) != PQTRANS_IDLE;
}

/* Be connected. What only follows up on something is not worth a new connection. */
static ec_status connect_for(ec_consumption *c, ec_connection *connection, const ec_until *until,
                             ec_failure *failure)
{
    if (!is_open(connection) &&
        (c->stopping || c->request == EC_REQUEST_REPORT || c->request == EC_REQUEST_RELEASE))
        return ec_fail(failure, EC_CONNECTION_LOST, "the connection was lost");
    return ec_connection_open(connection, until, failure);
}

static void send(ec_consumption *c, ec_connection *connection, const ec_until *stop, int *session)
{
    ec_until until = c->stopping ? ec_until_after(LAST_WORDS_MS, NULL) : *stop;
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    ec_events *rows = NULL;
    ec_round_trip trip;
    ec_status status;
    bool maybe_done;

    status = connect_for(c, connection, &until, &failure);
    if (status == EC_OK && PQbackendPID(connection->pg) != *session) {
        *session = PQbackendPID(connection->pg);
        ec_consumption_session(c);
        return;
    }
    if (status == EC_OK)
        status = ec_consumption_encode(c, &trip, &memory, is_in_transaction(connection), &failure);
    if (status == EC_OK)
        status = ec_connection_send(connection, &trip, &until, &rows, &failure, &maybe_done);
    if (status == EC_OK)
        ec_consumption_rows(c, rows);
    else
        ec_consumption_failed(c, &failure);
    ec_arena_free(&memory);
}

static ec_status fail_from_statement(ec_failure *failure, const PGconn *pg)
{
    ec_fail_from_connection(failure, pg);
    return ec_fail(failure, EC_FAILED, "a statement has failed: %s", failure->message);
}

/* Whether the handler has left the connection as it was, and its statements have succeeded. */
static ec_status check_connection(ec_consumption *c, const ec_connection *connection)
{
    bool expects = ec_consumption_is_transaction(c);

    if (!is_open(connection))
        return expects ? ec_fail(&c->failure, EC_CONNECTION_LOST, "the connection was lost")
                       : EC_OK;
    switch (PQtransactionStatus(connection->pg)) {
    case PQTRANS_INERROR:
        return fail_from_statement(&c->failure, connection->pg);
    case PQTRANS_INTRANS:
        return expects ? EC_OK
                       : ec_fail(&c->failure, EC_FAILED, "the handler left a transaction open");
    case PQTRANS_IDLE:
        return expects ? ec_fail(&c->failure, EC_FAILED, "the handler ended the transaction")
                       : EC_OK;
    default:
        return ec_fail(&c->failure, EC_FAILED, "the handler left a statement running");
    }
}

static void handle(ec_consumption *c, ec_connection *connection)
{
    ec_status status;

    c->delivery.connection = connection;
    status = ec_consumption_handle(c);
    if (status == EC_OK || c->failure.message == NULL) {
        ec_status found = check_connection(c, connection);

        if (status == EC_OK)
            status = found;
    }
    /* Nothing was done, whatever the handler says, and it is not to blame. */
    if (ec_consumption_is_transaction(c) && !is_open(connection)) {
        ec_failure failure = {.status = EC_OK};

        ec_fail(&failure, EC_CONNECTION_LOST, "the connection was lost");
        ec_consumption_failed(c, &failure);
    } else
        ec_consumption_handled(c, status);
}

static void drive(ec_consumption *c, ec_connection *connection)
{
    const ec_until stop = {EC_NO_DEADLINE, c->options.cancellation};
    int session = 0;

    while (c->step != EC_CONSUME_DONE) {
        if (!c->stopping && ec_until_status(&stop) != EC_OK) {
            ec_consumption_stop(c);
        } else if (c->step == EC_CONSUME_HANDLE) {
            handle(c, connection);
        } else if (c->step == EC_CONSUME_SEND) {
            send(c, connection, &stop, &session);
        } else {
            ec_connection_roll_back(connection);
            if (ec_until_pause(&stop, c->delay_us) == EC_OK)
                ec_consumption_resume(c);
        }
    }
    ec_connection_roll_back(connection);
}

static bool is_complete(const ec_consumer *consumer)
{
    return consumer != NULL && consumer->struct_size >= sizeof *consumer &&
           consumer->name != NULL && (consumer->handle != NULL || consumer->handle_all != NULL);
}

ec_status ec_consume(ec_connection *connection, const char *subscription,
                     const ec_consumer *consumer, void *argument, const ec_consume_options *given)
{
    ec_consume_options options = EC_CONSUME_OPTIONS_INIT;
    ec_consumption consumption;

    if (subscription == NULL || !is_complete(consumer) ||
        !ec_options_take(&options, sizeof options, given))
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "the subscription is NULL, or the consumer or the options are not "
                       "initialised");
    if (options.max_count < 0 || options.max_attempts < 0 || options.wait_ms < 0 ||
        options.visibility_ms < 0 || options.backoff_base_ms < 0 || options.backoff_cap_ms < 0)
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "consume options: counts and times are not negative");
    if (options.jitter_percent < 0 || options.jitter_percent > 100 ||
        options.member < EC_ANY_MEMBER)
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "consume options: jitter_percent is from 0 to 100, member from 0 or "
                       "EC_ANY_MEMBER");
    ec_consumption_start(&consumption, subscription, connection->store, consumer, argument,
                         &options);
    drive(&consumption, connection);
    ec_failure_move(&connection->failure, &consumption.result);
    ec_consumption_free(&consumption);
    return connection->failure.status;
}
