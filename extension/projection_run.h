/* projection_run.h: take a projection forward along the log. */
#ifndef EVENTCORE_PROJECTION_RUN_H
#define EVENTCORE_PROJECTION_RUN_H

#include "projection.h"

/*
 * Run one batch of an async projection in the current transaction, of at most `most` events, and
 * add to *handled how many its handler has handled. Returns whether there is more to do at once.
 * Does nothing if somebody else runs it, or it is not to run. Errors of the handler become the
 * projection's state, as its on_error says; others are raised.
 */
extern bool ec_projection_run_batch(text *store, const char *name, int64 most, int64 *handled);

/*
 * Give a projection all events behind `checkpoint` up to `until`; errors of the handler are
 * raised. Returns the position reached. The caller holds the lock of its progress.
 */
extern int64 ec_projection_catch_up(ec_projection *projection, int64 checkpoint, int64 until);

/*
 * The position of the last event that is visible. With the gate in hand it is where an inline
 * projection stands.
 */
extern int64 ec_projection_end_of_log(const ec_projection *projection);

/* How far a projection is: a row of eventcore.projection_progress. */
typedef struct ec_projection_progress {
    int64 checkpoint;
    bool has_failed;
    int attempts;
    int64 failing_position; /* 0: none */
    bool is_waiting;        /* for the next attempt */
    bool is_rebuilding;
} ec_projection_progress;

typedef enum { EC_NO_LOCK, EC_LOCK_OR_SKIP, EC_LOCK } ec_projection_lock;

/* Read it, as it is now, and lock it; false if there is no such row, or it is skipped. */
extern bool ec_projection_read_progress(text *store, const char *name, ec_projection_lock lock,
                                        ec_projection_progress *progress);

/*
 * Give a parked event to the handler again. Returns whether that went well, and it is parked no
 * longer. The caller holds the lock of the projection's progress.
 */
extern bool ec_projection_replay(ec_projection *projection, int64 position);

#endif
