/*
 * batch_append.c: groups of commands as commands of the server, and what becomes of them.
 *
 * What is sent is kept until the server has given a definite answer: a statement whose reply was
 * lost is sent again as it is, and the ids of its events make the server answer with what it did.
 */
#include "batch.h"

#include <string.h>

#include "parameter.h"

/* ------------------------------------------------------------------ groups */

/* Whether the command depends on what is written before, or appends: else it is done. */
static bool is_open(const ec_batch *batch, size_t command)
{
    return batch->members[command].appends || batch->members[command].dependent;
}

/* Who read a stream before it is written must come before the writer, or with it. */
static void join_contradictions(ec_batch *batch)
{
    bool joined = true;

    while (joined) {
        joined = false;
        for (size_t i = 0; i < batch->order_count; i++) {
            size_t reader = batch->order[i];
            const ec_batch_member *member = &batch->members[reader];

            for (size_t j = 0; is_open(batch, reader) && j < member->view_count; j++) {
                const ec_view *view = &member->views[j];
                size_t writer;

                if (view->pending || view->stream->pending_count == 0 ||
                    view->stream->pending_after != view->version)
                    continue;
                writer = ec_batch_root(batch, view->stream->writer);
                if (ec_batch_root(batch, reader) != writer &&
                    batch->members[ec_batch_root(batch, reader)].last >
                        batch->members[writer].last) {
                    ec_batch_join(batch, reader, writer);
                    joined = true;
                }
            }
        }
    }
}

/* Chain the members of each group, in the order in which they have decided. */
static void chain_members(ec_batch *batch)
{
    for (size_t i = batch->order_count; i-- > 0;) {
        size_t command = batch->order[i], root = ec_batch_root(batch, command);

        if (!is_open(batch, command))
            continue;
        batch->members[command].next = batch->members[root].head;
        batch->members[root].head = command;
    }
}

/* The arrays that are sent, with room for everything. */
typedef struct {
    int32_t *entry_commands;
    ec_entry *entries;
    size_t entry_count;
    int32_t *expected_commands;
    ec_expectation *expected;
    size_t expected_count;
} arrays;

static bool make_arrays(ec_batch *batch, arrays *arrays)
{
    size_t entries = 0, expected = 0;

    for (size_t i = 0; i < batch->order_count; i++) {
        entries += ec_batch_execution(batch, batch->order[i])->context.entry_count;
        expected += batch->members[batch->order[i]].view_count;
    }
    arrays->entry_commands =
        ec_arena_array(&batch->memory, entries, sizeof *arrays->entry_commands);
    arrays->entries = ec_arena_array(&batch->memory, entries, sizeof *arrays->entries);
    arrays->expected_commands =
        ec_arena_array(&batch->memory, expected, sizeof *arrays->expected_commands);
    arrays->expected = ec_arena_array(&batch->memory, expected, sizeof *arrays->expected);
    return arrays->entry_commands != NULL && arrays->entries != NULL &&
           arrays->expected_commands != NULL && arrays->expected != NULL;
}

/* Add a member to a group; false if it read a stream at another version than one before it. */
static bool add_member(ec_batch *batch, size_t command, size_t number, arrays *arrays)
{
    ec_batch_member *member = &batch->members[command];
    const ec_context *context = &ec_batch_execution(batch, command)->context;
    const size_t group = ec_batch_root(batch, command) + 1;

    member->sent = member->appends ? context->entry_count : 0;
    for (size_t i = 0; i < member->sent; i++) {
        arrays->entry_commands[arrays->entry_count] = (int32_t)number;
        arrays->entries[arrays->entry_count++] = context->entries[i];
    }
    for (size_t i = 0; i < member->view_count; i++) {
        ec_shared_stream *stream = member->views[i].stream;
        int64_t version = member->views[i].version;

        if (stream->group == group && stream->expected != version)
            return false;
        if (stream->group == group)
            continue;
        stream->group = group;
        stream->expected = version;
        arrays->expected_commands[arrays->expected_count] = (int32_t)number;
        arrays->expected[arrays->expected_count++] = (ec_expectation){stream->id, version};
    }
    return true;
}

