/*
 * published_horizon.c: how far the log is settled, for servers that cannot see who appends.
 *
 * A reader looks at the tickets of open appends (horizon.c). On a hot standby they do not exist,
 * and the sequence of positions, which is logged ahead, is beyond what was drawn; where events
 * arrive by logical replication it stands still. So the server where the log is written puts the
 * outcome into a table, and readers elsewhere go up to what stands there, *as the same snapshot
 * sees it that sees the rows*.
 *
 * What is published is P = min(the safe position, the position of the last committed event).
 *
 * Whoever sees P sees all events at or below it that there will ever be. As to the safe position,
 * an event at or below it was either rolled back, or its transaction had given its ticket back
 * before the tickets were listed. A transaction writes its commit record before it gives up its
 * locks, and the publisher writes its own after it has listed them: so the commit record of every
 * such event stands before that of the row, and a standby replays, and an apply worker applies, in
 * this order. A reader that took the row from a newer snapshot than the events could skip; from an
 * older one it would only be told less.
 *
 * Nor can a position at or below P be drawn again. The record that logs the sequence ahead of P
 * stands before the row too, so any server that has the row, after a crash or a promotion as well,
 * goes on above it. But a sequence is not in a snapshot: a restored dump, or a logical subscriber
 * that takes over, may have it set by hand to the last event that there is. That is why P goes no
 * further than an event which everybody who sees the row sees too. (It also leaves the row of a
 * store alone while only others are written.)
 *
 * A transaction that has appended may publish: its own events become visible together with the
 * row, by one commit, or neither does. (An append in a savepoint that was rolled back is not seen
 * by it; if one is rolled back later, so is what was published after it.)
 *
 * P is never lowered. The safe position may go back a little: of a writer that has read the
 * sequence and not taken its ticket yet nobody knows, and once taken, the ticket says less than was
 * known before. But what was settled remains settled.
 *
 * The worker commits without waiting for the disk or for synchronous standbys: a row that is lost
 * in a crash was seen by nobody, since standbys are sent only what is on disk, and the next one
 * says the same or more.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_subscription_rel.h"
#include "catalog/pg_type_d.h"
#include "commands/extension.h"
#include "compat.h"
#include "errors.h"
#include "event_scan.h"
#include "executor/spi.h"
#include "horizon.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "published_horizon.h"
#include "request_sql.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "worker.h"

/* In milliseconds: how often the worker publishes while there is news, and looks when there is
 * none. (Appends wake it; the commit of a prepared one does not.) */
#define PUBLISH_INTERVAL 100
#define IDLE_INTERVAL 1000

#define POSITION_COLUMN 2

static Relation open_horizon(LOCKMODE lockmode)
{
    static const Oid column_types[] = {TEXTOID, INT8OID, TIMESTAMPTZOID};

    return ec_relations_open_table("published_horizon", column_types, lengthof(column_types),
                                   lockmode);
}

static bool is_subscribed(Oid events)
{
    CatCList *subscriptions = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(events));
    bool result = subscriptions->n_members > 0;

    ReleaseSysCacheList(subscriptions);
    return result;
}

/*
 * Whether the rows of both tables arrive in one order: by the same subscription, and with their
 * first copies, which are made one by one, caught up.
 */
static bool arrive_together(Oid events, Oid horizon)
{
    CatCList *subscriptions = SearchSysCacheList1(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(events));
    bool result = true;

    for (int i = 0; i < subscriptions->n_members; i++) {
        Form_pg_subscription_rel of_events =
            (Form_pg_subscription_rel)GETSTRUCT(&subscriptions->members[i]->tuple);
        HeapTuple tuple = SearchSysCache2(SUBSCRIPTIONRELMAP, ObjectIdGetDatum(horizon),
                                          ObjectIdGetDatum(of_events->srsubid));

        result &= of_events->srsubstate == SUBREL_STATE_READY && HeapTupleIsValid(tuple) &&
                  ((Form_pg_subscription_rel)GETSTRUCT(tuple))->srsubstate == SUBREL_STATE_READY;
        if (HeapTupleIsValid(tuple))
            ReleaseSysCache(tuple);
    }
    ReleaseSysCacheList(subscriptions);
    return result;
}

