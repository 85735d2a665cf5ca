/* stream_lock.h: who may append to which stream, decided by the server's lock manager. */
#ifndef EVENTCORE_STREAM_LOCK_H
#define EVENTCORE_STREAM_LOCK_H

typedef struct ec_stream_lock {
    uint64 tag;
    bool exclusive; /* for a stream that is written; share for one that is only read */
} ec_stream_lock;

/* The lock tag of a stream: a hash of store and stream id. */
extern uint64 ec_stream_lock_tag(text *store, const char *stream_id, int length);

/*
 * Take locks, sorted by tag and without duplicates, until the end of the transaction. `gate` is the
 * table append_gate. Raises stream_locked if waiting could close a circle.
 */
extern void ec_stream_lock_all(const ec_stream_lock *locks, int count, Oid gate);

#endif
