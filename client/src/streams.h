/* streams.h: the declared streams of one attempt, bound to ids. */
#ifndef EC_STREAMS_H
#define EC_STREAMS_H

#include "failure.h"

/* A place in the declaration at which a stream stands. */
typedef struct ec_binding {
    size_t slot;
    size_t index;
    const struct ec_binding *next; /* of the same stream */
} ec_binding;

typedef struct ec_stream {
    const char *id;
    int64_t version; /* as last read; 0 before that */
    size_t replies;  /* those to reads up to which `version` is known; 0: not read yet */
    int64_t seen; /* the version up to which its events are there, while a reply is gone through */
    bool written; /* may be, by one of its places */
    const ec_binding *bindings;
} ec_stream;

typedef struct ec_slot {
    ec_stream_mode mode;
    const char *name;
    const char **ids; /* by index */
    size_t count;
    size_t capacity;
} ec_slot;

typedef struct ec_stream_set {
    ec_arena *memory;
    ec_stream *streams; /* each id once */
    size_t count;
    size_t capacity;
    size_t *table; /* finds streams: the place of one in `streams`, plus 1; 0: free */
    ec_slot *slots;
    size_t slot_count;
} ec_stream_set;

/*
 * Bind the streams of `definition` to the ids in the caller's struct, copied into `memory`.
 * EC_UNBOUND_STREAM if one is missing, EC_INVALID_ARGUMENT if a list names a stream twice.
 */
ec_status ec_streams_bind(ec_stream_set *set, ec_arena *memory, const ec_definition *definition,
                          const void *ids, ec_failure *failure);

/* Make a set, unread, in memory of its own, that can grow. False when memory runs out. */
bool ec_streams_copy(ec_stream_set *to, ec_arena *memory, const ec_stream_set *from);

/* Add a stream, at the end of a slot that does not have it. False when memory runs out. */
bool ec_streams_add(ec_stream_set *set, size_t slot, const char *id);

/* The stream of this id, or NULL. */
ec_stream *ec_streams_find(const ec_stream_set *set, const char *id);

/* The place of a stream in this slot, or NULL. */
const ec_binding *ec_stream_binding(const ec_stream *stream, size_t slot);

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
