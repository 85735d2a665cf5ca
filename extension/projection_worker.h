/* projection_worker.h: what the background worker of a database does for projections. */
#ifndef EVENTCORE_PROJECTION_WORKER_H
#define EVENTCORE_PROJECTION_WORKER_H

/*
 * Run one batch of every async projection, each in a transaction of its own; returns whether there
 * is more to do at once. To be called outside of a transaction, as is the next one.
 */
extern bool ec_projections_work(void);

/*
 * How long there is nothing to do but for new events: at most so many milliseconds; -1: for ever;
 * -2: there is no projection that a worker could run.
 */
extern long ec_projections_delay(void);

#endif
