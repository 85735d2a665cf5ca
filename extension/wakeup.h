/* wakeup.h: wait for events, and wake those who wait. wakeup.c tells how. */
#ifndef EVENTCORE_WAKEUP_H
#define EVENTCORE_WAKEUP_H

/*
 * Wake whoever waits on this store, or on any store of this database, when this transaction has
 * ended one way or the other, or rolls back a savepoint: before anything is drawn. Store NULL: only
 * those who wait on any store.
 */
extern void ec_wakeup_appended(const text *store);

/* And those who have grown weary of everything but such an event. */
extern void ec_wakeup_appended_event(const text *store, const text *stream_id, const text *type);

/* What somebody waits for. */
typedef struct ec_watch {
    int slot;  /* of the store */
    int topic; /* the slot of its category or type, or `slot` */
    uint64 mark, topic_mark;
} ec_watch;

/* Watch a store; NULL: every store of this database. */
extern ec_watch ec_wakeup_watch(const text *store);

/* Watch it for a category or a type, either of which may be NULL. */
extern ec_watch ec_wakeup_watch_topic(const text *store, const text *category, const text *type);

/* Call this before you look for events, and sleep if there are none. */
extern void ec_wakeup_mark(ec_watch *watch);

/*
 * Sleep until something may have become readable since the mark, or `timeout` ms or a second has
 * passed; perhaps less long. Without preloading, and in recovery, it only sleeps, each time longer.
 * Interrupts are served.
 */
extern void ec_wakeup_sleep(const ec_watch *watch, long timeout);

/* What woke us was worth it, or a new wait begins: do not make the next sleep longer. */
extern void ec_wakeup_found(void);

/* Of preload.c. */
extern Size ec_wakeup_shared_size(void);
extern void ec_wakeup_attach(void *shared, bool is_new);
extern void ec_wakeup_init(void);

#endif
