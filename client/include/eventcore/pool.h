/**
 * @file
 * A pool of connections for threads.
 *
 *     ec_pool_new(&pool, "dbname=bank", NULL);
 *     ... in each thread, for each request:
 *     if (ec_pool_acquire(pool, 2000, &connection) == EC_OK)
 *         transfer_execute(connection, &streams, &command, &outcome);
 *     else
 *         complain(ec_error_message(connection));
 *     ec_pool_release(pool, connection);
 *     ...
 *     ec_pool_free(pool);
 *
 * There are never more connections than `max_size`. They are made when they are wanted; one that
 * was given back is handed out again, the latest first, if it is sound. When all are in use,
 * threads wait, and are served in the order in which they came.
 */
#ifndef EVENTCORE_POOL_H
#define EVENTCORE_POOL_H

#include "connection.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A pool of connections to one store. May be used by many threads at once. */
typedef struct ec_pool ec_pool;

/** Options of ec_pool_new(). Initialise with EC_POOL_OPTIONS_INIT. */
typedef struct ec_pool_options {
    size_t struct_size;                /**< sizeof the struct, set by its initialiser */
    const ec_connect_options *connect; /**< of each connection, copied; NULL: the defaults */
    int max_size;                      /**< the most connections at a time, at least 1 */
    int64_t check_after_ms; /**< a connection that was idle for so long is only handed out after the
                               server has answered on it; 0: always checked so */
    int64_t max_idle_ms; /**< one that is idle for longer is closed when the pool is next used; 0:
                            never */
} ec_pool_options;

/** The defaults: 10 connections, asked whether they live after a second idle, and never closed. */
#define EC_POOL_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(ec_pool_options), NULL, 10, 1000, 0                                                 \
    }

/**
 * Make a pool. Nothing is connected yet.
 * @param pool      is set to the new pool, to be freed with ec_pool_free(); on failure to NULL.
 * @param conninfo  as for ec_connect(); is copied.
 * @param options   NULL: the defaults.
 * @return EC_OK; EC_INVALID_ARGUMENT if the options, or those in `connect`, are not initialised,
 *         max_size is below 1 or a time is negative; EC_NO_MEMORY.
 */
EC_API ec_status ec_pool_new(ec_pool **pool, const char *conninfo, const ec_pool_options *options);

/**
 * Take a connection for this thread: an idle one, a new one, or the next to be given back.
 *
 * An idle connection is not handed out if the server has closed it, or does not answer within a
 * second where it is asked (see `check_after_ms`): a new one is made in its place. While a thread
 * connects or asks, others go on.
 *
 * @param pool        the pool.
 * @param timeout_ms  for waiting and connecting together; 0: no limit. The connection's own
 *                    `timeout_ms` limits connecting as well.
 * @param connection  is set to a handle, on failure too, so that its error can be read; only when
 *                    memory runs out to NULL. Give it to ec_pool_release() in every case.
 * @return EC_OK; EC_TIMEOUT, with a message that says how many are in use; EC_CONNECTION_LOST if
 *         the server cannot be reached; EC_CANCELLED if the pool is freed meanwhile;
 *         EC_INVALID_ARGUMENT for a negative time; EC_NO_MEMORY.
 */
EC_API ec_status ec_pool_acquire(ec_pool *pool, int64_t timeout_ms, ec_connection **connection);

/**
 * Give a connection back, from whichever thread. Its last error and what ec_set_metadata() has set
 * are forgotten. It is closed if it was lost, or is in a transaction or amid a statement.
 *
 * @param pool        the pool that it comes from.
 * @param connection  is not to be used any more, nor are iterators over it. NULL is allowed.
 */
EC_API void ec_pool_release(ec_pool *pool, ec_connection *connection);

/** How a pool is used. Initialise with EC_POOL_USAGE_INIT. */
typedef struct ec_pool_usage {
    size_t struct_size; /**< sizeof the struct, set by its initialiser */
    size_t in_use;      /**< connections that are out, or just being made or checked */
    size_t idle;        /**< connections that are not */
    size_t waiting;     /**< threads that wait for one */
    int64_t connects;   /**< connections made since the pool was, failures included */
    int64_t timeouts;   /**< threads that have waited in vain since then */
} ec_pool_usage;

/** The initialiser of an ec_pool_usage. */
#define EC_POOL_USAGE_INIT                                                                         \
    {                                                                                              \
        sizeof(ec_pool_usage), 0, 0, 0, 0, 0                                                       \
    }

/**
 * Look how a pool is used.
 * @param pool   the pool.
 * @param usage  is filled, as of one instant.
 * @return EC_OK, or EC_INVALID_ARGUMENT if it is not initialised.
 */
EC_API ec_status ec_pool_look(ec_pool *pool, ec_pool_usage *usage);

/**
 * Free a pool: idle connections are closed, and threads that wait fail with EC_CANCELLED.
 * Connections that are out can be used on and must still be released, which closes them; nothing
 * else may be done with the pool from now on. NULL is allowed.
 */
EC_API void ec_pool_free(ec_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
