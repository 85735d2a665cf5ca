/**
 * @file
 * Hooks into executions, for metrics, logs and traces; and counters that are ready for use.
 *
 *     ec_counters_new(&counters);
 *     hooks = ec_counters_hooks(counters);
 *     ec_set_hooks(connection, &hooks);          // as many connections as there are
 *     ...
 *     ec_counters_print(counters, file);         // for Prometheus
 *
 * Where no hook is set nothing is measured.
 */
#ifndef EVENTCORE_HOOKS_H
#define EVENTCORE_HOOKS_H

#include <stdio.h>

#include "connection.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a hook is told. All of it lives until the hook returns. Durations are microseconds; among
 * many commands (ec_execute_batch() and its kin) they include that a command waits for the others.
 */
typedef struct ec_hook_info {
    const char *command;         /**< its name; "ec_append" for an append without a command */
    const void *execution;       /**< which one of those that are under way: equal for its hooks */
    const ec_metadata *metadata; /**< in effect; its `traceparent` is the trace context, or NULL */
    ec_status status;            /**< of the conflict, the failed try, or the end; else EC_OK */
    const char *sqlstate;        /**< "" if the failure is not the server's */
    const char *message;         /**< the failure in words, or "" */
    int attempts;                /**< tries, this one included */
    int conflicts;               /**< of them lost to another writer */
    bool locked;                 /**< this try has locked its streams before it read them */
    size_t event_count;          /**< on_commit, on_finish: events written */
    const ec_violation *violations; /**< on_conflict: the streams, else NULL */
    size_t violation_count;         /**< their number */
    int64_t read_us;                /**< of this try: reading its streams */
    int64_t handle_us;              /**< of this try: folding and deciding */
    int64_t append_us;              /**< of this try: appending, and committing */
    int64_t delay_us;               /**< on_retry: of the pause that follows */
    int64_t paused_us;              /**< of all pauses so far */
    int64_t total_us;               /**< since the start */
} ec_hook_info;

/** A hook. It must not use the connection, and should be quick: the command waits for it. */
typedef void ec_hook(void *argument, const ec_hook_info *info);

/** Hooks, called in the thread that executes. Initialise with EC_HOOKS_INIT; NULL: none. */
typedef struct ec_hooks {
    size_t struct_size;   /**< sizeof the struct, set by its initialiser */
    void *argument;       /**< is passed on to the hooks */
    ec_hook *on_attempt;  /**< a try begins */
    ec_hook *on_conflict; /**< it has lost to another writer */
    ec_hook *on_retry;    /**< it has failed, and there will be another */
    ec_hook *on_commit;   /**< the events are written, or without events the versions verified */
    ec_hook *on_finish;   /**< the end, whatever it is; once for each command that was begun */
} ec_hooks;

/** No hooks. */
#define EC_HOOKS_INIT                                                                              \
    {                                                                                              \
        sizeof(ec_hooks), NULL, NULL, NULL, NULL, NULL, NULL                                       \
    }

/**
 * Set the hooks of all that is executed or appended on this connection from now on.
 * @param connection  of the thread that calls.
 * @param hooks       is copied; NULL: none.
 * @return EC_OK, or EC_INVALID_ARGUMENT if they are not initialised, or the connection has a task.
 */
EC_API ec_status ec_set_hooks(ec_connection *connection, const ec_hooks *hooks);

/* ------------------------------------------------------------------ counters */

/**
 * Counts commands by name and result, their tries, conflicts, retries and events, and how long they
 * took; for any number of connections and threads at once.
 */
typedef struct ec_counters ec_counters;

/**
 * Make counters.
 * @return EC_OK or EC_NO_MEMORY.
 */
EC_API ec_status ec_counters_new(ec_counters **counters);

/** The hooks that count, to be set on connections; or to be called from hooks of one's own. */
EC_API ec_hooks ec_counters_hooks(ec_counters *counters);

/**
 * Write the counters in Prometheus' text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). May be called by any thread while
 * others count. For text in memory give it a file of open_memstream().
 * @return EC_OK, or EC_FAILED if writing failed: errno tells.
 */
EC_API ec_status ec_counters_print(const ec_counters *counters, FILE *file);

/** Free them, when no connection counts any more. NULL is allowed. */
EC_API void ec_counters_free(ec_counters *counters);

#ifdef __cplusplus
}
#endif

#endif
