/* read.c: reading without a command. */
#include "read.h"

#include "options.h"
#include "retry.h"

static void prepare(ec_read *read, ec_connection *connection)
{
    *read = (ec_read){.connection = connection,
                      .until = ec_until_after(connection->options.timeout_ms, NULL),
                      .trip = {.count = 1},
                      .exchange = {.stage = EC_EXCHANGE_DONE}};
}

/* Start what was encoded; if that failed, it is done. */
static void start(ec_read *read, ec_status status)
{
    if (status == EC_OK)
        ec_exchange_start(&read->exchange, read->connection, &read->trip, &read->until,
                          &read->failure);
    else
        read->exchange.status = status;
}

void ec_read_start_stream(ec_read *read, ec_connection *connection, const char *stream_id,
                          const ec_read_options *given)
{
    ec_read_options options = EC_READ_OPTIONS_INIT;

    prepare(read, connection);
    if (stream_id == NULL || !ec_options_take(&options, sizeof options, given))
        start(read, ec_fail(&read->failure, EC_INVALID_ARGUMENT,
                            "stream_id is NULL, or the read options are not initialised"));
    else
        start(read, ec_call_read_stream(&read->trip.calls[0], &read->memory, stream_id, &options,
                                        connection->store, &read->failure));
}

void ec_read_start_streams(ec_read *read, ec_connection *connection, const char *const *stream_ids,
                           size_t stream_count, const int64_t *after_versions)
{
    prepare(read, connection);
    if (stream_ids == NULL && stream_count > 0)
        start(read, ec_fail(&read->failure, EC_INVALID_ARGUMENT, "stream_ids is NULL, of %zu",
                            stream_count));
    else
        start(read,
              ec_call_read_streams(&read->trip.calls[0], &read->memory, stream_ids, stream_count,
                                   after_versions, connection->store, &read->failure));
}

void ec_read_start_all(ec_read *read, ec_connection *connection, int64_t after, int64_t max_count)
{
    ec_log_options options = EC_LOG_OPTIONS_INIT;

    prepare(read, connection);
    options.after = after;
    options.max_count = max_count;
    if (max_count < 1)
        start(read, ec_fail(&read->failure, EC_INVALID_ARGUMENT, "max_count is at least 1"));
    else
        start(read, ec_call_read_all(&read->trip.calls[0], &read->memory, &options,
                                     connection->store, &read->failure));
}

/* A read is repeated once: on a new connection, if the old one had died while idle. */
bool ec_read_advance(ec_read *read, ec_wait *wait)
{
    while (ec_exchange_advance(&read->exchange, wait)) {
        if (read->exchange.status == EC_OK || read->repeated || !ec_is_retriable(&read->failure))
            return true;
        read->repeated = true;
        start(read, EC_OK);
    }
    return false;
}

void ec_read_abandon(ec_read *read)
{
    ec_exchange_abandon(&read->exchange);
    ec_arena_free(&read->memory);
    ec_failure_clear(&read->failure);
}

ec_status ec_read_finish(ec_read *read, ec_events **events)
{
    ec_status status = read->exchange.status;

    *events = read->exchange.rows;
    read->exchange.rows = NULL;
    if (status == EC_OK)
        ec_failure_clear(&read->failure);
    ec_failure_move(&read->connection->failure, &read->failure);
    ec_read_abandon(read);
    return status;
}

static ec_status wait_for(ec_read *read, ec_events **events)
{
    ec_wait wait;

    while (!ec_read_advance(read, &wait))
        ec_wait_for(&wait);
    return ec_read_finish(read, events);
}

ec_status ec_read_rows(ec_connection *connection, const ec_call *call, ec_events **events)
{
    ec_read read;

    prepare(&read, connection);
    read.trip.calls[0] = *call;
    start(&read, EC_OK);
    return wait_for(&read, events);
}

ec_status ec_read_stream(ec_connection *connection, const char *stream_id,
                         const ec_read_options *options, ec_events **events)
{
    ec_read read;

    ec_read_start_stream(&read, connection, stream_id, options);
    return wait_for(&read, events);
}

ec_status ec_read_streams(ec_connection *connection, const char *const *stream_ids,
                          size_t stream_count, const int64_t *after_versions, ec_events **events)
{
    ec_read read;

    ec_read_start_streams(&read, connection, stream_ids, stream_count, after_versions);
    return wait_for(&read, events);
}

ec_status ec_read_all(ec_connection *connection, int64_t after, int64_t max_count,
                      ec_events **events)
{
    ec_read read;

    ec_read_start_all(&read, connection, after, max_count);
    return wait_for(&read, events);
}
