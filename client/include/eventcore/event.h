/**
 * @file
 * Events: read, typed, and to be written.
 */
#ifndef EVENTCORE_EVENT_H
#define EVENTCORE_EVENT_H

#include <stdarg.h>

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** An event that was read or appended. It belongs to the list or the outcome that it is in. */
typedef struct ec_event ec_event;

/**
 * A list of events that were read. It belongs to the caller: free it with ec_events_free(). NULL,
 * what a read that failed leaves behind, is an empty list.
 */
typedef struct ec_events ec_events;

/**
 * An event to be written. Set `type` and either `data` or `payload`; with neither, data is {}.
 * Initialise by field name, so that the rest is zero.
 */
typedef struct ec_new_event {
    const char *type;        /**< never NULL */
    const char *data;        /**< JSON text */
    const void *payload;     /**< bytes in place of data */
    size_t payload_size;     /**< in bytes */
    const char *metadata;    /**< JSON text, or NULL; an object, if ec_metadata is to be added */
    const ec_uuid *event_id; /**< NULL: the library makes one */
} ec_new_event;

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
 * @param event  the event.
 * @param size   is set to the number of bytes, unless NULL.
 */
EC_API const void *ec_event_payload(const ec_event *event, size_t *size);

/** Its metadata as JSON text; NULL if there is none. */
EC_API const char *ec_event_metadata(const ec_event *event);

/** When it was recorded, in microseconds since 1970 UTC. */
EC_API int64_t ec_event_recorded_at(const ec_event *event);

/**
 * Whether an event that `apply` was given is in a stream of this slot. See EC_FROM.
 * @param event  what `apply` was given.
 * @param slot   the stream's or list's place in the declaration.
 * @param index  is set to the stream's index if the slot is a list, to 0 if it is one stream; may
 *               be NULL.
 */
EC_API bool ec_event_in(const ec_event *event, size_t slot, size_t *index);

/**
 * Unpack an event's data by a format of jansson's json_unpack(), for example
 * `ec_event_unpack(event, "{s:I, s?s}", "amount", &amount, "note", &note)`, where I stores a
 * `long long`, and strings live as long as the event.
 * @return EC_OK, EC_INVALID_EVENT if the data does not fit, EC_INVALID_ARGUMENT for a format that
 * is not one, or EC_NO_MEMORY.
 */
EC_API ec_status ec_event_unpack(const ec_event *event, const char *format, ...);

/** As ec_event_unpack(). */
EC_API ec_status ec_event_vunpack(const ec_event *event, const char *format, va_list arguments);

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

/** Free a list with its events. */
EC_API void ec_events_free(ec_events *events);

/* ------------------------------------------------------------------ types of events */

/** The types of events that a command, or a reader, knows. EC_EVENTS writes it. */
typedef struct ec_event_types {
    size_t struct_size;       /**< sizeof(ec_event_types) */
    const char *name;         /**< of the list, for messages */
    const char *const *types; /**< the type of kind i */
    size_t count;             /**< the number of types */
    bool selects;             /**< events of other types are passed over, not an error */
} ec_event_types;

/**
 * The kind of an event: the place of its type in the list; of a type listed twice, the first. Long
 * lists are quick too: a table of the types is kept with the events that were read together, so a
 * list of types stays as it is as long as they.
 * @return -1 if its type is not in the list.
 */
EC_API int ec_event_kind(const ec_event *event, const ec_event_types *types);

/* ------------------------------------------------------------------ metadata */

/**
 * The well-known keys of metadata, as UTF-8. A key that is NULL is not set. Given to
 * ec_set_metadata() for all that a connection writes, and to ec_execute_options for one command,
 * whose keys go first; a key in the metadata of an event itself, even as null, goes before both.
 * Metadata of an event that is not a JSON object cannot take keys: if there are any to be added, it
 * fails with EC_INVALID_EVENT. All attempts of a command write the same.
 */
