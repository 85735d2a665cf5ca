/*
 * task.c: what is under way on a connection, for programs that wait themselves.
 *
 * A task is what the blocking calls drive to its end (execute.h, read.h), with an outcome of its
 * own, and what it waits for.
 */
#include <stdlib.h>

#include "execute.h"
#include "observe.h"
#include "read.h"

struct ec_task {
    ec_connection *connection;
    bool ended;
    ec_wait wait; /* unless it has ended */
    bool reads;
    union {
        ec_read read;
        ec_executing executing;
    };
    ec_outcome *outcome; /* unless it reads */
};

/* Nothing is waited for. */
static const ec_wait at_once = {.descriptor = -1, .until = {.deadline = INT64_MIN}};

/* ------------------------------------------------------------------ starting */

/* Make a task and give it the connection. NULL, and the handle has the failure, if it cannot. */
static ec_task *make(ec_connection *connection, bool reads)
{
    ec_failure *failure = &connection->failure;
    ec_task *task;

    if (connection->task != NULL) {
        ec_fail(failure, EC_INVALID_ARGUMENT, "the connection has a task that has not ended");
        return NULL;
    }
    task = malloc(sizeof *task);
    if (task == NULL) {
        ec_fail(failure, EC_NO_MEMORY, "out of memory for a task");
        return NULL;
    }
    *task = (ec_task){.connection = connection, .wait = at_once, .reads = reads};
    if (!reads && ec_outcome_prepare(&task->outcome) == NULL) {
        free(task);
        ec_fail(failure, EC_NO_MEMORY, "out of memory for an outcome");
        return NULL;
    }
    ec_failure_clear(failure);
    return task;
}

static void release(ec_task *task)
{
    ec_outcome_free(task->outcome);
    free(task);
}

/* Hand a task over; NULL: there is none, the handle knows why. */
static ec_status hand_over(ec_connection *connection, ec_task *made, ec_task **task)
{
    *task = made;
    if (made == NULL)
        return connection->failure.status;
    connection->task = made;
    return EC_OK;
}

ec_status ec_execute_start(ec_connection *connection, const ec_definition *definition,
                           const void *streams, const void *command,
                           const ec_execute_options *options, ec_task **task)
{
    ec_task *made = make(connection, false);

    if (made != NULL && ec_executing_start(&made->executing, connection, definition, streams,
                                           command, options, made->outcome) != EC_OK) {
        release(made);
        made = NULL;
    }
    return hand_over(connection, made, task);
}

ec_status ec_append_start(ec_connection *connection, const ec_stream_event *events,
                          size_t event_count, const ec_expectation *expected, size_t expected_count,
                          ec_task **task)
{
    ec_task *made = make(connection, false);

    if (made != NULL)
        ec_executing_start_append(&made->executing, connection, events, event_count, expected,
                                  expected_count, made->outcome);
    return hand_over(connection, made, task);
}

ec_status ec_read_stream_start(ec_connection *connection, const char *stream_id,
                               const ec_read_options *options, ec_task **task)
{
    ec_task *made = make(connection, true);

    if (made != NULL)
        ec_read_start_stream(&made->read, connection, stream_id, options);
    return hand_over(connection, made, task);
}

ec_status ec_read_streams_start(ec_connection *connection, const char *const *stream_ids,
                                size_t stream_count, const int64_t *after_versions, ec_task **task)
{
    ec_task *made = make(connection, true);

    if (made != NULL)
        ec_read_start_streams(&made->read, connection, stream_ids, stream_count, after_versions);
    return hand_over(connection, made, task);
}

ec_status ec_read_all_start(ec_connection *connection, int64_t after, int64_t max_count,
                            ec_task **task)
{
    ec_task *made = make(connection, true);

    if (made != NULL)
        ec_read_start_all(&made->read, connection, after, max_count);
    return hand_over(connection, made, task);
}

/* ------------------------------------------------------------------ under way */

ec_status ec_task_advance(ec_task *task)
{
    if (task->ended)
        return EC_OK;
    task->connection->advancing = true;
    task->ended = task->reads ? ec_read_advance(&task->read, &task->wait)
                              : ec_drive_advance(&task->executing.drive, &task->wait);
    task->connection->advancing = false;
    if (!task->ended)
        return EC_PENDING;
    task->wait = at_once;
    return EC_OK;
}

int ec_task_socket(const ec_task *task)
{
    return task->wait.descriptor;
}

short ec_task_events(const ec_task *task)
{
    return task->wait.events;
}

int ec_task_timeout_ms(const ec_task *task)
{
    return ec_poll_timeout(task->wait.until.deadline);
}

void ec_task_cancel(ec_task *task)
{
    ec_until *until = task->reads ? &task->read.until : &task->executing.drive.until;

    if (task->ended)
        return;
    until->deadline = EC_CANCELLED_AT_ONCE;
    task->wait.until.deadline = EC_CANCELLED_AT_ONCE;
}

/* ------------------------------------------------------------------ the end */

void ec_task_abandon(ec_task *task)
{
    if (task->reads)
        ec_read_abandon(&task->read);
    else {
        ec_drive_abandon(&task->executing.drive);
        ec_observe_finish(&task->executing.execution);
        ec_execution_free(&task->executing.execution);
    }
    task->connection->task = NULL;
    task->connection = NULL;
    task->ended = true;
    task->wait = at_once;
}

void ec_task_free(ec_task *task)
{
    if (task == NULL)
        return;
    if (task->connection != NULL)
        ec_task_abandon(task);
    release(task);
}

/* Wait for its end. False if its connection was closed before. */
static bool await_end(ec_task *task)
{
    while (ec_task_advance(task) == EC_PENDING)
        ec_wait_for(&task->wait);
    return task->connection != NULL;
}

ec_status ec_task_finish(ec_task *task, ec_outcome **outcome)
{
    ec_status status = EC_CANCELLED;

    if (task->reads)
        return ec_task_finish_read(task, NULL);
    if (await_end(task)) {
        task->connection->task = NULL;
        status = ec_executing_finish(&task->executing);
    }
    if (outcome != NULL) {
        ec_outcome_free(*outcome);
        *outcome = task->outcome;
        task->outcome = NULL;
    }
    release(task);
    return status;
}

ec_status ec_task_finish_read(ec_task *task, ec_events **events)
{
    ec_events *read = NULL;
    ec_status status = EC_CANCELLED;

    if (!task->reads)
        status = ec_task_finish(task, NULL);
    else {
        if (await_end(task)) {
            task->connection->task = NULL;
            status = ec_read_finish(&task->read, &read);
        }
        release(task);
    }
    if (events != NULL)
        *events = read;
    else
        ec_events_free(read);
    return status;
}
