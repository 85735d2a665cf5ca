/* execute.c: one execution, driven to its end. */
#include <errno.h>
#include <time.h>

#include "driver.h"
#include "options.h"

void ec_drive_sleep(int64_t duration)
{
    struct timespec left = {.tv_sec = duration / 1000000, .tv_nsec = duration % 1000000 * 1000};

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

void ec_drive_time_out(ec_execution *execution)
{
    ec_failure failure = {.status = EC_OK};

    ec_fail(&failure, EC_TIMEOUT, "the deadline passed after %d attempts%s%s",
            execution->outcome->attempts, execution->failure.message == NULL ? "" : "; the last: ",
            execution->failure.message == NULL ? "" : execution->failure.message);
    ec_execution_failed(execution, &failure, false);
}

static void send(ec_execution *execution, ec_connection *connection, int64_t deadline)
{
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    bool maybe_done = false;
    ec_events *rows;
    ec_call call;

    if (ec_execution_encode(execution, &call, &memory, &failure) == EC_OK &&
        ec_connection_open(connection, deadline, &failure) == EC_OK &&
        ec_connection_call(connection, &call, deadline, &rows, &failure, &maybe_done) == EC_OK)
        ec_execution_rows(execution, rows);
    else
        ec_execution_failed(execution, &failure, maybe_done);
    ec_arena_free(&memory);
}

void ec_drive(ec_execution *execution, ec_connection *connection, int64_t deadline)
{
    while (execution->step != EC_STEP_DONE) {
        bool sleeps = execution->step == EC_STEP_SLEEP;
        int64_t left = deadline - ec_now_us();

        if (left <= (sleeps ? execution->delay_us : 0)) {
            ec_drive_time_out(execution);
        } else if (sleeps) {
            ec_drive_sleep(execution->delay_us);
            ec_execution_resume(execution);
        } else {
            send(execution, connection, deadline);
        }
    }
}

/* Drive an execution to its end, and take its result. */
static ec_status drive(ec_execution *execution, ec_connection *connection, int64_t deadline)
{
    ec_drive(execution, connection, deadline);
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
    } else {
        int64_t deadline = ec_deadline_after(options.deadline_ms);

        ec_execution_start(&execution, definition, streams, command, &options, connection->store,
                           made);
        status = drive(&execution, connection, deadline);
    }
    ec_outcome_free(unwanted);
    return status;
}

ec_status ec_append(ec_connection *connection, const ec_stream_event *events, size_t event_count,
                    const ec_expectation *expected, size_t expected_count, ec_outcome **outcome)
{
    int64_t deadline = ec_deadline_after(connection->options.timeout_ms);
    ec_outcome *unwanted = NULL, *made;
    ec_execution execution;
    ec_status status;

    made = ec_outcome_prepare(outcome == NULL ? &unwanted : outcome);
    if (made == NULL)
        return ec_fail(&connection->failure, EC_NO_MEMORY, "out of memory for an outcome");
    ec_execution_start_append(&execution, events, event_count, expected, expected_count,
                              connection->store, made);
    status = drive(&execution, connection, deadline);
    ec_outcome_free(unwanted);
    return status;
}
