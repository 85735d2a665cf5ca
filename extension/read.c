/*
 * read.c: read streams, and their versions.
 *
 * Each call reads under one snapshot, taken when the call begins, so that all streams are as of one
 * instant, and as new as can be: what a command decides on the basis of an old snapshot would only
 * conflict. In a SERIALIZABLE transaction it is the transaction's own snapshot, so that the
 * server's own check takes the reads into account.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type_d.h"
#include "event_scan.h"
#include "miscadmin.h"
#include "read.h"
#include "relations.h"
#include "request_sql.h"
#include "rows.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplesort.h"

/* Columns that every function returning events begins with, in this order. */
static const int row_columns[EC_ROW_COLUMNS] = {
    EC_STREAM_ID, EC_VERSION, EC_GLOBAL_POSITION, EC_EVENT_ID,    EC_TYPE,
    EC_DATA,      EC_PAYLOAD, EC_METADATA,        EC_RECORDED_AT,
};

static const Oid row_types[EC_ROW_COLUMNS + 1] = {
    TEXTOID,  INT8OID,  INT8OID,        UUIDOID, TEXTOID, JSONBOID,
    BYTEAOID, JSONBOID, TIMESTAMPTZOID, INT8OID, /* stream_version, of read_streams only */
};

ReturnSetInfo *ec_read_begin_rows(FunctionCallInfo fcinfo)
{
    return ec_rows_begin(fcinfo, row_types, EC_ROW_COLUMNS);
}

void ec_read_row(ec_event_scan *scan, Datum *values, bool *nulls)
{
    for (int i = 0; i < EC_ROW_COLUMNS; i++)
        values[i] = ec_event_scan_value(scan, row_columns[i], &nulls[i]);
}

void ec_read_add_row(ec_event_scan *scan, void *rows)
{
    Datum values[EC_ROW_COLUMNS];
    bool nulls[EC_ROW_COLUMNS];

    ec_read_row(scan, values, nulls);
    ec_rows_add(rows, values, nulls);
}

int64 ec_read_max_count(FunctionCallInfo fcinfo, int argument)
{
    int64 count = PG_ARGISNULL(argument) ? PG_INT64_MAX : PG_GETARG_INT64(argument);

    if (count < 0)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max_count must not be negative"),
                 errhint("Pass null to read without a limit.")));
    return count;
}

static Snapshot push_snapshot(void)
{
    PushActiveSnapshot(IsolationIsSerializable() ? GetTransactionSnapshot() : GetLatestSnapshot());
    return GetActiveSnapshot();
}

static text *valid_stream_id(Datum id, bool is_null)
{
    text *stream_id = is_null ? NULL : DatumGetTextPP(id);
    ec_problem *problem = is_null ? ec_request_stream_id_problem(NULL, 0)
                                  : ec_request_stream_id_problem(VARDATA_ANY(stream_id),
                                                                 VARSIZE_ANY_EXHDR(stream_id));

    if (problem != NULL)
        ec_problem_raise(problem);
    return stream_id;
}

static Datum stream_id_argument(FunctionCallInfo fcinfo, int argument)
{
    return PointerGetDatum(valid_stream_id(PG_GETARG_DATUM(argument), PG_ARGISNULL(argument)));
}

/* (stream_id text, after_version bigint, max_count bigint, backward boolean, store text) */
PG_FUNCTION_INFO_V1(eventcore_read_stream);
Datum eventcore_read_stream(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *rows = ec_read_begin_rows(fcinfo);
    Datum stream_id = stream_id_argument(fcinfo, 0);
    int64 max_count = ec_read_max_count(fcinfo, 2);
    bool backward = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);
    int64 after = !PG_ARGISNULL(1) ? PG_GETARG_INT64(1) : backward ? PG_INT64_MAX : 0;
    ec_relations relations = ec_relations_open(ec_store_argument(fcinfo, 4), AccessShareLock);
    ec_event_scan scan;

    ec_event_scan_streams(&scan, &relations, push_snapshot());
    ec_event_scan_seek_stream(&scan, stream_id, after,
                              backward ? BackwardScanDirection : ForwardScanDirection);
    for (int64 i = 0; i < max_count && ec_event_scan_next(&scan); i++)
        ec_read_add_row(&scan, rows);
    ec_event_scan_end(&scan);
    PopActiveSnapshot();
    ec_relations_close(&relations);
    return (Datum)0;
}

typedef struct wanted {
    text *id;
    int64 after;
} wanted;

static int compare_wanted(const void *left, const void *right)
{
    const wanted *a = left, *b = right;
    int length_a = VARSIZE_ANY_EXHDR(a->id), length_b = VARSIZE_ANY_EXHDR(b->id);
    int order = memcmp(VARDATA_ANY(a->id), VARDATA_ANY(b->id), Min(length_a, length_b));

    return order != 0 ? order : length_a - length_b;
}

/*
 * The streams of the argument `stream_ids`, in the order of their ids, once each. The argument
 * number `after`, if not negative, is after_versions: null, or an array of the same length whose
 * null elements mean 0.
 */
