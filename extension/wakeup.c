/*
 * wakeup.c: wait for events, and wake those who wait.
 *
 * Who waits does, in a loop: read the mark, look for events, and if there are none sleep until the
 * mark has changed. All that is decided here is when to look again. So a wake-up that is lost or
 * comes for nothing costs time and never an event, and no sleep is longer than a second: COMMIT
 * PREPARED, for one, is run by somebody who does not know what was appended, and wakes nobody.
 *
 * With the library preloaded there are slots in shared memory, found by a hash of database and
 * store, each with a number of commits (the mark) and a condition variable. What an append writes
 * is readable when its transaction has given back its ticket (horizon.c), which happens after all
 * commit callbacks: who is woken by one of those finds the ticket and sleeps again. So the signal
 * is sent when the locks have been released: at commit, at rollback (others may stand behind the
 * ticket), and when a savepoint is rolled back (it may have had the ticket).
 *
 * Nobody is missed. Signal: count the commit, then see whether anybody is in the variable's list.
 * Sleep: enter the list, then see whether the mark has changed. A full barrier stands between the
 * two on either side, so that of two who do it at the same time at least one sees the other.
 *
 * No storm. Thousands of commits a second must not each wake everybody, so there is at most one
 * broadcast a millisecond in a slot: whoever finds the last one younger than that sends none. In
 * return, who goes to sleep within this millisecond does not trust to be woken, and sleeps until it
 * is over, then looks at the mark again. It reads the time of the last broadcast when it is in the
 * list already, and the time is written before the broadcast begins: if it reads an old time, every
 * broadcast that could make somebody else stay silent is still to come, and finds it in the list.
 *
 * Who is woken again and again and finds nothing, since its filter lets nothing pass, rests before
 * it sleeps on the variable: 1, 2, 4, then LONGEST_REST milliseconds, in which nobody wakes it.
 * Then it is weary: if its filter names a category, or one type, it sleeps on the slot of that, its
 * *topic*, which only appends of such events signal. Woken there it is eager again, and looks after
 * every commit: the event that woke it may stand behind the ticket of somebody else, who appends
 * other things.
 *
 * Without preloading, and in recovery, where nobody commits, the rest is all there is; it grows to
 * LONGEST_POLL. (While nobody looks the sequence of positions would not tell: it moves when an
 * append draws, not when it commits.)
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension_d.h"
#include "common/hashfn.h"
#include "log_filter.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/proclist.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"
#include "wakeup.h"

#define SLOTS 256
#define BROADCAST_US 1000 /* between two */
#define LONGEST_SLEEP 1000
#define LONGEST_REST 8
#define LONGEST_POLL 100

typedef union slot {
    struct {
        pg_atomic_uint64 commits;
        pg_atomic_uint64 last_broadcast; /* microseconds */
        ConditionVariable sleepers;
    };
    char pad[PG_CACHE_LINE_SIZE];
} slot;

static slot *slots;       /* NULL: not preloaded */
static bool has_appended; /* then signal the slots in the next when the transaction ends */
static uint64 appended[SLOTS / 64]; /* a bit each */
static long rest;                   /* before the next sleep, ms */
static object_access_hook_type next_object_access_hook;

static uint64 microseconds(void)
{
    instr_time now;

    INSTR_TIME_SET_CURRENT(now);
    return INSTR_TIME_GET_MICROSEC(now);
}

/* The slot of a store, or of a topic in it: 'c' a category, 't' a type. */
static int slot_of(const text *store, char kind, const char *name, int length)
{
    uint64 seed = (uint64)MyDatabaseId << 8 | (unsigned char)kind;

    if (store != NULL)
        seed = hash_bytes_extended((const unsigned char *)VARDATA_ANY(store),
                                   VARSIZE_ANY_EXHDR(store), seed);
    return hash_bytes_extended((const unsigned char *)name, length, seed) % SLOTS;
}

static int category_slot(const text *store, const text *stream_id)
{
    return slot_of(store, 'c', VARDATA_ANY(stream_id), ec_log_category_length(stream_id));
}

static int type_slot(const text *store, const text *type)
{
    return slot_of(store, 't', VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type));
}

static void note(int slot)
{
    has_appended = true;
    appended[slot / 64] |= UINT64CONST(1) << slot % 64;
}

void ec_wakeup_appended(const text *store)
{
    if (slots == NULL)
        return;
    note(slot_of(NULL, 's', "", 0));
    if (store != NULL)
        note(slot_of(store, 's', "", 0));
}

void ec_wakeup_appended_event(const text *store, const text *stream_id, const text *type)
{
    if (slots == NULL)
        return;
    note(category_slot(store, stream_id));
    note(type_slot(store, type));
}

