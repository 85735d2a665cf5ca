/*
 * worker.c: what the database does by itself: run projections, publish the horizon.
 *
 * With the library preloaded a launcher runs, and one worker in every database that has a duty.
 * The launcher, which is in no database, starts workers; a worker that finds nothing to do, or no
 * extension, ends. The launcher tries every database once, when it starts or first sees it; later
 * whoever makes the first projection of a database calls ec_worker_wake.
 *
 * They meet in a table in shared memory, an entry for a database that has a worker or wants one.
 * A wake-up cannot be lost: it sets `wanted` when what it announces is visible; the worker clears
 * that before it looks what there is to do, and the entry only goes if nobody has set it since.
 * (A wake-up of a running worker goes over wakeup.c, as that of an append does.)
 *
 * One worker is being started at a time, so that many databases do not take all of the server's
 * max_worker_processes at once. One that fails is started again, after a second, then two, up to a
 * minute, until a round of its duties succeeds.
 *
 * Asleep, a worker has no transaction, no snapshot and no lock: DROP EXTENSION passes, and the next
 * look ends the worker. But it has a connection, and DROP DATABASE, ALTER DATABASE RENAME and SET
 * TABLESPACE, and CREATE DATABASE with this one as TEMPLATE want that there is none: they lock the
 * database so that nobody can connect, and then wait five seconds for the others to leave. So
 * between batches, and at least every second, the worker looks whether it could still connect. If
 * not, it leaves; and the launcher starts another one when the lock is gone. (Only a batch of more
 * than five seconds makes those commands fail; DROP DATABASE WITH (FORCE) ends that, too.)
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "projection_worker.h"
#include "published_horizon.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "wakeup.h"
#include "worker.h"

#define DATABASES 256          /* in the table */
#define START_TIMEOUT_MS 60000 /* a worker that has not come up by then never will */
#define SIGHTING_MS 60000      /* between two looks for new databases */
#define FIRST_RETRY_MS 1000    /* doubled at each failure */
#define LONGEST_RETRY_MS 60000
#define IDLE_MS 1000

typedef struct database {
    Oid oid;          /* invalid: the entry is free */
    int pid;          /* of the worker, 0 if none runs */
    bool wanted;      /* there may be something that the worker has not looked at */
    bool is_starting; /* since start_at */
    int retry_ms;     /* 0 if it did not fail last time */
    TimestampTz start_at;
} database;

typedef struct workers {
    Latch *launcher;
    database databases[DATABASES];
} workers;

static workers *shared; /* NULL: not preloaded */
static LWLock *lock;    /* of all of it */
static bool wake_at_commit;

PGDLLEXPORT void eventcore_launcher_main(Datum argument);
PGDLLEXPORT void eventcore_worker_main(Datum argument);

static void wake_launcher(void)
{
    if (shared->launcher != NULL)
        SetLatch(shared->launcher);
}

/* The entry of a database; if it has none, a new one, or NULL if there is no room. */
static database *find_entry(Oid oid)
{
    database *entry = NULL;

    for (int i = 0; i < DATABASES; i++) {
        if (shared->databases[i].oid == oid)
            return &shared->databases[i];
        if (entry == NULL && !OidIsValid(shared->databases[i].oid))
            entry = &shared->databases[i];
    }
    if (entry != NULL)
        *entry = (database){.oid = oid};
    return entry;
}

/* Have a worker look at a database. False: there is no room in the table. */
static bool want(Oid oid)
{
    database *entry;

    LWLockAcquire(lock, LW_EXCLUSIVE);
    entry = find_entry(oid);
    if (entry != NULL)
        entry->wanted = true;
    wake_launcher();
    LWLockRelease(lock);
    if (entry == NULL)
        ereport(LOG, (errmsg("eventcore can run workers in %d databases only", DATABASES)));
    return entry != NULL;
}

void ec_worker_wake(void)
{
    if (shared == NULL)
        return;
    wake_at_commit = true;
    ec_wakeup_appended(NULL);
}

static void transaction_ended(XactEvent event, void *argument)
{
    (void)argument;
    if (wake_at_commit && (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE))
        (void)want(MyDatabaseId);
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_ABORT)
        wake_at_commit = false;
}

static void begin_process(void)
{
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
}

static void serve_interrupts(void)
{
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
    }
}

static void begin_transaction(void)
{
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
}

/* ------------------------------------------------------------------ the worker of a database */

/* Leave the table: with an error, to be started again. */
static void leave(int code, Datum oid)
{
    database *entry;

    LWLockAcquire(lock, LW_EXCLUSIVE);
    entry = find_entry(DatumGetObjectId(oid));
    entry->pid = 0;
    if (code != 0) {
        entry->retry_ms = Min(Max(entry->retry_ms * 2, FIRST_RETRY_MS), LONGEST_RETRY_MS);
        entry->start_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), entry->retry_ms);
        entry->wanted = true;
    } else if (!entry->wanted)
        entry->oid = InvalidOid;
    wake_launcher();
    LWLockRelease(lock);
}

