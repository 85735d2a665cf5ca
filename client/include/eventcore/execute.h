/**
 * @file
 * Executing commands: one, many in one append, many side by side.
 */
#ifndef EVENTCORE_EXECUTE_H
#define EVENTCORE_EXECUTE_H

#include "command.h"
#include "hooks.h"
#include "outcome.h"
#include "snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ cancellation */

/** A switch that stops executions, for any number of connections and threads. */
typedef struct ec_cancellation ec_cancellation;

/**
 * Make a switch that stops executions: those that are given it in their options, from the moment
 * it is thrown. It may be shared by many connections and threads.
 * @return EC_OK, EC_NO_MEMORY, or EC_FAILED if the system has no file descriptor left.
 */
EC_API ec_status ec_cancellation_new(ec_cancellation **cancellation);

/**
 * Throw the switch: executions end with EC_CANCELLED within moments, also those that sleep or wait
 * for the server. May be called from any thread, and from a signal handler. NULL is allowed, since
 * a signal may come before there is a switch.
 */
EC_API void ec_cancel(ec_cancellation *cancellation);

/** Whether the switch was thrown. Of NULL never. */
EC_API bool ec_is_cancelled(const ec_cancellation *cancellation);

/**
 * A descriptor that becomes readable when the switch is thrown, and remains so: for an event loop
 * to wait for. It belongs to the switch; do not read from it.
 */
EC_API int ec_cancellation_descriptor(const ec_cancellation *cancellation);

/** Free it, when no execution uses it any more. NULL is allowed. */
EC_API void ec_cancellation_free(ec_cancellation *cancellation);

/* ------------------------------------------------------------------ options */

/** A try that failed, for the decision on another one. */
typedef struct ec_failed_attempt {
    ec_status status;     /**< how it failed */
    const char *sqlstate; /**< "" if the failure is not the server's */
    const char *message;  /**< in words */
    int attempts;         /**< tries so far, at least 1 */
    int conflicts;        /**< of them lost to another writer */
} ec_failed_attempt;

/** How a command is executed. Initialise with EC_EXECUTE_OPTIONS_INIT, or one of its kin. */
typedef struct ec_execute_options {
    size_t struct_size;          /**< sizeof the struct, set by its initialiser */
    int max_attempts;            /**< the first try included, at least 1 */
    int lock_after;              /**< after so many lost races (conflicts, serialization failures,
                                      deadlocks) the streams are locked before they are read, so
                                      that the next one cannot be lost; races that ec_execute() has
                                      lost of late on the connection, with commands of this name,
                                      count; 0: from the first try on; -1: never */
    int64_t backoff_base_ms;     /**< before retry n at most base * 2^(n-1) ... */
    int64_t backoff_cap_ms;      /**< ... and never above the cap */
    int jitter_percent;          /**< how much of the pause is random: 100: all of it, 0: nothing */
    int64_t deadline_ms;         /**< for everything together, pauses included; 0: none */
    bool verify;                 /**< check the versions even if nothing is written */
    const ec_metadata *metadata; /**< for what it writes; goes before the connection's */
    ec_cancellation *cancellation; /**< NULL: none */
    /** Asked before each retry of what the library would try again; NULL: always. */
    bool (*retry)(void *argument, const ec_failed_attempt *attempt);
    void *retry_argument;          /**< is passed on to `retry` */
    const ec_snapshots *snapshots; /**< of the command's state, for ec_execute(); NULL: none */
    const ec_hooks *hooks;         /**< in place of the connection's; NULL: those */
} ec_execute_options;

/** The default: 10 tries, locked after three lost races, pauses of 1 to 250 ms, no deadline. */
#define EC_EXECUTE_OPTIONS_INIT EC_EXECUTE_OPTIONS_(10, 3, 1, 250, 0)

/** Somebody waits: 2 seconds in all, short pauses, locked after the first lost race. */
#define EC_EXECUTE_INTERACTIVE_INIT EC_EXECUTE_OPTIONS_(20, 1, 1, 50, 2000)

/** It has time, and must get done: 1,000 tries, through a restart of the server or a failover. */
#define EC_EXECUTE_PERSISTENT_INIT EC_EXECUTE_OPTIONS_(1000, 3, 10, 5000, 0)

/** One try, never again. */
#define EC_EXECUTE_ONCE_INIT EC_EXECUTE_OPTIONS_(1, -1, 0, 0, 0)

/** @cond the options of each kind */
#define EC_EXECUTE_OPTIONS_(max_attempts, lock_after, base_ms, cap_ms, deadline_ms)                \
    {                                                                                              \
        sizeof(ec_execute_options), max_attempts, lock_after, base_ms, cap_ms, 100, deadline_ms,   \
            false, NULL, NULL, NULL, NULL, NULL, NULL                                              \
    }
