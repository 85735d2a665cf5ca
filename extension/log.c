/*
 * log.c: read the global log.
 *
 * read_all gives what stands behind a position and is settled (horizon.c). Most of the time a
 * reader follows closely and finds positions that continue without a gap: then nothing can be
 * missing, and the tickets need not be looked at. At the first gap it finds out how far the log is
 * settled, takes a newer snapshot, and goes on from where it stands.
 *
 * Events below the position that a reader stands on are never looked at again, so a reader must
 * never be given a position that is not settled, and never stand behind the last row that it was
 * given: after a crash, positions that were drawn and never committed are drawn again.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "errors.h"
#include "event_scan.h"
#include "horizon.h"
#include "read.h"
#include "relations.h"
#include "request_sql.h"
#include "rows.h"
#include "utils/snapmgr.h"

typedef struct log_reader {
    ReturnSetInfo *rows;
    int64 position; /* of the last row given */
    int64 remaining;
} log_reader;

static void refuse_in_recovery(void)
{
    if (RecoveryInProgress())
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("the log cannot be read during recovery"),
                        errdetail("Which appends are still open is known on the primary only."),
                        errhint("Read the log on the primary. Streams can be read here.")));
}

/*
 * Give rows behind the reader's position up to `until`, or, if that is negative, as long as their
 * positions follow on without a gap. Returns whether it stopped at a gap.
 */
static bool scan_log(log_reader *reader, const ec_relations *relations, int64 until)
{
    ec_event_scan scan;
    bool gap = false;

    PushActiveSnapshot(GetLatestSnapshot());
    ec_event_scan_log(&scan, relations, GetActiveSnapshot());
    ec_event_scan_seek_position(&scan, reader->position, ForwardScanDirection);
    while (reader->remaining > 0 && ec_event_scan_next(&scan)) {
        int64 position = DatumGetInt64(ec_event_scan_value(&scan, EC_GLOBAL_POSITION, NULL));
        Datum values[EC_ROW_COLUMNS];
        bool nulls[EC_ROW_COLUMNS];

        if (until < 0 ? position != reader->position + 1 : position > until) {
            gap = true;
            break;
        }
        ec_read_row(&scan, values, nulls);
        ec_rows_add(reader->rows, values, nulls);
        reader->position = position;
        reader->remaining--;
    }
    ec_event_scan_end(&scan);
    PopActiveSnapshot();
    return gap;
}

/* (after bigint, max_count bigint, store text) */
PG_FUNCTION_INFO_V1(eventcore_read_all);
Datum eventcore_read_all(PG_FUNCTION_ARGS)
{
    log_reader reader;
    ec_relations relations;
    int64 last_drawn;

    refuse_in_recovery();
    reader.rows = ec_read_begin_rows(fcinfo);
    reader.position = PG_ARGISNULL(0) ? 0 : PG_GETARG_INT64(0);
    reader.remaining = ec_read_max_count(fcinfo, 1);
    relations = ec_relations_open(ec_store_argument(fcinfo, 2), AccessShareLock);
    last_drawn = ec_horizon_last_drawn(&relations);
    if (reader.position > last_drawn || reader.position < 0)
        ereport(
            ERROR,
            (ec_error_code(EC_ERROR_position_beyond_log),
             errmsg("there is no position " INT64_FORMAT " in the log", reader.position),
             ec_error_detail(EC_ERROR_position_beyond_log, "ii", "after", reader.position,
                             "last_drawn", last_drawn),
             errhint("The log is shorter than the reader remembers: the database was restored, or "
                     "lost its tail. Reset the reader to a position that exists; 0 is the "
                     "beginning.")));

    if (scan_log(&reader, &relations, -1))
        scan_log(&reader, &relations, ec_horizon_safe_position(&relations));
    ec_relations_close(&relations);
    return (Datum)0;
}

/* (store text) */
PG_FUNCTION_INFO_V1(eventcore_safe_position);
Datum eventcore_safe_position(PG_FUNCTION_ARGS)
{
    ec_relations relations;
    int64 position;

    refuse_in_recovery();
    relations = ec_relations_open(ec_store_argument(fcinfo, 0), AccessShareLock);
    position = ec_horizon_safe_position(&relations);
    ec_relations_close(&relations);
    PG_RETURN_INT64(position);
}

/* (store text) */
PG_FUNCTION_INFO_V1(eventcore_last_position);
Datum eventcore_last_position(PG_FUNCTION_ARGS)
{
    ec_relations relations = ec_relations_open(ec_store_argument(fcinfo, 0), AccessShareLock);
    int64 position = ec_last_position(&relations);

    ec_relations_close(&relations);
    PG_RETURN_INT64(position);
}
