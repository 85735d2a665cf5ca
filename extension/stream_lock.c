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
 * The gate. The server's lock table is small and shared. A transaction that would take more than
 * its share of it locks the empty table append_gate in SHARE ROW EXCLUSIVE mode instead, which
 * excludes every other append (each holds ROW EXCLUSIVE on it, a mode that costs no room in the
 * lock table). It never queues for the gate, because every append would then queue behind it; it
 * tries, sleeps, and tries again. The table events itself cannot be the gate: VACUUM and CREATE
 * INDEX CONCURRENTLY want that lock too.
 */
#include "postgres.h"

#include "access/twophase.h"
#include "common/hashfn.h"
#include "compat.h"
#include "errors.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "stream_lock.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* Fourth field of our tags. SQL's advisory locks have 1 and 2 there, those of Citus less than 100,
 * the others of ours are in horizon.c. */
#define STREAM_LOCK_CLASS 0x2001

#define GATE_FIRST_NAP_MS 1
#define GATE_LONGEST_NAP_MS 50

/* The stream locks of the current transaction. A rolled-back savepoint gives locks back without
 * telling us: then `count` is too high and more locks count as out of order, which is safe. */
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
 * Take the gate for this transaction alone. With stream locks in hand somebody may be waiting for
 * us while holding the gate open: then give up after deadlock_timeout.
 */
static void close_gate(Oid gate)
{
    TimestampTz start = GetCurrentTimestamp();
    long nap = GATE_FIRST_NAP_MS;

    while (!ConditionalLockRelationOid(gate, ShareRowExclusiveLock)) {
        if (held.count > 0 &&
            TimestampDifferenceExceeds(start, GetCurrentTimestamp(), DeadlockTimeout))
            raise_stream_locked("the transaction needs more locks than its share, and holds some");
        if (LockTimeout > 0 &&
            TimestampDifferenceExceeds(start, GetCurrentTimestamp(), LockTimeout))
            ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                            errmsg("canceling statement due to lock timeout"),
                            errdetail("An append to this many streams waits until no other append "
                                      "is open.")));
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, nap,
                        PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        nap = Min(nap * 2, GATE_LONGEST_NAP_MS);
    }
}

static void lock_stream(uint64 stream, bool exclusive)
{
    LOCKMODE mode = exclusive ? ExclusiveLock : ShareLock;
    bool in_order = held.count == 0 || stream > held.highest;
    LOCKTAG tag;

    tag.locktag_field1 = MyDatabaseId;
    tag.locktag_field2 = (uint32)(stream >> 32);
    tag.locktag_field3 = (uint32)stream;
    tag.locktag_field4 = STREAM_LOCK_CLASS;
    tag.locktag_type = LOCKTAG_ADVISORY;
    tag.locktag_lockmethodid = USER_LOCKMETHOD;

    if (!in_order &&
        (LockHeldByMe(&tag, ExclusiveLock) || (!exclusive && LockHeldByMe(&tag, ShareLock))))
        return;
    if (LockAcquire(&tag, mode, false, !in_order) == LOCKACQUIRE_NOT_AVAIL)
        raise_stream_locked(
            "a later append of the transaction needs a stream that another one holds");
    held.count++;
    held.highest = Max(held.highest, stream);
}

void ec_stream_lock_all(const ec_stream_lock *locks, int count, Oid gate)
{
    LOCKTAG gate_tag;

    if (held.transaction != ec_transaction_number()) {
        held.transaction = ec_transaction_number();
        held.count = 0;
        held.highest = 0;
    }

    SET_LOCKTAG_RELATION(gate_tag, MyDatabaseId, gate);
    if (LockHeldByMe(&gate_tag, ShareRowExclusiveLock))
        return;
    if (held.count + count > lock_budget()) {
        close_gate(gate);
        return;
    }
    LockRelationOid(gate, RowExclusiveLock);
    for (int i = 0; i < count; i++)
        lock_stream(locks[i].tag, locks[i].exclusive);
}
