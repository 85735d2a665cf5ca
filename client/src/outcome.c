/* outcome.c: the record of an execution, which outlives it and its connection. */
#include "outcome.h"

#include <stdlib.h>

static void release(ec_event *events, size_t count, ec_arena *memory)
{
    for (size_t i = 0; i < count; i++)
        ec_event_release(&events[i]);
    ec_arena_free(memory);
}

void ec_outcome_forget(ec_outcome *outcome)
{
    if (outcome == NULL)
        return;
    release(outcome->former.events, outcome->former.event_count, &outcome->former.memory);
    outcome->former.event_count = 0;
}

ec_outcome *ec_outcome_prepare(ec_outcome **outcome)
{
    if (*outcome == NULL)
        return *outcome = calloc(1, sizeof **outcome);
    ec_outcome_forget(*outcome);
    **outcome =
        (ec_outcome){.former = {(*outcome)->memory, (*outcome)->events, (*outcome)->event_count}};
    return *outcome;
}

ec_violation *ec_violations_of(const ec_events *rows, ec_arena *memory)
{
    ec_violation *violations = ec_arena_array(memory, rows->row_count, sizeof *violations);

    if (violations == NULL)
        return NULL;
    for (size_t i = 0; i < rows->row_count; i++) {
        const ec_row *row = &rows->rows[i];
        const char *stream_id = ec_arena_string(memory, row->event.stream_id);

        if (stream_id == NULL)
            return NULL;
        violations[i] = (ec_violation){stream_id, row->expected, row->actual};
    }
    return violations;
}

bool ec_outcome_conflict(ec_outcome *outcome, const ec_events *rows)
{
    outcome->conflicts++;
    outcome->violations = ec_violations_of(rows, &outcome->memory);
    outcome->violation_count = outcome->violations == NULL ? 0 : rows->row_count;
    return outcome->violations != NULL;
}

/* What the server made of the event, and what it was made from. False when memory runs out. */
static bool copy_event(ec_event *to, ec_arena *memory, const ec_event *from, const ec_entry *entry)
{
    const ec_new_event *written = &entry->event;

    *to = (ec_event){.version = from->version,
                     .position = from->position,
                     .recorded_at = from->recorded_at,
                     .payload_size = written->payload_size,
                     .memory = memory};
    to->stream_id = ec_arena_string(memory, from->stream_id);
    to->id = ec_arena_copy(memory, from->id, sizeof *from->id);
    to->type = ec_arena_string(memory, written->type);
    to->data = ec_arena_string(memory, written->data);
    to->metadata = ec_arena_string(memory, written->metadata);
    if (written->payload != NULL)
        to->payload = ec_arena_copy(memory, written->payload, written->payload_size);
    return to->stream_id != NULL && to->id != NULL && to->type != NULL &&
           (to->data == NULL) == (written->data == NULL) &&
           (to->metadata == NULL) == (written->metadata == NULL) &&
           (to->payload == NULL) == (written->payload == NULL);
}

bool ec_outcome_appended(ec_outcome *outcome, const ec_entry *entries, const ec_events *rows)
{
    outcome->events = ec_arena_array(&outcome->memory, rows->event_count, sizeof *outcome->events);
    if (outcome->events == NULL)
        return false;
    for (size_t i = 0; i < rows->event_count; i++)
        if (!copy_event(&outcome->events[i], &outcome->memory, &rows->rows[i].event, &entries[i]))
            return false;
    outcome->event_count = rows->event_count;
    return true;
}

bool ec_outcome_end(ec_outcome *outcome, const ec_failure *failure)
{
    outcome->status = failure->status;
    outcome->message = ec_arena_string(&outcome->memory, failure->message);
    return (outcome->message == NULL) == (failure->message == NULL);
}

int ec_outcome_attempts(const ec_outcome *outcome)
{
    return outcome == NULL ? 0 : outcome->attempts;
}

int ec_outcome_conflicts(const ec_outcome *outcome)
{
    return outcome == NULL ? 0 : outcome->conflicts;
}

size_t ec_outcome_event_count(const ec_outcome *outcome)
{
    return outcome == NULL ? 0 : outcome->event_count;
}

const ec_event *ec_outcome_event(const ec_outcome *outcome, size_t index)
{
    return index < ec_outcome_event_count(outcome) ? &outcome->events[index] : NULL;
}

size_t ec_outcome_violation_count(const ec_outcome *outcome)
{
    return outcome == NULL ? 0 : outcome->violation_count;
}

const ec_violation *ec_outcome_violation(const ec_outcome *outcome, size_t index)
{
    return index < ec_outcome_violation_count(outcome) ? &outcome->violations[index] : NULL;
}

ec_status ec_outcome_status(const ec_outcome *outcome)
{
    return outcome == NULL ? EC_OK : outcome->status;
}

const char *ec_outcome_message(const ec_outcome *outcome)
{
    return outcome == NULL || outcome->message == NULL ? "" : outcome->message;
}

const char *ec_outcome_rejection_code(const ec_outcome *outcome)
{
    return outcome == NULL ? NULL : outcome->rejection_code;
}

const char *ec_outcome_rejection_message(const ec_outcome *outcome)
{
    return outcome == NULL ? NULL : outcome->rejection_message;
}

bool ec_outcome_in_doubt(const ec_outcome *outcome)
{
    return outcome != NULL && outcome->in_doubt;
}

void ec_outcome_free(ec_outcome *outcome)
{
    if (outcome == NULL)
        return;
    ec_outcome_forget(outcome);
    release(outcome->events, outcome->event_count, &outcome->memory);
    free(outcome);
}