/* ------------------------------------------------------------------ results */

/* Whether its fate is open: a member that has given up, its append in doubt, has its result. */
static bool is_waiting(const ec_batch *batch, size_t command)
{
    return !batch->members[command].appends ||
           ec_batch_execution(batch, command)->step != EC_STEP_DONE;
}

/*
 * A member that has decided without appending decided on events that are not written: what it has
 * decided is void, and it goes on as if it had lost or failed itself.
 */
static void reopen(ec_batch *batch, size_t command)
{
    ec_execution *execution = ec_batch_execution(batch, command);

    if (batch->members[command].appends)
        return;
    execution->step = EC_STEP_APPEND;
    execution->outcome->rejection_code = NULL;
    execution->outcome->rejection_message = NULL;
}

static void fail_group(ec_batch *batch, size_t first, const ec_failure *failure)
{
    for (size_t i = first; i != EC_NO_MEMBER; i = batch->members[i].next)
        if (is_waiting(batch, i)) {
            reopen(batch, i);
            ec_batch_fail(batch, i, failure, false);
        }
}

static void pass_rows(ec_batch *batch, size_t command, const ec_row *rows, size_t count)
{
    ec_events *copy = ec_rows_copy(rows, count);
    ec_failure failure = {.status = EC_OK};

    if (copy == NULL) {
        ec_fail(&failure, EC_NO_MEMORY, "out of memory for a reply");
        ec_execution_failed(ec_batch_execution(batch, command), &failure,
                            strcmp(rows[0].outcome, "conflict") != 0);
    } else
        ec_execution_rows(ec_batch_execution(batch, command), copy);
}

/* It was written, or verified: each member has its own part of the rows. */
static void take_success(ec_batch *batch, size_t first, const ec_row *rows, size_t count)
{
    static const ec_row verified = {.outcome = "verified"};

    for (size_t i = first; i != EC_NO_MEMBER; i = batch->members[i].next) {
        size_t sent = batch->members[i].sent < count ? batch->members[i].sent : count;

        if (batch->members[i].appends && is_waiting(batch, i)) {
            if (batch->members[i].sent == 0)
                pass_rows(batch, i, &verified, 1);
            else
                pass_rows(batch, i, rows, sent);
        }
        rows += sent;
        count -= sent;
    }
}

/* It lost a race: each member is told of its own streams, or else of the first. */
static void take_conflict(ec_batch *batch, size_t first, const ec_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ec_shared_stream *stream = ec_shared_read_find(&batch->read, rows[i].event.stream_id);

        if (stream != NULL)
            stream->violation = &rows[i];
    }
    for (size_t i = first; i != EC_NO_MEMBER; i = batch->members[i].next) {
        const ec_batch_member *member = &batch->members[i];
        ec_row *own = ec_arena_array(&batch->memory, member->view_count, sizeof *own);
        size_t own_count = 0;

        if (!is_waiting(batch, i))
            continue;
        reopen(batch, i);
        for (size_t j = 0; own != NULL && j < member->view_count; j++)
            if (member->views[j].stream->violation != NULL)
                own[own_count++] = *member->views[j].stream->violation;
        pass_rows(batch, i, own_count > 0 ? own : rows, own_count > 0 ? own_count : 1);
    }
    for (size_t i = 0; i < count; i++) {
        ec_shared_stream *stream = ec_shared_read_find(&batch->read, rows[i].event.stream_id);

        if (stream != NULL)
            stream->violation = NULL;
    }
}