typedef struct ec_metadata {
    const char *correlation_id; /**< what belongs together: by custom the id of the first event */
    const char *causation_id;   /**< what led to this: by custom the id of an event */
    const char *user_id;        /**< on whose behalf */
    const char *traceparent;    /**< by W3C Trace Context, version 00, or it is refused */
} ec_metadata;

/**
 * The well-known keys of an event's metadata, those that are strings.
 * @param event     what it is read from, by one thread at a time.
 * @param metadata  is filled; its strings live as long as the event.
 * @return EC_OK, also if there is no metadata; EC_INVALID_EVENT for metadata that cannot be parsed
 *         here (a number beyond a double), or EC_NO_MEMORY: then no key is set.
 */
EC_API ec_status ec_event_read_metadata(const ec_event *event, ec_metadata *metadata);

/**
 * The metadata for what is done because of an event: the event's correlation id (its event id if
 * it has none), its event id as causation id, its user and its traceparent (unless it is not valid:
 * who receives such a one starts a trace anew).
 * @param event     what is reacted to, from a list or an outcome, by one thread at a time.
 * @param metadata  is filled; its strings live as long as the event; an outcome's events until the
 *                  next call that it is given to has ended.
 * @return as ec_event_read_metadata().
 */
EC_API ec_status ec_metadata_caused_by(const ec_event *event, ec_metadata *metadata);

#ifdef __cplusplus
}
#endif

/**
 * Declare types of events:
 *
 *     #define BANK_EVENTS(list, type)
 *         type(list, Deposited, "MoneyDeposited")
 *         type(list, Withdrawn, "MoneyWithdrawn")
 *     EC_EVENTS(bank, BANK_EVENTS);
 *
 * It makes
 *
 *     bank_kind               an enum of bank_Deposited and bank_Withdrawn, so that a `switch`
 *                             over it without a `default` warns of a missing case
 *     bank_type(kind)         the type as it is stored, such as "MoneyDeposited"; NULL if `kind`
 *                             is no enumerator, which no write takes
 *     bank_kind_of(event, &kind)   false if the event is of another type
 *     bank_event_types        for ec_event_kind
 *
 * What is stored is the string, so that an enumerator can be renamed. A command that folds an event
 * of a type that is not in its list fails with EC_UNKNOWN_EVENT. See also EC_SOME_EVENTS.
 *
 * Where one list's kind is wanted, another's compiles in C: gcc warns of it with -Wextra, clang
 * always (-Wenum-conversion). In C++ it does not compile.
 */
#define EC_EVENTS(name, TYPES) EC_EVENTS_(name, TYPES, false)

/** As EC_EVENTS, but a command passes events of other types over. */
#define EC_SOME_EVENTS(name, TYPES) EC_EVENTS_(name, TYPES, true)

/** @cond the parts of EC_EVENTS */
#define EC_EVENTS_(name, TYPES, selects)                                                           \
    typedef enum name##_kind{TYPES(name, EC_KIND_)} name##_kind;                                   \
    static const char *const name##_type_names[] = {TYPES(name, EC_TYPE_NAME_)};                   \
    static const ec_event_types name##_event_types EC_UNUSED = {                                   \
        sizeof(ec_event_types), #name, name##_type_names,                                          \
        sizeof name##_type_names / sizeof *name##_type_names, selects};                            \
    static inline EC_UNUSED const char *name##_type(name##_kind kind)                              \
    {                                                                                              \
        return (size_t)kind < name##_event_types.count ? name##_type_names[kind] : NULL;           \
    }                                                                                              \
    static inline EC_UNUSED bool name##_kind_of(const ec_event *event, name##_kind *kind)          \
    {                                                                                              \
        int found = ec_event_kind(event, &name##_event_types);                                     \
        if (found >= 0)                                                                            \
            *kind = (name##_kind)found;                                                            \
        return found >= 0;                                                                         \
    }                                                                                              \
    struct name##_events_are_declared

#define EC_KIND_(name, kind, type) name##_##kind,
#define EC_TYPE_NAME_(name, kind, type) type,
/** @endcond */

#endif
