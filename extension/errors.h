/*
 * errors.h: every error that eventcore itself raises, once.
 *
 * Server and client make their names and codes from this list, so that they cannot differ. The
 * SQLSTATE class VE is ours (classes that start with 5-9 or I-Z are free for implementations). A
 * code is never given to another error and never removed: programs compare it.
 *
 * DETAIL of each is one JSON object, {"error": "<name>", ...}; HINT says what to do.
 */
#ifndef EVENTCORE_ERRORS_H
#define EVENTCORE_ERRORS_H

/* clang-format off */
#define EC_ERRORS(X)                                                                              \
    X(version_conflict,         "VE001") /* a stream is not at its expected version: read again */ \
    X(undeclared_stream,        "VE002") /* an event for a stream that `expected` does not name */ \
    X(conflicting_expectation,  "VE003") /* one stream, two different expected versions */         \
    X(invalid_stream_id,        "VE004")                                                           \
    X(invalid_event,            "VE005")                                                           \
    X(duplicate_event_id,       "VE006") /* the id is known, but not for this same event */        \
    X(invalid_expected_version, "VE007")                                                           \
    X(store_not_found,          "VE008")                                                           \
    X(position_beyond_log,      "VE009") /* reading after a position that was never given */       \
    X(position_regressed,       "VE010") /* the position sequence is behind the log */             \
    X(append_only,              "VE011") /* UPDATE, DELETE, MERGE or TRUNCATE of events */         \
    X(unsupported_trigger,      "VE012") /* a BEFORE INSERT trigger could change an event */       \
    X(relation_mismatch,        "VE013") /* a table of ours is missing or was altered */           \
    X(store_exists,             "VE014")                                                           \
    X(invalid_store_name,       "VE015")                                                           \
    X(invalid_filter,           "VE016")                                                           \
    X(own_append_open,          "VE017") /* waiting in a transaction that has appended */          \
    X(horizon_not_published,    "VE020") /* a standby does not know how far the log is settled */  \
    X(log_is_replica,           "VE021") /* publishing the horizon of a log written elsewhere */   \
    X(subscription_not_found,   "VE023")                                                           \
    X(subscription_exists,      "VE024")                                                           \
    X(invalid_subscription,     "VE025") /* what it was asked for does not suit it */              \
    X(member_not_found,         "VE026") /* the group is smaller, perhaps resized */               \
    X(member_claimed,           "VE027") /* by another session */                                  \
    X(not_delivered,            "VE028") /* a checkpoint beyond what was fetched: fetch again */   \
    X(invalid_projection,       "VE035")                                                           \
    X(projection_exists,        "VE036")                                                           \
    X(projection_not_found,     "VE037")                                                           \
    X(projection_unusable,      "VE038") /* its owner or a function is gone or was changed */      \
    X(projection_recursion,     "VE039") /* of its own events without end, or of its own run */    \
    X(stream_locked,            "40001") /* out-of-order lock: the standard code that every        \
                                            framework answers by running the transaction again */
/* clang-format on */

typedef enum ec_error {
#define EC_ERROR_MEMBER(name, sqlstate) EC_ERROR_##name,
    EC_ERRORS(EC_ERROR_MEMBER)
#undef EC_ERROR_MEMBER
} ec_error;

#ifdef POSTGRES_H
/* The errcode() of an error of the list. */
extern int ec_error_code(ec_error error);

/*
 * Set the DETAIL of the error under construction: {"error": name, key: value, ...}. Each letter of
 * `types` announces one pair, const char *key and its value: 's' const char *, 'i' int64,
 * 'j' const char * that is JSON already.
 */
extern int ec_error_detail(ec_error error, const char *types, ...);

/* An error as a value: what is wrong with one command must not stop the others of its batch. */
typedef struct ec_problem {
    ec_error error;
    const char *message;
    const char *detail; /* JSON */
    const char *hint;
} ec_problem;

/* Make a problem in the current memory context; `types` and what follows as for ec_error_detail. */
extern ec_problem *ec_problem_make(ec_error error, const char *message, const char *hint,
                                   const char *types, ...);

extern void ec_problem_raise(const ec_problem *problem) pg_attribute_noreturn();

/* The SQLSTATE as text, such as "VE005". */
extern const char *ec_problem_sqlstate(const ec_problem *problem);
#endif

#endif
