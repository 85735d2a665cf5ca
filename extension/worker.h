/* worker.h: the background worker of a database. */
#ifndef EVENTCORE_WORKER_H
#define EVENTCORE_WORKER_H

/* At the commit of this transaction, have this database's worker started, or look for work. */
extern void ec_worker_wake(void);

#endif
