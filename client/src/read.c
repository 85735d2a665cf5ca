/* read.c: reading without a command. */
#include "read.h"

#include "options.h"
#include "retry.h"

ec_status ec_read_rows(ec_connection *connection, const ec_call *call, ec_events **events)
{
    ec_until until = ec_until_after(connection->options.timeout_ms, NULL);
    ec_failure *failure = &connection->failure;
    ec_status status;
    bool maybe_done;

    for (int try = 0; try < 2; try++) {
        status = ec_connection_open(connection, &until, failure);
        if (status == EC_OK)
            status = ec_connection_call(connection, call, &until, events, failure, &maybe_done);
        if (status == EC_OK || !ec_is_retriable(failure))
            break;
    }
    if (status == EC_OK)
        ec_failure_clear(failure);
    return status;
}

ec_status ec_read_stream(ec_connection *connection, const char *stream_id,
                         const ec_read_options *given, ec_events **events)
{
    ec_read_options options = EC_READ_OPTIONS_INIT;
    ec_failure *failure = &connection->failure;
    ec_arena memory = {NULL};
    ec_call call;
    ec_status status;

    *events = NULL;
    if (stream_id == NULL || !ec_options_take(&options, sizeof options, given))
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "stream_id is NULL, or the read options are not initialised");
    status = ec_call_read_stream(&call, &memory, stream_id, &options, connection->store, failure);
    if (status == EC_OK)
        status = ec_read_rows(connection, &call, events);
    ec_arena_free(&memory);
    return status;
}

ec_status ec_read_streams(ec_connection *connection, const char *const *stream_ids,
                          size_t stream_count, const int64_t *after_versions, ec_events **events)
{
    ec_failure *failure = &connection->failure;
    ec_arena memory = {NULL};
    ec_call call;
    ec_status status;

    *events = NULL;
    status = ec_call_read_streams(&call, &memory, stream_ids, stream_count, after_versions,
                                  connection->store, failure);
    if (status == EC_OK)
        status = ec_read_rows(connection, &call, events);
    ec_arena_free(&memory);
    return status;
}

ec_status ec_read_all(ec_connection *connection, int64_t after, int64_t max_count,
                      ec_events **events)
{
    ec_failure *failure = &connection->failure;
    ec_arena memory = {NULL};
    ec_call call;
    ec_status status;

    *events = NULL;
    if (max_count < 1)
        return ec_fail(failure, EC_INVALID_ARGUMENT, "max_count is at least 1");
    status = ec_call_read_all(&call, &memory, after, max_count, connection->store, failure);
    if (status == EC_OK)
        status = ec_read_rows(connection, &call, events);
    ec_arena_free(&memory);
    return status;
}
