/**
 * @file
 * Appending events without a command.
 */
#ifndef EVENTCORE_APPEND_H
#define EVENTCORE_APPEND_H

#include "outcome.h"

#ifdef __cplusplus
extern "C" {
#endif

#define EC_EXPECT_NO_STREAM INT64_C(0) /**< an expected version: there is no such stream yet */
#define EC_EXPECT_ANY INT64_C(-1)      /**< an expected version: whatever it is */
#define EC_EXPECT_EXISTS INT64_C(-2)   /**< an expected version: any but none */

/** A stream and the version it must be at. */
typedef struct ec_expectation {
    const char *stream_id; /**< a stream that is written, or must not have changed */
    int64_t version;       /**< from 1 on, or one of the EC_EXPECT_* values */
} ec_expectation;

/** An event to be appended and its stream. */
typedef struct ec_stream_event {
    const char *stream_id; /**< the stream that it is appended to */
    ec_new_event event;    /**< the event */
} ec_stream_event;

/**
 * Append events to one or several streams, all or none, without a command. Event ids that are not
 * given are made here before the first try, so that after a lost connection, a deadlock or a
 * serialization failure the identical append is repeated and never written twice.
 *
 * @param connection      of the thread that calls.
 * @param events          in the order in which they are to stand in their streams and in the log.
 * @param event_count     the number of events; 0 only checks the expectations.
 * @param expected        every stream written, and streams that must not have changed; NULL: no
 *                        expectation at all. A stream that is written but not named is an error.
 * @param expected_count  the number of expectations.
 * @param outcome         as for ec_execute().
 * @return EC_OK, EC_VERSION_CONFLICT (see ec_error_violation()), EC_UNDECLARED_STREAM,
 *         EC_INVALID_EVENT, EC_DUPLICATE_EVENT_ID, EC_CONNECTION_LOST, EC_TIMEOUT or another
 *         server error.
 */
EC_API ec_status ec_append(ec_connection *connection, const ec_stream_event *events,
                           size_t event_count, const ec_expectation *expected,
                           size_t expected_count, ec_outcome **outcome);

#ifdef __cplusplus
}
#endif

#endif
