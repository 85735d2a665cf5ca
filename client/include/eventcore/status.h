/**
 * @file
 * Statuses, and identifiers.
 */
#ifndef EVENTCORE_STATUS_H
#define EVENTCORE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what the library exports. */
#define EC_API __attribute__((__visibility__("default")))
/** What a header makes may stay unused. */
#define EC_UNUSED __attribute__((__unused__))
/** The compiler checks the arguments of a printf format. */
#define EC_PRINTF(format_at, first_at) __attribute__((__format__(__printf__, format_at, first_at)))

/**
 * Statuses: X(NAME, name, number, description). Those from 101 on are the store's own errors, 100
 * more than the number in their SQLSTATE (VE001 is 101).
 */
#define EC_STATUSES(X)                                                                             \
    X(OK, ok, 0, "success")                                                                        \
    X(REJECTED, rejected, 1, "the command was rejected: a rule does not allow it")                 \
    X(INVALID_ARGUMENT, invalid_argument, 2, "an argument is not valid")                           \
    X(UNBOUND_STREAM, unbound_stream, 3, "a declared stream has no id")                            \
    X(UNKNOWN_EVENT, unknown_event, 4, "an event is of a type that its reader does not know")      \
    X(NO_MEMORY, no_memory, 5, "out of memory")                                                    \
    X(CONNECTION_LOST, connection_lost, 6, "there is no connection to the server")                 \
    X(TIMEOUT, timeout, 7, "the deadline has passed")                                              \
    X(SERVER_ERROR, server_error, 8, "the server reported an error")                               \
    X(PROTOCOL_ERROR, protocol_error, 9, "the server's reply is not in the expected form")         \
    X(FORBIDDEN, forbidden, 11, "the command was rejected: its caller is not allowed to do it")    \
    X(INVALID_COMMAND, invalid_command, 12, "the command was rejected: it is not valid in itself") \
    X(CANCELLED, cancelled, 13, "the program asked to stop")                                       \
    X(PENDING, pending, 14, "a task has not ended yet")                                            \
    X(FAILED, failed, 10, "a callback failed for a reason of its own")                             \
    X(VERSION_CONFLICT, version_conflict, 101, "a stream is not at its expected version")          \
    X(UNDECLARED_STREAM, undeclared_stream, 102, "a stream was written that is not declared so")   \
    X(CONFLICTING_EXPECTATION, conflicting_expectation, 103, "two expectations for one stream")    \
    X(INVALID_STREAM_ID, invalid_stream_id, 104, "a stream id is not valid")                       \
    X(INVALID_EVENT, invalid_event, 105, "an event is not valid")                                  \
    X(DUPLICATE_EVENT_ID, duplicate_event_id, 106, "an event id is taken by another event")        \
    X(INVALID_EXPECTED_VERSION, invalid_expected_version, 107, "an expected version is not valid") \
    X(STORE_NOT_FOUND, store_not_found, 108, "there is no such store")                             \
    X(POSITION_BEYOND_LOG, position_beyond_log, 109, "a position lies beyond the end of the log")  \
    X(POSITION_REGRESSED, position_regressed, 110, "the position sequence is behind the log")      \
    X(APPEND_ONLY, append_only, 111, "events cannot be changed or removed")                        \
    X(UNSUPPORTED_TRIGGER, unsupported_trigger, 112, "a trigger on events could change them")      \
    X(RELATION_MISMATCH, relation_mismatch, 113, "the store's tables are not as expected")         \
    X(STORE_EXISTS, store_exists, 114, "there is such a store already")                            \
    X(INVALID_STORE_NAME, invalid_store_name, 115, "the name of a store is not valid")             \
    X(INVALID_FILTER, invalid_filter, 116, "a filter of the log is not valid")                     \
    X(OWN_APPEND_OPEN, own_append_open, 117, "a transaction that has appended cannot wait")        \
    X(HORIZON_NOT_PUBLISHED, horizon_not_published, 120,                                           \
      "nobody publishes how far the log is settled")                                               \
    X(LOG_IS_REPLICA, log_is_replica, 121, "the log is written on another server")                 \
    X(SUBSCRIPTION_NOT_FOUND, subscription_not_found, 123, "there is no such subscription")        \
    X(SUBSCRIPTION_EXISTS, subscription_exists, 124, "there is such a subscription already")       \
    X(INVALID_SUBSCRIPTION, invalid_subscription, 125, "a subscription cannot be like that")       \
    X(MEMBER_NOT_FOUND, member_not_found, 126, "the consumer group has no such member")            \
    X(MEMBER_CLAIMED, member_claimed, 127, "another session has claimed the member")               \
    X(NOT_DELIVERED, not_delivered, 128, "the checkpoint lies beyond what was delivered")          \
    X(INVALID_PROJECTION, invalid_projection, 135, "a projection's definition is not valid")       \
    X(PROJECTION_EXISTS, projection_exists, 136, "there is such a projection already")             \
    X(PROJECTION_NOT_FOUND, projection_not_found, 137, "there is no such projection")              \
    X(PROJECTION_UNUSABLE, projection_unusable, 138, "a projection's owner or handler is gone")    \
    X(PROJECTION_RECURSION, projection_recursion, 139, "a projection reacts to itself, endlessly")

/** A result: those of EC_STATUSES. EC_OK is zero. */
typedef enum ec_status {
/** @cond */
#define EC_STATUS_(NAME, name, number, description) EC_##NAME = number,
    EC_STATUSES(EC_STATUS_)
#undef EC_STATUS_
    /** @endcond */
} ec_status;

/** A UUID in network byte order. */
typedef struct ec_uuid {
    uint8_t bytes[16]; /**< as they are written, from left to right */
} ec_uuid;

/** Whether the status is a rejection: EC_REJECTED, EC_FORBIDDEN or EC_INVALID_COMMAND. */
EC_API bool ec_status_is_rejection(ec_status status);

/** The name of a status as in EC_STATUSES, such as "version_conflict". Never NULL. */
EC_API const char *ec_status_name(ec_status status);

/** A status in words. Never NULL. */
EC_API const char *ec_status_description(ec_status status);

/** The library's version, such as "0.1.0". */
EC_API const char *ec_version(void);

/**
 * Make a UUIDv7, which sorts by its time of making.
 * @return EC_OK, or EC_FAILED if the system has no random numbers.
 */
EC_API ec_status ec_uuid_new(ec_uuid *uuid);

#define EC_UUID_TEXT_SIZE 37 /**< 36 characters and a NUL */

/** Write a UUID as 36 lower-case characters and a NUL. */
EC_API void ec_uuid_format(const ec_uuid *uuid, char text[EC_UUID_TEXT_SIZE]);

/**
 * Make the id of a new stream, such as "order-0198a1b2-...".
 * @param category  what it begins with; behind it come a hyphen and a new UUID.
 * @param id        is where it is written to.
 * @param size      of `id` in bytes, at least strlen(category) + 1 + EC_UUID_TEXT_SIZE.
 * @return EC_OK, EC_INVALID_ARGUMENT if the size is less, or as ec_uuid_new(); on failure `id` is
 *         empty, unless its size is 0.
 */
EC_API ec_status ec_stream_id_new(const char *category, char *id, size_t size);

#ifdef __cplusplus
}
#endif

#endif
