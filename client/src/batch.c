/*
 * batch.c: many commands with one read, one append and one commit a round.
 *
 * Commands decide in order. One that reads or writes a stream to which an earlier one writes is
 * given the earlier one's events as further events of that stream, which are pending: nobody knows
 * yet whether they will happen. So it must stand or fall with the earlier one. To expect the
 * version that the stream would then have is not enough: if the earlier one loses because somebody
 * else appended just as many events, that version holds, and the decision rests on events that
 * never were. Therefore commands that depend on one another make one group, and a group is one
 * command to the server: all events in order, and every stream of every member expected at the
 * version at which it was read.
 *
 * A command that writes nothing is done when it has decided, unless it depends on others: then it
 * is in their group, with what it expects, and its decision, a rejection perhaps, is final only
 * when the group has won. A group that has lost decides anew, from the read on, all of it.
 *
 * Groups go to the server in the order of their last members. A command that has read a stream
 * before a later one writes to it must come first; where that order contradicts it (groups that lie
 * within one another), the two groups become one.
 *
 * Commands that discover streams need more reads. They decide after the next one, behind those that
 * know their streams; what these decided then is pending for them, unless that read shows that
 * somebody else has appended to the stream.
 *
 * What concerns a command alone is settled alone: an error that the server has for a group, or for
 * the whole statement, has its commands executed one by one, so that each gets its own.
 *
 * A command folds all events of its streams, those pending included: n commands that all write to
 * one stream fold n * n / 2 events.
 */
#include "batch.h"

#include <stdlib.h>

#include "retry.h"

void ec_batch_fail(ec_batch *batch, size_t command, const ec_failure *failure, bool maybe_done)
{
    ec_failure copy = {.status = EC_OK};

    ec_failure_copy(&copy, failure);
    ec_execution_failed(ec_batch_execution(batch, command), &copy, maybe_done);
}

void ec_batch_fail_out_of_memory(ec_batch *batch, size_t command)
{
    ec_failure failure = {.status = EC_OK};

    ec_fail(&failure, EC_NO_MEMORY, "out of memory in a batch");
    ec_execution_failed(ec_batch_execution(batch, command), &failure, false);
}

bool ec_batch_is_due_to_one(const ec_failure *failure)
{
    return (failure->sqlstate[0] != '\0' || failure->status == EC_INVALID_ARGUMENT) &&
           failure->status != EC_TIMEOUT && !ec_is_retriable(failure);
}

void ec_batch_fail_stale(ec_failure *failure)
{
    ec_fail(failure, EC_VERSION_CONFLICT,
            "somebody else has appended to a stream that an earlier command of the batch writes");
}

/* ------------------------------------------------------------------ deciding */

size_t ec_batch_root(ec_batch *batch, size_t command)
{
    ec_batch_member *members = batch->members;

    while (members[command].parent != command) {
        members[command].parent = members[members[command].parent].parent;
        command = members[command].parent;
    }
    return command;
}

void ec_batch_join(ec_batch *batch, size_t one, size_t other)
{
    size_t root = ec_batch_root(batch, one), child = ec_batch_root(batch, other);

    if (batch->members[root].last < batch->members[child].last)
        batch->members[root].last = batch->members[child].last;
    batch->members[child].parent = root;
}

/* Want what an execution is to read. False when memory runs out. */
static bool want(ec_batch *batch, size_t command)
{
    const ec_execution *execution = ec_batch_execution(batch, command);
    ec_batch_member *member = &batch->members[command];
    size_t count = execution->streams.count;

    if (count > member->view_count) {
        ec_view *views = ec_arena_array(&batch->memory, count, sizeof *views);

        if (views == NULL)
            return false;
        for (size_t i = 0; i < member->view_count; i++)
            views[i] = member->views[i];
        member->views = views;
        member->view_count = count;
    }
    return ec_shared_read_want(&batch->read, execution, member->views);
}

