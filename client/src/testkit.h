/* testkit.h: a test: its store, what is arranged, and what came of the last command. */
#ifndef EC_TESTKIT_H
#define EC_TESTKIT_H

#include "eventcore/testkit.h"
#include "outcome.h"
#include "testkit_store.h"

/* What one read or one append meets. */
typedef struct ec_test_turn {
    struct ec_test_turn *next;
    const ec_entry *others; /* appended first, by somebody else */
    size_t other_count;
    bool conflict;     /* a conflict is made up */
    ec_status failure; /* EC_OK: the step does not fail */
    char sqlstate[6];  /* of the failure */
    bool unanswered;   /* there is no reply: whether it was done cannot be told ... */
    bool done;         /* ... but it was */
} ec_test_turn;

struct ec_test {
    ec_arena memory;
    ec_test_store store;
    ec_test_turn *turns[EC_TEST_APPEND + 1]; /* by step */

    /* Of the last command: */
    const char *command; /* its name; NULL before the first one */
    int number;          /* from 1 on */
    ec_outcome *outcome;
    ec_events *written; /* what ec_test_written() gave */
    int64_t *pauses;
    size_t pause_count;
    size_t pause_capacity;

    ec_test_handler handler;
    void *handler_argument;
    size_t failures;
};

/*
 * Note a failed check and tell it; returns false. The handler may not return: nothing may be held
 * here that has to be freed.
 */
bool ec_test_tell(ec_test *test, const char *file, int line, const char *format, ...)
    EC_PRINTF(4, 5);

/*
 * The events as entries with ids, all in the test's memory. NULL when memory runs out, or if an
 * event has no stream, no type or two contents; see `problem`.
 */
ec_entry *ec_test_entries(ec_test *test, const ec_stream_event *events, size_t count,
                          const char **problem);

#endif
