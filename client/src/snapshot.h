/* snapshot.h: a state that an attempt starts from, or leaves behind. */
#ifndef EC_SNAPSHOT_H
#define EC_SNAPSHOT_H

#include "event.h"
#include "streams.h"

struct ec_snapshot {
    ec_arena *memory; /* of the attempt */
    const void *bytes;
    size_t size;
    json_t *json; /* parsed, once it was asked for */
    ec_failure failure;
};

/* EC_OK, or EC_INVALID_ARGUMENT if these snapshots cannot be of that command. */
ec_status ec_snapshots_check(const ec_snapshots *snapshots, const ec_definition *definition,
                             ec_failure *failure);

/*
 * Which part each stream of the set plays: the slots' streams by their places in the set. With the
 * ids in the order of the set it says all about who is bound where. NULL when memory runs out.
 */
const char *ec_snapshot_arrangement(const ec_stream_set *streams, ec_arena *memory);

/*
 * Why what was read with a snapshot does not continue it; NULL if it does. Then the streams are at
 * the snapshot's versions, so that the reply can be taken as one that was read behind them.
 */
const char *ec_snapshot_misfit(const ec_events *reply, ec_stream_set *streams);

/* Set a zeroed state. */
ec_status ec_snapshot_load(ec_snapshot *snapshot, const ec_snapshots *snapshots, void *state);

/* Write a state. */
ec_status ec_snapshot_save(ec_snapshot *snapshot, const ec_snapshots *snapshots, const void *state);

/* Free what it holds beside its memory. */
void ec_snapshot_release(ec_snapshot *snapshot);

#endif
