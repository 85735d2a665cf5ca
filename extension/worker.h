/* worker.h: a stand-in until the background worker is here. */
#ifndef EVENTCORE_WORKER_H
#define EVENTCORE_WORKER_H

#define ec_worker_wake() ((void)0)

#endif
