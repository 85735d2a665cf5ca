/**
 * @file
 * Commands: their declared streams, and what their callbacks can do.
 */
#ifndef EVENTCORE_COMMAND_H
#define EVENTCORE_COMMAND_H

#include <stdarg.h>

#include "event.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What `resolve` and `handle` work with. It lives until the callback returns. */
typedef struct ec_context ec_context;

/** How a command uses a declared stream. */
typedef enum ec_stream_mode {
    EC_MODE_writes,          /**< read, checked, and may be written */
    EC_MODE_reads,           /**< read and checked */
    EC_MODE_writes_optional, /**< as writes, if it has an id */
    EC_MODE_reads_optional,  /**< as reads, if it has an id */
    EC_MODE_writes_many,     /**< a list of streams that may be written */
    EC_MODE_reads_many       /**< a list of streams that are only read */
} ec_stream_mode;

/** The ids of a declared list of streams, each once. */
typedef struct ec_ids {
    const char *const *ids; /**< never NULL: a list left unset is refused. See EC_NO_IDS */
    size_t count;           /**< the number of ids */
} ec_ids;

/**
 * The initialiser of a list that is empty on purpose, for example because `resolve` fills it. To
 * assign it in C: `streams.items = (ec_ids)EC_NO_IDS`.
 */
#define EC_NO_IDS                                                                                  \
    {                                                                                              \
        ec_no_ids_, 0                                                                              \
    }
static const char *const ec_no_ids_[1] EC_UNUSED = {NULL}; /* C++ has no compound literals */

/** One declared slot: a stream (a `const char *` in the streams struct) or a list (an ec_ids). */
typedef struct ec_stream_declaration {
    const char *name;    /**< for messages */
    ec_stream_mode mode; /**< what it is for */
    size_t offset;       /**< of its field in the streams struct */
} ec_stream_declaration;

/** A command as the library sees it. EC_COMMAND writes it; a binding may build it by hand. */
typedef struct ec_definition {
    size_t struct_size;                   /**< sizeof(ec_definition) */
    const char *name;                     /**< for messages */
    const ec_stream_declaration *streams; /**< one a slot */
    size_t stream_count;                  /**< the number of slots */
    size_t state_size;                    /**< of the state that `apply` folds into, in bytes */
    /** The types that `apply` knows; NULL: `apply` is given every event, with kind -1. */
    const ec_event_types *event_types;
    /** Fold one event into the state. Any status but EC_OK ends the execution with it. */
    ec_status (*apply)(const void *command, void *state, int kind, const ec_event *event);
    /** Decide: write, reject or neither. Any status but EC_OK ends the execution with it. */
    ec_status (*handle)(const void *command, const void *state, ec_context *context);
    /** Discover streams: NULL if all are known before. See ec_discover(). */
    ec_status (*resolve)(const void *command, const void *state, ec_context *context);
} ec_definition;

/* ------------------------------------------------------------------ deciding */

/**
 * Write an event, from `handle`. Nothing reaches the server before `handle` has returned EC_OK.
 * An error sticks: the command fails with it, whatever `handle` returns.
 * @param context  what the callback was given.
 * @param slot     the stream's or list's place in the declaration.
 * @param index    the stream's place in its list; 0 if the slot is one stream.
 * @param event    is copied.
 * @return EC_OK, EC_UNDECLARED_STREAM for an only-read slot or one that is not there,
 *         EC_UNBOUND_STREAM for an optional stream without an id, EC_INVALID_ARGUMENT for an index
 *         beyond the list or from `resolve`, EC_INVALID_EVENT or EC_NO_MEMORY. Whether its data is
 *         JSON the server finds: the command then fails with EC_SERVER_ERROR (SQLSTATE 22P02).
 */
EC_API ec_status ec_write(ec_context *context, size_t slot, size_t index,
                          const ec_new_event *event);

/**
 * Write an event of a type, with data by a format of jansson's json_pack(), from `handle`. The
 * format is checked, but neither by the compiler nor here can it be seen whether each argument is
 * of the type that it asks for, and in its order: if not, the behaviour is undefined. So cast
 * numbers: I takes a `long long`, i an `int`.
 * @param context  as for ec_write(), like `slot` and `index`.
 * @param slot     the stream's or list's place in the declaration.
 * @param index    the stream's place in its list.
 * @param type     is copied.
 * @param format   such as `"{s:I, s:s}", "amount", amount, "note", note`, where I takes a `long
 *                 long`, and strings are copied; NULL: the data is {}.
 * @return as ec_write(), and EC_INVALID_ARGUMENT for a format that does not fit.
 */
