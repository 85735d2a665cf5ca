/*
 * shared_read.c: sharing out the rows of one reply among executions.
 *
 * The reply is in global order, and so are, stream by stream, the events that lie in it. An
 * execution's rows are those of its streams behind the versions it asked for, merged by their
 * places in the reply; what is pending follows in the order in which it was decided. A stream to
 * which events are pending is at the version that it will be at, so that what comes next follows
 * on; the version as read is kept beside, in the execution's view, because that is to be expected.
 */
#include "shared_read.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY ((size_t)64)

typedef struct ec_pending {
    ec_row row;
    size_t number; /* over all streams */
} ec_pending;

/* A row on its way to an execution. */
typedef struct {
    size_t place;
    const ec_row *row; /* NULL: the stream has none to give */
    const ec_shared_stream *stream;
} item;

/* ------------------------------------------------------------------ streams by id */

static ec_shared_stream **table_place(const ec_shared_read *read, const char *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    size_t at;

    for (const char *byte = id; *byte != '\0'; byte++)
        hash = (hash ^ (uint8_t)*byte) * UINT64_C(0x100000001b3);
    at = (size_t)(hash ^ hash >> 32) & (read->capacity - 1);
    while (read->table[at] != NULL && strcmp(read->table[at]->id, id) != 0)
        at = (at + 1) & (read->capacity - 1);
    return &read->table[at];
}

/* Room for one more, with half of the table free. */
static bool grow(ec_shared_read *read)
{
    size_t capacity = read->capacity == 0 ? FIRST_CAPACITY : read->capacity * 2;
    ec_shared_stream **streams, **table;

    if (read->count < read->capacity / 2)
        return true;
    streams = ec_arena_array(&read->memory, capacity / 2, sizeof *streams);
    table = ec_arena_array(&read->memory, capacity, sizeof *table);
    if (streams == NULL || table == NULL)
        return false; /* for the others everything is as before */
    read->table = table;
    read->capacity = capacity;
    for (size_t i = 0; i < read->count; i++) {
        streams[i] = read->streams[i];
        *table_place(read, streams[i]->id) = streams[i];
    }
    read->streams = streams;
    return true;
}

/* The stream of this id, which is made if it is not there; NULL when memory runs out. */
static ec_shared_stream *stream_of(ec_shared_read *read, const char *id)
{
    ec_shared_stream **place;

    if (!grow(read))
        return NULL;
    place = table_place(read, id);
    if (*place == NULL) {
        *place = ec_arena_alloc(&read->memory, sizeof **place);
        if (*place == NULL)
            return NULL;
        **place = (ec_shared_stream){.id = id, .version = -1, .pending_after = -1};
        read->streams[read->count++] = *place;
    }
    return *place;
}

ec_shared_stream *ec_shared_read_find(const ec_shared_read *read, const char *id)
{
    return read->count == 0 ? NULL : *table_place(read, id);
}

/* ------------------------------------------------------------------ reading */

bool ec_shared_read_want(ec_shared_read *read, const ec_execution *execution, ec_view *views)
{
    for (size_t i = 0; i < execution->streams.count; i++) {
        int64_t after = execution->streams.streams[i].version;
        ec_shared_stream *stream = stream_of(read, execution->streams.streams[i].id);

        if (stream == NULL)
            return false;
        /* What is pending is not in the store. */
        if (after > stream->version)
            after = stream->version < 0 ? 0 : stream->version;
        if (!stream->wanted || after < stream->after)
            stream->after = after;
        stream->wanted = true;
        views[i] =
            (ec_view){.stream = stream, .version = views[i].version, .pending = views[i].pending};
    }
    return true;
}

