/* metadata.h: the keys that an execution adds to the metadata of the events it writes. */
#ifndef EC_METADATA_H
#define EC_METADATA_H

#include "arena.h"
#include "failure.h"

/* The key of the version of the schema that an event's data was written in. */
#define EC_SCHEMA_VERSION_KEY "schema_version"

typedef struct ec_added_metadata {
    ec_metadata keys;
    const char *text; /* for an event that has no metadata of its own; NULL: nothing is added */
} ec_added_metadata;

/* The keys of `first`, and of `second` those that `first` lacks. Either may be NULL. */
ec_metadata ec_metadata_merge(const ec_metadata *first, const ec_metadata *second);

/*
 * Check and render the keys that are to be added. Their strings are not copied. EC_OK,
 * EC_INVALID_ARGUMENT or EC_NO_MEMORY.
 */
ec_status ec_metadata_prepare(ec_added_metadata *added, const ec_metadata *keys, ec_arena *memory,
                              ec_failure *failure);

/*
 * What an event is written with: its `own` metadata, NULL if it has none, and of the keys that it
 * lacks what is `added`, NULL: nothing, and a schema version above 1. It is in `memory` or shared
 * with `added`. EC_OK, EC_INVALID_EVENT or EC_NO_MEMORY.
 */
ec_status ec_metadata_complete(const ec_added_metadata *added, int schema_version, const char *own,
                               const char **complete, ec_arena *memory, ec_failure *failure);

#endif
