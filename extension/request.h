/*
 * request.h: what is to be appended, whatever SQL form it came in: validated, each stream once.
 *
 * A request is a batch of commands: one, but for append_batch. Its front ends (request_sql.c,
 * request_json.c) fill in events and expectations as given; ec_request_finish does the rest.
 */
#ifndef EVENTCORE_REQUEST_H
#define EVENTCORE_REQUEST_H

#include "errors.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Expected versions that are not a number of a version. */
enum { EC_EXPECT_NONE = 0, EC_EXPECT_ANY = -1, EC_EXPECT_EXISTS = -2 };

typedef struct ec_event {
    int command;     /* index */
    Datum stream_id; /* text */
    Datum type;      /* text */
    Datum data;      /* jsonb, or payload is set */
    Datum payload;   /* bytea */
    Datum metadata;  /* jsonb or null */
    bool stream_is_null, type_is_null, data_is_null, payload_is_null, metadata_is_null;
    bool id_is_given;
    pg_uuid_t id;
    int stream;               /* index */
    struct ec_event *same_id; /* the one before it in the request with the same given id */
    int64 version;
    int64 position;
    TimestampTz recorded_at;
} ec_event;

typedef struct ec_expectation {
    int command;     /* index */
    Datum stream_id; /* text; null with version any: every stream that is not named */
    Datum version;   /* bigint */
    bool stream_is_null, version_is_null;
    int stream; /* index; -1 for what names no stream, or one that stands before it */
} ec_expectation;

typedef struct ec_stream {
    const char *id; /* not terminated */
    int length;
    Datum id_datum; /* text */
    uint64 lock_tag;
    bool used;     /* by a valid command */
    bool written;  /* by a valid command */
    int64 version; /* as found under the lock, then as the commands before left it */
} ec_stream;

typedef enum { EC_APPENDED, EC_REPEATED, EC_VERIFIED, EC_CONFLICT, EC_INVALID } ec_outcome;

typedef struct ec_violation {
    const ec_stream *stream;
    int64 expected;
    int64 actual;
} ec_violation;

typedef struct ec_command {
    ec_event *events; /* in the caller's order */
    int event_count;
    ec_expectation *expectations;
    int expectation_count;
    bool ids_are_given;  /* at least one */
    ec_problem *problem; /* what is wrong with it, or NULL */
    /* What became of it: */
    ec_outcome outcome;
    ec_violation *violations;
    int violation_count;
} ec_command;

typedef struct ec_request {
    text *store;
    ec_command *commands;
    int command_count;
    ec_event *events; /* of all commands, one command after the other */
    int event_count;
    ec_expectation *expectations; /* likewise */
    int expectation_count;
    ec_stream *streams; /* sorted by lock tag */
    int stream_count;
} ec_request;

/* Allocate a request, all of it zero but for the counts. */
extern ec_request *ec_request_new(text *store, int command_count, int event_count,
                                  int expectation_count);

/* Set or leave out the id of an event. */
extern void ec_request_set_id(ec_event *event, Datum id, bool is_null);

/* Validate what was filled in, and find the streams. What is wrong is left in the commands. */
extern void ec_request_finish(ec_request *request);

/* The order of streams in the index on versions. */
extern int ec_request_compare_streams(const ec_stream *a, const ec_stream *b);

/* What is wrong with a name of a stream or store, in words such as "is empty"; NULL if nothing. */
extern const char *ec_request_name_fault(const char *name, int length);

/* The problem with a stream id; NULL if it is valid. */
extern ec_problem *ec_request_stream_id_problem(const char *id, int length);

#endif