EC_API ec_status ec_record(ec_context *context, size_t slot, size_t index, const char *type,
                           const char *format, ...);

/** As ec_record(). */
EC_API ec_status ec_vrecord(ec_context *context, size_t slot, size_t index, const char *type,
                            const char *format, va_list arguments);

/**
 * Reject the command, from `handle` or `resolve`: nothing is written. See EC_REQUIRE.
 * @param context  what the callback was given.
 * @param status   EC_REJECTED, EC_FORBIDDEN or EC_INVALID_COMMAND; another one fails the command
 *                 with EC_INVALID_ARGUMENT.
 * @param code     for programs, such as "insufficient_funds".
 * @param format   for people, as for printf.
 * @return the status, to be returned from the callback.
 */
EC_API ec_status ec_reject(ec_context *context, ec_status status, const char *code,
                           const char *format, ...) EC_PRINTF(4, 5);

/** As ec_reject(). */
EC_API ec_status ec_vreject(ec_context *context, ec_status status, const char *code,
                            const char *format, va_list arguments) EC_PRINTF(4, 0);

/**
 * JSON text by a format of jansson's json_pack(), such as `"{s:I}", "amount", amount` where I
 * takes a `long long`. What ec_record() says of the arguments goes for this, too.
 * @return text that lives until the attempt ends. NULL if the format does not fit; the command
 *         then fails with EC_INVALID_ARGUMENT.
 */
EC_API const char *ec_pack(ec_context *context, const char *format, ...);

/** As ec_pack(). */
EC_API const char *ec_vpack(ec_context *context, const char *format, va_list arguments);

/**
 * Text by a printf format, such as an id for ec_discover(): `ec_format(context, "stock-%s", name)`.
 * @return text that lives until the attempt ends. NULL when memory runs out, which fails the
 *         command with EC_NO_MEMORY.
 */
EC_API const char *ec_format(ec_context *context, const char *format, ...) EC_PRINTF(2, 3);

/**
 * Zeroed memory that lives until the attempt ends.
 * @return NULL when memory runs out, which fails the command with EC_NO_MEMORY.
 */
EC_API void *ec_alloc(ec_context *context, size_t size);

/* ------------------------------------------------------------------ looking at the streams */

/** How many streams a slot has: 1, or 0 for an optional one without an id, or those of a list. */
EC_API size_t ec_stream_count(const ec_context *context, size_t slot);

/** The id of a stream; NULL if there is no such place. It lives until the attempt ends. */
EC_API const char *ec_stream_id(const ec_context *context, size_t slot, size_t index);

/**
 * The version that a stream was read at, 0 without events; -1 if there is no such place, or if it
 * has just been discovered and is still to be read.
 */
EC_API int64_t ec_stream_version(const ec_context *context, size_t slot, size_t index);

/**
 * Find a stream in a slot by its id.
 * @param context  what the callback was given.
 * @param slot     the stream's or list's place in the declaration.
 * @param id       what it is looked for by; NULL is never there.
 * @param index    is set to its place, unless NULL.
 * @return false if it is not there.
 */
EC_API bool ec_stream_find(const ec_context *context, size_t slot, const char *id, size_t *index);

/* ------------------------------------------------------------------ discovering streams */

/**
 * Add a stream to a declared list, from `resolve`. An id that is in the list already stays where
 * it is.
 *
 * `resolve` is called when all streams have been read and folded. If it adds ids, their streams
 * are read in one round trip, together with what has been added meanwhile to the others, so that
 * everything is as of one instant again; a zeroed state is folded again from the start, in global
 * order; and `resolve` is called again, until it adds nothing. If it still adds something after
 * EC_MAX_DISCOVERY_ROUNDS rounds, the command fails with EC_FAILED. What was added is checked like
 * every declared stream. Each attempt starts from the ids that were given.
 *
 * @param context  what `resolve` was given.
 * @param slot     the list's place in the declaration.
 * @param id       is copied.
 * @param index    is set to the stream's place in the list, unless NULL.
 * @return EC_OK, EC_INVALID_ARGUMENT for a slot that is not a list, outside of `resolve` or for a
 *         NULL id, or EC_NO_MEMORY. An error sticks.
 */
