/*
 * execution.c: read, fold, decide, append; and what follows when one of them fails.
 *
 *     start -> READ -> fold, resolve -> handle -> APPEND -> (SAVE) -> DONE
 *              ^  ^      |                          |
 *              |  +------+ streams discovered,      |
 *              |           a snapshot does not fit  |
 *              +--------- SLEEP <-- conflict, retriable error
 *
 * An append whose reply was lost may have been done. Until the server has given a definite answer
 * it is sent again as it is: its event ids make the server answer with the first result if there
 * is one. Reading and deciding anew before that could do the command twice. It is sent again
 * outside of a transaction, also if it was locked: it needs no lock, being the decision of that
 * time.
 *
 * An attempt that is locked before it reads cannot lose a race. If `resolve` adds to its streams,
 * the locks are given up and the larger set is locked, in the one order that knows no deadlock;
 * what was read before stays true, and what came behind it is read as in any other round.
 *
 * Who has lost a race reads only what is new: what an attempt has read stays true, and the next one
 * folds it again from the start, with the events behind it; a command that starts from snapshots
 * reads little anyhow, and reads that again. (An event may become visible behind
 * those of other streams that stand after it in the log, so that the state cannot just go on.) Not
 * so if streams were discovered, which the next attempt may not need; nor if the connection was
 * lost, or a stream is shorter than it was: a server that took over may not have all that was read.
 */
#include "execution.h"

#include <string.h>

#include "event_id.h"
#include "fold.h"
#include "observe.h"
#include "retry.h"
#include "snapshot.h"

static void note_snapshot_problem(ec_execution *execution, const char *problem)
{
    execution->outcome->snapshot_problem = ec_arena_string(&execution->outcome->memory, problem);
}

/*
 * Whether the state is to be saved, which then has been written. The events were read and the
 * command has decided on them: what it decided, and what became of that, is not in the state.
 */
static bool leaves_snapshot(ec_execution *execution)
{
    const ec_snapshots *snapshots = execution->options.snapshots;
    ec_status status = execution->failure.status;

    if (snapshots == NULL || execution->discovered ||
        execution->outcome->folded < snapshots->every ||
        (status != EC_OK && !ec_status_is_rejection(status)))
        return false;
    execution->left.memory = &execution->context.memory;
    if (ec_snapshot_save(&execution->left, snapshots, execution->state) == EC_OK)
        return true;
    note_snapshot_problem(execution, execution->left.failure.message);
    return false;
}

static void finish(ec_execution *execution)
{
    execution->step = leaves_snapshot(execution) ? EC_STEP_SAVE : EC_STEP_DONE;
    execution->outcome->in_doubt = execution->in_doubt && execution->context.entry_count > 0 &&
                                   execution->failure.status != EC_OK;
    ec_outcome_end(execution->outcome, &execution->failure);
}

static void finish_with(ec_execution *execution, ec_failure *failure)
{
    ec_failure_move(&execution->failure, failure);
    finish(execution);
}

static void finish_out_of_memory(ec_execution *execution)
{
    ec_fail(&execution->failure, EC_NO_MEMORY, "out of memory in the execution of a command");
    finish(execution);
}

static void free_replies(ec_execution *execution)
{
    for (size_t i = 0; i < execution->reply_count; i++)
        ec_events_free(execution->replies[i]);
    execution->reply_count = 0;
}

/* Forget what was made of it. */
static void end_state(ec_execution *execution)
{
    ec_snapshot_release(&execution->snapshot);
    ec_snapshot_release(&execution->left);
    ec_context_reset(&execution->context);
}

/* Keep what was read for the next attempt, or else forget it. */
static void end_attempt(ec_execution *execution)
{
    ec_stream_set *given = &execution->given;
    bool keeps = !execution->rereads && !execution->fleeting &&
                 execution->options.snapshots == NULL && execution->streams.count == given->count &&
                 execution->reply_count <= EC_MAX_KEPT_REPLIES;

    if (!keeps)
        free_replies(execution);
    for (size_t i = 0; i < given->count; i++)
        given->streams[i].version = keeps ? execution->streams.streams[i].version : 0;
    execution->kept_count = execution->reply_count;
    execution->rereads = false;
    end_state(execution);
}

