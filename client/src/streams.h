/* streams.h: the declared streams of one execution, bound to ids. */
#ifndef EC_STREAMS_H
#define EC_STREAMS_H

#include "failure.h"

/* A place in the declaration at which a stream stands. */
typedef struct ec_binding {
    size_t slot;
    size_t index;
} ec_binding;

typedef struct ec_stream {
    const char *id;
    int64_t version; /* as last read */
    const ec_binding *bindings;
    size_t binding_count;
} ec_stream;

typedef struct ec_slot {
    ec_stream_mode mode;
    const char *name;
    const char **ids; /* by index */
    size_t count;
} ec_slot;

typedef struct ec_stream_set {
    ec_stream *streams; /* each id once, sorted */
    size_t count;
    ec_slot *slots;
    size_t slot_count;
} ec_stream_set;

/*
 * Bind the streams of `definition` to the ids in the caller's struct, copied into `memory`.
 * EC_UNBOUND_STREAM if one is missing, EC_INVALID_ARGUMENT if a list names a stream twice.
 */
ec_status ec_streams_bind(ec_stream_set *set, ec_arena *memory, const ec_definition *definition,
                          const void *ids, ec_failure *failure);

/* The stream of this id, or NULL. */
ec_stream *ec_streams_find(const ec_stream_set *set, const char *id);

static inline bool ec_mode_is_list(ec_stream_mode mode)
{
    return mode == EC_MODE_writes_many || mode == EC_MODE_reads_many;
}

static inline bool ec_mode_is_written(ec_stream_mode mode)
{
    return mode == EC_MODE_writes || mode == EC_MODE_writes_optional || mode == EC_MODE_writes_many;
}

static inline bool ec_mode_is_optional(ec_stream_mode mode)
{
    return mode == EC_MODE_writes_optional || mode == EC_MODE_reads_optional;
}

#endif