EC_API ec_status ec_discover(ec_context *context, size_t slot, const char *id, size_t *index);

#define EC_MAX_DISCOVERY_ROUNDS 10 /**< see ec_discover() */

#ifdef __cplusplus
}
#endif

/**
 * Declare a command.
 *
 * STREAMS is a list of its streams, each of one of six kinds (see ec_stream_mode); `events` is a
 * list of event types declared with EC_EVENTS or EC_SOME_EVENTS:
 *
 *     #define FULFIL_STREAMS(command, stream)    \
 *         stream(command, writes, order)         \
 *         stream(command, writes_many, products) \
 *         stream(command, reads, customer)       \
 *         stream(command, reads_optional, voucher)
 *     EC_COMMAND(fulfil, FULFIL_STREAMS, shop, struct fulfil, struct fulfil_state);
 *
 * It makes
 *
 *     fulfil_streams       a struct with a field a stream: a `const char *` or an ec_ids
 *     fulfil_order         a token a stream, for the functions below and for EC_FROM
 *     fulfil_context       what `handle` is given; its field `context` is for ec_pack and the like
 *     fulfil_record(context, fulfil_order, shop_Fulfilled, format, ...)       see ec_record()
 *     fulfil_record_at(context, fulfil_products, i, shop_Reserved, format, ...)    in a list
 *     fulfil_record_optional(context, ...)                           in an optional stream
 *     fulfil_write(context, fulfil_order, &event)                    see ec_write()
 *     fulfil_write_at, fulfil_write_optional
 *     fulfil_execute(connection, &streams, &command, &outcome)
 *     fulfil_execute_with(connection, &streams, &command, &options, &outcome)
 *     fulfil_execute_start(connection, &streams, &command, &options, &task)    see task.h
 *     fulfil_prepare(&streams, &command)    an ec_command for ec_execute_batch() and its kin
 *     fulfil_definition    for ec_execute
 *
 * and declares what is left to be written:
 *
 *     static ec_status fulfil_apply(const struct fulfil *, struct fulfil_state *, shop_kind,
 *                                   const ec_event *);
 *     static ec_status fulfil_handle(const struct fulfil *, const struct fulfil_state *,
 *                                    fulfil_context);
 *
 * EC_RESOLVING_COMMAND, with the same arguments, declares a command that discovers streams, and
 * makes
 *
 *     fulfil_resolution    what `resolve` is given
 *     fulfil_discover(resolution, fulfil_products, id, &index)            see ec_discover()
 *     fulfil_discover_read(resolution, fulfil_catalogue, id, &index)      for reads_many
 *
 *     static ec_status fulfil_resolve(const struct fulfil *, const struct fulfil_state *,
 *                                     fulfil_resolution);
 *
 * The tokens are of types of the command's own, one a kind. So it does not compile to write to a
 * stream that is undeclared, only read or another command's, to a list as to one stream, to an
 * optional stream as if it were always there, or with another command's context. (ec_write()
 * beneath finds the same at run time.)
 *
 * In `apply`, EC_FROM(event, fulfil_products) tells that an event is of a list, and
 * ec_event_in(event, fulfil_products.slot, &i) also of which of its streams.
 */
#define EC_COMMAND(name, STREAMS, events, command_type, state_type)                                \
    EC_COMMAND_TYPES_(name, STREAMS, events, command_type, state_type)                             \
    EC_COMMAND_FUNCTIONS_(name, STREAMS, events, command_type, state_type, NULL)                   \
    struct name##_is_declared

