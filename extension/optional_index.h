/* optional_index.h: indexes that a store of events has if its readers want them. */
#ifndef EVENTCORE_OPTIONAL_INDEX_H
#define EVENTCORE_OPTIONAL_INDEX_H

#include "relations.h"

typedef enum ec_index_kind { EC_INDEX_CATEGORY, EC_INDEX_TYPE, EC_INDEX_CORRELATION } ec_index_kind;

/* The index of a kind among the open ones of `relations`, or NULL if there is none that is valid.
 */
extern Relation ec_optional_index(const ec_relations *relations, ec_index_kind kind);

#endif
