/* execute.c: executing one command, or an append. */
#include "execute.h"

#include "observe.h"
#include "options.h"

static ec_status out_of_memory(ec_connection *connection)
{
    return ec_fail(&connection->failure, EC_NO_MEMORY, "out of memory for an outcome");
}

ec_status ec_executing_start(ec_executing *executing, ec_connection *connection,
                             const ec_definition *definition, const void *streams,
                             const void *command, const ec_execute_options *given,
                             ec_outcome *outcome)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_until until;

    if (!ec_definition_is_complete(definition) || streams == NULL)
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "the definition is not initialised, or streams is NULL");
    if (!ec_options_take(&options, sizeof options, given))
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "the execute options are not initialised: EC_EXECUTE_OPTIONS_INIT");
    until = ec_until_after(options.deadline_ms, options.cancellation);
    executing->metadata = ec_metadata_merge(options.metadata, &connection->metadata);
    executing->lock_after = options.lock_after;
    options.metadata = &executing->metadata;
    options.hooks = ec_connection_hooks(connection, options.hooks);
    options.lock_after =
        ec_heat_lock_after(&connection->heat, definition->name, options.lock_after);
    ec_execution_start(&executing->execution, definition, streams, command, &options,
                       connection->store, outcome);
    ec_drive_start(&executing->drive, &executing->execution, connection, &until);
    return EC_OK;
}

void ec_executing_start_append(ec_executing *executing, ec_connection *connection,
                               const ec_stream_event *events, size_t event_count,
                               const ec_expectation *expected, size_t expected_count,
                               ec_outcome *outcome)
{
    ec_until until = ec_until_after(connection->options.timeout_ms, NULL);
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    options.metadata = &connection->metadata;
    options.hooks = ec_connection_hooks(connection, NULL);
    ec_execution_start_append(&executing->execution, events, event_count, expected, expected_count,
                              &options, connection->store, outcome);
    ec_drive_start(&executing->drive, &executing->execution, connection, &until);
}

ec_status ec_executing_finish(ec_executing *executing)
{
    const ec_execution *execution = &executing->execution;
    ec_connection *connection = executing->drive.connection;
    ec_failure *failure = &connection->failure;

    if (execution->definition != NULL)
        ec_heat_note(&connection->heat, execution->definition->name, executing->lock_after,
                     execution->lost_races);
    ec_observe_finish(&executing->execution);
    ec_failure_move(failure, &executing->execution.failure);
    ec_execution_free(&executing->execution);
    return failure->status;
}

static ec_status wait_for(ec_executing *executing)
{
    ec_wait wait;

    while (!ec_drive_advance(&executing->drive, &wait))
        ec_wait_for(&wait);
    return ec_executing_finish(executing);
}

ec_status ec_execute(ec_connection *connection, const ec_definition *definition,
                     const void *streams, const void *command, const ec_execute_options *options,
                     ec_outcome **outcome)
{
    ec_outcome *unwanted = NULL, *made;
    ec_executing executing;
    ec_status status;

    made = ec_outcome_prepare(outcome == NULL ? &unwanted : outcome);
    if (made == NULL)
        return out_of_memory(connection);
    status =
        ec_executing_start(&executing, connection, definition, streams, command, options, made);
    if (status == EC_OK)
        status = wait_for(&executing);
    else
        ec_outcome_end(made, &connection->failure);
    ec_outcome_forget(made);
    ec_outcome_free(unwanted);
    return status;
}

ec_status ec_append(ec_connection *connection, const ec_stream_event *events, size_t event_count,
                    const ec_expectation *expected, size_t expected_count, ec_outcome **outcome)
{
    ec_outcome *unwanted = NULL, *made;
    ec_executing executing;
    ec_status status;

    made = ec_outcome_prepare(outcome == NULL ? &unwanted : outcome);
    if (made == NULL)
        return out_of_memory(connection);
    ec_executing_start_append(&executing, connection, events, event_count, expected, expected_count,
                              made);
    status = wait_for(&executing);
    ec_outcome_forget(made);
    ec_outcome_free(unwanted);
    return status;
}