ec_status ec_shared_read_encode(ec_shared_read *read, ec_call *call, ec_arena *memory,
                                const char *store, ec_failure *failure)
{
    const char **ids = ec_arena_array(memory, read->count, sizeof *ids);
    int64_t *versions = ec_arena_array(memory, read->count, sizeof *versions);
    size_t count = 0;

    if (ids == NULL || versions == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for the parameters of a statement");
    for (size_t i = 0; i < read->count; i++)
        if (read->streams[i]->wanted) {
            ids[count] = read->streams[i]->id;
            versions[count++] = read->streams[i]->after;
        }
    return ec_call_read_streams(call, memory, ids, count, versions, store, failure);
}

static bool keep(ec_shared_read *read, ec_events *reply)
{
    if (read->reply_count == read->reply_capacity) {
        size_t capacity = read->reply_capacity == 0 ? 4 : read->reply_capacity * 2;
        ec_events **replies = ec_arena_array(&read->memory, capacity, sizeof *replies);

        if (replies == NULL)
            return false;
        for (size_t i = 0; i < read->reply_count; i++)
            replies[i] = read->replies[i];
        read->replies = replies;
        read->reply_capacity = capacity;
    }
    read->replies[read->reply_count++] = reply;
    return true;
}

/* Note each stream's version and count its events; then give it the places for them. */
static ec_status index_reply(ec_shared_read *read, ec_failure *failure)
{
    const ec_events *reply = read->reply;
    const ec_row **places = ec_arena_array(&read->memory, reply->event_count, sizeof *places);
    ec_shared_stream **streams = ec_arena_array(&read->memory, reply->row_count, sizeof *streams);

    if (places == NULL || streams == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for %zu events", reply->row_count);
    for (size_t i = 0; i < reply->row_count; i++) {
        const ec_row *row = &reply->rows[i];

        streams[i] = ec_shared_read_find(read, row->event.stream_id);
        if (streams[i] == NULL || row->stream_version < row->event.version)
            return ec_fail(failure, EC_PROTOCOL_ERROR,
                           "the server's reply has an event of a stream that was not asked for, or "
                           "beyond its version");
        streams[i]->version = row->stream_version;
        streams[i]->event_count += i < reply->event_count;
    }
    for (size_t i = 0; i < reply->event_count; i++) {
        ec_shared_stream *stream = streams[i];

        if (stream->events == NULL) {
            stream->events = places;
            places += stream->event_count;
            stream->event_count = 0;
        }
        stream->events[stream->event_count++] = &reply->rows[i];
    }
    return EC_OK;
}

ec_status ec_shared_read_take(ec_shared_read *read, ec_events *reply, ec_failure *failure)
{
    ec_status status;

    if (!keep(read, reply)) {
        ec_events_free(reply);
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for a reply");
    }
    read->reply = reply;
    for (size_t i = 0; i < read->count; i++) {
        ec_shared_stream *stream = read->streams[i];

        stream->events = NULL;
        stream->event_count = 0;
        if (stream->wanted) {
            stream->version = -1;
        }
    }
    status = index_reply(read, failure);
    for (size_t i = 0; i < read->count && status == EC_OK; i++)
        if (read->streams[i]->wanted && read->streams[i]->version < 0)
            status = ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply leaves out a stream");
        else
            read->streams[i]->wanted = false;
    return status;
}

/* ------------------------------------------------------------------ sharing out */

static int compare_items(const void *a, const void *b)
{
    size_t left = ((const item *)a)->place, right = ((const item *)b)->place;

    return left < right ? -1 : left > right;
}

ec_events *ec_rows_copy(const ec_row *rows, size_t count)
{
    ec_events *events = calloc(1, sizeof *events);

    if (events == NULL)
        return NULL;
    events->rows = ec_arena_array(&events->memory, count, sizeof *events->rows);
    if (events->rows == NULL) {
        ec_events_free(events);
        return NULL;
    }
    events->row_count = count;
    for (size_t i = 0; i < count; i++) {
        events->rows[i] = rows[i];
        events->rows[i].event.memory = &events->memory;
        events->event_count += rows[i].event.version > 0;
    }
    return events;
}

/* What is pending counts only behind the version that it was decided on. */
static bool has_pending(const ec_shared_stream *stream)
{
    return stream->pending_count > 0 && stream->pending_after == stream->version;
}

/* How many of the sorted rows are not behind a version. */
static size_t count_up_to(const ec_shared_stream *stream, int64_t version)
{
    size_t low = 0, high = stream->event_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (stream->events[middle]->event.version <= version)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Add the events of a stream behind a version; without any, the stream alone. */
static size_t collect(const ec_shared_read *read, const ec_shared_stream *stream, int64_t after,
                      item *items, size_t count)
{
    const size_t before = count;

    for (size_t i = count_up_to(stream, after); i < stream->event_count; i++) {
        const ec_row *row = stream->events[i];

        items[count++] = (item){(size_t)(row - read->reply->rows), row, stream};
    }
    for (size_t i = after > stream->version ? (size_t)(after - stream->version) : 0;
         has_pending(stream) && i < stream->pending_count; i++)
        items[count++] = (item){read->reply->row_count + stream->pending[i].number,
                                &stream->pending[i].row, stream};
    if (count == before)
        items[count++] = (item){SIZE_MAX, NULL, stream};
    return count;
}

static size_t most_items(const ec_view *views, size_t count)
{
    size_t most = 0;

    for (size_t i = 0; i < count; i++)
        most += views[i].stream->event_count + views[i].stream->pending_count + 1;
    return most;
}

/* The version that the stream has, or will have with what is pending. */
static int64_t version_with_pending(const ec_shared_stream *stream)
{
    return stream->version + (has_pending(stream) ? (int64_t)stream->pending_count : 0);
}

ec_events *ec_shared_read_rows(ec_shared_read *read, const ec_execution *execution, ec_view *views)
{
    const ec_stream_set *streams = &execution->streams;
    size_t most = most_items(views, streams->count), count = 0;
    ec_events *events = calloc(1, sizeof *events);
    item *items = malloc(most * sizeof *items);

    if (events != NULL)
        events->rows = ec_arena_array(&events->memory, most, sizeof *events->rows);
    if (items == NULL || events == NULL || events->rows == NULL) {
        free(items);
        ec_events_free(events);
        return NULL;
    }
    for (size_t i = 0; i < streams->count; i++) {
        views[i].version = views[i].stream->version;
        views[i].pending = has_pending(views[i].stream);
        count = collect(read, views[i].stream, streams->streams[i].version, items, count);
    }
    qsort(items, count, sizeof *items, compare_items);
    for (size_t i = 0; i < count; i++) {
        ec_row *row = &events->rows[i];

        if (items[i].row != NULL)
            *row = *items[i].row;
        else
            row->event.stream_id = items[i].stream->id;
        row->stream_version = version_with_pending(items[i].stream);
        row->event.memory = &events->memory;
        events->event_count += items[i].row != NULL;
    }
    events->row_count = count;
    free(items);
    return events;
}

bool ec_shared_read_holds(const ec_view *views, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (views[i].pending && views[i].version != views[i].stream->version)
            return false;
    return true;
}

static bool reserve_pending(ec_shared_read *read, ec_shared_stream *stream, size_t more)
{
    size_t capacity = stream->pending_capacity == 0 ? 2 : stream->pending_capacity * 2;
    ec_pending *pending;

    if (stream->pending_count + more <= stream->pending_capacity)
        return true;
    while (capacity < stream->pending_count + more)
        capacity *= 2;
    pending = ec_arena_array(&read->memory, capacity, sizeof *pending);
    if (pending == NULL)
        return false;
    for (size_t i = 0; i < stream->pending_count; i++)
        pending[i] = stream->pending[i];
    stream->pending = pending;
    stream->pending_capacity = capacity;
    return true;
}

/* The view through which an execution reads the stream that it writes an entry to. */
static const ec_view *view_of(const ec_execution *execution, const ec_view *views,
                              const ec_entry *entry)
{
    const ec_stream *written = ec_streams_find(&execution->streams, entry->stream_id);

    return &views[written - execution->streams.streams];
}

/* Room first: later commands must not see a part of what this one writes. */
static bool make_room(ec_shared_read *read, const ec_execution *execution, const ec_view *views)
{
    const ec_context *context = &execution->context;

    for (size_t i = 0; i < context->entry_count; i++) {
        const ec_view *view = view_of(execution, views, &context->entries[i]);

        if (view->stream->pending_after != view->version) {
            view->stream->pending_after = view->version;
            view->stream->pending_count = 0;
        }
        if (!reserve_pending(read, view->stream, context->entry_count))
            return false;
    }
    return true;
}

bool ec_shared_read_write(ec_shared_read *read, const ec_execution *execution, const ec_view *views,
                          size_t writer)
{
    const ec_context *context = &execution->context;

    if (!make_room(read, execution, views))
        return false;
    for (size_t i = 0; i < context->entry_count; i++) {
        const ec_entry *entry = &context->entries[i];
        const ec_view *view = view_of(execution, views, entry);
        ec_shared_stream *stream = view->stream;

        stream->writer = writer;
        stream->pending[stream->pending_count] = (ec_pending){
            .row.event = {.stream_id = stream->id,
                          .version = view->version + 1 + (int64_t)stream->pending_count,
                          .id = &entry->id,
                          .type = entry->event.type,
                          .data = entry->event.data,
                          .payload = entry->event.payload,
                          .payload_size = entry->event.payload_size,
                          .metadata = entry->event.metadata},
            .number = read->pending_count++};
        stream->pending_count++;
    }
    return true;
}

void ec_shared_read_free(ec_shared_read *read)
{
    for (size_t i = 0; i < read->reply_count; i++)
        ec_events_free(read->replies[i]);
    ec_arena_free(&read->memory);
    *read = (ec_shared_read){.count = 0};
}
