/* wakeup.h: wait for events, and wake those who wait. wakeup.c tells how. */
#ifndef EVENTCORE_WAKEUP_H
#define EVENTCORE_WAKEUP_H

/*
 * Wake whoever waits on this store, or on any store of this database, when this transaction has
 * ended one way or the other, or rolls back a savepoint: before anything is drawn. Store NULL: only
 * those who wait on any store.
 */
extern void ec_wakeup_appended(const text *store);

/*
 * A number that changes whenever something may have become readable. Read it before you look for
 * events, and sleep on it if there are none. Store NULL: in any store of this database.
 */
extern uint64 ec_wakeup_mark(const text *store);

/*
 * Sleep until the mark is another one, or `timeout` ms or a second has passed; perhaps less long.
 * Without preloading, and in recovery, it only sleeps, each time longer. Interrupts are served.
 */
extern void ec_wakeup_sleep(const text *store, uint64 mark, long timeout);

/* What woke us was worth it, or a new wait begins: do not make the next sleep longer. */
extern void ec_wakeup_found(void);

/* Of preload.c. */
extern Size ec_wakeup_shared_size(void);
extern void ec_wakeup_attach(void *shared, bool is_new);
extern void ec_wakeup_init(void);

#endif
