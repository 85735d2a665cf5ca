/*
 * stream_lock.c: who may append to which stream, decided by the server's lock manager.
 *
 * An append locks every stream that it names before it looks at any version: exclusively the
 * streams that it writes, in share mode those that it only checks. So between check and commit no
 * version that the decision rests on can move, while commands that only read a stream never wait
 * for each other. A lock is a tag, not a row: a stream that does not exist yet locks like any
 * other, nothing is written, and the server keeps the lock through PREPARE TRANSACTION and crash.
 *
 * Tags are of the advisory class with a fourth field that no SQL function can make, so that locks
 * of users never meet ours. Two streams may share a tag; that costs a wait, never a wrong answer.
 *
 * No deadlock. All locks of one append are taken in the order of their tags. A later append in the
 * same transaction may need a tag below one that is held already, or more than the share mode that
 * is held: waiting for that could close a circle, so it is tried without waiting, and failure is an
 * error that says to run the transaction again.
 *
 * lock_streams. A transaction may lock its streams before it reads them. That set is complete: a
 * later append outside of it would have to lock out of order, and is refused. A lock of its own
 * marks that the set is complete, so that rolling back to a savepoint takes the mark back with the
 * locks.
 *
 * The gate. The server's lock table is small and shared. A transaction that would take more than
 * its share of it locks the empty table append_gate in SHARE ROW EXCLUSIVE mode instead, which
 * excludes every other append (each holds ROW EXCLUSIVE on it, a mode that costs no room in the
 * lock table). While it queues for the gate every new append queues behind it, so that it gets its
 * turn under load; but it queues for a moment only, then lets the others pass and tries again: one
 * append in a transaction that somebody left open must not stall all the others. The table events
 * itself cannot be the gate: VACUUM and CREATE INDEX CONCURRENTLY want that lock too.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "compat.h"
#include "errors.h"
#include "lock_tag.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "stream_lock.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#define GATE_QUEUE_MS 20
#define GATE_FIRST_NAP_MS 20
#define GATE_LONGEST_NAP_MS 200

/* The stream locks of the current transaction, or more: a rolled-back savepoint gives locks back
 * without telling us. Before that has any consequence, refresh_held sets it right. */
static struct {
    LocalTransactionId transaction;
    int count;
    uint64 highest;
} held;

uint64 ec_stream_lock_tag(text *store, const char *stream_id, int length)
{
    uint64 seed =
        hash_bytes_extended((const unsigned char *)VARDATA_ANY(store), VARSIZE_ANY_EXHDR(store), 0);

    return hash_bytes_extended((const unsigned char *)stream_id, length, seed);
}

/*
 * The most stream locks that one transaction takes: a sixteenth of the lock table, so that sixteen
 * of the largest appends, or any number of small ones, fit at a time.
 */
static int lock_budget(void)
{
    return max_locks_per_xact * (MaxBackends + max_prepared_xacts) / 16;
}

static void raise_stream_locked(const char *reason)
{
    ereport(ERROR, (ec_error_code(EC_ERROR_stream_locked),
                    errmsg("could not lock a stream without risk of deadlock"),
                    ec_error_detail(EC_ERROR_stream_locked, "s", "reason", reason),
                    errhint("Run the transaction again. To avoid this error, append to all streams "
                            "in one call.")));
}

/*
 * Queue for the gate, but no longer than GATE_QUEUE_MS. The server raises an error when a lock
 * timeout expires, so the attempt is a subtransaction; if it succeeds, the lock goes to the caller.
 */
static bool queue_for_gate(Oid gate)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    int lock_timeout = LockTimeout;
    ErrorData *volatile error = NULL;

    BeginInternalSubTransaction(NULL);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        LockTimeout = GATE_QUEUE_MS;
        LockRelationOid(gate, ShareRowExclusiveLock);
        LockTimeout = lock_timeout;
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        LockTimeout = lock_timeout;
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
        ReThrowError(error);
    return error == NULL;
}

/*
 * Take the gate for this transaction alone. With locks in hand somebody may be waiting for us while
 * holding the gate open: then give up after deadlock_timeout.
 */
static void close_gate(Oid gate, bool holds_others)
{
    TimestampTz start = GetCurrentTimestamp();
    long nap = GATE_FIRST_NAP_MS;

    while (!ConditionalLockRelationOid(gate, ShareRowExclusiveLock) && !queue_for_gate(gate)) {
        TimestampTz now = GetCurrentTimestamp();

        if (holds_others && TimestampDifferenceExceeds(start, now, DeadlockTimeout))
            raise_stream_locked(
                "the transaction must be the only one that appends, and holds locks "
                "that another one may wait for");
        if (LockTimeout > 0 && TimestampDifferenceExceeds(start, now, LockTimeout))
            ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                            errmsg("canceling statement due to lock timeout"),
                            errdetail("What changes an inline projection, or appends to this many "
                                      "streams, waits until no other append is open.")));
        /* A cancellation that comes with our own timeout looks like it. */
        if (StatementTimeout > 0 &&
            TimestampDifferenceExceeds(GetCurrentStatementStartTimestamp(), now, StatementTimeout))
            ereport(ERROR, (errcode(ERRCODE_QUERY_CANCELED),
                            errmsg("canceling statement due to statement timeout")));
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, nap,
                        PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        nap = Min(nap * 2, GATE_LONGEST_NAP_MS);
    }
}

