/*
 * eventcore.h: commands over several event streams at once, on PostgreSQL with the extension
 * `eventcore`.
 *
 * Three calls to start:
 *
 *     ec_connect(&connection, "dbname=bank", NULL);
 *     transfer_execute(connection, &streams, &command, &outcome);
 *     ec_close(connection);
 *
 * where `transfer` is a command declared with EC_COMMAND (at the end of this file).
 *
 * Rules that hold for every function:
 *
 * - Results are statuses; EC_OK is zero. What is made is handed back through a pointer.
 * - The handle keeps the details of its last failure: ec_error_message() and its kin.
 * - One handle is one connection, used by one thread at a time. Handles share nothing, so
 *   threads with a handle each need no lock. An event list or an outcome belongs to no handle:
 *   it outlives its connection, and is likewise for one thread at a time.
 * - Strings are UTF-8 and end with NUL. What goes in is copied unless its function says otherwise;
 *   what comes out belongs to the object it was asked of and lives as long as that object.
 * - Times of day are microseconds since 1970-01-01 00:00 UTC, durations are milliseconds.
 */
#ifndef EVENTCORE_H
#define EVENTCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EC_API __attribute__((__visibility__("default")))
#define EC_UNUSED __attribute__((__unused__))
#define EC_PRINTF(format_at, first_at) __attribute__((__format__(__printf__, format_at, first_at)))

/*
 * Statuses: X(NAME, name, number, description). Those from 101 on are the store's own errors, 100
 * more than the number in their SQLSTATE (VE001 is 101).
 */
#define EC_STATUSES(X)                                                                             \
    X(OK, ok, 0, "success")                                                                        \
    X(REJECTED, rejected, 1, "the command was rejected by its handler")                            \
    X(INVALID_ARGUMENT, invalid_argument, 2, "an argument is not valid")                           \
    X(UNBOUND_STREAM, unbound_stream, 3, "a declared stream has no id")                            \
    X(UNKNOWN_EVENT, unknown_event, 4, "an event is of a type that its reader does not know")      \
    X(NO_MEMORY, no_memory, 5, "out of memory")                                                    \
    X(CONNECTION_LOST, connection_lost, 6, "there is no connection to the server")                 \
    X(TIMEOUT, timeout, 7, "the deadline has passed")                                              \
    X(SERVER_ERROR, server_error, 8, "the server reported an error")                               \
    X(PROTOCOL_ERROR, protocol_error, 9, "the server's reply is not in the expected form")         \
    X(FAILED, failed, 10, "a callback failed for a reason of its own")                             \
    X(VERSION_CONFLICT, version_conflict, 101, "a stream is not at its expected version")          \
    X(UNDECLARED_STREAM, undeclared_stream, 102, "a stream was written that is not declared so")   \
    X(CONFLICTING_EXPECTATION, conflicting_expectation, 103, "two expectations for one stream")    \
    X(INVALID_STREAM_ID, invalid_stream_id, 104, "a stream id is not valid")                       \
    X(INVALID_EVENT, invalid_event, 105, "an event is not valid")                                  \
    X(DUPLICATE_EVENT_ID, duplicate_event_id, 106, "an event id is taken by another event")        \
    X(INVALID_EXPECTED_VERSION, invalid_expected_version, 107, "an expected version is not valid") \
    X(STORE_NOT_FOUND, store_not_found, 108, "there is no such store")                             \
    X(POSITION_BEYOND_LOG, position_beyond_log, 109, "a position lies beyond the end of the log")  \
    X(POSITION_REGRESSED, position_regressed, 110, "the position sequence is behind the log")      \
    X(APPEND_ONLY, append_only, 111, "events cannot be changed or removed")                        \
    X(UNSUPPORTED_TRIGGER, unsupported_trigger, 112, "a trigger on events could change them")      \
    X(RELATION_MISMATCH, relation_mismatch, 113, "the store's tables are not as expected")         \
    X(STORE_EXISTS, store_exists, 114, "there is such a store already")                            \
    X(INVALID_STORE_NAME, invalid_store_name, 115, "the name of a store is not valid")           \
    X(INVALID_FILTER, invalid_filter, 116, "a filter of the log is not valid")                     \
    X(SUBSCRIPTION_NOT_FOUND, subscription_not_found, 123, "there is no such subscription")        \
    X(SUBSCRIPTION_EXISTS, subscription_exists, 124, "there is such a subscription already")       \
    X(INVALID_SUBSCRIPTION, invalid_subscription, 125, "a subscription cannot be like that")       \
    X(MEMBER_NOT_FOUND, member_not_found, 126, "the consumer group has no such member")            \
    X(MEMBER_CLAIMED, member_claimed, 127, "another session has claimed the member")               \
    X(NOT_DELIVERED, not_delivered, 128, "the checkpoint lies beyond what was delivered")

