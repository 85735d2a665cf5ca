/*
 * wait.c: the SQL function that waits for events.
 *
 * It looks at the log, sleeps, looks again (wakeup.c says when), each time from the last row that
 * it has looked at. While it sleeps it must be in nobody's way: it has no snapshot but the calling
 * statement's own, and no lock, not even on the tables that it reads, or DROP EXTENSION would have
 * to wait as long as it does. The server keeps a lock on a table until the end of the transaction;
 * here each look has a resource owner of its own, and the locks go with it. So a table may be gone
 * when it looks again, which is an error then.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "errors.h"
#include "fmgr.h"
#include "horizon.h"
#include "log_reader.h"
#include "request_sql.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "wakeup.h"

#define ROWS_A_GLANCE 64
#define ROWS_A_LOOK 10000 /* that no snapshot gets old */
#define LONGEST_WAIT_MS (24 * 60 * 60 * INT64CONST(1000))

typedef struct wait {
    text *store;
    ec_log_filter filter;
    int64 position; /* looked at */
    bool has_looked;
    bool is_at_end; /* of the log, as far as it was settled */
    MemoryContext memory;
} wait;

static int64 milliseconds(const Interval *interval)
{
    return (interval->month * INT64CONST(30) + interval->day) * SECS_PER_DAY * 1000 +
           interval->time / 1000;
}

static int64 timeout_argument(FunctionCallInfo fcinfo, int argument)
{
    Interval *timeout = PG_ARGISNULL(argument) ? NULL : PG_GETARG_INTERVAL_P(argument);

    if (timeout == NULL || milliseconds(timeout) < 0 || milliseconds(timeout) > LONGEST_WAIT_MS)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("timeout must be between 0 and 1 day"),
                        errhint("To wait longer, wait again.")));
    return milliseconds(timeout);
}

static void refuse_own_append(const ec_relations *relations)
{
    char *store;

    if (!ec_horizon_holds_ticket(relations))
        return;
    store = text_to_cstring(relations->store);
    ereport(ERROR, (ec_error_code(EC_ERROR_own_append_open),
                    errmsg("a transaction that has appended cannot wait for events"),
                    ec_error_detail(EC_ERROR_own_append_open, "s", "store", store),
                    errhint("Commit, then wait: until then nobody can read what it appended.")));
}

static void receive_nothing(ec_event_scan *scan, void *context)
{
    (void)scan;
    (void)context;
}

/*
 * Whether a look is worth its while: most of its cost is to find out which appends are open
 * (horizon.c), and who wants other events than those that come in looks for nothing most of the
 * time. So first see whether any of the next rows passes the filter, settled or not.
 */
static bool glance(wait *w, const ec_relations *relations)
{
    ec_event_scan scan;
    bool passes = false;
    bool follows_on = true;

    PushActiveSnapshot(GetLatestSnapshot());
    ec_event_scan_log(&scan, relations, GetActiveSnapshot());
    ec_event_scan_seek_position(&scan, w->position, ForwardScanDirection);
    for (int rows = 0; !passes && ec_event_scan_next(&scan); rows++) {
        int64 position = DatumGetInt64(ec_event_scan_value(&scan, EC_GLOBAL_POSITION, NULL));

        follows_on &= position == w->position + 1; /* then it is settled (log_reader.c) */
        passes = rows == ROWS_A_GLANCE || ec_log_filter_passes(&w->filter, &scan);
        if (follows_on && !passes)
            w->position = position;
    }
    ec_event_scan_end(&scan);
    PopActiveSnapshot();
    return passes;
}

static bool look_with_locks(wait *w)
{
    ec_relations relations = ec_relations_open(w->store, AccessShareLock);
    ec_log_reader reader = {
        .relations = &relations,
        .filter = &w->filter,
        .max_count = 1,
        .max_scanned = ROWS_A_LOOK,
        .receive = receive_nothing,
    };
    bool found = false;

    refuse_own_append(&relations);
    /* The first look is a whole one: it checks the position. */
    if (!w->has_looked || RecoveryInProgress() || glance(w, &relations)) {
        reader.position = w->position;
        found = ec_log_read(&reader) > 0;
        w->position = reader.position;
    }
    ec_relations_close(&relations);
    w->has_looked = true;
    w->is_at_end = reader.max_scanned > 0;
    return found;
}

/* Look for an event, and leave no lock behind. */
static bool look(wait *w)
{
    MemoryContext caller = MemoryContextSwitchTo(w->memory);
    ResourceOwner caller_owner = CurrentResourceOwner;
    ResourceOwner owner = ResourceOwnerCreate(caller_owner, "eventcore wait");
    bool found;

    CurrentResourceOwner = owner;
    AcceptInvalidationMessages(); /* what was dropped while we slept is gone */
    found = look_with_locks(w);
    CurrentResourceOwner = caller_owner;
    /* As of a failed one, or the locks would go to the caller. */
    ResourceOwnerRelease(owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
    ResourceOwnerRelease(owner, RESOURCE_RELEASE_LOCKS, false, false);
    ResourceOwnerRelease(owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
    ResourceOwnerDelete(owner);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(w->memory);
    return found;
}

/*
 * (after bigint, timeout interval, types text[], category text, prefix text, pattern text,
 *  correlation_id text, member int, group_size int, store text)
 */
PG_FUNCTION_INFO_V1(eventcore_wait_for);
Datum eventcore_wait_for(PG_FUNCTION_ARGS)
{
    TimestampTz end =
        TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_argument(fcinfo, 1));
    wait w = {
        .store = ec_store_argument(fcinfo, 9),
        .filter = ec_log_filter_arguments(fcinfo, 2),
        .position = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0),
        .memory =
            AllocSetContextCreate(CurrentMemoryContext, "eventcore wait", ALLOCSET_SMALL_SIZES),
    };

    ec_watch watch;

    ec_log_filter_group_arguments(&w.filter, fcinfo, 7);
    ec_log_filter_prepare(&w.filter);

    watch =
        ec_wakeup_watch_topic(w.store, w.filter.category,
                              w.filter.type_count == 1 ? DatumGetTextPP(w.filter.types[0]) : NULL);
    ec_wakeup_found();
    for (;;) {
        long left;

        ec_wakeup_mark(&watch);
        if (look(&w))
            PG_RETURN_BOOL(true);
        left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);
        if (left <= 0 && w.is_at_end)
            PG_RETURN_BOOL(false);
        if (w.is_at_end)
            ec_wakeup_sleep(&watch, left);
    }
}
