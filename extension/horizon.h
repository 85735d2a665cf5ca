/* horizon.h: global positions, and how far the log is settled. */
#ifndef EVENTCORE_HORIZON_H
#define EVENTCORE_HORIZON_H

#include "relations.h"

/*
 * Announce that this transaction is about to draw positions. Needs a transaction id, and the locks
 * of all streams that will be written. Held until the transaction ends.
 */
extern void ec_horizon_take_ticket(const ec_relations *relations);

/*
 * Whether this transaction holds a ticket of the store: it has appended, and not rolled that back.
 * (By chance, of another store.)
 */
extern bool ec_horizon_holds_ticket(const ec_relations *relations);

/* Draw the next global position. The ticket must be held. */
extern int64 ec_horizon_draw(const ec_relations *relations);

/* The last position that anybody has drawn, in any store; 0 if none. */
extern int64 ec_horizon_last_drawn(const ec_relations *relations);

/*
 * The position up to which everything is settled: every event at or below it is visible to a
 * snapshot *taken after this call*, or will never be. Events of the own transaction do not count
 * as open.
 */
extern int64 ec_horizon_safe_position(const ec_relations *relations);

/*
 * Push a new snapshot, and return the position up to which everything that it sees is settled; also
 * where the log is written elsewhere (published_horizon.c).
 */
extern int64 ec_horizon_push_snapshot(const ec_relations *relations);

#endif
