/* log_filter.h: which events of the log somebody wants. */
#ifndef EVENTCORE_LOG_FILTER_H
#define EVENTCORE_LOG_FILTER_H

#include "event_scan.h"
#include "fmgr.h"
#include "utils/array.h"

/*
 * The streams of a store fall into so many slots by a hash of their ids, and member m of a consumer
 * group of n has the slots s with s % n = m. Kept in the tables of subscriptions: never to change.
 */
#define EC_LOG_SLOTS 1024

/* All conditions must hold; one that is NULL (or 0) does not count. */
typedef struct ec_log_filter {
    int type_count;
    Datum *types; /* text; one of these, if there are any */
    text *category;
    text *prefix;         /* of the stream id, literally */
    text *pattern;        /* of the stream id, a glob */
    text *correlation_id; /* in the metadata */
    int group_size;
    int member;          /* 0 .. group_size - 1 */
    const int64 *floors; /* for each slot, the position up to which its events are not wanted */
    Datum expression;    /* the pattern as a regular expression, made by ec_log_filter_prepare */
} ec_log_filter;

/*
 * The filter of an SQL function whose arguments from `first` on are types, category, prefix,
 * pattern and correlation_id. Raises invalid_filter, as do all of these.
 */
extern ec_log_filter ec_log_filter_arguments(FunctionCallInfo fcinfo, int first);

/* Set the types from a text[], or NULL. */
extern void ec_log_filter_set_types(ec_log_filter *filter, ArrayType *types);

/* Restrict to the arguments member and group_size, from `first` on, unless both are null. */
extern void ec_log_filter_group_arguments(ec_log_filter *filter, FunctionCallInfo fcinfo,
                                          int first);
extern void ec_log_filter_set_group(ec_log_filter *filter, int member, int group_size);

/* Check the filter, and make it ready for use. */
extern void ec_log_filter_prepare(ec_log_filter *filter);

/* Whether the current event of a scan passes. */
extern bool ec_log_filter_passes(const ec_log_filter *filter, ec_event_scan *scan);

/* How many bytes of a stream id are its category. */
extern Size ec_log_category_length(const text *stream_id);

/* The slot of a stream, 0 .. EC_LOG_SLOTS - 1. */
extern int ec_log_slot(const text *stream_id);

#endif