static bool is_locked_next(const ec_execution *execution)
{
    int lock_after = execution->options.lock_after;

    return lock_after >= 0 && execution->lost_races >= lock_after;
}

/* The next try: the same append while its fate is open, else everything from the read on. */
static void begin_attempt(ec_execution *execution)
{
    ec_context *context = &execution->context;
    bool repeats = execution->in_doubt || execution->definition == NULL;

    execution->outcome->attempts++;
    execution->locked = !repeats && is_locked_next(execution);
    ec_observe_attempt(execution);
    if (repeats) {
        execution->step = EC_STEP_APPEND;
        return;
    }
    end_attempt(execution);
    execution->reads = 0;
    execution->whole = execution->discovered = false;
    execution->snapshot.memory = &context->memory;
    execution->last_position = 0;
    execution->outcome->folded = 0;
    execution->state = ec_alloc(context, execution->definition->state_size);
    if (execution->state == NULL ||
        !ec_streams_copy(&execution->streams, &context->memory, &execution->given)) {
        finish_out_of_memory(execution);
        return;
    }
    for (size_t i = 0; i < execution->given.count; i++)
        execution->streams.streams[i].version = execution->given.streams[i].version;
    execution->step = EC_STEP_READ;
}

static bool is_worth_another(const ec_execution *execution, const ec_failure *failure)
{
    const ec_execute_options *options = &execution->options;
    ec_failed_attempt attempt = {.status = failure->status,
                                 .sqlstate = failure->sqlstate,
                                 .message = failure->message == NULL ? "" : failure->message,
                                 .attempts = execution->outcome->attempts,
                                 .conflicts = execution->outcome->conflicts};

    return attempt.attempts < options->max_attempts &&
           (options->retry == NULL || options->retry(options->retry_argument, &attempt));
}

/* After `failure`: try again later, or give up with it. */
static void retry_after(ec_execution *execution, ec_failure *failure)
{
    uint64_t random = 0;

    if (!is_worth_another(execution, failure)) {
        finish_with(execution, failure);
        return;
    }
    execution->lost_races += ec_is_lost_race(failure);
    /* Without random numbers the jitter is lost, not the command. */
    if (!ec_random(&random, sizeof random))
        random = UINT64_MAX / 2;
    execution->delay_us = ec_backoff_us(&execution->options, execution->outcome->attempts, random);
    execution->step = EC_STEP_SLEEP;
    ec_observe_retry(execution, failure);
    ec_failure_move(&execution->failure, failure); /* in case the deadline comes first */
}

/* Take the metadata and the hooks. */
static void take_company(ec_execution *execution, const ec_execute_options *options)
{
    execution->context.metadata = &execution->metadata;
    if (!ec_observe_start(execution, options->hooks))
        ec_fail(&execution->failure, EC_INVALID_ARGUMENT, "the hooks are not initialised");
    else if (options->metadata != NULL)
        ec_metadata_prepare(&execution->metadata, options->metadata, &execution->memory,
                            &execution->failure);
}

void ec_execution_start(ec_execution *execution, const ec_definition *definition, const void *ids,
                        const void *command, const ec_execute_options *options, const char *store,
                        ec_outcome *outcome)
{
    *execution = (ec_execution){.definition = definition,
                                .command = command,
                                .store = store,
                                .options = *options,
                                .outcome = outcome};
    execution->context.streams = &execution->streams;
    execution->context.event_types = definition->event_types;
    take_company(execution, options);
    if (execution->failure.status == EC_OK)
        ec_check_options(options, &execution->failure);
    if (execution->failure.status == EC_OK && options->snapshots != NULL)
        ec_snapshots_check(options->snapshots, definition, &execution->failure);
    if (execution->failure.status == EC_OK)
        ec_streams_bind(&execution->given, &execution->memory, definition, ids,
                        &execution->failure);
    if (execution->failure.status == EC_OK)
        begin_attempt(execution);
    else
        finish(execution);
}

