/*
 * pipeline.c: many executions side by side on one connection, in libpq's pipeline mode.
 *
 * Up to WINDOW executions run at a time, each with at most one statement on its way. Results come
 * in the order of sending; each makes its execution take a step, whose statement is sent at once,
 * behind those of the others. Every statement is followed by a synchronisation point of its own,
 * so it is a transaction by itself and its error is nobody else's. Sending never blocks: what the
 * socket does not take waits in libpq's buffer, which the window bounds, and it is sent while
 * results are being read, so that neither side can wait for the other to read.
 *
 * When the connection is lost, so are the replies of all appends that were on their way: each
 * execution repeats its own (see execution.c).
 *
 * An execution that is to lock its streams needs a transaction of several statements, and so the
 * connection for itself: it is set aside until the others are done.
 */
#include "command_list.h"

#define WINDOW 64
#define CANCEL_GRACE_MS 1000

/* An execution that is under way. */
typedef struct {
    size_t command;
    bool sent;    /* its statement is on its way */
    int64_t wake; /* while it sleeps: until then */
} runner;

/* A statement on its way. */
typedef struct {
    size_t runner;
    ec_statement statement;
} flight;

typedef struct {
    ec_command_list list;
    size_t next; /* the command to be started next */
    runner runners[WINDOW];
    bool taken[WINDOW]; /* places among the runners */
    size_t running;
    flight flights[WINDOW]; /* a ring */
    size_t first_flight;
    size_t flight_count;
    PGresult *partial; /* the part of the next result that has arrived */
} pipeline;

static ec_execution *execution_of(const pipeline *pipeline, size_t runner)
{
    return &pipeline->list.executions[pipeline->runners[runner].command];
}

/* See what an execution is to do next; its place is free if that is nothing, or not here. */
static void settle(pipeline *pipeline, size_t runner)
{
    ec_command_list *list = &pipeline->list;
    size_t command = pipeline->runners[runner].command;
    ec_execution *execution = &list->executions[command];

    if (execution->step == EC_STEP_SLEEP) {
        int64_t now = ec_now_us();

        if (list->until.deadline - now > execution->delay_us) {
            pipeline->runners[runner].wake = now + execution->delay_us;
            return;
        }
        ec_drive_stop(execution, EC_TIMEOUT);
    }
    if (execution->step == EC_STEP_DONE)
        ec_command_list_finish(list, command);
    else if (execution->locked && execution->step != EC_STEP_SLEEP)
        list->aside[command] = true;
    else
        return;
    pipeline->taken[runner] = false;
    pipeline->running--;
}

static void fail(pipeline *pipeline, size_t runner, const ec_failure *failure, bool maybe_done)
{
    ec_failure copy = {.status = EC_OK};

    ec_failure_copy(&copy, failure);
    ec_execution_failed(execution_of(pipeline, runner), &copy, maybe_done);
    settle(pipeline, runner);
}

/* Nothing that was on its way will be answered. */
static void fail_flights(pipeline *pipeline, ec_failure *failure)
{
    PQclear(pipeline->partial);
    pipeline->partial = NULL;
    while (pipeline->flight_count > 0) {
        size_t runner = pipeline->flights[pipeline->first_flight].runner;

        pipeline->first_flight = (pipeline->first_flight + 1) % WINDOW;
        pipeline->flight_count--;
        pipeline->runners[runner].sent = false;
        fail(pipeline, runner, failure, true);
    }
    ec_failure_clear(failure);
}

static void start_commands(pipeline *pipeline)
{
    for (size_t i = 0; i < WINDOW && pipeline->next < pipeline->list.count; i++) {
        if (pipeline->taken[i])
            continue;
        pipeline->taken[i] = true;
        pipeline->running++;
        pipeline->runners[i] = (runner){.command = pipeline->next};
        ec_command_list_start(&pipeline->list, pipeline->next++);
        settle(pipeline, i);
    }
}

/* Resume those whose pause is over. The earliest end of a pause, or none. */
static int64_t wake_sleepers(pipeline *pipeline)
{
    int64_t earliest = EC_NO_DEADLINE, now = ec_now_us();

    for (size_t i = 0; i < WINDOW; i++) {
        if (!pipeline->taken[i] || execution_of(pipeline, i)->step != EC_STEP_SLEEP)
            continue;
        if (pipeline->runners[i].wake <= now) {
            ec_execution_resume(execution_of(pipeline, i));
            settle(pipeline, i);
        } else if (pipeline->runners[i].wake < earliest)
            earliest = pipeline->runners[i].wake;
    }
    return earliest;
}

static bool is_ready(const pipeline *pipeline, size_t runner)
{
    return pipeline->taken[runner] && !pipeline->runners[runner].sent &&
           execution_of(pipeline, runner)->step != EC_STEP_SLEEP;
}

static void send(pipeline *pipeline, size_t runner)
{
    size_t last = (pipeline->first_flight + pipeline->flight_count) % WINDOW;
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    ec_round_trip trip;

    if (ec_execution_encode(execution_of(pipeline, runner), &trip, &memory, &failure) != EC_OK) {
        ec_execution_failed(execution_of(pipeline, runner), &failure, false);
        settle(pipeline, runner);
    } else {
        pipeline->flights[last] = (flight){runner, trip.calls[0].statement};
        pipeline->flight_count++;
        pipeline->runners[runner].sent = true;
        if (ec_pipeline_send(pipeline->list.connection, &trip.calls[0], &failure) != EC_OK)
            fail_flights(pipeline, &failure);
    }
    ec_arena_free(&memory);
}

