/*
 * event_scan.h: events in the order of an index.
 *
 * One scan serves any number of streams (or logs, or ids) in turn. Its slot holds the current
 * event, with the columns of relations.h.
 */
#ifndef EVENTCORE_EVENT_SCAN_H
#define EVENTCORE_EVENT_SCAN_H

#include "access/genam.h"
#include "access/sdir.h"
#include "access/skey.h"
#include "executor/tuptable.h"
#include "relations.h"
#include "utils/snapshot.h"

typedef struct ec_event_scan {
    IndexScanDesc index;
    TupleTableSlot *slot;
    ScanKeyData keys[3];
    int key_count;
    ScanDirection direction;
} ec_event_scan;

extern void ec_event_scan_streams(ec_event_scan *scan, const ec_relations *relations,
                                  Snapshot snapshot);
extern void ec_event_scan_log(ec_event_scan *scan, const ec_relations *relations,
                              Snapshot snapshot);
extern void ec_event_scan_ids(ec_event_scan *scan, const ec_relations *relations,
                              Snapshot snapshot);

/* By an optional index (store, some text, global_position); sought like a stream. */
extern void ec_event_scan_index(ec_event_scan *scan, const ec_relations *relations, Relation index,
                                Snapshot snapshot);

/* Go to the events of a stream behind version `after` (exclusive), in a direction. */
extern void ec_event_scan_seek_stream(ec_event_scan *scan, Datum stream_id, int64 after,
                                      ScanDirection direction);

/* Go to the events of the log behind position `after` (exclusive), in a direction. */
extern void ec_event_scan_seek_position(ec_event_scan *scan, int64 after, ScanDirection direction);

/* Go to the event of an id. */
extern void ec_event_scan_seek_id(ec_event_scan *scan, Datum event_id);

/* Step to the next event; false behind the last one. */
extern bool ec_event_scan_next(ec_event_scan *scan);
extern void ec_event_scan_end(ec_event_scan *scan);

/* The value of a column of the current event; `is_null` may be NULL for columns that never are. */
extern Datum ec_event_scan_value(ec_event_scan *scan, int column, bool *is_null);

/* The version of a stream, 0 if it has no event. */
extern int64 ec_event_scan_stream_version(ec_event_scan *scan, Datum stream_id);

/* The position of the last event of the store that a new snapshot sees, 0 if there is none. */
extern int64 ec_last_position(const ec_relations *relations);

#endif
