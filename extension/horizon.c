/*
 * horizon.c: global positions, and how far the log is settled.
 *
 * Positions come from a sequence, so transactions draw them in one order and commit in another: a
 * reader that simply continued behind the highest position it saw would skip events that commit
 * later. It must know up to where everything is settled, without stopping the writers.
 *
 * A writer, in this order:
 *   1. reads the sequence's last value p,
 *   2. takes a share lock whose tag carries p, its *ticket*: "I may own positions above p",
 *   3. draws its positions, all above p; and keeps the ticket until its transaction has ended.
 * A reader, in this order:
 *   1. reads the sequence's last value h,
 *   2. lists the tickets that are held, and lets safe = min(h, the lowest p),
 *   3. takes its snapshot.
 *
 * Why no event at or below `safe` can appear later: its position was drawn before the reader's
 * step 1, so its writer had taken its ticket before that. Either the ticket was listed in step 2,
 * then the position is above p >= safe; or it was gone, then the transaction had ended, and since a
 * transaction becomes visible before it gives its locks back, the snapshot of step 3 sees it. A
 * snapshot taken before step 2 would not do, nor does an older one that the caller has.
 *
 * Why nothing else holds the reader back: only transactions with a ticket count. An old idle
 * transaction has none, a rolled-back one (or savepoint) has given its back, a prepared one keeps
 * it, in the lock manager, also across a restart.
 *
 * The sequence is WAL-logged ahead, in steps of 32: after a crash its value may be lower than the
 * last h, though never lower than a committed position. So `safe` is a bound for scanning, not a
 * place to stand: a reader's position never passes the last row that it scanned.
 *
 * A ticket also carries fourteen bits of a hash of the store, so that (but for chance) the open
 * appends of one tenant do not hold back the readers of another.
 *
 * All this is known only where the log is written. For others see published_horizon.c.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relscan.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "compat.h"
#include "errors.h"
#include "event_scan.h"
#include "horizon.h"
#include "lock_tag.h"
#include "miscadmin.h"
#include "published_horizon.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static struct {
    LocalTransactionId transaction;
    Oid sequence;
    LOCKTAG tag;
    int64 lower_bound; /* all draws of this ticket are above it */
} ticket;

static uint16 ticket_class(text *store)
{
    return EC_LOCK_TICKET |
           (hash_bytes((const unsigned char *)VARDATA_ANY(store), VARSIZE_ANY_EXHDR(store)) &
            0x3fff);
}

/* Read the sequence's only tuple, as nextval does, without drawing. */
int64 ec_horizon_last_drawn(const ec_relations *relations)
{
    Buffer buffer = ReadBuffer(relations->sequence, 0);
    Page page;
    HeapTupleData tuple;
    Form_pg_sequence_data data;
    int64 last;

    LockBuffer(buffer, BUFFER_LOCK_SHARE);
    page = BufferGetPage(buffer);
    tuple.t_data = (HeapTupleHeader)PageGetItem(page, PageGetItemId(page, FirstOffsetNumber));
    data = (Form_pg_sequence_data)GETSTRUCT(&tuple);
    last = data->is_called ? data->last_value : data->last_value - 1;
    UnlockReleaseBuffer(buffer);
    return last;
}

/*
 * Make sure that the sequence is not behind the log, as after a partial restore, a setval, or the
 * promotion of a logical replica: new events would get positions that readers have passed already.
 */
static void check_sequence(const ec_relations *relations)
{
    int64 last_position = ec_last_position(relations);
    int64 last_drawn = ec_horizon_last_drawn(relations);

    if (last_drawn < last_position)
        ereport(ERROR,
                (ec_error_code(EC_ERROR_position_regressed),
                 errmsg("the sequence of global positions is behind the log"),
                 ec_error_detail(EC_ERROR_position_regressed, "ii", "last_drawn", last_drawn,
                                 "last_position", last_position),
                 errhint("If this database was restored or promoted, set it right with: SELECT "
                         "setval('eventcore.global_position', (SELECT max(global_position) FROM "
                         "eventcore.events));")));
}