/** @endcond */

/* ------------------------------------------------------------------ one command */

/**
 * Execute a command: read all its streams as of one instant, fold them in global order with
 * `apply`, decide with `handle`, and append what it wrote only if no declared stream, written or
 * only read, has changed since. If one has, start again from the read, with a zeroed state.
 *
 * Also tried again are serialization failures, deadlocks, exhausted lock memory and lost
 * connections. After a reply was lost the identical append is repeated first: a command is never
 * written twice. `apply`, `resolve` and `handle` run anew in each attempt: keep side effects out
 * of them, and do not use the connection in them. When an attempt is locked (`lock_after`), its
 * streams are locked in a transaction before they are read, which ends with the append: others that
 * want to change them wait for as long as the callbacks take. A connection learns from lost races:
 * while commands of one name keep losing them, the next ones are locked from the first try on,
 * except for one in 16 or so, which finds out whether that is still needed.
 *
 * When the deadline passes, or it is cancelled, the statement under way is cancelled. Events that
 * were appended just before that make a success; see also ec_outcome_in_doubt().
 *
 * @param connection  of the thread that calls.
 * @param definition  lives until the call returns, like all that follows.
 * @param streams     the struct with the ids that the definition's offsets refer to.
 * @param command     is passed on to `apply`, `resolve` and `handle`.
 * @param options     NULL: the defaults.
 * @param outcome     NULL if it is not wanted. Else *outcome is NULL, and an outcome is made, or an
 *                    outcome of an earlier call, which is reused. Free it with ec_outcome_free().
 * @return EC_OK; EC_REJECTED, EC_FORBIDDEN or EC_INVALID_COMMAND; EC_VERSION_CONFLICT when the
 *         attempts are used up; EC_TIMEOUT; EC_CANCELLED; EC_UNBOUND_STREAM, before anything is
 *         read; EC_UNKNOWN_EVENT; what `apply`, `resolve` or `handle` returned; EC_FAILED if
 *         `resolve` does not come to an end;
 *         EC_UNDECLARED_STREAM or EC_INVALID_EVENT from a write, even if `handle` ignored it;
 *         EC_INVALID_ARGUMENT; EC_CONNECTION_LOST or another server error.
 */
EC_API ec_status ec_execute(ec_connection *connection, const ec_definition *definition,
                            const void *streams, const void *command,
                            const ec_execute_options *options, ec_outcome **outcome);

/* ------------------------------------------------------------------ many commands */

/** A command among many, and its result. The command's NAME_prepare() makes it. */
typedef struct ec_command {
    const ec_definition *definition; /**< NAME_definition */
    const void *streams; /**< as for ec_execute(); this and `command` live until the call returns */
    const void *command; /**< as for ec_execute() */
    ec_status status;    /**< the result, as ec_execute() would have returned it */
    ec_outcome
        *outcome; /**< is made or reused as by ec_execute(); free it with ec_outcome_free() */
} ec_command;

/**
 * Execute many commands with one read of all their streams, one append and one commit. Each is
 * atomic for itself and has a result of its own. Handlers run in order, and a command sees what
 * the earlier ones of the batch write: it then stands or falls with them, and is tried again with
 * them. Only commands that lost a race are executed again.
 *
 * An event that is only about to be written has neither a position nor a time yet: both are 0 in
 * `apply`. A command that discovers streams decides behind those that know theirs. If the server
 * refuses commands together, of which one is to blame, each of them is executed by itself, so that
 * each has its own error; so is a command that is to lock its streams (`lock_after`).
 *
 * @param connection  of the thread that calls.
 * @param commands    their results are set.
 * @param count       the number of commands.
 * @param options     as for ec_execute(), for the whole batch; NULL: the defaults. Snapshots are
 * not used.
 * @return EC_OK if all commands are; else the status of the first one that is not, whose error the
 *         handle keeps. Look at each command's own.
 */
EC_API ec_status ec_execute_batch(ec_connection *connection, ec_command *commands, size_t count,
                                  const ec_execute_options *options);

/**
 * Execute many commands that do not depend on each other, each by itself as ec_execute() would, but
 * overlapped on the one connection: a round trip is not waited for before the next is sent. They
 * may run and commit in any order; those that are to lock their streams (`lock_after`) come last,
 * one by one. Arguments and result as for ec_execute_batch().
 */
EC_API ec_status ec_execute_pipelined(ec_connection *connection, ec_command *commands, size_t count,
                                      const ec_execute_options *options);

#ifdef __cplusplus
}
#endif

#endif
