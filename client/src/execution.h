/*
 * execution.h: the execution of a command as a state machine without I/O.
 *
 * A driver starts it and then does what `step` says until that is EC_STEP_DONE:
 *
 *     EC_STEP_READ    read `streams`, each behind its `version`, as of one instant
 *     EC_STEP_APPEND  append `context.entries` with the expectations `expected`
 *     EC_STEP_SAVE    save a snapshot; the result is there already, and will not change
 *                     (all three: pass on the rows of the reply, or the failure)
 *     EC_STEP_SLEEP   let `delay_us` pass, and resume
 *     EC_STEP_DONE    take the result: `failure` (its status is EC_OK on success) and the outcome
 *
 * If `locked`, READ begins a transaction, in place of one that is open, and locks the streams
 * before it reads them; APPEND ends that transaction with COMMIT. What is open at SLEEP or DONE is
 * to be rolled back. Executions with the option lock_after = -1 are never locked.
 *
 * The driver owns connection and clock: it connects before sending, encodes what is to be sent, and
 * when the deadline passes, or it is cancelled, it reports a failure with EC_TIMEOUT or
 * EC_CANCELLED.
 */
#ifndef EC_EXECUTION_H
#define EC_EXECUTION_H

#include "command.h"
#include "outcome.h"
#include "snapshot.h"

typedef enum ec_step {
    EC_STEP_READ,
    EC_STEP_APPEND,
    EC_STEP_SLEEP,
    EC_STEP_SAVE,
    EC_STEP_DONE
} ec_step;

/* What its hooks are to be told of; see observe.h. Without hooks, `on` is all that is looked at. */
typedef struct ec_observation {
    bool on;
    ec_hooks hooks;
    int64_t started;
    int64_t last;        /* when the phase that goes on began */
    int64_t phase_us[4]; /* by ec_phase */
} ec_observation;

typedef struct ec_execution {
    ec_step step;
    int64_t delay_us;
    ec_failure failure;

    const ec_definition *definition; /* NULL: an append by itself, without a command */
    const void *command;
    const char *store;
    ec_execute_options options;
    ec_outcome *outcome;
    ec_arena memory;            /* of the whole execution */
    ec_stream_set given;        /* the streams that an attempt starts with, as kept replies are */
    ec_added_metadata metadata; /* its keys live in the caller's memory */
    int lost_races;
    bool in_doubt; /* the append was sent and may have been done */
    bool rereads;  /* the next attempt starts with nothing that this one has read */
    bool fleeting; /* set by a driver whose replies do not outlive the attempt */

    ec_events *replies[EC_MAX_REPLIES]; /* to reads, those of attempts before first */
    size_t reply_count;
    size_t kept_count;
    ec_observation observation;

    /* Of the attempt: */
    bool locked;
    ec_stream_set streams;
    size_t reads;          /* so far */
    bool whole;            /* it cannot start from a snapshot */
    bool discovered;       /* it has more streams than were given */
    ec_snapshot snapshot;  /* what it has started from; without bytes: nothing */
    ec_snapshot left;      /* what SAVE is to save */
    int64_t last_position; /* of the events in the state */
    void *state;
    ec_context context;
    const ec_expectation *expected; /* NULL: none */
    size_t expected_count;
} ec_execution;

/*
 * Start a command. `definition`, `command` and `store` must live as long as the execution; `ids`,
 * the streams struct, is copied. `options->metadata`, NULL for none, is all that is to be added,
 * the connection's included; it must live as long as the execution, and so with `options->hooks`.
 * `outcome` is empty.
 */
void ec_execution_start(ec_execution *execution, const ec_definition *definition, const void *ids,
                        const void *command, const ec_execute_options *options, const char *store,
                        ec_outcome *outcome);

/*
 * Start an append of these events, with these expectations or, if NULL, with none. Of the options,
 * NULL for the defaults, `metadata` and `hooks` are as above.
 */
void ec_execution_start_append(ec_execution *execution, const ec_stream_event *events,
                               size_t event_count, const ec_expectation *expected,
                               size_t expected_count, const ec_execute_options *options,
                               const char *store, ec_outcome *outcome);

/* The calls that READ or APPEND asks for, encoded into `memory`. */
ec_status ec_execution_encode(const ec_execution *execution, ec_round_trip *trip, ec_arena *memory,
                              ec_failure *failure);

/* The rows of the reply, which are taken over. */
void ec_execution_rows(ec_execution *execution, ec_events *rows);

/*
 * The step failed. The failure is taken over. `maybe_done` says that the server may have carried it
 * out all the same: it was sent, and there was no reply.
 */
void ec_execution_failed(ec_execution *execution, ec_failure *failure, bool maybe_done);

/* The pause is over. */
void ec_execution_resume(ec_execution *execution);

/* Free what the execution holds, except the outcome. */
void ec_execution_free(ec_execution *execution);

#endif