static wanted *wanted_streams(FunctionCallInfo fcinfo, int after, int *count)
{
    ec_column ids = ec_column_required(fcinfo, 0, EC_ERROR_invalid_stream_id, "stream_ids");
    ec_column afters = {NULL, NULL, 0};
    int given = ids.count, distinct = 0;
    wanted *streams = palloc_extended(Max(given, 1) * sizeof(wanted), MCXT_ALLOC_HUGE);

    if (after >= 0)
        afters = ec_column_argument(fcinfo, after, EC_ERROR_invalid_stream_id);
    if (afters.values != NULL && afters.count != given)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("stream_ids and after_versions differ in length")));
    for (int i = 0; i < given; i++) {
        bool from_start = afters.values == NULL || afters.nulls[i];

        streams[i] = (wanted){valid_stream_id(ids.values[i], ids.nulls[i]),
                              from_start ? 0 : DatumGetInt64(afters.values[i])};
    }
    qsort(streams, given, sizeof(wanted), compare_wanted);
    for (int i = 0; i < given; i++) {
        if (distinct > 0 && compare_wanted(&streams[distinct - 1], &streams[i]) == 0) {
            if (streams[distinct - 1].after != streams[i].after)
                ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                                errmsg("stream \"%s\" stands twice in stream_ids, with different "
                                       "versions to read after",
                                       text_to_cstring(streams[i].id))));
            continue;
        }
        streams[distinct++] = streams[i];
    }
    *count = distinct;
    return streams;
}

/*
 * Put the events of one stream into the sort, newest first: so the first gives the stream's
 * version. A stream without events behind `after` gives a row of its version alone.
 */
static void sort_stream(ec_event_scan *scan, const wanted *stream, Tuplesortstate *sort,
                        TupleTableSlot *row)
{
    Datum id = PointerGetDatum(stream->id);
    int64 stream_version = 0;

    ec_event_scan_seek_stream(scan, id, PG_INT64_MAX, BackwardScanDirection);
    while (ec_event_scan_next(scan)) {
        int64 version = DatumGetInt64(ec_event_scan_value(scan, EC_VERSION, NULL));

        stream_version = Max(stream_version, version);
        if (version <= stream->after)
            break;
        ExecClearTuple(row);
        ec_read_row(scan, row->tts_values, row->tts_isnull);
        row->tts_values[EC_ROW_COLUMNS] = Int64GetDatum(stream_version);
        row->tts_isnull[EC_ROW_COLUMNS] = false;
        ExecStoreVirtualTuple(row);
        tuplesort_puttupleslot(sort, row);
    }
    if (stream_version <= stream->after) {
        ExecStoreAllNullTuple(row);
        row->tts_values[0] = id;
        row->tts_isnull[0] = false;
        row->tts_values[EC_ROW_COLUMNS] = Int64GetDatum(stream_version);
        row->tts_isnull[EC_ROW_COLUMNS] = false;
        tuplesort_puttupleslot(sort, row);
    }
}

/* (stream_ids text[], after_versions bigint[], store text) */
PG_FUNCTION_INFO_V1(eventcore_read_streams);
Datum eventcore_read_streams(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *rows = ec_rows_begin(fcinfo, row_types, EC_ROW_COLUMNS + 1);
    AttrNumber by_position = 3;
    Oid operator= Int8LessOperator, collation = InvalidOid;
    bool nulls_first = false;
    int count;
    wanted *streams = wanted_streams(fcinfo, 1, &count);
    ec_relations relations = ec_relations_open(ec_store_argument(fcinfo, 2), AccessShareLock);
    Tuplesortstate *sort;
    TupleTableSlot *row, *sorted;
    ec_event_scan scan;

    row = MakeSingleTupleTableSlot(rows->setDesc, &TTSOpsVirtual);
    sorted = MakeSingleTupleTableSlot(rows->setDesc, &TTSOpsMinimalTuple);
    sort = tuplesort_begin_heap(rows->setDesc, 1, &by_position, &operator, & collation,
                                &nulls_first, work_mem, NULL, TUPLESORT_NONE);
    ec_event_scan_streams(&scan, &relations, push_snapshot());
    for (int i = 0; i < count; i++)
        sort_stream(&scan, &streams[i], sort, row);
    ec_event_scan_end(&scan);

    tuplesort_performsort(sort);
    while (tuplesort_gettupleslot(sort, true, false, sorted, NULL))
        tuplestore_puttupleslot(rows->setResult, sorted);
    tuplesort_end(sort);
    PopActiveSnapshot();
    ExecDropSingleTupleTableSlot(sorted);
    ExecDropSingleTupleTableSlot(row);
    ec_relations_close(&relations);
    return (Datum)0;
}

/* (stream_id text, store text) */
PG_FUNCTION_INFO_V1(eventcore_stream_version);
Datum eventcore_stream_version(PG_FUNCTION_ARGS)
{
    Datum stream_id = stream_id_argument(fcinfo, 0);
    ec_relations relations = ec_relations_open(ec_store_argument(fcinfo, 1), AccessShareLock);
    ec_event_scan scan;
    int64 version;

    ec_event_scan_streams(&scan, &relations, push_snapshot());
    version = ec_event_scan_stream_version(&scan, stream_id);
    ec_event_scan_end(&scan);
    PopActiveSnapshot();
    ec_relations_close(&relations);
    PG_RETURN_INT64(version);
}

/* (stream_ids text[], store text) */
PG_FUNCTION_INFO_V1(eventcore_stream_versions);
Datum eventcore_stream_versions(PG_FUNCTION_ARGS)
{
    static const Oid types[] = {TEXTOID, INT8OID};
    ReturnSetInfo *rows = ec_rows_begin(fcinfo, types, lengthof(types));
    int count;
    wanted *streams = wanted_streams(fcinfo, -1, &count);
    ec_relations relations = ec_relations_open(ec_store_argument(fcinfo, 1), AccessShareLock);
    ec_event_scan scan;

    ec_event_scan_streams(&scan, &relations, push_snapshot());
    for (int i = 0; i < count; i++) {
        Datum values[2] = {PointerGetDatum(streams[i].id)};
        bool nulls[2] = {false};

        values[1] = Int64GetDatum(ec_event_scan_stream_version(&scan, values[0]));
        ec_rows_add(rows, values, nulls);
    }
    ec_event_scan_end(&scan);
    PopActiveSnapshot();
    ec_relations_close(&relations);
    return (Datum)0;
}
