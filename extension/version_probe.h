/* version_probe.h: the version of a stream, for the check of an append. */
#ifndef EVENTCORE_VERSION_PROBE_H
#define EVENTCORE_VERSION_PROBE_H

#include "access/relscan.h"
#include "event_scan.h"
#include "executor/tuptable.h"
#include "relations.h"
#include "storage/buf.h"
#include "utils/snapshot.h"

typedef struct ec_name {
    const char *bytes;
    int length;
} ec_name;

/* One probe serves any number of streams in turn. */
typedef struct ec_version_probe {
    const ec_relations *relations;
    Snapshot snapshot;
    ec_name store, stream;      /* what is sought */
    bool scan_always;           /* instead of searching */
    bool met_oddity;            /* the search has met an entry that it cannot compare */
    IndexFetchTableData *fetch; /* of rows; it and its slot are NULL until needed */
    TupleTableSlot *slot;
    bool scan_has_begun;
    ec_event_scan scan; /* for what the search leaves open */
} ec_version_probe;

/* The snapshot must be an MVCC one that is active or registered until the end. */
extern void ec_version_probe_begin(ec_version_probe *probe, const ec_relations *relations,
                                   Snapshot snapshot);

/* The version of a stream as of the snapshot, 0 if it has no event. */
extern int64 ec_version_probe_stream(ec_version_probe *probe, Datum stream_id);
extern void ec_version_probe_end(ec_version_probe *probe);

#endif
