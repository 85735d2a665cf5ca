/**
 * @file
 * A connection to a store, and its last error.
 */
#ifndef EVENTCORE_CONNECTION_H
#define EVENTCORE_CONNECTION_H

#include "event.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A connection to a store, with its last error; for one thread at a time. */
typedef struct ec_connection ec_connection;

/** What is under way on a connection; see task.h. */
typedef struct ec_task ec_task;

/** A stream that was not at its expected version. */
typedef struct ec_violation {
    const char *stream_id; /**< the stream */
    int64_t expected;      /**< a version, or one of the EC_EXPECT_* values */
    int64_t actual;        /**< the version found; 0 = the stream does not exist */
} ec_violation;

/** Options of ec_connect(). Initialise with EC_CONNECT_OPTIONS_INIT. */
typedef struct ec_connect_options {
    size_t struct_size; /**< sizeof the struct, set by its initialiser */
    const char *store;  /**< NULL: the store `default` */
    int64_t timeout_ms; /**< for connecting, and for each ec_append and ec_read_*; 0: no limit */
    bool unprepared;    /**< no prepared statements, for a pooler in transaction mode. Without it
                             the library finds out by itself, at the price of a try */
    bool lazy;          /**< ec_connect() only notes all this, and the first call connects */
} ec_connect_options;

/** The defaults: the store `default`, no limit of time, prepared statements. */
#define EC_CONNECT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ec_connect_options), NULL, 0, false, false                                          \
    }

/**
 * Connect to a server. That the database has the extension and the store the first call finds out:
 * without the extension it fails with EC_SERVER_ERROR, `schema "eventcore" does not exist`.
 *
 * @param connection  is set to a new handle, on failure too, so that its error can be read; only
 *                    when memory runs out to NULL. Give it to ec_close() in every case.
 * @param conninfo    a libpq connection string, URI or database name; NULL: the PG* environment.
 * @param options     NULL: the defaults.
 * @return EC_OK, EC_CONNECTION_LOST (whatever libpq says, for a `conninfo` that it does not
 *         understand too), EC_TIMEOUT, EC_INVALID_ARGUMENT for the options, or EC_NO_MEMORY.
 */
EC_API ec_status ec_connect(ec_connection **connection, const char *conninfo,
                            const ec_connect_options *options);

/** Close a connection and free its handle. NULL is allowed. */
EC_API void ec_close(ec_connection *connection);

/**
 * Set the metadata of all that this connection writes from now on.
 * @param connection  of the thread that calls.
 * @param metadata    is copied; NULL: none.
 * @return EC_OK, EC_INVALID_ARGUMENT for a traceparent that is not one, or EC_NO_MEMORY; on failure
 *         the former metadata stays.
 */
EC_API ec_status ec_set_metadata(ec_connection *connection, const ec_metadata *metadata);

/**
 * The last failed call's status; EC_OK if the last call succeeded. What this and the functions
 * below return lives until the next call on the handle. All of them take NULL for a handle that
 * could not be made (EC_NO_MEMORY).
 */
EC_API ec_status ec_error_status(const ec_connection *connection);

/** The last error in words, without its detail and hint. Never NULL. */
EC_API const char *ec_error_message(const ec_connection *connection);

/** The SQLSTATE of the last error; "" if it did not come from the server. Never NULL. */
EC_API const char *ec_error_sqlstate(const ec_connection *connection);

/** The server's detail (for the store's own errors a JSON object); "" if there is none. */
EC_API const char *ec_error_detail(const ec_connection *connection);

/** The server's hint; "" if there is none. */
EC_API const char *ec_error_hint(const ec_connection *connection);

/** The number of streams that were not at their expected version. */
EC_API size_t ec_error_violation_count(const ec_connection *connection);

/** One of them; NULL if there are not so many. */
EC_API const ec_violation *ec_error_violation(const ec_connection *connection, size_t index);

/**
 * Whether the same command may succeed if it is executed again from its read on: conflicts,
 * serialization failures, deadlocks, exhausted lock memory, lost connections, and statements that
 * were prepared in another session.
 */
EC_API bool ec_error_is_retriable(const ec_connection *connection);

#ifdef __cplusplus
}
#endif

#endif