/* Send the statements of all that are ready, once there is a connection. */
static void send_ready(pipeline *pipeline)
{
    ec_failure failure = {.status = EC_OK};

    for (size_t i = 0; i < WINDOW; i++) {
        if (!is_ready(pipeline, i))
            continue;
        /* A broken connection is not replaced before what was on its way is known to be lost. */
        if (failure.status == EC_OK && pipeline->flight_count == 0)
            ec_pipeline_enter(pipeline->list.connection, &pipeline->list.until, &failure);
        if (failure.status == EC_OK)
            send(pipeline, i);
        else
            fail(pipeline, i, &failure, false);
    }
    ec_failure_clear(&failure);
}

/* Take the oldest result, if it comes in time. */
static ec_status receive(pipeline *pipeline, const ec_until *until)
{
    ec_connection *connection = pipeline->list.connection;
    ec_failure failure = {.status = EC_OK};
    ec_status status = ec_pipeline_receive(connection, until, &pipeline->partial, &failure);
    flight flight = pipeline->flights[pipeline->first_flight];
    ec_execution *execution = execution_of(pipeline, flight.runner);
    ec_events *rows;
    bool maybe_done;

    if (status == EC_TIMEOUT || status == EC_CANCELLED)
        return status;
    if (status != EC_OK) {
        fail_flights(pipeline, &failure);
        return EC_OK;
    }
    status = ec_pipeline_take(connection, pipeline->partial, flight.statement,
                              &pipeline->list.until, &rows, &failure, &maybe_done);
    pipeline->partial = NULL;
    if (connection->pg == NULL) {
        fail_flights(pipeline, &failure);
        return EC_OK;
    }
    pipeline->first_flight = (pipeline->first_flight + 1) % WINDOW;
    pipeline->flight_count--;
    pipeline->runners[flight.runner].sent = false;
    if (status == EC_OK)
        ec_execution_rows(execution, rows);
    else
        ec_execution_failed(execution, &failure, maybe_done);
    settle(pipeline, flight.runner);
    return EC_OK;
}

/* The time is over: what is on its way has a moment to end, the rest ends now. */
static void stop(pipeline *pipeline, ec_status over)
{
    const ec_until grace = ec_until_after(CANCEL_GRACE_MS, NULL);
    ec_failure failure = {.status = EC_OK};

    if (pipeline->flight_count > 0) {
        ec_pipeline_cancel(pipeline->list.connection);
        while (pipeline->flight_count > 0 && receive(pipeline, &grace) == EC_OK)
            ;
        /* The request may still be on its way: it must not hit what is sent next. */
        ec_pipeline_abandon(pipeline->list.connection);
    }
    ec_fail(&failure, over, "no answer %s, nor to a request to cancel",
            over == EC_TIMEOUT ? "by the deadline" : "before it was cancelled");
    fail_flights(pipeline, &failure);
    for (size_t i = 0; i < WINDOW; i++)
        if (pipeline->taken[i]) {
            ec_drive_stop(execution_of(pipeline, i), over);
            settle(pipeline, i);
        }
    for (; pipeline->next < pipeline->list.count; pipeline->next++) {
        ec_execution *execution = &pipeline->list.executions[pipeline->next];

        ec_command_list_start(&pipeline->list, pipeline->next);
        if (execution->step != EC_STEP_DONE)
            ec_drive_stop(execution, over);
        ec_command_list_finish(&pipeline->list, pipeline->next);
    }
}

static void run(pipeline *pipeline)
{
    const ec_until *until = &pipeline->list.until;
    ec_status over = EC_OK;

    for (;;) {
        ec_until next = *until;
        int64_t wake;

        start_commands(pipeline);
        if (pipeline->running == 0 && pipeline->next == pipeline->list.count)
            break;
        over = ec_until_status(until);
        if (over != EC_OK) {
            stop(pipeline, over);
            break;
        }
        wake = wake_sleepers(pipeline);
        send_ready(pipeline);
        if (wake < next.deadline)
            next.deadline = wake;
        if (pipeline->flight_count > 0)
            receive(pipeline, &next);
        else if (wake != EC_NO_DEADLINE && wake > ec_now_us())
            ec_until_pause(until, wake - ec_now_us());
    }
    ec_pipeline_leave(pipeline->list.connection);
}

ec_status ec_execute_pipelined(ec_connection *connection, ec_command *commands, size_t count,
                               const ec_execute_options *options)
{
    pipeline pipeline = {.next = 0};
    ec_status status = ec_command_list_open(&pipeline.list, connection, commands, count, options);

    if (status != EC_OK)
        return status;
    run(&pipeline);
    for (size_t i = 0; i < count; i++)
        if (pipeline.list.aside[i]) {
            ec_drive_to_end(&pipeline.list.executions[i], connection, &pipeline.list.until);
            ec_command_list_finish(&pipeline.list, i);
        }
    return ec_command_list_close(&pipeline.list);
}
