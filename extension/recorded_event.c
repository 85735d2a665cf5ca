/* recorded_event.c: events as values of the SQL type eventcore.recorded_event. */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "read.h"
#include "recorded_event.h"
#include "rows.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

Oid ec_recorded_event_type(void)
{
    Oid schema = get_namespace_oid("eventcore", true);

    return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("recorded_event"),
                           ObjectIdGetDatum(schema));
}

TupleDesc ec_recorded_event_columns(void)
{
    static const Oid types[EC_ROW_COLUMNS] = {TEXTOID,  INT8OID,  INT8OID,  UUIDOID,       TEXTOID,
                                              JSONBOID, BYTEAOID, JSONBOID, TIMESTAMPTZOID};
    TupleDesc columns = lookup_rowtype_tupdesc_copy(ec_recorded_event_type(), -1);

    if (!ec_rows_match(columns, types, EC_ROW_COLUMNS))
        ec_rows_raise_altered("eventcore.recorded_event");
    return columns;
}

Datum ec_recorded_event(ec_event_scan *scan, TupleDesc columns)
{
    Datum values[EC_ROW_COLUMNS];
    bool nulls[EC_ROW_COLUMNS];

    ec_read_row(scan, values, nulls);
    return HeapTupleGetDatum(heap_form_tuple(columns, values, nulls));
}