void ec_execution_start_append(ec_execution *execution, const ec_stream_event *events,
                               size_t event_count, const ec_expectation *expected,
                               size_t expected_count, const ec_execute_options *options,
                               const char *store, ec_outcome *outcome)
{
    ec_context *context = &execution->context;

    *execution = (ec_execution){.store = store,
                                .options = EC_EXECUTE_OPTIONS_INIT,
                                .outcome = outcome,
                                .expected = expected,
                                .expected_count = expected_count};
    context->streams = &execution->streams;
    take_company(execution, options == NULL ? &execution->options : options);
    if (execution->failure.status != EC_OK) {
        finish(execution);
        return;
    }
    if (events == NULL && event_count > 0)
        ec_context_fail(context, EC_INVALID_ARGUMENT, "events is NULL, of %zu", event_count);
    for (size_t i = 0; i < event_count && context->failure.status == EC_OK; i++)
        if (events[i].stream_id == NULL)
            ec_context_fail(context, EC_INVALID_ARGUMENT, "event %zu has no stream id", i);
        else
            ec_context_add(context, events[i].stream_id, &events[i].event);
    if (context->failure.status != EC_OK) {
        finish_with(execution, &context->failure);
        return;
    }
    begin_attempt(execution);
}

/* A callback's own status, unless a failure was noted before. */
static ec_status callback_status(ec_execution *execution, ec_status status, const char *callback)
{
    ec_context *context = &execution->context;

    if (context->failure.status == EC_OK && status != EC_OK)
        ec_fail(&context->failure, status, "%s: its %s failed: %s", execution->definition->name,
                callback, ec_status_description(status));
    return context->failure.status;
}

/* Whether `resolve` added streams is in `discovered` of the context. */
static ec_status resolve(ec_execution *execution)
{
    const ec_definition *definition = execution->definition;
    ec_context *context = &execution->context;
    ec_status status;

    context->discovered = 0;
    if (definition->resolve == NULL)
        return EC_OK;
    context->resolving = true;
    status = definition->resolve(execution->command, execution->state, context);
    context->resolving = false;
    status = callback_status(execution, status, "resolver");
    if (status == EC_OK && context->discovered > 0 &&
        execution->reply_count - execution->kept_count == EC_MAX_READS)
        status = ec_fail(&context->failure, EC_FAILED,
                         "%s: its resolver still adds streams after %d rounds", definition->name,
                         EC_MAX_DISCOVERY_ROUNDS);
    return status;
}

static ec_status decide(ec_execution *execution)
{
    ec_status status =
        execution->definition->handle(execution->command, execution->state, &execution->context);

    return callback_status(execution, status, "handler");
}

static bool copy_rejection(ec_execution *execution)
{
    const ec_context *context = &execution->context;
    ec_outcome *outcome = execution->outcome;
    const char *code = context->rejection_code, *message = context->rejection_message;

    outcome->rejection_code = ec_arena_string(&outcome->memory, code == NULL ? "" : code);
    outcome->rejection_message = ec_arena_string(&outcome->memory, message == NULL ? "" : message);
    return outcome->rejection_code != NULL && outcome->rejection_message != NULL;
}

/* Every declared stream must be where it was read, written or not. */
static void append_decision(ec_execution *execution)
{
    const ec_stream_set *streams = &execution->streams;
    ec_expectation *expected =
        ec_arena_array(&execution->context.memory, streams->count, sizeof *expected);

    if (expected == NULL) {
        finish_out_of_memory(execution);
        return;
    }
    for (size_t i = 0; i < streams->count; i++)
        expected[i] = (ec_expectation){streams->streams[i].id, streams->streams[i].version};
    execution->expected = expected;
    execution->expected_count = streams->count;
    execution->step = EC_STEP_APPEND;
}

