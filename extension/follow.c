/*
 * follow.c: what subscriptions need of the log: events with how far was looked, and the backlog.
 *
 * Both look at a limited number of rows a call, so that a filter that lets nothing through cannot
 * keep a transaction busy without end.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "funcapi.h"
#include "horizon.h"
#include "log_reader.h"
#include "read.h"
#include "request_sql.h"
#include "rows.h"
#include "utils/snapmgr.h"

#define FOLLOW_ROWS 1000000
#define BACKLOG_ROWS 10000

static const int64 *floors_of(ArrayType *floors)
{
    if (ARR_NDIM(floors) != 1 || ARR_DIMS(floors)[0] != EC_LOG_SLOTS || ARR_HASNULL(floors))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("floors must have %d elements", EC_LOG_SLOTS)));
    return (const int64 *)ARR_DATA_PTR(floors);
}

/* (..., types, category, prefix, pattern, correlation_id, member, group_size, floors, ...) */
static ec_log_filter filter_argument(FunctionCallInfo fcinfo, int first)
{
    ec_log_filter filter = ec_log_filter_arguments(fcinfo, first);
    int member = PG_ARGISNULL(first + 5) ? 0 : PG_GETARG_INT32(first + 5);
    int group_size = PG_ARGISNULL(first + 6) ? 1 : PG_GETARG_INT32(first + 6);

    if (!PG_ARGISNULL(first + 7))
        filter.floors = floors_of(PG_GETARG_ARRAYTYPE_P(first + 7));
    if (group_size != 1 || filter.floors != NULL) /* a group of one need not hash */
        ec_log_filter_set_group(&filter, member, group_size);
    ec_log_filter_prepare(&filter);
    return filter;
}

/*
 * (after bigint, max_count bigint, types text[], category text, prefix text, pattern text,
 *  correlation_id text, member int, group_size int, floors bigint[], store text)
 */
PG_FUNCTION_INFO_V1(eventcore_follow);
Datum eventcore_follow(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *rows = ec_read_begin_rows(fcinfo);
    ec_log_filter filter = filter_argument(fcinfo, 2);
    ec_relations relations;
    ec_log_reader reader = {
        .relations = &relations,
        .filter = &filter,
        .position = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0),
        .max_count = ec_read_max_count(fcinfo, 1),
        .max_scanned = FOLLOW_ROWS,
        .receive = ec_read_add_row,
        .context = rows,
    };
    Datum values[EC_ROW_COLUMNS] = {0};
    bool nulls[EC_ROW_COLUMNS];

    relations = ec_relations_open(ec_store_argument(fcinfo, 10), AccessShareLock);
    (void)ec_log_read(&reader);
    ec_relations_close(&relations);

    memset(nulls, true, sizeof(nulls));
    values[2] = Int64GetDatum(reader.position); /* global_position */
    nulls[2] = false;
    ec_rows_add(rows, values, nulls);
    return (Datum)0;
}

typedef struct backlog {
    int64 events;
    Datum oldest; /* recorded_at */
} backlog;

static void count_event(ec_event_scan *scan, void *context)
{
    backlog *backlog = context;

    if (backlog->events++ == 0)
        backlog->oldest = ec_event_scan_value(scan, EC_RECORDED_AT, NULL);
}

static Datum recorded_at(const ec_relations *relations, int64 position)
{
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    ec_event_scan scan;
    Datum time = 0;

    ec_event_scan_log(&scan, relations, snapshot);
    ec_event_scan_seek_position(&scan, position - 1, ForwardScanDirection);
    if (ec_event_scan_next(&scan))
        time = ec_event_scan_value(&scan, EC_RECORDED_AT, NULL);
    ec_event_scan_end(&scan);
    UnregisterSnapshot(snapshot);
    return time;
}

/*
 * Behind a limited number of rows each position counts as an event, and the last row that was
 * looked at as the oldest, if none was found that passes: neither is ever told too small.
 *
 * (after bigint, types text[], category text, prefix text, pattern text, correlation_id text,
 *  member int, group_size int, floors bigint[], store text, OUT events bigint, OUT oldest
 * timestamptz)
 */
PG_FUNCTION_INFO_V1(eventcore_backlog);
Datum eventcore_backlog(PG_FUNCTION_ARGS)
{
    backlog backlog = {0};
    ec_log_filter filter = filter_argument(fcinfo, 1);
    ec_relations relations;
    ec_log_reader reader = {
        .relations = &relations,
        .filter = &filter,
        .position = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0),
        .max_count = PG_INT64_MAX,
        .max_scanned = BACKLOG_ROWS,
        .receive = count_event,
        .context = &backlog,
    };
    TupleDesc columns;
    Datum values[2];
    bool nulls[2] = {false, false};

    if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "eventcore.backlog returns no row");
    relations = ec_relations_open(ec_store_argument(fcinfo, 9), AccessShareLock);
    if (RecoveryInProgress() || reader.position > ec_horizon_last_drawn(&relations))
        nulls[0] = true; /* cannot be known; no error, which would hide all other subscriptions */
    else {
        (void)ec_log_read(&reader);
        if (reader.max_scanned == 0) {
            int64 end = Min(ec_horizon_safe_position(&relations), ec_last_position(&relations));

            backlog.events += Max(end - reader.position, 0);
            if (backlog.events > 0 && backlog.oldest == 0)
                backlog.oldest = recorded_at(&relations, reader.position);
        }
    }
    ec_relations_close(&relations);
    values[0] = Int64GetDatum(backlog.events);
    values[1] = backlog.oldest;
    nulls[1] = backlog.oldest == 0;
    return HeapTupleGetDatum(heap_form_tuple(columns, values, nulls));
}