/* Take this database's entry. False: another worker has it. */
static bool enter(Oid oid)
{
    database *entry;
    bool is_mine;

    LWLockAcquire(lock, LW_EXCLUSIVE);
    entry = find_entry(oid);
    is_mine = entry != NULL && entry->pid == 0;
    if (is_mine) {
        entry->pid = MyProcPid;
        entry->is_starting = false;
        wake_launcher(); /* it may start the next one */
    }
    LWLockRelease(lock);
    if (is_mine)
        before_shmem_exit(leave, ObjectIdGetDatum(oid));
    return is_mine;
}

/* Whether somebody has set `wanted` since it was last cleared; clear it, or set it. */
static bool swap_wanted(bool wanted)
{
    database *entry;
    bool was_wanted;

    LWLockAcquire(lock, LW_EXCLUSIVE);
    entry = find_entry(MyDatabaseId);
    was_wanted = entry->wanted;
    entry->wanted = wanted;
    LWLockRelease(lock);
    return was_wanted;
}

/*
 * Whether nobody wants the database for himself: then the lock can be had that everybody takes for
 * a moment who connects. Needs a transaction, which keeps it.
 */
static bool can_connect(Oid oid)
{
    LOCKTAG tag;

    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, oid, 0);
    return LockAcquire(&tag, RowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

/* Whether there is the extension, and nobody who wants the database for himself. */
static bool may_stay(void)
{
    bool may_stay;

    begin_transaction();
    may_stay = can_connect(MyDatabaseId);
    if (!may_stay)
        swap_wanted(true); /* be started again */
    else
        may_stay = OidIsValid(get_extension_oid("eventcore", true));
    CommitTransactionCommand();
    return may_stay;
}

/* The sooner of two delays, of which -2 is never and -1 when there are events. */
static long sooner(long a, long b)
{
    return a < 0 || b < 0 ? Max(a, b) : Min(a, b);
}

static void round_succeeded(void)
{
    LWLockAcquire(lock, LW_EXCLUSIVE);
    find_entry(MyDatabaseId)->retry_ms = 0;
    LWLockRelease(lock);
}

void eventcore_worker_main(Datum oid)
{
    ec_watch watch;

    begin_process();
    if (!enter(DatumGetObjectId(oid)))
        return;
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(oid), InvalidOid, 0);
    watch = ec_wakeup_watch(NULL);

    for (;;) {
        bool busy;
        long delay;

        ec_wakeup_mark(&watch);
        serve_interrupts();
        (void)swap_wanted(false);
        if (!may_stay())
            return;
        busy = ec_projections_work();
        delay = ec_published_horizon_work();
        delay = sooner(delay, ec_projections_delay());
        round_succeeded();
        if (busy) {
            ec_wakeup_found();
            continue;
        }
        if (delay == -2 && !swap_wanted(false))
            return;
        pgstat_report_stat(false);
        pgstat_report_activity(STATE_IDLE, NULL);
        ec_wakeup_sleep(&watch, delay < 0 ? IDLE_MS : delay);
    }
}

/* ------------------------------------------------------------------------------ the launcher */

/*
 * Want the databases that are not among those seen before. Returns those that there are, but for
 * those that found no room: most workers end at once and make some, so they get it next time.
 */
static List *look_for_databases(List *seen)
{
    List *now = NIL;
    List *new = NIL;
    ListCell *cell;
    Relation table;
    TableScanDesc scan;
    HeapTuple tuple;
    MemoryContext caller = CurrentMemoryContext;

    begin_transaction();
    table = table_open(DatabaseRelationId, AccessShareLock);
    scan = table_beginscan_catalog(table, 0, NULL);
    while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL) {
        Form_pg_database row = (Form_pg_database)GETSTRUCT(tuple);

        if (row->datallowconn && !row->datistemplate) {
            MemoryContext transaction = MemoryContextSwitchTo(caller);

            now = lappend_oid(now, row->oid);
            MemoryContextSwitchTo(transaction);
        }
    }
    table_endscan(scan);
    table_close(table, AccessShareLock);
    CommitTransactionCommand();
    MemoryContextSwitchTo(caller);

    new = list_difference_oid(now, seen);
    foreach (cell, new)
        if (!want(lfirst_oid(cell)))
            now = list_delete_oid(now, lfirst_oid(cell));
    list_free(new);
    list_free(seen);
    return now;
}

/*
 * The database whose worker is to be started now, or an invalid OID; and in how many ms to ask
 * again.
 */
