/* outcome.h: what came of an execution. */
#ifndef EC_OUTCOME_H
#define EC_OUTCOME_H

#include "call.h"
#include "event.h"

struct ec_outcome {
    ec_arena memory;
    int attempts;
    int conflicts;
    bool in_doubt;
    ec_status status;
    const char *message;
    ec_event *events;
    size_t event_count;
    ec_violation *violations;
    size_t violation_count;
    const char *rejection_code;
    const char *rejection_message;
    struct { /* what it held before: the arguments of the call that fills it may lie there */
        ec_arena memory;
        ec_event *events;
        size_t event_count;
    } former;
};

/* Make *outcome if it is NULL, or empty it; NULL when memory runs out. */
ec_outcome *ec_outcome_prepare(ec_outcome **outcome);

/* The call that it was prepared for is over: free what it held before. NULL is allowed. */
void ec_outcome_forget(ec_outcome *outcome);

/* The streams of a conflict, one a row; NULL when memory runs out. */
ec_violation *ec_violations_of(const ec_events *rows, ec_arena *memory);

/* Note how the call ended. False when memory runs out. */
bool ec_outcome_end(ec_outcome *outcome, const ec_failure *failure);

/* Note a conflict. False when memory runs out. */
bool ec_outcome_conflict(ec_outcome *outcome, const ec_events *rows);

/* Note the events written, whose rows are in the order of the entries. As above. */
bool ec_outcome_appended(ec_outcome *outcome, const ec_entry *entries, const ec_events *rows);

#endif
