/* execute.c: the blocking driver of one execution. */
#include "driver.h"
#include "options.h"

void ec_drive_stop(ec_execution *execution, ec_status status)
{
    const char *last = execution->failure.message;
    ec_failure failure = {.status = EC_OK};

    ec_fail(&failure, status, "%s after %d attempts%s%s",
            status == EC_TIMEOUT ? "the deadline passed" : "cancelled",
            execution->outcome->attempts,
            last == NULL ? "" : "; the last: ", last == NULL ? "" : last);
    ec_execution_failed(execution, &failure, false);
}

static void send(ec_execution *execution, ec_connection *connection, const ec_until *until)
{
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    bool maybe_done = false;
    ec_round_trip trip;
    ec_events *rows;

    if (ec_execution_encode(execution, &trip, &memory, &failure) == EC_OK &&
        ec_connection_open(connection, until, &failure) == EC_OK &&
        ec_connection_send(connection, &trip, until, &rows, &failure, &maybe_done) == EC_OK)
        ec_execution_rows(execution, rows);
    else
        ec_execution_failed(execution, &failure, maybe_done);
    ec_arena_free(&memory);
}

void ec_drive(ec_execution *execution, ec_connection *connection, const ec_until *until)
{
    while (execution->step != EC_STEP_DONE) {
        ec_status status;

        if (execution->step == EC_STEP_SLEEP) {
            ec_connection_roll_back(connection);
            status = ec_until_pause(until, execution->delay_us);
            if (status == EC_OK)
                ec_execution_resume(execution);
        } else {
            status = ec_until_status(until);
            if (status == EC_OK)
                send(execution, connection, until);
        }
        if (status != EC_OK)
            ec_drive_stop(execution, status);
    }
    ec_connection_roll_back(connection);
}

/* Drive an execution to its end, and take its result. */
static ec_status drive(ec_execution *execution, ec_connection *connection, const ec_until *until)
{
    ec_drive(execution, connection, until);
    ec_failure_move(&connection->failure, &execution->failure);
    ec_execution_free(execution);
    return connection->failure.status;
}

bool ec_definition_is_complete(const ec_definition *definition)
{
    return definition != NULL && definition->struct_size >= sizeof *definition &&
           definition->name != NULL && definition->streams != NULL && definition->apply != NULL &&
           definition->handle != NULL;
}

ec_status ec_execute(ec_connection *connection, const ec_definition *definition,
                     const void *streams, const void *command, const ec_execute_options *given,
                     ec_outcome **outcome)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_outcome *unwanted = NULL, *made;
    ec_execution execution;
    ec_status status;

    made = ec_outcome_prepare(outcome == NULL ? &unwanted : outcome);
    if (made == NULL)
        return ec_fail(&connection->failure, EC_NO_MEMORY, "out of memory for an outcome");
    if (!ec_definition_is_complete(definition) || streams == NULL ||
        !ec_options_take(&options, sizeof options, given)) {
        status = ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                         "the definition or the options are not initialised, or streams is NULL");
        ec_outcome_end(made, &connection->failure);
    } else {
        ec_until until = ec_until_after(options.deadline_ms, options.cancellation);
        ec_metadata metadata = ec_metadata_merge(options.metadata, &connection->metadata);

        options.metadata = &metadata;
        ec_execution_start(&execution, definition, streams, command, &options, connection->store,
                           made);
        status = drive(&execution, connection, &until);
    }
    ec_outcome_forget(made);
    ec_outcome_free(unwanted);
    return status;
}

ec_status ec_append(ec_connection *connection, const ec_stream_event *events, size_t event_count,
                    const ec_expectation *expected, size_t expected_count, ec_outcome **outcome)
{
    ec_until until = ec_until_after(connection->options.timeout_ms, NULL);
    ec_outcome *unwanted = NULL, *made;
    ec_execution execution;
    ec_status status;

    made = ec_outcome_prepare(outcome == NULL ? &unwanted : outcome);
    if (made == NULL)
        return ec_fail(&connection->failure, EC_NO_MEMORY, "out of memory for an outcome");
    ec_execution_start_append(&execution, events, event_count, expected, expected_count,
                              &connection->metadata, connection->store, made);
    status = drive(&execution, connection, &until);
    ec_outcome_forget(made);
    ec_outcome_free(unwanted);
    return status;
}
