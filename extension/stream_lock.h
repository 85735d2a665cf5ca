/* stream_lock.h: who may append to which stream, decided by the server's lock manager. */
#ifndef EVENTCORE_STREAM_LOCK_H
#define EVENTCORE_STREAM_LOCK_H

#include "relations.h"
#include "request.h"

/* The lock tag of a stream: a hash of store and stream id. */
extern uint64 ec_stream_lock_tag(text *store, const char *stream_id, int length);

/*
 * Lock every stream that a request uses, until the end of the transaction: exclusively if it is
 * written, else in share mode. Raises stream_locked if waiting could close a circle, and
 * undeclared_stream for a stream outside the set of an earlier ec_stream_lock_close_set.
 */
extern void ec_stream_lock_request(const ec_request *request, const ec_relations *relations);

/*
 * Take the gate: until the end of the transaction nobody else appends, to any store, and all that
 * was appended before has ended. Waits for open appends; one that holds what they may be waiting
 * for (`holds_others`) gives up after deadlock_timeout and raises stream_locked.
 */
extern void ec_stream_lock_take_gate(const ec_relations *relations, bool holds_others);

/* From now on this transaction locks no other streams than it holds. */
extern void ec_stream_lock_close_set(void);

#endif
