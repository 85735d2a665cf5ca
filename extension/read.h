/* read.h: what the functions that return events share. */
#ifndef EVENTCORE_READ_H
#define EVENTCORE_READ_H

#include "event_scan.h"
#include "fmgr.h"
#include "nodes/execnodes.h"

/* stream_id, version, global_position, event_id, type, data, payload, metadata, recorded_at */
#define EC_ROW_COLUMNS 9

/* Begin to return rows of those columns. */
extern ReturnSetInfo *ec_read_begin_rows(FunctionCallInfo fcinfo);

/* Fill in those columns from the current event of a scan. */
extern void ec_read_row(ec_event_scan *scan, Datum *values, bool *nulls);

/* The same as a receiver of the log (log_reader.h): add a row to those, the context. */
extern void ec_read_add_row(ec_event_scan *scan, void *rows);

/* The argument `max_count`; null means no limit. */
extern int64 ec_read_max_count(FunctionCallInfo fcinfo, int argument);

#endif