static void raise_not_published(const ec_relations *relations, const char *problem,
                                const char *hint)
{
    char *store = text_to_cstring(relations->store);

    ereport(ERROR, (ec_error_code(EC_ERROR_horizon_not_published),
                    errmsg("how far the log of store \"%s\" is settled %s", store, problem),
                    ec_error_detail(EC_ERROR_horizon_not_published, "ss", "store", store, "problem",
                                    problem),
                    errhint("%s", hint)));
}

bool ec_published_horizon_is_needed(const ec_relations *relations)
{
    Oid events = RelationGetRelid(relations->events);
    Relation horizon;

    if (!is_subscribed(events))
        return RecoveryInProgress();
    horizon = open_horizon(AccessShareLock);
    if (!arrive_together(events, RelationGetRelid(horizon)))
        raise_not_published(relations, "does not arrive here together with the events",
                            "Let one subscription bring both eventcore.events and "
                            "eventcore.published_horizon, and wait until it has copied them.");
    table_close(horizon, NoLock);
    return true;
}

int64 ec_published_horizon(const ec_relations *relations, Snapshot snapshot)
{
    Relation horizon = open_horizon(AccessShareLock);
    ScanKeyData key;
    SysScanDesc scan;
    HeapTuple tuple;
    int64 position = -1;
    bool is_null;

    ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(relations->store));
    scan = systable_beginscan(horizon, ec_primary_key_index(horizon), true, snapshot, 1, &key);
    tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple))
        position = DatumGetInt64(
            heap_getattr(tuple, POSITION_COLUMN, RelationGetDescr(horizon), &is_null));
    systable_endscan(scan);
    table_close(horizon, NoLock);
    if (position < 0)
        raise_not_published(relations, "is not published",
                            "Call eventcore.publish_horizon() on the server where the log is "
                            "written; with eventcore preloaded there, it then goes on by itself. "
                            "Streams can be read here in any case.");
    return position;
}

