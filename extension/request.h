/*
 * request.h: one append as it was asked for, whatever SQL form it came in: validated, its streams
 * once each.
 */
#ifndef EVENTCORE_REQUEST_H
#define EVENTCORE_REQUEST_H

#include "fmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Expected versions that are not a number of a version. */
enum { EC_EXPECT_NONE = 0, EC_EXPECT_ANY = -1, EC_EXPECT_EXISTS = -2 };

typedef struct ec_event {
    Datum stream_id; /* text */
    Datum type;      /* text */
    Datum data;      /* jsonb, or payload is set */
    Datum payload;   /* bytea */
    Datum metadata;  /* jsonb or null */
    bool data_is_null, payload_is_null, metadata_is_null;
    bool id_is_given;
    pg_uuid_t id;
    int stream; /* index in the request's streams */
    int64 version;
    int64 position;
    TimestampTz recorded_at;
} ec_event;

typedef struct ec_stream {
    const char *id; /* not terminated */
    int length;
    Datum id_datum; /* text */
    int order;      /* of its first mention: expectations first, then events */
    uint64 lock_tag;
    bool written;
    int64 expected;
    int64 version; /* as found under the lock, then as written */
} ec_stream;

typedef struct ec_request {
    text *store;
    ec_event *events; /* in the caller's order */
    int event_count;
    ec_stream *streams; /* sorted by lock tag */
    int stream_count;
    bool ids_are_given; /* at least one */
} ec_request;

/* A null text[] etc. is never "none": see each argument's description in sql/append.sql. */
extern ec_request ec_request_from_composites(FunctionCallInfo fcinfo);
extern ec_request ec_request_from_columns(FunctionCallInfo fcinfo);
extern ec_request ec_request_from_values(FunctionCallInfo fcinfo);

/* The argument `store`; null is an error. */
extern text *ec_request_store(FunctionCallInfo fcinfo, int argument);

/* Raise invalid_stream_id unless `id` is a valid stream id. */
extern void ec_request_check_stream_id(const char *id, int length);

#endif
