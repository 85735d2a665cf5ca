/* call.h: a statement and its parameters, ready to be sent. */
#ifndef EC_CALL_H
#define EC_CALL_H

#include <libpq-fe.h>

#include "failure.h"

typedef enum ec_statement {
    EC_STATEMENT_READ_STREAM,
    EC_STATEMENT_READ_STREAMS,
    EC_STATEMENT_READ_ALL,
    EC_STATEMENT_READ_SNAPSHOT,
    EC_STATEMENT_SAVE_SNAPSHOT,
    EC_STATEMENT_TRY_APPEND,
    EC_STATEMENT_APPEND_BATCH,
    EC_STATEMENT_LOCK_STREAMS,
    EC_STATEMENT_BEGIN,
    EC_STATEMENT_COMMIT,
    EC_STATEMENT_ROLLBACK,
    EC_STATEMENT_CREATE_SUBSCRIPTION,
    EC_STATEMENT_SUBSCRIPTION_LAG,
    EC_STATEMENT_CLAIM_MEMBER,
    EC_STATEMENT_RELEASE_MEMBER,
    EC_STATEMENT_FETCH,
    EC_STATEMENT_COMMIT_CHECKPOINT,
    EC_STATEMENT_RECEIVE,
    EC_STATEMENT_ACK,
    EC_STATEMENT_NACK,
    EC_STATEMENT_PARK,
    EC_STATEMENT_EXTEND_VISIBILITY,
    EC_STATEMENT_REPORT_ERROR,
    EC_STATEMENT_COUNT
} ec_statement;

#define EC_MAX_PARAMETERS 13

/* Parameters are in binary format; the values live in the arena that they were encoded into. */
typedef struct ec_call {
    ec_statement statement;
    const char *values[EC_MAX_PARAMETERS]; /* NULL is null */
    int lengths[EC_MAX_PARAMETERS];
} ec_call;

#define EC_MAX_CALLS 4

/* What one round trip sends: calls that the server runs in order, up to the first that fails. */
typedef struct ec_round_trip {
    ec_call calls[EC_MAX_CALLS];
    size_t count;
    size_t rows_of;     /* the call whose rows are the reply; `count`: of none */
    bool only_prepares; /* the calls' statements, and runs none */
} ec_round_trip;

/* An event to be appended, with the id that it keeps through all tries. */
typedef struct ec_entry {
    const char *stream_id;
    ec_new_event event;
    ec_uuid id;
} ec_entry;

/* `store` is NULL for the default one, and `after_versions` for none. */
ec_status ec_call_read_streams(ec_call *call, ec_arena *memory, const char *const *stream_ids,
                               size_t count, const int64_t *after_versions, const char *store,
                               ec_failure *failure);

ec_status ec_call_read_stream(ec_call *call, ec_arena *memory, const char *stream_id,
                              const ec_read_options *options, const char *store,
                              ec_failure *failure);

ec_status ec_call_read_all(ec_call *call, ec_arena *memory, const ec_log_options *options,
                           const char *store, ec_failure *failure);

ec_status ec_call_lock_streams(ec_call *call, ec_arena *memory, const char *const *written,
                               size_t written_count, const char *const *read, size_t read_count,
                               const char *store, ec_failure *failure);

/* What a snapshot is found by. */
typedef struct ec_snapshot_key {
    const char *name;
    int schema_version;
    const char *const *stream_ids;
    size_t stream_count;
    const char *arrangement;
} ec_snapshot_key;

/* Read the streams of the key behind its snapshot, with the snapshot. */
ec_status ec_call_read_snapshot(ec_call *call, ec_arena *memory, const ec_snapshot_key *key,
                                const char *store, ec_failure *failure);

/* `versions` are those of the key's streams. */
ec_status ec_call_save_snapshot(ec_call *call, ec_arena *memory, const ec_snapshot_key *key,
                                const int64_t *versions, int64_t last_position, const void *state,
                                size_t size, const char *store, ec_failure *failure);

/* `expected` NULL: no expectation at all. */
ec_status ec_call_try_append(ec_call *call, ec_arena *memory, const ec_entry *entries,
                             size_t entry_count, const ec_expectation *expected,
                             size_t expected_count, const char *store, ec_failure *failure);

/* Many server commands, numbered from 1; each array has the number beside each item. */
typedef struct ec_append_batch {
    const int32_t *entry_commands;
    const ec_entry *entries;
    size_t entry_count;
    const int32_t *expected_commands;
    const ec_expectation *expected;
    size_t expected_count;
} ec_append_batch;

ec_status ec_call_append_batch(ec_call *call, ec_arena *memory, const ec_append_batch *batch,
                               const char *store, ec_failure *failure);

#endif