/* Let an execution fold and decide, and note on whom that depends and what it will write. */
static void decide(ec_batch *batch, size_t command)
{
    ec_execution *execution = ec_batch_execution(batch, command);
    ec_batch_member *member = &batch->members[command];
    ec_events *rows = ec_shared_read_rows(&batch->read, execution, member->views);

    if (rows == NULL) {
        ec_batch_fail_out_of_memory(batch, command);
        return;
    }
    ec_execution_rows(execution, rows);
    if (execution->step == EC_STEP_READ)
        return;
    member->last = batch->order_count;
    member->appends = execution->step == EC_STEP_APPEND;
    batch->order[batch->order_count++] = command;
    for (size_t i = 0; i < member->view_count; i++)
        if (member->views[i].pending) {
            member->dependent = true;
            ec_batch_join(batch, command, member->views[i].stream->writer);
        }
    if (member->appends && !ec_shared_read_write(&batch->read, execution, member->views, command)) {
        ec_batch_fail_out_of_memory(batch, command);
        member->appends = member->dependent = false; /* nothing of it is sent */
    }
}

static void take_read_failure(ec_batch *batch, const ec_failure *failure)
{
    for (size_t i = 0; i < batch->active_count; i++) {
        ec_execution *execution = ec_batch_execution(batch, batch->active[i]);

        if (execution->step != EC_STEP_READ)
            continue;
        if (ec_batch_is_due_to_one(failure) && batch->active_count > 1)
            batch->members[batch->active[i]].alone = true;
        else
            ec_batch_fail(batch, batch->active[i], failure, false);
    }
}

ec_status ec_batch_call(ec_batch *batch, const ec_call *call, ec_events **rows, ec_failure *failure,
                        bool *maybe_done)
{
    ec_status status = ec_connection_open(batch->list.connection, &batch->list.until, failure);

    *maybe_done = false;
    if (status == EC_OK)
        status = ec_connection_call(batch->list.connection, call, &batch->list.until, rows, failure,
                                    maybe_done);
    return status;
}

/* One read of all that is wanted. */
static ec_status read_streams(ec_batch *batch, ec_failure *failure)
{
    ec_arena memory = {NULL};
    bool maybe_done;
    ec_events *rows;
    ec_call read;
    ec_status status =
        ec_shared_read_encode(&batch->read, &read, &memory, batch->list.connection->store, failure);

    if (status == EC_OK)
        status = ec_batch_call(batch, &read, &rows, failure, &maybe_done);
    if (status == EC_OK)
        status = ec_shared_read_take(&batch->read, rows, failure);
    ec_arena_free(&memory);
    return status;
}

