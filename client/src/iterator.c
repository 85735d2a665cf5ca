/*
 * iterator.c: reading on, chunk by chunk, behind the last event.
 *
 * A place in a stream is a version, one in the log a position; the server gives what stands behind
 * it, so a chunk that was lost on its way is simply asked for again. A chunk that is not full tells
 * that there was no more at that moment: the end costs no round trip of its own.
 */
#include <stdlib.h>

#include "options.h"
#include "read.h"

struct ec_iterator {
    ec_connection *connection;
    ec_arena memory;       /* what `log` and `stream_id` refer to */
    const char *stream_id; /* NULL: the log */
    ec_read_options stream;
    ec_log_options log;
    bool backward;
    int64_t after; /* the place of the last event that was read */
    int64_t left;  /* how many more are wanted */
    int64_t chunk_size;
    ec_events *chunk;
    size_t index;   /* in the chunk, of the next event */
    bool is_at_end; /* there is nothing behind the chunk */
};

/* ------------------------------------------------------------------ making */

/* Take over what both kinds of options have in common; false if it is not valid. */
static bool begin(ec_iterator *iterator, bool backward, int64_t after, int64_t max_count,
                  int chunk_size)
{
    iterator->backward = backward;
    iterator->after = after;
    iterator->left = max_count == 0 ? INT64_MAX : max_count;
    iterator->chunk_size = chunk_size;
    return after >= 0 && max_count >= 0 && chunk_size >= 1;
}

static bool copy_string(ec_arena *memory, const char **string)
{
    const char *given = *string;

    *string = ec_arena_string(memory, given);
    return *string != NULL || given == NULL;
}

static bool copy_filters(ec_log_options *options, ec_arena *memory)
{
    if (options->types != NULL) {
        const char **types = ec_arena_array(memory, options->type_count, sizeof *types);

        for (size_t i = 0; types != NULL && i < options->type_count; i++) {
            types[i] = options->types[i];
            if (!copy_string(memory, &types[i]))
                return false;
        }
        options->types = types;
        if (types == NULL)
            return false;
    }
    return copy_string(memory, &options->category) && copy_string(memory, &options->prefix) &&
           copy_string(memory, &options->pattern) && copy_string(memory, &options->correlation_id);
}

/* Hand an iterator out, unless its making failed. */
static ec_status hand_out(ec_iterator *made, ec_failure *failure, ec_iterator **iterator)
{
    if (failure->status == EC_OK)
        *iterator = made;
    else
        ec_iterator_free(made);
    return failure->status;
}

static ec_iterator *make(ec_connection *connection, ec_iterator **iterator)
{
    ec_iterator *made = calloc(1, sizeof *made);

    *iterator = NULL;
    ec_failure_clear(&connection->failure);
    if (made == NULL)
        ec_fail(&connection->failure, EC_NO_MEMORY, "out of memory for an iterator");
    else
        made->connection = connection;
    return made;
}

ec_status ec_iterate_log(ec_connection *connection, const ec_log_options *given,
                         ec_iterator **iterator)
{
    ec_failure *failure = &connection->failure;
    ec_iterator *made = make(connection, iterator);
    ec_log_options *options;

    if (made == NULL)
        return failure->status;
    options = &made->log;
    *options = (ec_log_options)EC_LOG_OPTIONS_INIT;
    if (!ec_options_take(options, sizeof *options, given) ||
        !begin(made, options->backward, options->after, options->max_count, options->chunk_size) ||
        (options->types == NULL && options->type_count > 0))
        ec_fail(failure, EC_INVALID_ARGUMENT,
                "the log options are not initialised; or `after` or max_count is negative, "
                "chunk_size below 1, or types NULL though there are some");
    else if (!copy_filters(options, &made->memory))
        ec_fail(failure, EC_NO_MEMORY, "out of memory for the filters of the log");
    return hand_out(made, failure, iterator);
}

ec_status ec_iterate_stream(ec_connection *connection, const char *stream_id,
                            const ec_read_options *given, ec_iterator **iterator)
{
    ec_failure *failure = &connection->failure;
    ec_iterator *made = make(connection, iterator);
    ec_read_options *options;

    if (made == NULL)
        return failure->status;
    options = &made->stream;
    *options = (ec_read_options)EC_READ_OPTIONS_INIT;
    if (stream_id == NULL || !ec_options_take(options, sizeof *options, given) ||
        !begin(made, options->backward, options->after_version, options->max_count,
               options->chunk_size))
        ec_fail(failure, EC_INVALID_ARGUMENT,
                "stream_id is NULL, or the read options are not initialised; or after_version or "
                "max_count is negative, or chunk_size below 1");
    else if ((made->stream_id = ec_arena_string(&made->memory, stream_id)) == NULL)
        ec_fail(failure, EC_NO_MEMORY, "out of memory for the id of a stream");
    return hand_out(made, failure, iterator);
}

void ec_iterator_free(ec_iterator *iterator)
{
    if (iterator == NULL)
        return;
    ec_events_free(iterator->chunk);
    ec_arena_free(&iterator->memory);
    free(iterator);
}

/* ------------------------------------------------------------------ reading */

static ec_status encode(ec_iterator *iterator, int64_t count, ec_call *call, ec_arena *memory)
{
    ec_connection *connection = iterator->connection;

    if (iterator->stream_id != NULL) {
        iterator->stream.after_version = iterator->after;
        iterator->stream.max_count = count;
        return ec_call_read_stream(call, memory, iterator->stream_id, &iterator->stream,
                                   connection->store, &connection->failure);
    }
    iterator->log.after = iterator->after;
    iterator->log.max_count = count;
    return ec_call_read_all(call, memory, &iterator->log, connection->store, &connection->failure);
}

static size_t chunk_count(const ec_iterator *iterator)
{
    return iterator->chunk == NULL ? 0 : ec_events_count(iterator->chunk);
}

static ec_status read_chunk(ec_iterator *iterator)
{
    int64_t wanted = iterator->left < iterator->chunk_size ? iterator->left : iterator->chunk_size;
    ec_arena memory = {NULL};
    ec_call call;
    ec_status status;
    size_t count;

    ec_events_free(iterator->chunk);
    iterator->chunk = NULL;
    iterator->index = 0;
    status = encode(iterator, wanted, &call, &memory);
    if (status == EC_OK)
        status = ec_read_rows(iterator->connection, &call, &iterator->chunk);
    ec_arena_free(&memory);
    if (status != EC_OK)
        return status;
    count = chunk_count(iterator);
    if (count > 0) {
        const ec_event *last = ec_events_at(iterator->chunk, count - 1);

        iterator->after = iterator->stream_id == NULL ? last->position : last->version;
        iterator->left -= (int64_t)count;
    }
    iterator->is_at_end = (int64_t)count < wanted || iterator->left == 0;
    return EC_OK;
}

ec_status ec_iterator_next(ec_iterator *iterator, const ec_event **event)
{
    *event = NULL;
    ec_failure_clear(&iterator->connection->failure);
    if (iterator->index > 0) /* what was parsed of the former event would add up otherwise */
        ec_event_release(&iterator->chunk->rows[iterator->index - 1].event);
    if (iterator->index == chunk_count(iterator)) {
        ec_status status = iterator->is_at_end ? EC_OK : read_chunk(iterator);

        if (status != EC_OK)
            return status;
        if (iterator->index == chunk_count(iterator)) {
            /* The next call looks again, if there can be more. */
            iterator->is_at_end = iterator->backward || iterator->left == 0;
            return EC_OK;
        }
    }
    *event = ec_events_at(iterator->chunk, iterator->index++);
    return EC_OK;
}
