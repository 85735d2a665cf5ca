/*
 * execution.c: read, fold, decide, append; and what follows when one of them fails.
 *
 *     start -> READ -> fold, handle -> APPEND -> DONE
 *               ^                        |
 *               +------ SLEEP <-- conflict, retriable error
 *
 * An append whose reply was lost may have been done. Until the server has given a definite answer
 * it is sent again as it is: its event ids make the server answer with the first result if there
 * is one. Reading and deciding anew before that could do the command twice.
 */
#include "execution.h"

#include <string.h>

#include "event_id.h"
#include "retry.h"

static void finish(ec_execution *execution)
{
    execution->step = EC_STEP_DONE;
    execution->outcome->in_doubt = execution->in_doubt && execution->context.entry_count > 0 &&
                                   execution->failure.status != EC_OK;
    if (!ec_outcome_end(execution->outcome, &execution->failure))
        ec_fail(&execution->failure, EC_NO_MEMORY, "out of memory for an outcome");
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

static void end_attempt(ec_execution *execution)
{
    ec_events_free(execution->read);
    execution->read = NULL;
    ec_context_reset(&execution->context);
}

/* The next try: the same append while its fate is open, else everything from the read on. */
static void begin_attempt(ec_execution *execution)
{
    execution->outcome->attempts++;
    if (execution->in_doubt || execution->definition == NULL) {
        execution->step = EC_STEP_APPEND;
        return;
    }
    end_attempt(execution);
    for (size_t i = 0; i < execution->streams.count; i++)
        execution->streams.streams[i].version = 0;
    execution->step = EC_STEP_READ;
}

/* After `failure`: try again later, or give up with it. */
static void retry_after(ec_execution *execution, ec_failure *failure)
{
    int attempts = execution->outcome->attempts;
    uint64_t random = 0;

    if (attempts >= execution->options.max_attempts) {
        finish_with(execution, failure);
        return;
    }
    /* Without random numbers the jitter is lost, not the command. */
    if (!ec_random(&random, sizeof random))
        random = UINT64_MAX / 2;
    execution->delay_us = ec_backoff_us(&execution->options, attempts, random);
    execution->step = EC_STEP_SLEEP;
    ec_failure_move(&execution->failure, failure); /* in case the deadline comes first */
}

static void check_options(ec_execution *execution)
{
    const ec_execute_options *options = &execution->options;

    if (options->max_attempts < 1 || options->backoff_base_ms < 0 || options->backoff_cap_ms < 0 ||
        options->deadline_ms < 0)
        ec_fail(&execution->failure, EC_INVALID_ARGUMENT,
                "execute options: max_attempts is at least 1, times are not negative");
}

static void take_metadata(ec_execution *execution, const ec_metadata *metadata)
{
    execution->context.metadata = &execution->metadata;
    if (metadata != NULL)
        ec_metadata_prepare(&execution->metadata, metadata, &execution->memory,
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
    check_options(execution);
    if (execution->failure.status == EC_OK)
        take_metadata(execution, options->metadata);
    if (execution->failure.status == EC_OK)
        ec_streams_bind(&execution->streams, &execution->memory, definition, ids,
                        &execution->failure);
    if (execution->failure.status == EC_OK)
        begin_attempt(execution);
    else
        finish(execution);
}

void ec_execution_start_append(ec_execution *execution, const ec_stream_event *events,
                               size_t event_count, const ec_expectation *expected,
                               size_t expected_count, const ec_metadata *metadata,
                               const char *store, ec_outcome *outcome)
{
    ec_context *context = &execution->context;

    *execution = (ec_execution){.store = store,
                                .options = EC_EXECUTE_OPTIONS_INIT,
                                .outcome = outcome,
                                .expected = expected,
                                .expected_count = expected_count};
    context->streams = &execution->streams;
    take_metadata(execution, metadata);
    if (execution->failure.status != EC_OK) {
        finish(execution);
        return;
    }
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

/* The callback's status, unless what it was called with failed in a way that cannot be ignored. */
static ec_status apply_event(ec_execution *execution, void *state, ec_event *event)
{
    const ec_definition *definition = execution->definition;
    ec_failure *failure = &execution->context.failure;
    ec_status status;

    const ec_event_types *types = definition->event_types;
    int kind = types == NULL ? -1 : ec_event_kind(event, types);

    if (types != NULL && kind < 0) {
        if (types->selects)
            return EC_OK;
        return ec_fail(failure, EC_UNKNOWN_EVENT,
                       "%s: event %s, version %lld of stream %s: its type is not in the list %s",
                       definition->name, event->type, (long long)event->version, event->stream_id,
                       types->name);
    }
    event->failure = failure;
    status = definition->apply(execution->command, state, kind, event);
    if (status == EC_OK && failure->status == EC_NO_MEMORY)
        status = EC_NO_MEMORY;
    if (status == EC_OK)
        ec_failure_clear(failure);
    else
        ec_fail(failure, status, "%s: event %s, version %lld of stream %s: %s", definition->name,
                event->type, (long long)event->version, event->stream_id,
                failure->status == status ? failure->message : ec_status_description(status));
    return status;
}

static ec_status fold(ec_execution *execution, void *state)
{
    ec_failure *failure = &execution->context.failure;
    ec_events *read = execution->read;
    size_t answered = 0;

    for (size_t i = 0; i < execution->streams.count; i++)
        execution->streams.streams[i].version = -1;
    for (size_t i = 0; i < read->row_count; i++) {
        ec_row *row = &read->rows[i];
        ec_stream *stream = ec_streams_find(&execution->streams, row->event.stream_id);

        if (stream == NULL || row->stream_version < row->event.version)
            return ec_fail(failure, EC_PROTOCOL_ERROR,
                           "the server's reply has an event of a stream that was not asked for, or "
                           "beyond its version");
        answered += stream->version < 0;
        stream->version = row->stream_version;
        row->event.stream = stream;
    }
    if (answered != execution->streams.count)
        return ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply leaves out a stream");
    for (size_t i = 0; i < read->event_count; i++)
        if (apply_event(execution, state, &read->rows[i].event) != EC_OK)
            return failure->status;
    return EC_OK;
}

static ec_status decide(ec_execution *execution, const void *state)
{
    const ec_definition *definition = execution->definition;
    ec_context *context = &execution->context;
    ec_status status = definition->handle(execution->command, state, context);

    if (context->failure.status == EC_OK && status != EC_OK)
        ec_fail(&context->failure, status, "%s: its handler failed: %s", definition->name,
                ec_status_description(status));
    return context->failure.status;
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

static void take_read(ec_execution *execution, ec_events *rows)
{
    ec_context *context = &execution->context;
    void *state = ec_alloc(context, execution->definition->state_size);

    execution->read = rows;
    if (state == NULL || fold(execution, state) != EC_OK || decide(execution, state) != EC_OK) {
        if (ec_status_is_rejection(context->failure.status) && !copy_rejection(execution))
            finish_out_of_memory(execution);
        else
            finish_with(execution, &context->failure);
        return;
    }
    if (context->entry_count == 0 && !execution->options.verify)
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
    failure.violations = ec_violations_of(rows, &failure.memory);
    failure.violation_count = rows->row_count;
    if (failure.violations == NULL || !ec_outcome_conflict(execution->outcome, rows)) {
        ec_failure_clear(&failure);
        finish_out_of_memory(execution);
    } else if (execution->definition == NULL)
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
    finish(execution);
}

ec_status ec_execution_encode(const ec_execution *execution, ec_call *call, ec_arena *memory,
                              ec_failure *failure)
{
    const ec_stream_set *streams = &execution->streams;
    const ec_context *context = &execution->context;
    const char **ids;
    int64_t *versions;

    if (execution->step == EC_STEP_APPEND)
        return ec_call_try_append(call, memory, context->entries, context->entry_count,
                                  execution->expected, execution->expected_count, execution->store,
                                  failure);
    ids = ec_arena_array(memory, streams->count, sizeof *ids);
    versions = ec_arena_array(memory, streams->count, sizeof *versions);
    if (ids == NULL || versions == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for the parameters of a statement");
    for (size_t i = 0; i < streams->count; i++) {
        ids[i] = streams->streams[i].id;
        versions[i] = streams->streams[i].version;
    }
    return ec_call_read_streams(call, memory, ids, streams->count, versions, execution->store,
                                failure);
}

void ec_execution_rows(ec_execution *execution, ec_events *rows)
{
    ec_failure_clear(&execution->failure);
    if (execution->step == EC_STEP_READ) {
        take_read(execution, rows);
        return;
    }
    take_append(execution, rows);
    ec_events_free(rows);
}

void ec_execution_failed(ec_execution *execution, ec_failure *failure, bool maybe_done)
{
    if (execution->step == EC_STEP_APPEND && maybe_done)
        execution->in_doubt = true;
    if (ec_is_retriable(failure))
        retry_after(execution, failure);
    else
        finish_with(execution, failure);
}

void ec_execution_resume(ec_execution *execution)
{
    ec_failure_clear(&execution->failure);
    begin_attempt(execution);
}

void ec_execution_free(ec_execution *execution)
{
    end_attempt(execution);
    ec_arena_free(&execution->memory);
    ec_failure_clear(&execution->failure);
}
