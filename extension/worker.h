/* worker.h: what the database does by itself. worker.c tells how. */
#ifndef EVENTCORE_WORKER_H
#define EVENTCORE_WORKER_H

#include "storage/lwlock.h"

/*
 * When this transaction commits, have this database's worker started, or look for work, at once.
 * Does nothing without preloading. After PREPARE TRANSACTION it comes too early, and not again.
 */
extern void ec_worker_wake(void);

/*
 * The duties. Called by the worker without a transaction; each runs its own, and leaves none. The
 * extension may be missing, or be dropped at any time.
 *
 * ec_projections_work: one batch of every asynchronous projection; whether anything was done, and
 * it is to be called again at once. ec_projections_delay: ms until one is to be tried again; -1:
 * when there are new events; -2: there is none. ec_published_horizon_work: ms until it wants to be
 * called again, or -2.
 */
extern bool ec_projections_work(void);
extern long ec_projections_delay(void);
extern long ec_published_horizon_work(void);

/* Of preload.c. */
extern Size ec_worker_shared_size(void);
extern void ec_worker_attach(void *shared, bool is_new, LWLock *lock);
extern void ec_worker_init(void);

#endif
