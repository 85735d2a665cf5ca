/**
 * @file
 * Snapshots of the states that commands fold.
 */
#ifndef EVENTCORE_SNAPSHOT_H
#define EVENTCORE_SNAPSHOT_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A state on its way into a snapshot, or out of it. It lives as long as the attempt. */
typedef struct ec_snapshot ec_snapshot;

/**
 * Snapshots for a command, given in ec_execute_options. EC_SNAPSHOTS writes it.
 *
 * A command over long streams folds all their events each time it is executed. With snapshots, the
 * state is saved in the database after every so many events, and the next execution over the same
 * streams, in the same places, starts from it: what it reads, still in one round trip, is the
 * snapshot and the events behind it. The state, and so the decision, is the same as without.
 *
 * A snapshot is used if it fits: saved under the same name and schema version for the same streams;
 * no stream is at a lower version; no event behind it stands before one in it in the global order;
 * and `deserialise` succeeds. Else everything is read and folded. If `resolve` discovers streams,
 * everything is read too, and nothing saved.
 *
 * It is saved when the command has succeeded or was rejected: the state as `handle` was given it,
 * after the commit, in a round trip of its own. If that fails, the command has succeeded all the
 * same; ec_outcome_snapshot_problem() tells. An older one never replaces a newer one.
 *
 * What `apply` makes of an event must not depend on the command, since the next command starts from
 * it. Raise the schema version whenever the state, `apply`, `deserialise`, or an upcaster gives
 * another state than before: what was saved under the former version is not looked at any more.
 */
typedef struct ec_snapshots {
    size_t struct_size; /**< sizeof(ec_snapshots) */
    const char *name;   /**< unique for a kind of state in the store */
    int schema_version; /**< at least 1 */
    int64_t every;      /**< saved once so many events were folded behind the last one; from 1 on */
    size_t state_size;  /**< as that of the command's definition */
    /** Write a state. Any status but EC_OK: nothing is saved. */
    ec_status (*serialise)(const void *state, ec_snapshot *snapshot);
    /** Set a state, which is zeroed before, from a snapshot. Any status but EC_OK: it is not used.
     */
    ec_status (*deserialise)(void *state, ec_snapshot *snapshot);
} ec_snapshots;

/**
 * Write JSON, by a format of jansson's json_pack(), from `serialise`. What was written before is
 * replaced.
 * @return EC_OK, EC_INVALID_ARGUMENT for a format that does not fit, or EC_NO_MEMORY.
 */
EC_API ec_status ec_snapshot_pack(ec_snapshot *snapshot, const char *format, ...);

/** As ec_snapshot_pack(), but bytes, which are copied. */
EC_API ec_status ec_snapshot_write(ec_snapshot *snapshot, const void *bytes, size_t size);

/**
 * Read JSON, by a format of jansson's json_unpack(), from `deserialise`. Strings live as long as
 * the state.
 * @return EC_OK, EC_INVALID_EVENT if it does not fit, EC_INVALID_ARGUMENT for a format that is not
 *         one, or EC_NO_MEMORY.
 */
EC_API ec_status ec_snapshot_unpack(ec_snapshot *snapshot, const char *format, ...);

/** Its bytes, which live as long as the state. Set *size to their number. */
EC_API const void *ec_snapshot_bytes(const ec_snapshot *snapshot, size_t *size);

/** Zeroed memory that lives as long as the state; NULL when memory runs out. */
EC_API void *ec_snapshot_alloc(ec_snapshot *snapshot, size_t size);

#ifdef __cplusplus
}
#endif

/**
 * Declare snapshots of a state:
 *
 *     EC_SNAPSHOTS(balances, struct balances, 1, 100);
 *
 * makes balances_snapshots, of schema version 1, saved every 100 events, and declares
 *
 *     static ec_status balances_serialise(const struct balances *, ec_snapshot *);
 *     static ec_status balances_deserialise(struct balances *, ec_snapshot *);
 */
#define EC_SNAPSHOTS(name, state_type, schema_version, every)                                      \
    static ec_status name##_serialise(const state_type *state, ec_snapshot *snapshot);             \
    static ec_status name##_deserialise(state_type *state, ec_snapshot *snapshot);                 \
    static ec_status name##_call_serialise(const void *state, ec_snapshot *snapshot)               \
    {                                                                                              \
        return name##_serialise((const state_type *)state, snapshot);                              \
    }                                                                                              \
    static ec_status name##_call_deserialise(void *state, ec_snapshot *snapshot)                   \
    {                                                                                              \
        return name##_deserialise((state_type *)state, snapshot);                                  \
    }                                                                                              \
    static const ec_snapshots name##_snapshots EC_UNUSED = {                                       \
        sizeof(ec_snapshots),   #name,                                                             \
        schema_version,         every,                                                             \
        sizeof(state_type),     name##_call_serialise,                                             \
        name##_call_deserialise};                                                                  \
    struct name##_snapshots_are_declared

#endif