/* The attempt ends with what the context has noted. */
static void finish_undecided(ec_execution *execution)
{
    ec_failure *failure = &execution->context.failure;

    if (ec_status_is_rejection(failure->status) && !copy_rejection(execution))
        finish_out_of_memory(execution);
    else
        finish_with(execution, failure);
}

/* Forget what was read, to read it all. */
static void read_whole(ec_execution *execution)
{
    ec_stream_set *streams = &execution->streams;

    free_replies(execution);
    for (size_t i = 0; i < streams->count; i++) {
        streams->streams[i].version = 0;
        streams->streams[i].replies = 0;
    }
    ec_snapshot_release(&execution->snapshot);
    execution->last_position = 0;
    execution->whole = true;
}

static void note_folded(ec_execution *execution)
{
    execution->outcome->folded = 0;
    for (size_t i = 0; i < execution->reply_count; i++) {
        const ec_events *reply = execution->replies[i];
        size_t count = reply->event_count;

        execution->outcome->folded += (int64_t)count;
        if (count > 0 && reply->rows[count - 1].event.position > execution->last_position)
            execution->last_position = reply->rows[count - 1].event.position;
    }
}

/* Start from the snapshot in the reply, if it has one. False if that does not fit. */
static bool start_from_snapshot(ec_execution *execution, const ec_events *reply)
{
    const ec_snapshot_row *row = &reply->snapshot;
    ec_snapshot *snapshot = &execution->snapshot;
    const char *problem;

    if (row->state == NULL)
        return true;
    problem = ec_snapshot_misfit(reply, &execution->streams);
    snapshot->bytes = row->state;
    snapshot->size = row->state_size;
    if (problem == NULL &&
        ec_snapshot_load(snapshot, execution->options.snapshots, execution->state) != EC_OK)
        problem = snapshot->failure.message;
    if (problem != NULL)
        note_snapshot_problem(execution, problem);
    execution->last_position = row->last_position;
    return problem == NULL;
}

static void take_read(ec_execution *execution, ec_events *rows)
{
    ec_context *context = &execution->context;

    execution->replies[execution->reply_count++] = rows;
    execution->reads++;
    if (execution->definition->state_size > 0)
        memset(execution->state, 0, execution->definition->state_size);
    if (!start_from_snapshot(execution, rows)) {
        read_whole(execution); /* the step stays READ */
        return;
    }
    note_folded(execution);
    if (ec_fold_versions(&execution->streams, rows, execution->reply_count, &context->failure) !=
            EC_OK ||
        ec_fold(execution->definition, execution->command, execution->state, execution->replies,
                execution->reply_count, context) != EC_OK ||
        resolve(execution) != EC_OK)
        finish_undecided(execution);
    else if (context->discovered > 0) {
        /* The new streams may have events that stand before others in the snapshot. */
        execution->discovered = true;
        if (execution->snapshot.bytes != NULL)
            read_whole(execution);
        execution->whole = true;
        return; /* the step stays READ */
    } else if (decide(execution) != EC_OK)
        finish_undecided(execution);
    else if (context->entry_count == 0 && !execution->options.verify)
        finish(execution);
    else
        append_decision(execution);
}

static void take_conflict(ec_execution *execution, const ec_events *rows)
{
    const ec_row *first = &rows->rows[0];
    ec_failure failure = {.status = EC_OK};

    execution->in_doubt = false;
    ec_fail(&failure, EC_VERSION_CONFLICT,
            "%zu streams not at the expected version, the first: %s is at %lld, not %lld",
            rows->row_count, first->event.stream_id, (long long)first->actual,
            (long long)first->expected);
    for (size_t i = 0; i < rows->row_count; i++)
        execution->rereads |= rows->rows[i].actual < rows->rows[i].expected;
    failure.violations = ec_violations_of(rows, &failure.memory);
    failure.violation_count = rows->row_count;
    if (failure.violations == NULL || !ec_outcome_conflict(execution->outcome, rows)) {
        ec_failure_clear(&failure);
        finish_out_of_memory(execution);
        return;
    }
    ec_observe_conflict(execution, &failure);
    if (execution->definition == NULL)
        finish_with(execution, &failure);
    else
        retry_after(execution, &failure);
}

