/*
 * log_reader.h: follow the global log of a store.
 *
 * What everything that reads the log shares: the SQL functions, subscriptions, projections.
 */
#ifndef EVENTCORE_LOG_READER_H
#define EVENTCORE_LOG_READER_H

#include "event_scan.h"
#include "log_filter.h"

/*
 * Is given the current event of the scan. Must keep nothing that points into the scan. May set the
 * reader's max_count to 0, to be given no more.
 */
typedef void (*ec_log_receiver)(ec_event_scan *scan, void *context);

typedef struct ec_log_reader {
    const ec_relations *relations;
    const ec_log_filter *filter;
    int64 position;    /* in: begin behind it; out: the last row looked at, or unchanged if none */
    int64 max_count;   /* give at most so many events */
    int64 max_scanned; /* look at at most so many rows */
    bool backward;     /* from `position` down; PG_INT64_MAX is the end */
    ec_log_receiver receive;
    void *context;
} ec_log_reader;

/*
 * Give the receiver the settled events that pass the filter, in order. Returns how many. Whoever
 * goes on from `position` misses nothing and gets nothing twice. Takes its own snapshots; the
 * caller needs none, and its isolation level does not matter.
 *
 * A position that was never drawn raises position_beyond_log, except where the log is written
 * elsewhere (on a standby): there its reader waits. If then nobody publishes how far the log is
 * settled: horizon_not_published.
 */
extern int64 ec_log_read(ec_log_reader *reader);

#endif