/* It was refused: a group does not tell whose fault it is, so each member is executed alone. */
static void take_refusal(ec_batch *batch, size_t first, const ec_row *row)
{
    ec_failure failure = {.status = EC_OK};
    const char *code = row->error_code == NULL ? "" : row->error_code;

    if (batch->members[first].next == EC_NO_MEMBER) {
        ec_fail(&failure, ec_status_from_sqlstate(code), "%s",
                row->error_message == NULL ? "" : row->error_message);
        strncpy(failure.sqlstate, code, sizeof failure.sqlstate - 1);
        failure.detail = ec_arena_string(&failure.memory, row->error_detail);
        ec_execution_failed(ec_batch_execution(batch, first), &failure, false);
        return;
    }
    for (size_t i = first; i != EC_NO_MEMBER; i = batch->members[i].next)
        if (is_waiting(batch, i)) {
            reopen(batch, i);
            batch->members[i].alone = true;
        }
}

static void take_outcome(ec_batch *batch, size_t first, const ec_row *rows, size_t count)
{
    ec_failure failure = {.status = EC_OK};

    if (count > 0 && strcmp(rows[0].outcome, "conflict") == 0)
        take_conflict(batch, first, rows, count);
    else if (count > 0 && strcmp(rows[0].outcome, "invalid") == 0)
        take_refusal(batch, first, &rows[0]);
    else if (count > 0)
        take_success(batch, first, rows, count);
    else {
        ec_fail(&failure, EC_PROTOCOL_ERROR, "the server's reply leaves out a command");
        fail_group(batch, first, &failure);
        ec_failure_clear(&failure);
    }
}

/* The rows of a command lie side by side, in the order of their numbers. */
static void take_reply(ec_batch *batch, const ec_events *reply)
{
    size_t at = 0;

    for (size_t i = 0; i < batch->group_count; i++) {
        size_t begin = at;

        while (at < reply->row_count && (size_t)reply->rows[at].command == i + 1)
            at++;
        take_outcome(batch, batch->groups[i], reply->rows + begin, at - begin);
    }
}

/* ------------------------------------------------------------------ sending */

/*
 * Make the groups and the arrays of them, in the order of their last members. A group whose members
 * disagree about a version has lost already.
 */
static bool make_groups(ec_batch *batch, arrays *arrays)
{
    ec_failure failure = {.status = EC_OK};

    batch->groups = ec_arena_array(&batch->memory, batch->order_count, sizeof *batch->groups);
    if (batch->groups == NULL || !make_arrays(batch, arrays))
        return false;
    for (size_t i = 0; i < batch->order_count; i++) {
        size_t root = ec_batch_root(batch, batch->order[i]);
        size_t first = batch->members[root].head, entry_count = arrays->entry_count;
        size_t expected_count = arrays->expected_count;
        bool agreed = true, appends = false;

        if (batch->members[root].last != i || first == EC_NO_MEMBER)
            continue;
        for (size_t j = first; j != EC_NO_MEMBER && agreed; j = batch->members[j].next) {
            agreed = add_member(batch, j, batch->group_count + 1, arrays);
            appends |= batch->members[j].appends;
        }
        if (agreed && appends) {
            batch->groups[batch->group_count++] = first;
            continue;
        }
        arrays->entry_count = entry_count;
        arrays->expected_count = expected_count;
        ec_batch_fail_stale(&failure);
        fail_group(batch, first, &failure);
        ec_failure_clear(&failure);
    }
    return true;
}

/* Pass a failure of the whole statement on to those that append. */
static void take_failure(ec_batch *batch, const ec_failure *failure, bool maybe_done)
{
    bool in_doubt = maybe_done, many = batch->group_count > 1;

    for (size_t i = 0; i < batch->group_count; i++)
        for (size_t j = batch->groups[i]; j != EC_NO_MEMBER; j = batch->members[j].next) {
            in_doubt |= ec_batch_execution(batch, j)->in_doubt;
            many |= batch->members[j].next != EC_NO_MEMBER;
        }
    for (size_t i = 0; i < batch->group_count; i++)
        for (size_t j = batch->groups[i]; j != EC_NO_MEMBER; j = batch->members[j].next) {
            if (!is_waiting(batch, j))
                continue;
            if (in_doubt) {
                if (batch->members[j].appends)
                    ec_batch_fail(batch, j, failure, maybe_done);
                continue;
            }
            reopen(batch, j);
            if (many && ec_batch_is_due_to_one(failure))
                batch->members[j].alone = true;
            else
                ec_batch_fail(batch, j, failure, false);
        }
}