typedef enum ec_status {
#define EC_STATUS_(NAME, name, number, description) EC_##NAME = number,
    EC_STATUSES(EC_STATUS_)
#undef EC_STATUS_
} ec_status;

typedef struct ec_connection ec_connection; /* a connection to a store, with its last error */
typedef struct ec_event ec_event;           /* an event that was read or appended */
typedef struct ec_events ec_events;         /* a list of them */
typedef struct ec_outcome ec_outcome;       /* what came of a command or an append */
typedef struct ec_context ec_context;       /* what a handler decides with */

/** A UUID in network byte order. */
typedef struct ec_uuid {
    uint8_t bytes[16];
} ec_uuid;

/** A stream that was not at its expected version. */
typedef struct ec_violation {
    const char *stream_id;
    int64_t expected; /* a version, or one of the EC_EXPECT_* values */
    int64_t actual;   /* the version found; 0 = the stream does not exist */
} ec_violation;

/**
 * An event to be written. Set `type` and either `data` or `payload`; with neither, data is {}.
 * Initialise by field name, so that the rest is zero.
 */
typedef struct ec_new_event {
    const char *type;
    const char *data;        /* JSON text */
    const void *payload;     /* bytes in place of data */
    size_t payload_size;     /* in bytes */
    const char *metadata;    /* JSON text, by custom an object, or NULL */
    const ec_uuid *event_id; /* NULL: the library makes one */
} ec_new_event;

/* ------------------------------------------------------------------ statuses and identifiers */

/** The name of a status as in EC_STATUSES, such as "version_conflict". Never NULL. */
EC_API const char *ec_status_name(ec_status status);

/** A status in words. Never NULL. */
EC_API const char *ec_status_description(ec_status status);

/** The library's version, such as "0.1.0". */
EC_API const char *ec_version(void);

/**
 * Make a UUIDv7, which sorts by its time of making.
 * @return EC_OK, or EC_FAILED if the system has no random numbers.
 */
EC_API ec_status ec_uuid_new(ec_uuid *uuid);

#define EC_UUID_TEXT_SIZE 37

/** Write a UUID as 36 lower-case characters and a NUL. */
EC_API void ec_uuid_format(const ec_uuid *uuid, char text[EC_UUID_TEXT_SIZE]);

/* ------------------------------------------------------------------ connection and errors */

/** Options of ec_connect(). Initialise with EC_CONNECT_OPTIONS_INIT. */
typedef struct ec_connect_options {
    size_t struct_size;
    const char *store;  /* NULL: the store `default` */
    int64_t timeout_ms; /* for connecting, and for each ec_append and ec_read_*; 0: no limit */
    bool unprepared;    /* no prepared statements, for a pooler in transaction mode */
} ec_connect_options;

#define EC_CONNECT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ec_connect_options), NULL, 0, false                                                 \
    }

/**
 * Connect to a server.
 *
 * @param connection  is set to a new handle, on failure too, so that its error can be read; only
 *                    when memory runs out to NULL. Give it to ec_close() in every case.
 * @param conninfo    a libpq connection string, URI or database name; NULL: the PG* environment.
 * @param options     NULL: the defaults.
 * @return EC_OK, EC_CONNECTION_LOST, EC_TIMEOUT, EC_INVALID_ARGUMENT or EC_NO_MEMORY.
 */
EC_API ec_status ec_connect(ec_connection **connection, const char *conninfo,
                            const ec_connect_options *options);

/** Close a connection and free its handle. NULL is allowed. */
EC_API void ec_close(ec_connection *connection);

/**
 * The last failed call's status; EC_OK if the last call succeeded. What this and the functions
 * below return lives until the next call on the handle. All of them take NULL for a handle that
 * could not be made (EC_NO_MEMORY).
 */
EC_API ec_status ec_error_status(const ec_connection *connection);

