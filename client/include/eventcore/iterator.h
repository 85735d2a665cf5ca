/**
 * @file
 * Iterators over a stream or the log of a store, however long.
 *
 *     ec_log_options options = EC_LOG_OPTIONS_INIT;
 *     options.category = "account";
 *     status = ec_iterate_log(connection, &options, &iterator);
 *     while (status == EC_OK && (status = ec_iterator_next(iterator, &event)) == EC_OK &&
 *            event != NULL)
 *         show(event);
 *     ec_iterator_free(iterator);
 *
 * Events come in chunks, a round trip each, and one chunk is in memory at a time. No transaction
 * and no cursor is held between them: the connection may be used for anything else meanwhile, and
 * if it is lost, the iterator goes on behind the last event on a new one.
 */
#ifndef EVENTCORE_ITERATOR_H
#define EVENTCORE_ITERATOR_H

#include "read.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A place in a stream or the log, from where on events are read. */
typedef struct ec_iterator ec_iterator;

/**
 * Which events of the log, and from where on. All filters must hold; they are those of the SQL
 * function read_all. Initialise with EC_LOG_OPTIONS_INIT.
 */
typedef struct ec_log_options {
    size_t struct_size;         /**< sizeof the struct, set by its initialiser */
    int64_t after;              /**< a position, exclusive; 0: from the beginning, or backward from
                                   the end */
    int64_t max_count;          /**< of the events that pass the filters; 0: no limit */
    const char *const *types;   /**< events of one of these types; NULL: of any */
    size_t type_count;          /**< the number of types */
    const char *category;       /**< of the stream: what stands before the first "-"; NULL: any */
    const char *prefix;         /**< of the stream id; NULL: any */
    const char *pattern;        /**< of the stream id, as a glob: * ? [a-z] [!x]; NULL: any */
    const char *correlation_id; /**< in the metadata; NULL: any */
    bool backward;              /**< latest first; `after` then is the position to stay below */
    int member;                 /**< of a group that shares the streams out, from 0 on */
    int group_size;             /**< the members of that group; 0: everything */
    int chunk_size;             /**< the most events a round trip, and in memory; at least 1 */
} ec_log_options;

/** The defaults: the whole log, forward, in chunks of 1,000 events. */
#define EC_LOG_OPTIONS_INIT                                                                        \
    {                                                                                              \
        sizeof(ec_log_options), 0, 0, NULL, 0, NULL, NULL, NULL, NULL, false, 0, 0, 1000           \
    }

/**
 * Begin to read the log of the whole store, in global order. Nothing is asked of the server yet.
 * @param connection  of the thread that calls; it is used by ec_iterator_next().
 * @param options     NULL: the defaults. All of it is copied.
 * @param iterator    is set to a new iterator, to be freed with ec_iterator_free(); on failure to
 *                    NULL.
 * @return EC_OK, EC_INVALID_ARGUMENT or EC_NO_MEMORY.
 */
EC_API ec_status ec_iterate_log(ec_connection *connection, const ec_log_options *options,
                                ec_iterator **iterator);

/**
 * Begin to read one stream, in the order of its versions. Nothing is asked of the server yet.
 * @param connection  as for ec_iterate_log().
 * @param stream_id   the stream; one that does not exist has no events.
 * @param options     NULL: the whole stream, forward.
 * @param iterator    as for ec_iterate_log().
 * @return as ec_iterate_log().
 */
EC_API ec_status ec_iterate_stream(ec_connection *connection, const char *stream_id,
                                   const ec_read_options *options, ec_iterator **iterator);

/**
 * The next event. Nothing is skipped and nothing is given twice, however commits interleave: the
 * log is read as far as it is settled, so that an append that is still open holds back what stands
 * behind it.
 *
 * An end may be followed by more: it is where the last chunk ended, and the next call looks for
 * what was appended since. So a reader follows the log by calling again after a while. (With a
 * filter, each such call looks again at all that stands behind the last event given; a
 * subscription does not.) Only the end of a backward iterator, or of `max_count`, stays one.
 *
 * A failure does not move the iterator: the next call tries again from the same place.
 *
 * @param iterator  of a connection of the thread that calls, whose `timeout_ms` limits each chunk.
 * @param event     is set to the event, which lives until the next call, or to NULL at the end
 *                  and on failure.
 * @return EC_OK, also at the end; EC_CONNECTION_LOST if a new connection could not be made or was
 *         lost again; EC_TIMEOUT; for the log EC_INVALID_FILTER and EC_POSITION_BEYOND_LOG, for a
 *         stream EC_INVALID_STREAM_ID; or another server error. The connection has its details.
 */
EC_API ec_status ec_iterator_next(ec_iterator *iterator, const ec_event **event);

/** Free an iterator with its event, before or after its connection is closed. NULL is allowed. */
EC_API void ec_iterator_free(ec_iterator *iterator);

#ifdef __cplusplus
}
#endif

#endif