void ec_horizon_take_ticket(const ec_relations *relations)
{
    static struct {
        Oid sequence;
        uint16 store;
    } checked;
    uint16 class = ticket_class(relations->store);
    Oid sequence = RelationGetRelid(relations->sequence);

    /* The ticket of an earlier append still serves, unless a rolled-back savepoint dropped it:
     * only the lock manager knows. */
    if (ticket.transaction == ec_transaction_number() && ticket.sequence == sequence &&
        ticket.tag.locktag_field4 == class && LockHeldByMe(&ticket.tag, ShareLock))
        return;

    if (checked.sequence != sequence || checked.store != class) {
        check_sequence(relations);
        checked.sequence = sequence;
        checked.store = class;
    }

    ticket.lower_bound = ec_horizon_last_drawn(relations);
    ticket.tag = ec_lock_tag(ticket.lower_bound, class);
    (void)LockAcquire(&ticket.tag, ShareLock, false, false); /* nobody takes a stronger mode */
    ticket.transaction = ec_transaction_number();
    ticket.sequence = sequence;
}

int64 ec_horizon_draw(const ec_relations *relations)
{
    static struct {
        Oid sequence;
        int64 position;
    } last;
    Oid sequence = RelationGetRelid(relations->sequence);
    int64 position = nextval_internal(sequence, false);

    if (position <= ticket.lower_bound || (last.sequence == sequence && position <= last.position))
        ereport(
            ERROR,
            (ec_error_code(EC_ERROR_position_regressed),
             errmsg("the sequence of global positions went back"),
             ec_error_detail(
                 EC_ERROR_position_regressed, "ii", "drawn", position, "expected_above",
                 Max(ticket.lower_bound, last.sequence == sequence ? last.position : 0)),
             errhint("The sequence eventcore.global_position must grow by 1 and keep CACHE 1: undo "
                     "what setval or ALTER SEQUENCE did, and connect again.")));
    last.sequence = sequence;
    last.position = position;
    return position;
}

bool ec_horizon_holds_ticket(const ec_relations *relations)
{
    uint16 class = ticket_class(relations->store);
    bool holds = false;
    LockData *held;

    if (ticket.transaction != ec_transaction_number())
        return false;           /* it never took one */
    held = GetLockStatusData(); /* `ticket` is but the last one, and may be gone */
    for (int i = 0; i < held->nelements; i++)
        holds |= ec_lock_tag_is(&held->locks[i].locktag, class) && held->locks[i].pid == MyProcPid;
    pfree(held->locks);
    pfree(held);
    return holds;
}

int64 ec_horizon_safe_position(const ec_relations *relations)
{
    uint16 class = ticket_class(relations->store);
    LOCKTAG listing = ec_lock_tag(0, EC_LOCK_LISTING);
    int64 safe = ec_horizon_last_drawn(relations);
    LockData *held;

    /* Listing shares all partitions of the lock table; many readers at once would starve writers.
     */
    (void)LockAcquire(&listing, ExclusiveLock, false, false);
    held = GetLockStatusData();
    LockRelease(&listing, ExclusiveLock, false);

    for (int i = 0; i < held->nelements; i++) {
        const LockInstanceData *lock = &held->locks[i];

        if (ec_lock_tag_is(&lock->locktag, class) && (lock->holdMask & LOCKBIT_ON(ShareLock)) &&
            lock->pid != MyProcPid)
            safe = Min(safe, (int64)ec_lock_tag_key(&lock->locktag));
    }
    pfree(held->locks);
    pfree(held);
    return safe;
}

int64 ec_horizon_push_snapshot(const ec_relations *relations)
{
    int64 settled;

    if (ec_published_horizon_is_needed(relations)) {
        PushActiveSnapshot(GetLatestSnapshot());
        return ec_published_horizon(relations, GetActiveSnapshot());
    }
    settled = ec_horizon_safe_position(relations);
    PushActiveSnapshot(GetLatestSnapshot());
    return settled;
}
