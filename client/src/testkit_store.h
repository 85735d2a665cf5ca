/* testkit_store.h: a store in memory that answers as the server does. */
#ifndef EC_TESTKIT_STORE_H
#define EC_TESTKIT_STORE_H

#include <jansson.h>

#include "call.h"
#include "event.h"
#include "streams.h"

typedef struct ec_test_stored {
    ec_event event;
    int writer; /* the number of the command that wrote it; 0: somebody else */
} ec_test_stored;

typedef struct ec_test_store {
    ec_arena memory;
    ec_test_stored *events; /* in global order: the position of one is its place, from 1 on */
    size_t count;
    size_t capacity;
} ec_test_store;

/* Read streams, each behind its `version`. *rows is a list of its own, with copies. */
ec_status ec_test_store_read(const ec_test_store *store, const ec_stream_set *streams,
                             ec_events **rows, ec_failure *failure);

/*
 * Append, as eventcore.try_append_columns() does. *rows says what became of it; in `failure` are
 * errors, with the SQLSTATE that the server gives them.
 */
ec_status ec_test_store_append(ec_test_store *store, const ec_entry *entries, size_t entry_count,
                               const ec_expectation *expected, size_t expected_count, int writer,
                               ec_events **rows, ec_failure *failure);

/* The answer to an append that met a conflict at this stream. */
ec_status ec_test_store_conflict(const char *stream_id, int64_t expected, int64_t actual,
                                 ec_events **rows, ec_failure *failure);

/* Copies of the events of a writer; NULL when memory runs out. */
ec_events *ec_test_store_written(const ec_test_store *store, int writer);

int64_t ec_test_store_version(const ec_test_store *store, const char *stream_id);

void ec_test_store_free(ec_test_store *store);

/* What the server would refuse before it looks at its tables (testkit_request.c). */
ec_status ec_test_request_check(const ec_entry *entries, size_t entry_count,
                                const ec_expectation *expected, size_t expected_count,
                                ec_failure *failure);

ec_status ec_test_request_check_stream_id(const char *stream_id, ec_failure *failure);

/* Replace the failure by an error of the server; return its status. */
ec_status ec_test_refuse(ec_failure *failure, const char *sqlstate, const char *format, ...)
    EC_PRINTF(3, 4);

/* Parse JSON, with every integer that a double can hold. As json_loads(). */
json_t *ec_test_json_load(const char *text, json_error_t *problem);

/* Whether two texts are the same JSON value, or both NULL. */
bool ec_test_json_equal(const char *left, const char *right);

#endif