/** As EC_COMMAND, for a command that discovers streams. */
#define EC_RESOLVING_COMMAND(name, STREAMS, events, command_type, state_type)                      \
    EC_COMMAND_TYPES_(name, STREAMS, events, command_type, state_type)                             \
    typedef struct {                                                                               \
        ec_context *context;                                                                       \
    } name##_resolution;                                                                           \
    static ec_status name##_resolve(const command_type *command, const state_type *state,          \
                                    name##_resolution resolution);                                 \
    static ec_status name##_call_resolve(const void *command, const void *state,                   \
                                         ec_context *context)                                      \
    {                                                                                              \
        name##_resolution typed = {context};                                                       \
        return name##_resolve((const command_type *)command, (const state_type *)state, typed);    \
    }                                                                                              \
    static inline EC_UNUSED ec_status name##_discover(                                             \
        name##_resolution resolution, name##_writes_many streams, const char *id, size_t *index)   \
    {                                                                                              \
        return ec_discover(resolution.context, streams.slot, id, index);                           \
    }                                                                                              \
    static inline EC_UNUSED ec_status name##_discover_read(                                        \
        name##_resolution resolution, name##_reads_many streams, const char *id, size_t *index)    \
    {                                                                                              \
        return ec_discover(resolution.context, streams.slot, id, index);                           \
    }                                                                                              \
    EC_COMMAND_FUNCTIONS_(name, STREAMS, events, command_type, state_type, name##_call_resolve)    \
    struct name##_is_declared

/** @cond the parts of EC_COMMAND */

/* A type a kind of stream, a struct of ids, and a token a stream. */
#define EC_COMMAND_TYPES_(name, STREAMS, events, command_type, state_type)                         \
    EC_TOKEN_TYPE_(name, writes)                                                                   \
    EC_TOKEN_TYPE_(name, reads)                                                                    \
    EC_TOKEN_TYPE_(name, writes_optional)                                                          \
    EC_TOKEN_TYPE_(name, reads_optional)                                                           \
    EC_TOKEN_TYPE_(name, writes_many)                                                              \
    EC_TOKEN_TYPE_(name, reads_many)                                                               \
    typedef struct {                                                                               \
        ec_context *context;                                                                       \
    } name##_context;                                                                              \
    typedef struct {                                                                               \
        STREAMS(name, EC_FIELD_)                                                                   \
    } name##_streams;                                                                              \
    enum { STREAMS(name, EC_SLOT_) name##_stream_count };                                          \
    STREAMS(name, EC_TOKEN_)                                                                       \
    static const ec_stream_declaration name##_declarations[] = {STREAMS(name, EC_DECLARE_)};

#define EC_COMMAND_FUNCTIONS_(name, STREAMS, events, command_type, state_type, resolves)           \
    static ec_status name##_apply(const command_type *command, state_type *state,                  \
                                  events##_kind kind, const ec_event *event);                      \
    static ec_status name##_handle(const command_type *command, const state_type *state,           \
                                   name##_context context);                                        \
    static ec_status name##_call_apply(const void *command, void *state, int kind,                 \
                                       const ec_event *event)                                      \
    {                                                                                              \
        return name##_apply((const command_type *)command, (state_type *)state,                    \
                            (events##_kind)kind, event);                                           \
    }                                                                                              \
    static ec_status name##_call_handle(const void *command, const void *state,                    \
                                        ec_context *context)                                       \
    {                                                                                              \
        name##_context typed = {context};                                                          \
        return name##_handle((const command_type *)command, (const state_type *)state, typed);     \
    }                                                                                              \
    static const ec_definition name##_definition = {sizeof(ec_definition),                         \
                                                    #name,                                         \
                                                    name##_declarations,                           \
                                                    name##_stream_count,                           \
                                                    sizeof(state_type),                            \
                                                    &events##_event_types,                         \
                                                    name##_call_apply,                             \
                                                    name##_call_handle,                            \
                                                    resolves};                                     \
    EC_WRITERS_(name, events, writes, write, record)                                               \
    EC_WRITERS_(name, events, writes_optional, write_optional, record_optional)                    \
    static inline EC_UNUSED ec_status name##_write_at(name##_context context,                      \
                                                      name##_writes_many streams, size_t index,    \
                                                      const ec_new_event *event)                   \
    {                                                                                              \
        return ec_write(context.context, streams.slot, index, event);                              \
    }                                                                                              \
    static EC_UNUSED ec_status name##_record_at(name##_context context,                            \
                                                name##_writes_many streams, size_t index,          \
                                                events##_kind kind, const char *format, ...)       \
    {                                                                                              \
        ec_status status;                                                                          \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        status = ec_vrecord(context.context, streams.slot, index, events##_type(kind), format,     \
                            arguments);                                                            \
        va_end(arguments);                                                                         \
        return status;                                                                             \
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
    static inline EC_UNUSED ec_status name##_execute_start(                                        \
        ec_connection *connection, const name##_streams *streams, const command_type *command,     \
        const ec_execute_options *options, ec_task **task)                                         \
    {                                                                                              \
        return ec_execute_start(connection, &name##_definition, streams, command, options, task);  \
    }                                                                                              \
    static inline EC_UNUSED ec_command name##_prepare(const name##_streams *streams,               \
                                                      const command_type *command)                 \
    {                                                                                              \
        ec_command prepared = {&name##_definition, streams, command, EC_OK, NULL};                 \
        return prepared;                                                                           \
    }

/* Writing to one stream of a kind. */
#define EC_WRITERS_(name, events, kind_of_stream, write, record)                                   \
    static inline EC_UNUSED ec_status name##_##write(                                              \
        name##_context context, name##_##kind_of_stream stream, const ec_new_event *event)         \
    {                                                                                              \
        return ec_write(context.context, stream.slot, 0, event);                                   \
    }                                                                                              \
    static EC_UNUSED ec_status name##_##record(name##_context context,                             \
                                               name##_##kind_of_stream stream, events##_kind kind, \
                                               const char *format, ...)                            \
    {                                                                                              \
        ec_status status;                                                                          \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        status =                                                                                   \
            ec_vrecord(context.context, stream.slot, 0, events##_type(kind), format, arguments);   \
        va_end(arguments);                                                                         \
        return status;                                                                             \
    }

/** @endcond */

/**
 * Reject with a code and a printf message, and leave `handle` or `resolve`, unless the condition
 * holds: a rule does not allow it (EC_REJECTED).
 */
#define EC_REQUIRE(ctx, condition, code, ...)                                                      \
    EC_REJECT_UNLESS_(ctx, condition, EC_REJECTED, code, __VA_ARGS__)

/** As EC_REQUIRE: the caller is not allowed to (EC_FORBIDDEN). */
#define EC_AUTHORIZE(ctx, condition, code, ...)                                                    \
    EC_REJECT_UNLESS_(ctx, condition, EC_FORBIDDEN, code, __VA_ARGS__)

/** As EC_REQUIRE: the command is not valid in itself (EC_INVALID_COMMAND). */
#define EC_VALIDATE(ctx, condition, code, ...)                                                     \
    EC_REJECT_UNLESS_(ctx, condition, EC_INVALID_COMMAND, code, __VA_ARGS__)

/** @cond */
#define EC_REJECT_UNLESS_(ctx, condition, status, code, ...)                                       \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return ec_reject((ctx).context, status, code, __VA_ARGS__);                            \
    } while (0)

