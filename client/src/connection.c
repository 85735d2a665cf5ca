/* connection.c: the handle: its life, and its last error. */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "retry.h"

static bool copy_options(ec_connection *connection, const char *conninfo)
{
    const char *store = connection->options.store;

    connection->conninfo = strdup(conninfo == NULL ? "" : conninfo);
    connection->store = store == NULL ? NULL : strdup(store);
    return connection->conninfo != NULL && (store == NULL || connection->store != NULL);
}

ec_status ec_connection_new(ec_connection **connection, const char *conninfo,
                            const ec_connect_options *options)
{
    ec_connection *made = calloc(1, sizeof *made);

    *connection = made;
    if (made == NULL)
        return EC_NO_MEMORY;
    made->options = (ec_connect_options)EC_CONNECT_OPTIONS_INIT;
    if (!ec_options_take(&made->options, sizeof made->options, options) ||
        made->options.timeout_ms < 0)
        return ec_fail(
            &made->failure, EC_INVALID_ARGUMENT,
            "connect options are not initialised (EC_CONNECT_OPTIONS_INIT), or timeout_ms is "
            "negative");
    if (!copy_options(made, conninfo))
        return ec_fail(&made->failure, EC_NO_MEMORY, "out of memory for a connection");
    return EC_OK;
}

ec_status ec_connect(ec_connection **connection, const char *conninfo,
                     const ec_connect_options *options)
{
    ec_status status = ec_connection_new(connection, conninfo, options);
    ec_until until;

    if (status != EC_OK || (*connection)->options.lazy)
        return status;
    until = ec_until_after((*connection)->options.timeout_ms, NULL);
    return ec_connection_open(*connection, &until, &(*connection)->failure);
}

void ec_close(ec_connection *connection)
{
    if (connection == NULL)
        return;
    if (connection->task != NULL)
        ec_task_abandon(connection->task);
    PQfinish(connection->pg);
    ec_failure_clear(&connection->failure);
    ec_arena_free(&connection->metadata_memory);
    free(connection->conninfo);
    free(connection->store);
    free(connection);
}

ec_status ec_set_hooks(ec_connection *connection, const ec_hooks *hooks)
{
    ec_hooks taken = EC_HOOKS_INIT;

    if (connection->task != NULL || !ec_options_take(&taken, sizeof taken, hooks))
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "the hooks are not initialised, or the connection has a task");
    ec_failure_clear(&connection->failure);
    taken.struct_size = sizeof taken;
    connection->hooks = taken;
    connection->hooked = hooks != NULL;
    return EC_OK;
}

ec_status ec_error_status(const ec_connection *connection)
{
    return connection == NULL ? EC_NO_MEMORY : connection->failure.status;
}

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
}

const char *ec_error_message(const ec_connection *connection)
{
    if (connection == NULL)
        return ec_status_description(EC_NO_MEMORY);
    return or_empty(connection->failure.message);
}

const char *ec_error_sqlstate(const ec_connection *connection)
{
    return connection == NULL ? "" : connection->failure.sqlstate;
}

const char *ec_error_detail(const ec_connection *connection)
{
    return connection == NULL ? "" : or_empty(connection->failure.detail);
}

const char *ec_error_hint(const ec_connection *connection)
{
    return connection == NULL ? "" : or_empty(connection->failure.hint);
}

size_t ec_error_violation_count(const ec_connection *connection)
{
    return connection == NULL ? 0 : connection->failure.violation_count;
}

const ec_violation *ec_error_violation(const ec_connection *connection, size_t index)
{
    return index < ec_error_violation_count(connection) ? &connection->failure.violations[index]
                                                        : NULL;
}

bool ec_error_is_retriable(const ec_connection *connection)
{
    return connection != NULL && ec_is_retriable(&connection->failure);
}
