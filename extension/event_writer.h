/* event_writer.h: events become tuples and index entries. */
#ifndef EVENTCORE_EVENT_WRITER_H
#define EVENTCORE_EVENT_WRITER_H

#include "executor/tuptable.h"
#include "relations.h"
#include "request.h"

/* Raise unsupported_trigger if events has a BEFORE INSERT trigger that would fire. */
extern void ec_event_writer_check_triggers(const ec_relations *relations);

/*
 * Write events of a request; their ids, versions, positions and times are set. `in_id_order`: some
 * ids come from the caller, so others may be inserting the same ones.
 */
extern void ec_event_writer_write(ec_event *const *events, int count, bool in_id_order,
                                  const ec_request *request, const ec_relations *relations);

/* Make a slot the row of eventcore.events that an event becomes. It points into the request. */
extern void ec_event_writer_fill(TupleTableSlot *slot, const ec_request *request,
                                 const ec_event *event);

#endif