/* Whether there is one row an event, in the order of writing. */
static bool rows_match_entries(const ec_context *context, const ec_events *rows)
{
    if (rows->event_count != context->entry_count || rows->row_count != context->entry_count)
        return false;
    for (size_t i = 0; i < rows->event_count; i++)
        if (memcmp(rows->rows[i].event.id, &context->entries[i].id, sizeof(ec_uuid)) != 0)
            return false;
    return true;
}

static void take_append(ec_execution *execution, const ec_events *rows)
{
    const ec_context *context = &execution->context;
    const char *outcome = rows->row_count == 0 ? "nothing" : rows->rows[0].outcome;
    bool done = strcmp(outcome, "appended") == 0 || strcmp(outcome, "repeated") == 0;

    if (strcmp(outcome, "conflict") == 0) {
        take_conflict(execution, rows);
        return;
    }
    execution->in_doubt = true; /* until what was done can be told */
    if (!(done && rows_match_entries(context, rows)) &&
        !(strcmp(outcome, "verified") == 0 && context->entry_count == 0)) {
        ec_fail(&execution->failure, EC_PROTOCOL_ERROR,
                "the server answered an append of %zu events with %zu rows and \"%s\"",
                context->entry_count, rows->row_count, outcome);
        finish(execution);
        return;
    }
    if (done && !ec_outcome_appended(execution->outcome, context->entries, rows)) {
        finish_out_of_memory(execution);
        return;
    }
    execution->in_doubt = false;
    ec_observe_commit(execution);
    finish(execution);
}

/* A round trip is over. */
static void observe_step(ec_execution *execution)
{
    if (execution->step == EC_STEP_READ || execution->step == EC_STEP_APPEND)
        ec_observe_phase(execution,
                         execution->step == EC_STEP_READ ? EC_PHASE_READ : EC_PHASE_APPEND);
}

void ec_execution_rows(ec_execution *execution, ec_events *rows)
{
    if (execution->step == EC_STEP_SAVE) {
        ec_events_free(rows);
        execution->step = EC_STEP_DONE;
        return;
    }
    ec_failure_clear(&execution->failure);
    observe_step(execution);
    if (execution->step == EC_STEP_READ) {
        take_read(execution, rows);
        ec_observe_phase(execution, EC_PHASE_HANDLE);
        return;
    }
    take_append(execution, rows);
    ec_events_free(rows);
}

void ec_execution_failed(ec_execution *execution, ec_failure *failure, bool maybe_done)
{
    if (execution->step == EC_STEP_SAVE) {
        note_snapshot_problem(execution, failure->message);
        ec_failure_clear(failure);
        execution->step = EC_STEP_DONE;
        return;
    }
    observe_step(execution);
    if (execution->step == EC_STEP_APPEND && maybe_done)
        execution->in_doubt = true;
    execution->rereads |= !ec_is_lost_race(failure);
    if (ec_is_retriable(failure))
        retry_after(execution, failure);
    else
        finish_with(execution, failure);
}

void ec_execution_resume(ec_execution *execution)
{
    ec_failure_clear(&execution->failure);
    ec_observe_phase(execution, EC_PHASE_PAUSE);
    begin_attempt(execution);
}

void ec_execution_free(ec_execution *execution)
{
    free_replies(execution);
    end_state(execution);
    ec_arena_free(&execution->memory);
    ec_failure_clear(&execution->failure);
}
