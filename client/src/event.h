/* event.h: events, and rows of replies as they are decoded. */
#ifndef EC_EVENT_H
#define EC_EVENT_H

#include <jansson.h>
#include <libpq-fe.h>

#include "failure.h"
#include "kind.h"

struct ec_event {
    const char *stream_id;
    int64_t version;
    int64_t position;
    const ec_uuid *id;
    const char *type;
    const char *data;
    const void *payload;
    size_t payload_size;
    const char *metadata;
    int64_t recorded_at;

    json_t *json;                   /* data parsed, once it was asked for */
    json_t *metadata_json;          /* likewise */
    int schema_version;             /* likewise; 0 before that, -1: it is not valid */
    const struct ec_upcast *upcast; /* the data as it is seen; NULL: as it is stored */
    struct ec_upcast *upcasts;      /* as it is seen by each list of types that upcasts it */
    ec_arena *memory;               /* lives as long as the event */
    ec_kind_index *kinds;           /* shared by what was read together; may be NULL */
    const struct ec_stream *stream; /* while it is folded: where it was declared */
    ec_failure *failure;            /* while it is folded: takes what goes wrong */
};

/* A row of any of our statements; a column that its statement lacks, or that is null, is zero. */
typedef struct ec_row {
    ec_event event; /* without an event its version is 0 */
    int64_t stream_version;
    const char *outcome;
    int64_t expected;
    int64_t actual;
    int32_t command; /* of a batch: its number, from 1 on */
    const char *error_code;
    const char *error_message;
    const char *error_detail;
    int32_t attempt;    /* of a delivery, from 1 on */
    int64_t answers[2]; /* of a statement that returns numbers; -1 is null */
} ec_row;

/* A snapshot that was read with the rows. */
typedef struct ec_snapshot_row {
    const void *state; /* NULL: there is none */
    size_t state_size;
    int64_t last_position;
    int64_t *versions; /* of the streams, in the order in which they were asked for */
    size_t version_count;
} ec_snapshot_row;

struct ec_events {
    PGresult *result; /* what the rows point into; may be NULL */
    ec_arena memory;
    ec_kind_index kinds;
    ec_row *rows; /* those with an event first */
    size_t row_count;
    size_t event_count;
    ec_snapshot_row snapshot;
};

/* The data as it is stored, parsed once; NULL on failure. */
json_t *ec_event_stored_json(ec_event *event, json_error_t *problem);

/* What went wrong in jansson: with the format, for want of memory, or else. */
ec_status ec_json_status(const json_error_t *problem, ec_status otherwise);

/* The metadata, parsed once; NULL on failure, with *status, which a fold is told. */
const json_t *ec_event_metadata_json(ec_event *event, ec_status *status);

/* Free what an event holds beside its memory. */
void ec_event_release(ec_event *event);

#endif
