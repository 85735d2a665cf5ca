/* projection_inline.h: projections that run within the append. */
#ifndef EVENTCORE_PROJECTION_INLINE_H
#define EVENTCORE_PROJECTION_INLINE_H

#include "request.h"

/*
 * Give events that were just written, in order, to the inline projections of the store. Costs one
 * branch where the database has none. Raises what their handlers raise.
 */
extern void ec_projection_inline(const ec_request *request, ec_event *const *events, int count,
                                 const ec_relations *relations);

#endif