/** The last error in words, without its detail and hint. Never NULL. */
EC_API const char *ec_error_message(const ec_connection *connection);

/** The SQLSTATE of the last error; "" if it did not come from the server. Never NULL. */
EC_API const char *ec_error_sqlstate(const ec_connection *connection);

/** The server's detail (for the store's own errors a JSON object); "" if there is none. */
EC_API const char *ec_error_detail(const ec_connection *connection);

/** The server's hint; "" if there is none. */
EC_API const char *ec_error_hint(const ec_connection *connection);

/** The number of streams that were not at their expected version. */
EC_API size_t ec_error_violation_count(const ec_connection *connection);

/** One of them; NULL if there are not so many. */
EC_API const ec_violation *ec_error_violation(const ec_connection *connection, size_t index);

/**
 * Whether the same command may succeed if it is executed again from its read on: conflicts,
 * serialization failures, deadlocks, exhausted lock memory and lost connections.
 */
EC_API bool ec_error_is_retriable(const ec_connection *connection);

/* ------------------------------------------------------------------ events */

/** The stream that an event is in. */
EC_API const char *ec_event_stream_id(const ec_event *event);

/** Its version: its place in the stream, from 1 on. */
EC_API int64_t ec_event_version(const ec_event *event);

/** Its place in the global order of its store. */
EC_API int64_t ec_event_position(const ec_event *event);

/** Its id. */
EC_API const ec_uuid *ec_event_id(const ec_event *event);

/** Its type. */
EC_API const char *ec_event_type(const ec_event *event);

/** Its data as JSON text; NULL if it carries a payload. */
EC_API const char *ec_event_data(const ec_event *event);

/**
 * Its payload; NULL if it carries data.
 * @param size  is set to the number of bytes, unless NULL.
 */
EC_API const void *ec_event_payload(const ec_event *event, size_t *size);

/** Its metadata as JSON text; NULL if there is none. */
EC_API const char *ec_event_metadata(const ec_event *event);

/** When it was recorded, in microseconds since 1970 UTC. */
EC_API int64_t ec_event_recorded_at(const ec_event *event);

/**
 * Whether an event that `apply` was given is in a stream of this slot. See EC_FROM.
 * @param index  is set to the stream's index if the slot is a list, to 0 if it is one stream;
 *               may be NULL.
 */
EC_API bool ec_event_in(const ec_event *event, size_t slot, size_t *index);

/**
 * Unpack an event's data by a format of jansson's json_unpack(), for example
 * `ec_event_unpack(event, "{s:I, s?s}", "amount", &amount, "note", &note)`, where I stores a
 * `long long`, and strings live as long as the event.
 * @return EC_OK, EC_INVALID_EVENT if the data does not fit, or EC_NO_MEMORY.
 */
EC_API ec_status ec_event_unpack(const ec_event *event, const char *format, ...);

/**
 * Zeroed memory that lives as long as the event: for what `apply` keeps in the state.
 * @return NULL when memory runs out, which fails a command with EC_NO_MEMORY.
 */
EC_API void *ec_event_alloc(const ec_event *event, size_t size);

/** The number of events in a list. */
EC_API size_t ec_events_count(const ec_events *events);

/** An event of a list; NULL if there are not so many. */
EC_API const ec_event *ec_events_at(const ec_events *events, size_t index);

/**
 * The version that a stream was at when ec_read_streams() read it.
 * @return 0 for a stream without events, -1 if the list does not come from reading that stream.
 */
EC_API int64_t ec_events_stream_version(const ec_events *events, const char *stream_id);

/** Free a list with its events. NULL is allowed. */
EC_API void ec_events_free(ec_events *events);

/* ------------------------------------------------------------------ reading */

/** Options of ec_read_stream(). Initialise with EC_READ_OPTIONS_INIT. */
typedef struct ec_read_options {
    size_t struct_size;
    int64_t after_version; /* exclusive; 0: from the beginning, or backward from the end */
    int64_t max_count;     /* 0: no limit */
    bool backward;         /* latest first; after_version then is the version to stay below */
} ec_read_options;

#define EC_READ_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(ec_read_options), 0, 0, false                                                       \
    }

