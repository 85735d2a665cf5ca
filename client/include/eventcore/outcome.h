/**
 * @file
 * What came of a command or an append.
 */
#ifndef EVENTCORE_OUTCOME_H
#define EVENTCORE_OUTCOME_H

#include "connection.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What came of a command or an append. It belongs to the caller, and outlives its connection; what
 * it hands out lives until the next call that it is given to has ended (so that call's arguments
 * may lie in it), or until it is freed. All functions take NULL, as a variable holds that no call
 * has set: nothing was tried.
 */
typedef struct ec_outcome ec_outcome;

/** How often the command was tried: 1 if at once. A repeated append counts as a try. */
EC_API int ec_outcome_attempts(const ec_outcome *outcome);

/** How many tries lost to another writer. */
EC_API int ec_outcome_conflicts(const ec_outcome *outcome);

/** The number of events written; 0 if the command failed. */
EC_API size_t ec_outcome_event_count(const ec_outcome *outcome);

/** An event written, in the order of writing; NULL if there are not so many. */
EC_API const ec_event *ec_outcome_event(const ec_outcome *outcome, size_t index);

/** The number of streams that made the last conflict, even if a later try succeeded. */
EC_API size_t ec_outcome_violation_count(const ec_outcome *outcome);

/** One of them; NULL if there are not so many. */
EC_API const ec_violation *ec_outcome_violation(const ec_outcome *outcome, size_t index);

/** The status of the call. */
EC_API ec_status ec_outcome_status(const ec_outcome *outcome);

/** The error of the call in words; "" for EC_OK. Never NULL. */
EC_API const char *ec_outcome_message(const ec_outcome *outcome);

/** The code that a rejection was made with; NULL if the command was not rejected. */
EC_API const char *ec_outcome_rejection_code(const ec_outcome *outcome);

/** The message that a rejection was made with; NULL if the command was not rejected. */
EC_API const char *ec_outcome_rejection_message(const ec_outcome *outcome);

/**
 * Whether the call failed after its events may have been written: the connection was lost, did not
 * answer by the deadline or gave an answer that could not be read, and the append could not be
 * repeated.
 */
EC_API bool ec_outcome_in_doubt(const ec_outcome *outcome);

/** Free an outcome. NULL is allowed. */
EC_API void ec_outcome_free(ec_outcome *outcome);

#ifdef __cplusplus
}
#endif

#endif