static Oid next_to_start(long *ask_again_ms)
{
    TimestampTz now = GetCurrentTimestamp();
    database *next = NULL;
    long delay;
    Oid oid = InvalidOid;

    LWLockAcquire(lock, LW_EXCLUSIVE);
    for (int i = 0; i < DATABASES; i++) {
        database *entry = &shared->databases[i];

        if (!OidIsValid(entry->oid) || entry->pid != 0 || !entry->wanted)
            continue;
        if (entry->is_starting) {
            delay = START_TIMEOUT_MS - TimestampDifferenceMilliseconds(entry->start_at, now);
            if (delay > 0) {
                *ask_again_ms = Min(*ask_again_ms, delay);
                next = NULL;
                break;
            }
            entry->is_starting = false;
        }
        if (next == NULL || entry->start_at < next->start_at)
            next = entry;
    }
    if (next != NULL) {
        delay = TimestampDifferenceMilliseconds(now, next->start_at);
        if (delay > 0)
            *ask_again_ms = Min(*ask_again_ms, delay);
        else {
            oid = next->oid;
            next->is_starting = true;
            next->start_at = now;
        }
    }
    LWLockRelease(lock);
    return oid;
}

static void put_off(Oid oid, long ms)
{
    database *entry;

    LWLockAcquire(lock, LW_EXCLUSIVE);
    entry = find_entry(oid);
    entry->is_starting = false;
    entry->start_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
    LWLockRelease(lock);
}

static void forget(Oid oid)
{
    LWLockAcquire(lock, LW_EXCLUSIVE);
    find_entry(oid)->oid = InvalidOid;
    LWLockRelease(lock);
}

static void start_worker(Oid oid)
{
    static bool complained;
    BackgroundWorker worker = {
        .bgw_name = "eventcore worker",
        .bgw_type = "eventcore worker",
        .bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
        .bgw_start_time = BgWorkerStart_RecoveryFinished,
        .bgw_restart_time = BGW_NEVER_RESTART,
        .bgw_library_name = "eventcore",
        .bgw_function_name = "eventcore_worker_main",
        .bgw_main_arg = ObjectIdGetDatum(oid),
    };
    HeapTuple row;
    bool is_open, is_free;

    begin_transaction();
    is_free = can_connect(oid);
    row = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(oid));
    is_open = HeapTupleIsValid(row) && ((Form_pg_database)GETSTRUCT(row))->datallowconn;
    if (HeapTupleIsValid(row))
        ReleaseSysCache(row);
    CommitTransactionCommand();
    if (!is_open)
        forget(oid);   /* perhaps it was dropped */
    else if (!is_free) /* the worker would wait, and perhaps find the database gone */
        put_off(oid, FIRST_RETRY_MS);
    else if (!RegisterDynamicBackgroundWorker(&worker, NULL)) {
        put_off(oid, FIRST_RETRY_MS);
        if (!complained)
            ereport(LOG,
                    (errmsg("eventcore cannot start a worker: all background workers are in use"),
                     errhint("Projections wait until one is free. Increase "
                             "max_worker_processes.")));
        complained = true;
    }
}

static void forget_launcher(int code, Datum argument)
{
    (void)code;
    (void)argument;
    LWLockAcquire(lock, LW_EXCLUSIVE);
    shared->launcher = NULL;
    LWLockRelease(lock);
}

void eventcore_launcher_main(Datum argument)
{
    List *seen = NIL;
    TimestampTz look_at = 0;

    (void)argument;
    begin_process();
    LWLockAcquire(lock, LW_EXCLUSIVE);
    shared->launcher = MyLatch;
    LWLockRelease(lock);
    before_shmem_exit(forget_launcher, (Datum)0);
    BackgroundWorkerInitializeConnection(NULL, NULL, 0);

    for (;;) {
        long delay;
        Oid oid;

        serve_interrupts();
        if (GetCurrentTimestamp() >= look_at) {
            seen = look_for_databases(seen);
            look_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SIGHTING_MS);
        }
        delay = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), look_at);
        oid = next_to_start(&delay);
        if (OidIsValid(oid)) {
            start_worker(oid);
            continue;
        }
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Max(delay, 1),
                        PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
    }
}

/* ---------------------------------------------------------------------------------- preloading */

Size ec_worker_shared_size(void)
{
    return sizeof(workers);
}

void ec_worker_attach(void *memory, bool is_new, LWLock *its_lock)
{
    shared = memory;
    lock = its_lock;
    if (is_new)
        memset(shared, 0, sizeof(workers));
}

void ec_worker_init(void)
{
    BackgroundWorker launcher = {
        .bgw_name = "eventcore launcher",
        .bgw_type = "eventcore launcher",
        .bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
        .bgw_start_time = BgWorkerStart_RecoveryFinished,
        .bgw_restart_time = 1,
        .bgw_library_name = "eventcore",
        .bgw_function_name = "eventcore_launcher_main",
    };

    if (!IsBinaryUpgrade) /* pg_upgrade wants no work to be done */
        RegisterBackgroundWorker(&launcher);
    RegisterXactCallback(transaction_ended, NULL);
}