/**
 * Read one stream, in the order of its versions. A stream that does not exist gives no events.
 * @param options  NULL: the whole stream, forward.
 * @param events   is set to a list to be freed with ec_events_free(); on failure to NULL.
 * @return EC_OK, EC_CONNECTION_LOST, EC_TIMEOUT, EC_INVALID_STREAM_ID or another server error.
 */
EC_API ec_status ec_read_stream(ec_connection *connection, const char *stream_id,
                                const ec_read_options *options, ec_events **events);

/**
 * Read several streams as of one instant, in global order.
 * @param after_versions  one a stream, exclusive; NULL: everything.
 * @param events          as for ec_read_stream(); ec_events_stream_version() knows each stream.
 * @return as ec_read_stream().
 */
EC_API ec_status ec_read_streams(ec_connection *connection, const char *const *stream_ids,
                                 size_t stream_count, const int64_t *after_versions,
                                 ec_events **events);

/**
 * Read the log of the whole store in global order. To go on, pass the position of the last event
 * that was read: nothing is skipped, however commits interleave.
 * @param after      a position, exclusive; 0: from the beginning.
 * @param max_count  the most events to read, at least 1.
 * @param events     as for ec_read_stream().
 * @return as ec_read_stream(), EC_POSITION_BEYOND_LOG, and EC_INVALID_ARGUMENT for a max_count
 *         below 1.
 */
EC_API ec_status ec_read_all(ec_connection *connection, int64_t after, int64_t max_count,
                             ec_events **events);

/* ------------------------------------------------------------------ appending */

/** What an expected version may be beside an exact one. */
#define EC_EXPECT_NO_STREAM INT64_C(0)
#define EC_EXPECT_ANY INT64_C(-1)
#define EC_EXPECT_EXISTS INT64_C(-2)

/** A stream and the version it must be at. */
typedef struct ec_expectation {
    const char *stream_id;
    int64_t version;
} ec_expectation;

/** An event to be appended and its stream. */
typedef struct ec_stream_event {
    const char *stream_id;
    ec_new_event event;
} ec_stream_event;

/**
 * Append events to one or several streams, all or none, without a command. Event ids that are not
 * given are made here before the first try, so that after a lost connection, a deadlock or a
 * serialization failure the identical append is repeated and never written twice.
 *
 * @param events    in the order in which they are to stand in their streams and in the log.
 * @param expected  every stream written, and streams that must not have changed; NULL: no
 *                  expectation at all. A stream that is written but not named is an error.
 * @param outcome   as for ec_execute().
 * @return EC_OK, EC_VERSION_CONFLICT (see ec_error_violation()), EC_UNDECLARED_STREAM,
 *         EC_INVALID_EVENT, EC_DUPLICATE_EVENT_ID, EC_CONNECTION_LOST, EC_TIMEOUT or another
 *         server error.
 */
EC_API ec_status ec_append(ec_connection *connection, const ec_stream_event *events,
                           size_t event_count, const ec_expectation *expected,
                           size_t expected_count, ec_outcome **outcome);

/* ------------------------------------------------------------------ outcomes */

/* All of these take NULL, as a variable holds that no call has set: nothing was tried. */

/** How often the command was tried: 1 if at once. A repeated append counts as a try. */
EC_API int ec_outcome_attempts(const ec_outcome *outcome);

/** How many tries lost to another writer. */
EC_API int ec_outcome_conflicts(const ec_outcome *outcome);

/** The number of events written; 0 if the command failed. */
EC_API size_t ec_outcome_event_count(const ec_outcome *outcome);

/** An event written, in the order of writing; NULL if there are not so many. */
EC_API const ec_event *ec_outcome_event(const ec_outcome *outcome, size_t index);

/** The number of streams that made the last conflict, even if a later try succeeded. */
EC_API size_t ec_outcome_violation_count(const ec_outcome *outcome);

/** One of them; NULL if there are not so many. */
EC_API const ec_violation *ec_outcome_violation(const ec_outcome *outcome, size_t index);

/** The code that a rejection was made with; NULL if the command was not rejected. */
EC_API const char *ec_outcome_rejection_code(const ec_outcome *outcome);

/** The message that a rejection was made with; NULL if the command was not rejected. */
EC_API const char *ec_outcome_rejection_message(const ec_outcome *outcome);

/**
 * Whether the call failed after its events may have been written: the connection was lost, did not
 * answer by the deadline or gave an answer that could not be read, and the append could not be
 * repeated.
 */