/* Run a statement with a store, and perhaps a position, as the owner of the table. */
static void execute(const char *statement, text *store, int64 position)
{
    Relation horizon = open_horizon(RowExclusiveLock);
    Oid types[] = {TEXTOID, INT8OID};
    Datum values[] = {PointerGetDatum(store), Int64GetDatum(position)};
    Oid caller;
    int context;

    GetUserIdAndSecContext(&caller, &context); /* an error restores them */
    SetUserIdAndSecContext(horizon->rd_rel->relowner,
                           context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
    if (SPI_execute_with_args(statement, lengthof(values), types, values, NULL, false, 0) < 0)
        elog(ERROR, "%s failed", statement);
    SetUserIdAndSecContext(caller, context);
    table_close(horizon, NoLock);
}

/* Publish how far the log is settled. Needs SPI. */
static void publish(const ec_relations *relations)
{
    int64 safe = ec_horizon_safe_position(relations);
    int64 last = ec_last_position(relations);

    execute("INSERT INTO eventcore.published_horizon AS published "
            "VALUES ($1, $2, pg_catalog.clock_timestamp()) "
            "ON CONFLICT (store) DO UPDATE "
            "SET position = excluded.position, published_at = excluded.published_at "
            "WHERE published.position OPERATOR(pg_catalog.<) excluded.position",
            relations->store, Min(safe, last));
}

static ec_relations open_writable(FunctionCallInfo fcinfo, const char *what)
{
    ec_relations relations;

    PreventCommandDuringRecovery(what);
    PreventCommandIfReadOnly(what);
    PreventCommandIfParallelMode(what);
    relations = ec_relations_open(ec_store_argument(fcinfo, 0), AccessShareLock);
    if (is_subscribed(RelationGetRelid(relations.events)))
        ereport(ERROR,
                (ec_error_code(EC_ERROR_log_is_replica),
                 errmsg("the log is not written here: eventcore.events is in a subscription"),
                 ec_error_detail(EC_ERROR_log_is_replica, ""),
                 errhint("Publish the horizon on the server where the log is written, and let the "
                         "same subscription bring eventcore.published_horizon. To go on writing "
                         "here, drop the subscription.")));
    return relations;
}

/* (store text) */
PG_FUNCTION_INFO_V1(eventcore_publish_horizon);
Datum eventcore_publish_horizon(PG_FUNCTION_ARGS)
{
    ec_relations relations = open_writable(fcinfo, "publish_horizon()");
    int64 position;

    SPI_connect();
    publish(&relations);
    SPI_finish();
    PushActiveSnapshot(GetLatestSnapshot());
    position = ec_published_horizon(&relations, GetActiveSnapshot());
    PopActiveSnapshot();
    ec_relations_close(&relations);
    ec_worker_wake();
    PG_RETURN_INT64(position);
}

/* (store text) */
PG_FUNCTION_INFO_V1(eventcore_unpublish_horizon);
Datum eventcore_unpublish_horizon(PG_FUNCTION_ARGS)
{
    ec_relations relations = open_writable(fcinfo, "unpublish_horizon()");
    bool was_published;

    SPI_connect();
    execute("DELETE FROM eventcore.published_horizon "
            "WHERE store OPERATOR(pg_catalog.=) $1",
            relations.store, 0);
    was_published = SPI_processed > 0;
    SPI_finish();
    ec_relations_close(&relations);
    PG_RETURN_BOOL(was_published);
}

/* Whether there are stores to publish for: not where the rows come from another server. Needs SPI.
 */
static bool any_is_published(void)
{
    ec_relations relations = ec_relations_open(cstring_to_text("default"), AccessShareLock);
    bool is_replica = is_subscribed(RelationGetRelid(relations.events));

    ec_relations_close(&relations);
    SPI_execute("SELECT FROM eventcore.published_horizon", true, 1);
    return SPI_processed > 0 && !is_replica;
}

/* Publish for all stores that have news. Returns whether there were any. Needs SPI. */
static bool publish_news(void)
{
    uint64 count;
    SPITupleTable *news;

    /* One that somebody publishes for, or has stopped publishing for, is left to him. */
    SPI_execute("SELECT store FROM eventcore.published_horizon "
                "WHERE position OPERATOR(pg_catalog.<) eventcore.last_position(store) "
                "FOR NO KEY UPDATE SKIP LOCKED",
                false, 0);
    count = SPI_processed;
    news = SPI_tuptable;
    for (uint64 i = 0; i < count; i++) {
        bool is_null;
        Datum store = SPI_getbinval(news->vals[i], news->tupdesc, 1, &is_null);
        ec_relations relations = ec_relations_open(DatumGetTextPP(store), AccessShareLock);

        publish(&relations);
        ec_relations_close(&relations);
    }
    return count > 0;
}

long ec_published_horizon_work(void)
{
    static TimestampTz last_time;
    TimestampTz now = GetCurrentTimestamp();
    long delay = -2;

    if (now >= last_time && !TimestampDifferenceExceeds(last_time, now, PUBLISH_INTERVAL))
        return PUBLISH_INTERVAL;
    last_time = now;

    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    (void)set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
                            GUC_ACTION_LOCAL, true, 0, false);
    if (OidIsValid(get_extension_oid("eventcore", true))) {
        SPI_connect();
        if (any_is_published())
            delay = publish_news() ? PUBLISH_INTERVAL : IDLE_INTERVAL;
        SPI_finish();
    }
    PopActiveSnapshot();
    CommitTransactionCommand();
    (void)pgstat_report_stat(false); /* so that autovacuum knows of the updates */
    return delay;
}
