/* recorded_event.h: events as values of the SQL type eventcore.recorded_event. */
#ifndef EVENTCORE_RECORDED_EVENT_H
#define EVENTCORE_RECORDED_EVENT_H

#include "event_scan.h"

/* The type's OID, InvalidOid if there is none. */
extern Oid ec_recorded_event_type(void);

/* Its columns, a copy. Raises relation_mismatch if the type was altered. */
extern TupleDesc ec_recorded_event_columns(void);

/* The current event of a scan as a value, a copy. */
extern Datum ec_recorded_event(ec_event_scan *scan, TupleDesc columns);

#endif
