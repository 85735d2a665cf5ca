/* event_scan.c: events in the order of an index. */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "catalog/pg_collation_d.h"
#include "compat.h"
#include "event_scan.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

static void begin(ec_event_scan *scan, const ec_relations *relations, Relation index,
                  Snapshot snapshot, int key_count)
{
    ScanKeyInit(&scan->keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ,
                PointerGetDatum(relations->store));
    scan->key_count = key_count;
    scan->slot = table_slot_create(relations->events, NULL);
    scan->index = ec_index_beginscan(relations->events, index, snapshot, key_count);
}

void ec_event_scan_streams(ec_event_scan *scan, const ec_relations *relations, Snapshot snapshot)
{
    begin(scan, relations, relations->by_version, snapshot, 3);
}

void ec_event_scan_log(ec_event_scan *scan, const ec_relations *relations, Snapshot snapshot)
{
    begin(scan, relations, relations->by_position, snapshot, 2);
}

void ec_event_scan_ids(ec_event_scan *scan, const ec_relations *relations, Snapshot snapshot)
{
    begin(scan, relations, relations->by_event_id, snapshot, 2);
}

void ec_event_scan_index(ec_event_scan *scan, const ec_relations *relations, Relation index,
                         Snapshot snapshot)
{
    begin(scan, relations, index, snapshot, 3);
}

/* Let the last key, a bigint, stand for "behind `after`" in the direction of the scan. */
static void seek_behind(ec_event_scan *scan, int64 after, ScanDirection direction)
{
    bool forward = ScanDirectionIsForward(direction);

    ScanKeyInit(&scan->keys[scan->key_count - 1], scan->key_count,
                forward ? BTGreaterStrategyNumber : BTLessStrategyNumber,
                forward ? F_INT8GT : F_INT8LT, Int64GetDatum(after));
    scan->direction = direction;
    index_rescan(scan->index, scan->keys, scan->key_count, NULL, 0);
}

void ec_event_scan_seek_stream(ec_event_scan *scan, Datum stream_id, int64 after,
                               ScanDirection direction)
{
    ScanKeyInit(&scan->keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, stream_id);
    seek_behind(scan, after, direction);
}

void ec_event_scan_seek_position(ec_event_scan *scan, int64 after, ScanDirection direction)
{
    seek_behind(scan, after, direction);
}

void ec_event_scan_seek_id(ec_event_scan *scan, Datum event_id)
{
    ScanKeyInit(&scan->keys[1], 2, BTEqualStrategyNumber, F_UUID_EQ, event_id);
    scan->direction = ForwardScanDirection;
    index_rescan(scan->index, scan->keys, scan->key_count, NULL, 0);
}

bool ec_event_scan_next(ec_event_scan *scan)
{
    CHECK_FOR_INTERRUPTS();
    return index_getnext_slot(scan->index, scan->direction, scan->slot);
}

void ec_event_scan_end(ec_event_scan *scan)
{
    index_endscan(scan->index);
    ExecDropSingleTupleTableSlot(scan->slot);
}

Datum ec_event_scan_value(ec_event_scan *scan, int column, bool *is_null)
{
    bool ignored;

    return slot_getattr(scan->slot, column, is_null ? is_null : &ignored);
}

int64 ec_event_scan_stream_version(ec_event_scan *scan, Datum stream_id)
{
    ec_event_scan_seek_stream(scan, stream_id, PG_INT64_MAX, BackwardScanDirection);
    return ec_event_scan_next(scan) ? DatumGetInt64(ec_event_scan_value(scan, EC_VERSION, NULL))
                                    : 0;
}

int64 ec_last_position(const ec_relations *relations)
{
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    ec_event_scan scan;
    int64 position = 0;

    ec_event_scan_log(&scan, relations, snapshot);
    ec_event_scan_seek_position(&scan, PG_INT64_MAX, BackwardScanDirection);
    if (ec_event_scan_next(&scan))
        position = DatumGetInt64(ec_event_scan_value(&scan, EC_GLOBAL_POSITION, NULL));
    ec_event_scan_end(&scan);
    UnregisterSnapshot(snapshot);
    return position;
}
