/* published_horizon.h: how far the log is settled, for servers that cannot see who appends. */
#ifndef EVENTCORE_PUBLISHED_HORIZON_H
#define EVENTCORE_PUBLISHED_HORIZON_H

#include "relations.h"
#include "utils/snapshot.h"

/*
 * Whether the log is written elsewhere: in recovery, and where events arrive by logical
 * replication. Then positions and tickets of this server say nothing. To be asked before the
 * snapshot is taken. While the first copies for a subscription are made: horizon_not_published.
 */
extern bool ec_published_horizon_is_needed(const ec_relations *relations);

/*
 * The position up to which the events that a snapshot sees are settled. If none is published:
 * horizon_not_published.
 */
extern int64 ec_published_horizon(const ec_relations *relations, Snapshot snapshot);

/*
 * For the background worker: publish for every store that publish_horizon() was called for, if it
 * has news, in a transaction of its own. Returns in how many milliseconds at the latest it wants to
 * be called again (to be called more often does no harm), or -2: there is no such store.
 */
extern long ec_published_horizon_work(void);

#endif
