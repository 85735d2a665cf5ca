/* idempotency.h: has this append been made before? */
#ifndef EVENTCORE_IDEMPOTENCY_H
#define EVENTCORE_IDEMPOTENCY_H

#include "relations.h"
#include "request.h"
#include "utils/snapshot.h"

/*
 * Look up the event ids that the caller gave. If all of the append's events are in the store
 * already, with the same stream, type and content, fill in their versions, positions and times and
 * return true. If none is, return false. Anything between raises duplicate_event_id.
 */
extern bool ec_idempotency_is_repeat(const ec_request *request, const ec_relations *relations,
                                     Snapshot snapshot);

extern void ec_idempotency_raise_duplicate(const pg_uuid_t *id, const char *problem)
    pg_attribute_noreturn();

#endif