/** @endcond */

/**
 * Whether an event that `apply` was given is in the stream, or the list, of this token. Unlike
 * writing, this and the two below compile with another command's token too, and then ask about the
 * stream that has its place in the declaration of this command.
 */
#define EC_FROM(event, token) ec_event_in(event, (token).slot, NULL)

/** Whether a stream has an id: an optional one may have none. */
#define EC_BOUND(ctx, token) (ec_stream_count((ctx).context, (token).slot) > 0)

/** The id of a stream, or of the first one of a list; NULL if it has none. See ec_stream_id(). */
#define EC_ID(ctx, token) ec_stream_id((ctx).context, (token).slot, 0)

/** @cond the parts of EC_COMMAND that are repeated for each stream */
#define EC_TOKEN_TYPE_(name, kind)                                                                 \
    typedef struct {                                                                               \
        size_t slot;                                                                               \
    } name##_##kind;
#define EC_SLOT_(name, kind, stream) name##_##stream##_slot,
#define EC_FIELD_(name, kind, stream) EC_FIELD_##kind(stream)
#define EC_FIELD_writes(stream) const char *stream;
#define EC_FIELD_reads(stream) const char *stream;
#define EC_FIELD_writes_optional(stream) const char *stream;
#define EC_FIELD_reads_optional(stream) const char *stream;
#define EC_FIELD_writes_many(stream) ec_ids stream;
#define EC_FIELD_reads_many(stream) ec_ids stream;
#define EC_TOKEN_(name, kind, stream)                                                              \
    static const name##_##kind name##_##stream EC_UNUSED = {name##_##stream##_slot};
#define EC_DECLARE_(name, kind, stream) {#stream, EC_MODE_##kind, offsetof(name##_streams, stream)},
/** @endcond */

#endif
