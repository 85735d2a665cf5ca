/**
 * @file
 * Reading streams and the log without a command.
 */
#ifndef EVENTCORE_READ_H
#define EVENTCORE_READ_H

#include "connection.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Options of ec_read_stream() and ec_iterate_stream(). Initialise with EC_READ_OPTIONS_INIT. */
typedef struct ec_read_options {
    size_t struct_size;    /**< sizeof the struct, set by its initialiser */
    int64_t after_version; /**< exclusive; 0: from the beginning, or backward from the end */
    int64_t max_count;     /**< 0: no limit */
    bool backward;         /**< latest first; after_version then is the version to stay below */
    int chunk_size;        /**< of ec_iterate_stream() alone: events a round trip, at least 1 */
} ec_read_options;

/** The defaults: everything, forward. */
#define EC_READ_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(ec_read_options), 0, 0, false, 1000                                                 \
    }

/**
 * Read one stream, in the order of its versions. A stream that does not exist gives no events.
 * @param connection  of the thread that calls.
 * @param stream_id   the stream.
 * @param options     NULL: the whole stream, forward.
 * @param events      is set to a list to be freed with ec_events_free(); on failure to NULL.
 * @return EC_OK, EC_CONNECTION_LOST, EC_TIMEOUT, EC_INVALID_STREAM_ID or another server error.
 */
EC_API ec_status ec_read_stream(ec_connection *connection, const char *stream_id,
                                const ec_read_options *options, ec_events **events);

/**
 * Read several streams as of one instant, in global order.
 * @param connection      of the thread that calls.
 * @param stream_ids      their ids.
 * @param stream_count    their number.
 * @param after_versions  one a stream, exclusive; NULL: everything.
 * @param events          as for ec_read_stream(); ec_events_stream_version() knows each stream.
 * @return as ec_read_stream().
 */
EC_API ec_status ec_read_streams(ec_connection *connection, const char *const *stream_ids,
                                 size_t stream_count, const int64_t *after_versions,
                                 ec_events **events);

/**
 * Read the log of the whole store in global order. To go on, pass the position of the last event
 * that was read: nothing is skipped, however commits interleave.
 * @param connection  of the thread that calls.
 * @param after       a position, exclusive; 0: from the beginning.
 * @param max_count   the most events to read, at least 1.
 * @param events      as for ec_read_stream().
 * @return as ec_read_stream(), EC_POSITION_BEYOND_LOG, and EC_INVALID_ARGUMENT for a max_count
 *         below 1.
 */
EC_API ec_status ec_read_all(ec_connection *connection, int64_t after, int64_t max_count,
                             ec_events **events);

#ifdef __cplusplus
}
#endif

#endif