EC_API bool ec_outcome_in_doubt(const ec_outcome *outcome);

/** Free an outcome. NULL is allowed. */
EC_API void ec_outcome_free(ec_outcome *outcome);

/* ------------------------------------------------------------------ commands */

typedef enum ec_stream_mode { EC_WRITES, EC_READS, EC_WRITES_MANY, EC_READS_MANY } ec_stream_mode;

/** The ids of a declared list of streams, each once. */
typedef struct ec_ids {
    const char *const *ids; /* never NULL: a list left unset is refused. See EC_NO_IDS */
    size_t count;
} ec_ids;

/** The initialiser of a list that is empty on purpose. */
#define EC_NO_IDS                                                                                  \
    {                                                                                              \
        (const char *const[1]){NULL}, 0                                                            \
    }

/** One declared slot: a stream (a `const char *` in the streams struct) or a list (an ec_ids). */
typedef struct ec_stream_declaration {
    const char *name;
    ec_stream_mode mode;
    size_t offset; /* of its field in the streams struct */
} ec_stream_declaration;

/** A command as the library sees it. EC_COMMAND writes it; a binding may build it by hand. */
typedef struct ec_definition {
    size_t struct_size;
    const char *name;
    const ec_stream_declaration *streams;
    size_t stream_count;
    size_t state_size;
    /* Fold one event into the state. Any status but EC_OK ends the execution with it. */
    ec_status (*apply)(const void *command, void *state, const ec_event *event);
    /* Decide: write, reject or neither. Any status but EC_OK ends the execution with it. */
    ec_status (*handle)(const void *command, const void *state, ec_context *context);
} ec_definition;

/** How a command is executed. Initialise with EC_EXECUTE_OPTIONS_INIT. */
typedef struct ec_execute_options {
    size_t struct_size;
    int max_attempts;        /* the first try included, at least 1 */
    int64_t backoff_base_ms; /* before retry n: a random time up to base * 2^(n-1) ... */
    int64_t backoff_cap_ms;  /* ... and never above the cap */
    int64_t deadline_ms;     /* for everything together, pauses included; 0: none */
    bool verify;             /* check the versions even if nothing is written */
} ec_execute_options;

#define EC_EXECUTE_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ec_execute_options), 10, 1, 250, 0, false                                           \
    }

/**
 * Execute a command: read all its streams as of one instant, fold them in global order with
 * `apply`, decide with `handle`, and append what it wrote only if no declared stream, written or
 * only read, has changed since. If one has, start again from the read, with a zeroed state.
 *
 * Also tried again are serialization failures, deadlocks, exhausted lock memory and lost
 * connections. After a reply was lost the identical append is repeated first: a command is never
 * written twice. `apply` and `handle` run once an attempt: keep side effects out of them.
 *
 * When the deadline passes, the statement under way is cancelled. Events that were appended just
 * before that make a success; see also ec_outcome_in_doubt().
 *
 * @param streams  the struct with the ids that the definition's offsets refer to.
 * @param command  is passed on to `apply` and `handle`.
 * @param options  NULL: the defaults.
 * @param outcome  NULL if it is not wanted. Else *outcome is NULL, and an outcome is made, or an
 *                 outcome of an earlier call, which is reused. Free it with ec_outcome_free().
 * @return EC_OK; EC_REJECTED; EC_VERSION_CONFLICT when the attempts are used up; EC_TIMEOUT;
 *         EC_UNBOUND_STREAM, before anything is read; what `apply` or `handle` returned;
 *         EC_UNDECLARED_STREAM or EC_INVALID_EVENT from a write, even if `handle` ignored it;
 *         EC_CONNECTION_LOST or another server error.
 */
EC_API ec_status ec_execute(ec_connection *connection, const ec_definition *definition,
                            const void *streams, const void *command,
                            const ec_execute_options *options, ec_outcome **outcome);

/**
 * Write an event, from `handle`. Nothing reaches the server before `handle` has returned EC_OK.
 * An error sticks: the command fails with it, whatever `handle` returns.
 * @param slot   the stream's or list's place in the declaration.
 * @param index  the stream's place in its list; 0 if the slot is one stream.
 * @return EC_OK, EC_UNDECLARED_STREAM for an only-read slot or one that is not there,
 *         EC_INVALID_ARGUMENT for an index beyond the list, EC_INVALID_EVENT or EC_NO_MEMORY.
 */