/* Read, and let those decide that can. False if nobody wants to read. */
static bool read_and_decide(ec_batch *batch)
{
    ec_failure failure = {.status = EC_OK};
    size_t wanted = 0;

    for (size_t i = 0; i < batch->active_count; i++) {
        size_t command = batch->active[i];

        if (ec_batch_execution(batch, command)->step != EC_STEP_READ ||
            batch->members[command].alone)
            continue;
        if (want(batch, command))
            wanted++;
        else
            ec_batch_fail_out_of_memory(batch, command);
    }
    if (wanted == 0)
        return false;
    if (read_streams(batch, &failure) != EC_OK) {
        take_read_failure(batch, &failure);
        ec_failure_clear(&failure);
        return true;
    }
    for (size_t i = 0; i < batch->active_count; i++) {
        size_t command = batch->active[i];
        ec_execution *execution = ec_batch_execution(batch, command);
        const ec_batch_member *member = &batch->members[command];

        if (execution->step != EC_STEP_READ || member->alone)
            continue;
        if (ec_shared_read_holds(member->views, member->view_count))
            decide(batch, command);
        else {
            ec_batch_fail_stale(&failure);
            ec_execution_failed(execution, &failure, false);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ rounds */

static bool begin_round(ec_batch *batch)
{
    batch->order_count = 0;
    batch->order = ec_arena_array(&batch->memory, batch->active_count, sizeof *batch->order);
    batch->group_count = 0;
    for (size_t i = 0; i < batch->active_count; i++) {
        size_t command = batch->active[i];
        const ec_execution *execution = ec_batch_execution(batch, command);

        batch->members[command] =
            (ec_batch_member){.parent = command,
                              .head = EC_NO_MEMBER,
                              .next = EC_NO_MEMBER,
                              .alone = execution->locked && execution->step != EC_STEP_DONE};
    }
    return batch->order != NULL;
}

/* The try that was cut short in the batch is tried again, and does not count. */
static void execute_alone(ec_batch *batch, size_t command)
{
    ec_execution *execution = ec_batch_execution(batch, command);

    if (execution->step == EC_STEP_DONE)
        return;
    if (execution->step != EC_STEP_SLEEP) {
        execution->outcome->attempts--;
        execution->in_doubt = false;
        ec_execution_resume(execution);
    }
    ec_drive_to_end(execution, batch->list.connection, &batch->list.until);
}

/* Take the results of those that are done. The rest is what is active in the next round. */
static void end_round(ec_batch *batch)
{
    size_t left = 0;

    for (size_t i = 0; i < batch->active_count; i++)
        if (batch->members[batch->active[i]].alone)
            execute_alone(batch, batch->active[i]);
    for (size_t i = 0; i < batch->active_count; i++) {
        size_t command = batch->active[i];

        if (ec_batch_execution(batch, command)->step == EC_STEP_DONE)
            ec_command_list_finish(&batch->list, command);
        else
            batch->active[left++] = command;
    }
    batch->active_count = left;
    ec_shared_read_free(&batch->read);
    ec_arena_free(&batch->memory);
}

static void stop(ec_batch *batch, ec_status status)
{
    for (size_t i = 0; i < batch->active_count; i++) {
        ec_execution *execution = ec_batch_execution(batch, batch->active[i]);

        if (execution->step != EC_STEP_DONE)
            ec_drive_stop(execution, status);
    }
}

/* One pause for all that lost: that of the first. */
static void pause_between_rounds(ec_batch *batch)
{
    ec_status status = EC_OK;

    if (batch->active_count > 0)
        status = ec_until_pause(&batch->list.until,
                                ec_batch_execution(batch, batch->active[0])->delay_us);
    if (status != EC_OK)
        stop(batch, status);
    for (size_t i = 0; i < batch->active_count && status == EC_OK; i++)
        ec_execution_resume(ec_batch_execution(batch, batch->active[i]));
}

static void run_round(ec_batch *batch)
{
    ec_status status = ec_until_status(&batch->list.until);

    if (status != EC_OK)
        stop(batch, status);
    if (begin_round(batch)) {
        while (read_and_decide(batch))
            ;
        ec_batch_append(batch);
    } else {
        for (size_t i = 0; i < batch->active_count; i++)
            if (ec_batch_execution(batch, batch->active[i])->step != EC_STEP_DONE)
                ec_batch_fail_out_of_memory(batch, batch->active[i]);
    }
    end_round(batch);
}

ec_status ec_execute_batch(ec_connection *connection, ec_command *commands, size_t count,
                           const ec_execute_options *options)
{
    ec_batch batch = {.active_count = 0};
    ec_status status = ec_command_list_open(&batch.list, connection, commands, count, options);

    if (status != EC_OK)
        return status;
    batch.members = calloc(count == 0 ? 1 : count, sizeof *batch.members);
    batch.active = calloc(count == 0 ? 1 : count, sizeof *batch.active);
    for (size_t i = 0; i < count; i++) {
        ec_command_list_start(&batch.list, i);
        batch.list.executions[i].fleeting = true;
        if (batch.members == NULL || batch.active == NULL) {
            if (batch.list.executions[i].step != EC_STEP_DONE)
                ec_batch_fail_out_of_memory(&batch, i);
            ec_command_list_finish(&batch.list, i);
        } else
            batch.active[batch.active_count++] = i;
    }
    while (batch.active_count > 0) {
        run_round(&batch);
        pause_between_rounds(&batch);
    }
    free(batch.members);
    free(batch.active);
    return ec_command_list_close(&batch.list);
}