static void signal_slot(slot *slot)
{
    uint64 last;
    uint64 now;

    (void)pg_atomic_fetch_add_u64(&slot->commits, 1); /* a full barrier */
    if (proclist_is_empty(&slot->sleepers.wakeup))
        return;
    last = pg_atomic_read_u64(&slot->last_broadcast);
    now = microseconds();
    if (now - last >= BROADCAST_US &&
        pg_atomic_compare_exchange_u64(&slot->last_broadcast, &last, now))
        ConditionVariableBroadcast(&slot->sleepers);
}

/*
 * Called for every resource owner, such as that of a cursor, when it releases what it has. At the
 * top level no lock is left; else only the failed ones give locks back. Must not fail.
 */
static void resources_released(ResourceReleasePhase phase, bool is_commit, bool is_top_level,
                               void *arg)
{
    (void)arg;
    if (!has_appended || phase != RESOURCE_RELEASE_AFTER_LOCKS || (is_commit && !is_top_level))
        return;
    for (int i = 0; i < SLOTS; i++)
        if (appended[i / 64] & UINT64CONST(1) << i % 64)
            signal_slot(&slots[i]);
    if (is_top_level) {
        has_appended = false;
        memset(appended, 0, sizeof(appended));
    }
}

/* When an extension is dropped, have everybody look whether it is this one. */
static void object_access(ObjectAccessType access, Oid class, Oid object, int column, void *arg)
{
    if (next_object_access_hook != NULL)
        next_object_access_hook(access, class, object, column, arg);
    if (access == OAT_DROP && class == ExtensionRelationId && slots != NULL)
        for (int i = 0; i < SLOTS; i++)
            note(i);
}

ec_watch ec_wakeup_watch(const text *store)
{
    return ec_wakeup_watch_topic(store, NULL, NULL);
}

ec_watch ec_wakeup_watch_topic(const text *store, const text *category, const text *type)
{
    ec_watch watch = {.slot = slot_of(store, 's', "", 0)};

    watch.topic = category != NULL ? category_slot(store, category)
                  : type != NULL   ? type_slot(store, type)
                                   : watch.slot;
    return watch;
}

void ec_wakeup_mark(ec_watch *watch)
{
    if (slots == NULL)
        return;
    watch->mark = pg_atomic_read_u64(&slots[watch->slot].commits);
    watch->topic_mark = pg_atomic_read_u64(&slots[watch->topic].commits);
}

static void nap(long timeout)
{
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout,
                    WAIT_EVENT_PG_SLEEP);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

/* Sleep until the number of commits is not `mark` any more; whether it is not. */
static bool sleep_on(slot *slot, uint64 mark, long timeout)
{
    uint64 end = microseconds() + timeout * 1000;
    bool is_signalled;

    ConditionVariablePrepareToSleep(&slot->sleepers);
    for (;;) {
        uint64 now, silent, until;

        pg_memory_barrier(); /* in the list, then look */
        now = microseconds();
        is_signalled = pg_atomic_read_u64(&slot->commits) != mark;
        if (is_signalled || now >= end)
            break;
        silent = pg_atomic_read_u64(&slot->last_broadcast) + BROADCAST_US;
        until = now < silent ? Min(silent, end) : end;
        (void)ConditionVariableTimedSleep(&slot->sleepers, (until - now + 999) / 1000,
                                          PG_WAIT_EXTENSION);
    }
    ConditionVariableCancelSleep();
    return is_signalled;
}

void ec_wakeup_sleep(const ec_watch *watch, long timeout)
{
    bool is_polling = slots == NULL || RecoveryInProgress();

    timeout = Min(timeout, LONGEST_SLEEP);
    if (!is_polling && rest >= LONGEST_REST && watch->topic != watch->slot) {
        if (sleep_on(&slots[watch->topic], watch->topic_mark, timeout))
            rest = 0;
        return;
    }
    if (is_polling)
        rest = Max(rest, 1);
    if (rest > 0)
        nap(Min(rest, timeout));
    if (!is_polling && timeout > rest)
        (void)sleep_on(&slots[watch->slot], watch->mark, timeout - rest);
    rest = Min(Max(rest * 2, 1), is_polling ? LONGEST_POLL : LONGEST_REST);
}

void ec_wakeup_found(void)
{
    rest = 0;
}

Size ec_wakeup_shared_size(void)
{
    return SLOTS * sizeof(slot);
}

void ec_wakeup_attach(void *shared, bool is_new)
{
    slots = shared;
    for (int i = 0; is_new && i < SLOTS; i++) {
        pg_atomic_init_u64(&slots[i].commits, 0);
        pg_atomic_init_u64(&slots[i].last_broadcast, 0);
        ConditionVariableInit(&slots[i].sleepers);
    }
}

void ec_wakeup_init(void)
{
    RegisterResourceReleaseCallback(resources_released, NULL);
    next_object_access_hook = object_access_hook;
    object_access_hook = object_access;
}