EC_API ec_status ec_write(ec_context *context, size_t slot, size_t index,
                          const ec_new_event *event);

/**
 * Reject the command, from `handle`: nothing is written. See EC_REQUIRE.
 * @param code    for programs, such as "insufficient_funds".
 * @param format  for people, as for printf.
 * @return EC_REJECTED, to be returned from `handle`.
 */
EC_API ec_status ec_reject(ec_context *context, const char *code, const char *format, ...)
    EC_PRINTF(3, 4);

/**
 * JSON text by a format of jansson's json_pack(), such as `"{s:I}", "amount", amount` where I
 * takes a `long long`.
 * @return text that lives until the attempt ends. NULL if the format does not fit; the command
 *         then fails with EC_INVALID_ARGUMENT.
 */
EC_API const char *ec_pack(ec_context *context, const char *format, ...);

/**
 * Zeroed memory that lives until the attempt ends.
 * @return NULL when memory runs out, which fails the command with EC_NO_MEMORY.
 */
EC_API void *ec_alloc(ec_context *context, size_t size);

#ifdef __cplusplus
}
#endif

/*
 * EC_COMMAND(name, STREAMS, command_type, state_type) declares a command.
 *
 * STREAMS is a list of its streams, of at least one of four kinds:
 *
 *     #define FULFIL_STREAMS(command, writes, reads, writes_many, reads_many)
 *         writes(command, order)
 *         writes_many(command, products)
 *         reads(command, customer)
 *     EC_COMMAND(fulfil, FULFIL_STREAMS, struct fulfil, struct fulfil_state);
 *
 * It makes
 *
 *     fulfil_streams       a struct with a field a stream: a `const char *` or an ec_ids
 *     fulfil_order         a token a stream, for the functions below and for EC_FROM
 *     fulfil_context       what `handle` is given; its field `context` is for ec_pack and ec_alloc
 *     fulfil_write(context, fulfil_order, &event)
 *     fulfil_write_at(context, fulfil_products, i, &event)
 *     fulfil_execute(connection, &streams, &command, &outcome)
 *     fulfil_execute_with(connection, &streams, &command, &options, &outcome)
 *     fulfil_definition    for ec_execute
 *
 * and declares what is left to be written:
 *
 *     static ec_status fulfil_apply(const struct fulfil *, struct fulfil_state *,
 *                                   const ec_event *);
 *     static ec_status fulfil_handle(const struct fulfil *, const struct fulfil_state *,
 *                                    fulfil_context);
 *
 * The tokens are of types of the command's own, one a kind. So it does not compile to write to a
 * stream that is undeclared, only read or another command's, to a list as to one stream, or with
 * another command's context. (ec_write() beneath finds the same at run time.)
 *
 * In `apply`, EC_FROM(event, fulfil_products) tells that an event is of a list, and
 * ec_event_in(event, fulfil_products.slot, &i) also of which of its streams. `handle` is not given
 * the ids: put what it must know of them, such as the length of a list, into the command struct.
 */