static bool may_have_been_done(const ec_batch *batch, size_t command)
{
    const ec_execution *execution = ec_batch_execution(batch, command);

    return batch->members[command].appends && execution->step == EC_STEP_SLEEP &&
           execution->in_doubt;
}

/* Let those whose append is in doubt pause and repeat it; false if there are none. */
static bool resume_in_doubt(ec_batch *batch)
{
    ec_status status = EC_OK;
    bool paused = false;

    for (size_t i = 0; i < batch->order_count; i++) {
        ec_execution *execution = ec_batch_execution(batch, batch->order[i]);

        if (!may_have_been_done(batch, batch->order[i]))
            continue;
        if (!paused)
            status = ec_until_pause(&batch->list.until, execution->delay_us);
        paused = true;
        if (status == EC_OK)
            ec_execution_resume(execution);
        else
            ec_drive_stop(execution, status);
    }
    return paused;
}

static bool has_appends(const ec_batch *batch)
{
    for (size_t i = 0; i < batch->order_count; i++)
        if (batch->members[batch->order[i]].appends &&
            ec_batch_execution(batch, batch->order[i])->step == EC_STEP_APPEND)
            return true;
    return false;
}

/* The appends have given up in doubt: those that depend on them do not know either. */
static void void_dependents(ec_batch *batch, const ec_failure *failure)
{
    for (size_t i = 0; i < batch->group_count; i++)
        for (size_t j = batch->groups[i]; j != EC_NO_MEMBER; j = batch->members[j].next)
            if (!batch->members[j].appends && ec_batch_execution(batch, j)->step == EC_STEP_DONE) {
                reopen(batch, j);
                ec_batch_fail(batch, j, failure, false);
            }
}

/* Send, and send the same again for as long as it may have been done. */
static void send_until_definite(ec_batch *batch, const ec_call *append)
{
    ec_failure failure = {.status = EC_OK};
    ec_events *reply;
    bool maybe_done;

    do {
        ec_failure_clear(&failure);
        if (ec_batch_call(batch, append, &reply, &failure, &maybe_done) == EC_OK) {
            take_reply(batch, reply);
            ec_events_free(reply);
            return;
        }
        take_failure(batch, &failure, maybe_done);
    } while (resume_in_doubt(batch) && has_appends(batch));
    void_dependents(batch, &failure);
    ec_failure_clear(&failure);
}

void ec_batch_append(ec_batch *batch)
{
    arrays arrays = {.entry_count = 0};
    ec_failure failure = {.status = EC_OK};
    ec_call append;

    join_contradictions(batch);
    chain_members(batch);
    if (!make_groups(batch, &arrays)) {
        ec_fail(&failure, EC_NO_MEMORY, "out of memory in a batch");
        for (size_t i = 0; i < batch->order_count; i++)
            if (is_open(batch, batch->order[i]) && is_waiting(batch, batch->order[i])) {
                reopen(batch, batch->order[i]);
                ec_batch_fail(batch, batch->order[i], &failure, false);
            }
    } else if (batch->group_count > 0) {
        const ec_append_batch sent = {arrays.entry_commands, arrays.entries,
                                      arrays.entry_count,    arrays.expected_commands,
                                      arrays.expected,       arrays.expected_count};

        if (ec_call_append_batch(&append, &batch->memory, &sent, batch->list.connection->store,
                                 &failure) == EC_OK)
            send_until_definite(batch, &append);
        else
            take_failure(batch, &failure, false);
    }
    ec_failure_clear(&failure);
}
