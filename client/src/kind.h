/* kind.h: the kinds of events, looked up by their types. */
#ifndef EC_KIND_H
#define EC_KIND_H

#include "arena.h"
#include "eventcore/eventcore.h"

/* An index of a long list of types, of all events that are read together. Zero: not made yet. */
typedef struct ec_kind_index {
    const ec_event_types *types;
    uint32_t *places; /* the kind + 1 at the type's hash or behind it; 0 is free */
    size_t mask;
    size_t lookups; /* before it was made */
} ec_kind_index;

/* The kind of a type, -1 if there is none. `memory` lives as long as the index, which may be NULL.
 */
int ec_kind_find(const ec_event_types *types, const char *type, ec_kind_index *index,
                 ec_arena *memory);

#endif