#define EC_COMMAND(name, STREAMS, command_type, state_type)                                        \
    typedef struct {                                                                               \
        size_t slot;                                                                               \
    } name##_written;                                                                              \
    typedef struct {                                                                               \
        size_t slot;                                                                               \
    } name##_only_read;                                                                            \
    typedef struct {                                                                               \
        size_t slot;                                                                               \
    } name##_written_many;                                                                         \
    typedef struct {                                                                               \
        size_t slot;                                                                               \
    } name##_only_read_many;                                                                       \
    typedef struct {                                                                               \
        ec_context *context;                                                                       \
    } name##_context;                                                                              \
    typedef struct {                                                                               \
        STREAMS(name, EC_FIELD_, EC_FIELD_, EC_FIELD_MANY_, EC_FIELD_MANY_)                        \
    } name##_streams;                                                                              \
    enum { STREAMS(name, EC_SLOT_, EC_SLOT_, EC_SLOT_, EC_SLOT_) name##_stream_count };            \
    STREAMS(name, EC_TOKEN_WRITTEN_, EC_TOKEN_READ_, EC_TOKEN_WRITTEN_MANY_, EC_TOKEN_READ_MANY_)  \
    static const ec_stream_declaration name##_declarations[] = {                                   \
        STREAMS(name, EC_DECLARE_WRITES_, EC_DECLARE_READS_, EC_DECLARE_WRITES_MANY_,              \
                EC_DECLARE_READS_MANY_)};                                                          \
    static ec_status name##_apply(const command_type *command, state_type *state,                  \
                                  const ec_event *event);                                          \
    static ec_status name##_handle(const command_type *command, const state_type *state,           \
                                   name##_context context);                                        \
    static ec_status name##_call_apply(const void *command, void *state, const ec_event *event)    \
    {                                                                                              \
        return name##_apply((const command_type *)command, (state_type *)state, event);            \
    }                                                                                              \
    static ec_status name##_call_handle(const void *command, const void *state,                    \
                                        ec_context *context)                                       \
    {                                                                                              \
        name##_context typed = {context};                                                          \
        return name##_handle((const command_type *)command, (const state_type *)state, typed);     \
    }                                                                                              \
    static const ec_definition name##_definition = {sizeof(ec_definition), #name,                  \
                                                    name##_declarations,   name##_stream_count,    \
                                                    sizeof(state_type),    name##_call_apply,      \
                                                    name##_call_handle};                           \
    static inline EC_UNUSED ec_status name##_write(name##_context context, name##_written stream,  \
                                                   const ec_new_event *event)                      \
    {                                                                                              \
        return ec_write(context.context, stream.slot, 0, event);                                   \
    }                                                                                              \
    static inline EC_UNUSED ec_status name##_write_at(name##_context context,                      \
                                                      name##_written_many streams, size_t index,   \
                                                      const ec_new_event *event)                   \
    {                                                                                              \
        return ec_write(context.context, streams.slot, index, event);                              \
    }                                                                                              \
    static inline EC_UNUSED ec_status name##_execute_with(                                         \
        ec_connection *connection, const name##_streams *streams, const command_type *command,     \
        const ec_execute_options *options, ec_outcome **outcome)                                   \
    {                                                                                              \
        return ec_execute(connection, &name##_definition, streams, command, options, outcome);     \
    }                                                                                              \
    static inline EC_UNUSED ec_status name##_execute(                                              \
        ec_connection *connection, const name##_streams *streams, const command_type *command,     \
        ec_outcome **outcome)                                                                      \
    {                                                                                              \
        return ec_execute(connection, &name##_definition, streams, command, NULL, outcome);        \
    }                                                                                              \
    struct name##_is_declared

/** Reject with `code` and a printf message, and leave `handle`, unless `condition` holds. */
#define EC_REQUIRE(ctx, condition, code, ...)                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return ec_reject((ctx).context, code, __VA_ARGS__);                                    \
    } while (0)

/** Whether an event that `apply` was given is in the stream, or the list, of this token. */
#define EC_FROM(event, token) ec_event_in(event, (token).slot, NULL)

/* The parts of EC_COMMAND that are repeated for each stream. */
#define EC_SLOT_(name, stream) name##_##stream##_slot,
#define EC_FIELD_(name, stream) const char *stream;
#define EC_FIELD_MANY_(name, stream) ec_ids stream;
#define EC_TOKEN_(name, kind, stream)                                                              \
    static const name##_##kind name##_##stream EC_UNUSED = {name##_##stream##_slot};
#define EC_TOKEN_WRITTEN_(name, stream) EC_TOKEN_(name, written, stream)
#define EC_TOKEN_READ_(name, stream) EC_TOKEN_(name, only_read, stream)
#define EC_TOKEN_WRITTEN_MANY_(name, stream) EC_TOKEN_(name, written_many, stream)
#define EC_TOKEN_READ_MANY_(name, stream) EC_TOKEN_(name, only_read_many, stream)
#define EC_DECLARE_(name, mode, stream) {#stream, mode, offsetof(name##_streams, stream)},
#define EC_DECLARE_WRITES_(name, stream) EC_DECLARE_(name, EC_WRITES, stream)
#define EC_DECLARE_READS_(name, stream) EC_DECLARE_(name, EC_READS, stream)
#define EC_DECLARE_WRITES_MANY_(name, stream) EC_DECLARE_(name, EC_WRITES_MANY, stream)
#define EC_DECLARE_READS_MANY_(name, stream) EC_DECLARE_(name, EC_READS_MANY, stream)

#endif