/* Ask the lock manager which stream locks are really held: savepoints may have given some back. */
static void refresh_held(void)
{
    LockData *all = GetLockStatusData();

    held.count = 0;
    held.highest = 0;
    for (int i = 0; i < all->nelements; i++) {
        const LockInstanceData *lock = &all->locks[i];

        if (!ec_lock_tag_is(&lock->locktag, EC_LOCK_STREAM) || lock->pid != MyProcPid ||
            lock->holdMask == 0)
            continue;
        held.count++;
        held.highest = Max(held.highest, ec_lock_tag_key(&lock->locktag));
    }
    pfree(all->locks);
    pfree(all);
}

static bool is_in_order(uint64 stream)
{
    return held.count == 0 || stream > held.highest;
}

static void raise_outside_set(const ec_stream *stream)
{
    char *id = pnstrdup(stream->id, stream->length);

    ereport(ERROR,
            (ec_error_code(EC_ERROR_undeclared_stream),
             errmsg("stream \"%s\" is not among those that lock_streams has locked", id),
             ec_error_detail(EC_ERROR_undeclared_stream, "s", "stream_id", id),
             errhint("Name every stream in lock_streams: those to be written as written. To lock "
                     "more, roll back and lock the larger set.")));
}

static void lock_stream(const ec_stream *stream, bool exclusive, bool set_is_closed)
{
    LOCKTAG tag = ec_lock_tag(stream->lock_tag, EC_LOCK_STREAM);
    LOCKMODE mode = exclusive ? ExclusiveLock : ShareLock;
    bool in_order = is_in_order(stream->lock_tag);

    if ((!in_order || set_is_closed) &&
        (LockHeldByMe(&tag, ExclusiveLock) || (!exclusive && LockHeldByMe(&tag, ShareLock))))
        return;
    if (set_is_closed)
        raise_outside_set(stream);
    if (LockAcquire(&tag, mode, false, !in_order) == LOCKACQUIRE_NOT_AVAIL) {
        refresh_held();
        if (!is_in_order(stream->lock_tag))
            raise_stream_locked(
                "a later append of the transaction needs a stream that another one holds");
        (void)LockAcquire(&tag, mode, false, false);
    }
    held.count++;
    held.highest = Max(held.highest, stream->lock_tag);
}

static void forget_other_transaction(void)
{
    if (held.transaction != ec_transaction_number()) {
        held.transaction = ec_transaction_number();
        held.count = 0;
        held.highest = 0;
    }
}

void ec_stream_lock_request(const ec_request *request, const ec_relations *relations)
{
    LOCKTAG closed_set = ec_lock_tag(0, EC_LOCK_CLOSED_SET);
    LOCKTAG gate;
    bool set_is_closed;
    int count = 0;

    for (int i = 0; i < request->stream_count; i++)
        count += request->streams[i].used;
    forget_other_transaction();
    SET_LOCKTAG_RELATION(gate, MyDatabaseId, relations->gate);
    if (LockHeldByMe(&gate, ShareRowExclusiveLock))
        return;
    set_is_closed = LockHeldByMe(&closed_set, ShareLock);
    if (!set_is_closed && held.count + count > lock_budget()) {
        if (held.count > 0)
            refresh_held();
        if (held.count + count > lock_budget()) {
            close_gate(relations->gate, held.count > 0);
            return;
        }
    }
    LockRelationOid(relations->gate, RowExclusiveLock);
    for (int i = 0; i < request->stream_count; i++) {
        const ec_stream *stream = &request->streams[i];
        bool exclusive = stream->written;

        if (!stream->used)
            continue;
        /* Two streams, one hash: one lock, in the stronger mode. */
        while (i + 1 < request->stream_count &&
               request->streams[i + 1].lock_tag == stream->lock_tag)
            exclusive |= request->streams[++i].written;
        lock_stream(stream, exclusive, set_is_closed);
    }
}

void ec_stream_lock_take_gate(const ec_relations *relations, bool holds_others)
{
    LOCKTAG gate;

    SET_LOCKTAG_RELATION(gate, MyDatabaseId, relations->gate);
    if (LockHeldByMe(&gate, ShareRowExclusiveLock))
        return;
    forget_other_transaction();
    if (held.count > 0)
        refresh_held();
    close_gate(relations->gate, holds_others || held.count > 0);
}

void ec_stream_lock_close_set(void)
{
    LOCKTAG closed_set = ec_lock_tag(0, EC_LOCK_CLOSED_SET);

    (void)LockAcquire(&closed_set, ShareLock, false, false); /* nobody takes a stronger mode */
}
