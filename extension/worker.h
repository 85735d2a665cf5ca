/* worker.h: what the database does by itself. worker.c tells how. */
#ifndef EVENTCORE_WORKER_H
#define EVENTCORE_WORKER_H

#include "storage/lwlock.h"

/*
 * When this transaction commits, have this database's worker started, or look for work, at once.
 * Does nothing without preloading. After PREPARE TRANSACTION it comes too early, and not again.
 */
extern void ec_worker_wake(void);

/* Of preload.c. */
extern Size ec_worker_shared_size(void);
extern void ec_worker_attach(void *shared, bool is_new, LWLock *lock);
extern void ec_worker_init(void);

#endif
