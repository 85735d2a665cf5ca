/*
 * testkit_store.c: a store in memory that answers as the server does.
 *
 * An append goes the server's way: what is wrong with the request, then whether its event ids are
 * known, then all versions, then the writing. The order matters: a repeated append finds versions
 * that it has moved on itself.
 *
 * Replies are copies. So what a callback keeps beyond its attempt is freed memory here too, where a
 * sanitizer sees it.
 */
#include "testkit_store.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIRST_CAPACITY 16

static ec_status out_of_memory(ec_failure *failure)
{
    return ec_fail(failure, EC_NO_MEMORY, "out of memory in a test");
}

static ec_events *new_rows(size_t capacity)
{
    ec_events *rows = calloc(1, sizeof *rows);

    if (rows == NULL)
        return NULL;
    rows->rows = ec_arena_array(&rows->memory, capacity, sizeof *rows->rows);
    if (rows->rows != NULL)
        return rows;
    ec_events_free(rows);
    return NULL;
}

/* A row without an event; NULL when memory runs out. */
static ec_row *add_row(ec_events *rows, const char *stream_id, const char *outcome)
{
    ec_row *row = &rows->rows[rows->row_count];

    *row = (ec_row){.stream_version = -1, .outcome = outcome, .event.memory = &rows->memory};
    row->event.stream_id = ec_arena_string(&rows->memory, stream_id);
    if (row->event.stream_id == NULL && stream_id != NULL)
        return NULL;
    rows->row_count++;
    return row;
}

/* The event with all that its columns hold. False when memory runs out. */
static bool copy_event(ec_event *to, ec_arena *memory, const ec_event *from)
{
    *to = (ec_event){.version = from->version,
                     .position = from->position,
                     .payload_size = from->payload_size,
                     .recorded_at = from->recorded_at,
                     .memory = memory};
    to->stream_id = ec_arena_string(memory, from->stream_id);
    to->id = ec_arena_copy(memory, from->id, sizeof *from->id);
    to->type = ec_arena_string(memory, from->type);
    to->data = ec_arena_string(memory, from->data);
    to->metadata = ec_arena_string(memory, from->metadata);
    if (from->payload != NULL)
        to->payload = ec_arena_copy(memory, from->payload, from->payload_size);
    return to->stream_id != NULL && to->id != NULL && to->type != NULL &&
           (to->data == NULL) == (from->data == NULL) &&
           (to->metadata == NULL) == (from->metadata == NULL) &&
           (to->payload == NULL) == (from->payload == NULL);
}

static ec_row *add_event(ec_events *rows, const ec_event *event, const char *outcome)
{
    ec_row *row = add_row(rows, NULL, outcome);

    rows->event_count++;
    return copy_event(&row->event, &rows->memory, event) ? row : NULL;
}

/* ------------------------------------------------------------------ reading */

int64_t ec_test_store_version(const ec_test_store *store, const char *stream_id)
{
    for (size_t i = store->count; i-- > 0;)
        if (strcmp(store->events[i].event.stream_id, stream_id) == 0)
            return store->events[i].event.version;
    return 0;
}

/* Events in global order, then a row for each stream that has none to give. */
static bool read_rows(const ec_test_store *store, const ec_stream_set *streams, ec_events *rows)
{
    for (size_t i = 0; i < store->count; i++) {
        const ec_event *event = &store->events[i].event;
        const ec_stream *stream = ec_streams_find(streams, event->stream_id);
        ec_row *row;

        if (stream == NULL || event->version <= stream->version)
            continue;
        row = add_event(rows, event, NULL);
        if (row == NULL)
            return false;
        row->stream_version = ec_test_store_version(store, event->stream_id);
    }
    for (size_t i = 0; i < streams->count; i++) {
        const ec_stream *stream = &streams->streams[i];
        int64_t version = ec_test_store_version(store, stream->id);
        ec_row *row;

        if (version > stream->version)
            continue;
        row = add_row(rows, stream->id, NULL);
        if (row == NULL)
            return false;
        row->stream_version = version;
    }
    return true;
}

ec_status ec_test_store_read(const ec_test_store *store, const ec_stream_set *streams,
                             ec_events **rows, ec_failure *failure)
{
    for (size_t i = 0; i < streams->count; i++)
        if (ec_test_request_check_stream_id(streams->streams[i].id, failure) != EC_OK)
            return failure->status;
    *rows = new_rows(store->count + streams->count);
    if (*rows != NULL && read_rows(store, streams, *rows))
        return EC_OK;
    ec_events_free(*rows);
    return out_of_memory(failure);
}

ec_events *ec_test_store_written(const ec_test_store *store, int writer)
{
    ec_events *rows = new_rows(store->count);

    for (size_t i = 0; rows != NULL && i < store->count; i++)
        if (store->events[i].writer == writer &&
            add_event(rows, &store->events[i].event, NULL) == NULL) {
            ec_events_free(rows);
            return NULL;
        }
    return rows;
}

/* ------------------------------------------------------------------ appending */

static bool same_bytes(const ec_event *known, const ec_new_event *event)
{
    if (known->payload == NULL || event->payload == NULL)
        return (known->payload == NULL) == (event->payload == NULL);
    return known->payload_size == event->payload_size &&
           memcmp(known->payload, event->payload, known->payload_size) == 0;
}

/* What makes an entry another event than the one known under its id; NULL if nothing does. */
static ec_status find_difference(const ec_event *known, const ec_entry *entry, const char **found)
{
    bool same = false;
    ec_status status = ec_test_json_compare(known->data, entry->event.data, &same);

    if (strcmp(known->stream_id, entry->stream_id) != 0)
        *found = "belongs to an event of another stream";
    else if (strcmp(known->type, entry->event.type) != 0)
        *found = "belongs to an event of another type";
    else if (!same || !same_bytes(known, &entry->event))
        *found = "belongs to an event with other content";
    else
        *found = NULL;
    return status;
}

static const ec_event *find_id(const ec_test_store *store, const ec_uuid *id)
{
    for (size_t i = 0; i < store->count; i++)
        if (memcmp(store->events[i].event.id, id, sizeof *id) == 0)
            return &store->events[i].event;
    return NULL;
}

/* Add the rows of the first try, if this append is a repetition: all of its ids are known. */
static ec_status repeat(const ec_test_store *store, const ec_entry *entries, size_t entry_count,
                        ec_events *rows, ec_failure *failure)
{
    for (size_t i = 0; i < entry_count; i++) {
        const ec_event *known = find_id(store, &entries[i].id);
        const char *problem;
        char id[EC_UUID_TEXT_SIZE];

        if (known == NULL)
            continue;
        if (find_difference(known, &entries[i], &problem) != EC_OK)
            return out_of_memory(failure);
        ec_uuid_format(&entries[i].id, id);
        if (problem != NULL)
            return ec_test_refuse(failure, "VE006", "event id %s %s", id, problem);
        if (add_event(rows, known, "repeated") == NULL)
            return out_of_memory(failure);
    }
    if (rows->row_count > 0 && rows->row_count < entry_count)
        return ec_test_refuse(failure, "VE006", "%zu of the %zu events are in the store already",
                              rows->row_count, entry_count);
    return EC_OK;
}

static bool holds(int64_t expected, int64_t actual)
{
    return expected == EC_EXPECT_ANY || (expected == EC_EXPECT_EXISTS && actual > 0) ||
           expected == actual;
}

static bool is_named_before(const ec_expectation *expected, size_t place)
{
    for (size_t i = 0; i < place; i++)
        if (expected[i].stream_id != NULL &&
            strcmp(expected[i].stream_id, expected[place].stream_id) == 0)
            return true;
    return false;
}

/* Add a row for every stream that is not where it is expected. */
static ec_status check_versions(const ec_test_store *store, const ec_expectation *expected,
                                size_t expected_count, ec_events *rows, ec_failure *failure)
{
    for (size_t i = 0; i < expected_count; i++) {
        const char *stream_id = expected[i].stream_id;
        int64_t actual = stream_id == NULL ? 0 : ec_test_store_version(store, stream_id);
        ec_row *row;

        if (stream_id == NULL || holds(expected[i].version, actual) || is_named_before(expected, i))
            continue;
        row = add_row(rows, stream_id, "conflict");
        if (row == NULL)
            return out_of_memory(failure);
        row->expected = expected[i].version;
        row->actual = actual;
    }
    return EC_OK;
}

static bool reserve(ec_test_store *store, size_t more)
{
    size_t capacity = store->capacity == 0 ? FIRST_CAPACITY : store->capacity;
    ec_test_stored *events;

    while (capacity < store->count + more)
        capacity *= 2;
    if (capacity == store->capacity)
        return true;
    events = ec_arena_array(&store->memory, capacity, sizeof *events);
    if (events == NULL)
        return false;
    if (store->count > 0)
        memcpy(events, store->events, store->count * sizeof *events);
    store->events = events;
    store->capacity = capacity;
    return true;
}

/* Write all entries, or, when memory runs out, none. */
static ec_status write_entries(ec_test_store *store, const ec_entry *entries, size_t entry_count,
                               int writer, ec_events *rows, ec_failure *failure)
{
    size_t before = store->count;
    struct timespec now;

    if (!reserve(store, entry_count))
        return out_of_memory(failure);
    clock_gettime(CLOCK_REALTIME, &now);
    for (size_t i = 0; i < entry_count; i++) {
        const ec_new_event *new = &entries[i].event;
        const ec_event event = {.stream_id = entries[i].stream_id,
                                .version = ec_test_store_version(store, entries[i].stream_id) + 1,
                                .position = (int64_t)store->count + 1,
                                .id = &entries[i].id,
                                .type = new->type,
                                .data = new->data,
                                .payload = new->payload,
                                .payload_size = new->payload_size,
                                .metadata = new->metadata,
                                .recorded_at = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000};
        ec_test_stored *stored = &store->events[store->count];

        stored->writer = writer;
        if (!copy_event(&stored->event, &store->memory, &event) ||
            add_event(rows, &event, "appended") == NULL) {
            store->count = before;
            return out_of_memory(failure);
        }
        store->count++;
    }
    if (entry_count == 0)
        add_row(rows, NULL, "verified");
    return EC_OK;
}

ec_status ec_test_store_append(ec_test_store *store, const ec_entry *entries, size_t entry_count,
                               const ec_expectation *expected, size_t expected_count, int writer,
                               ec_events **rows, ec_failure *failure)
{
    ec_events *made;
    ec_status status =
        ec_test_request_check(entries, entry_count, expected, expected_count, failure);

    if (status != EC_OK)
        return status;
    if (expected == NULL)
        expected_count = 0;
    made = new_rows(entry_count + expected_count + 1);
    if (made == NULL)
        return out_of_memory(failure);
    status = repeat(store, entries, entry_count, made, failure);
    if (status == EC_OK && made->row_count == 0)
        status = check_versions(store, expected, expected_count, made, failure);
    if (status == EC_OK && made->row_count == 0)
        status = write_entries(store, entries, entry_count, writer, made, failure);
    if (status == EC_OK)
        *rows = made;
    else
        ec_events_free(made);
    return status;
}

ec_status ec_test_store_conflict(const char *stream_id, int64_t expected, int64_t actual,
                                 ec_events **rows, ec_failure *failure)
{
    ec_row *row;

    *rows = new_rows(1);
    row = *rows == NULL ? NULL : add_row(*rows, stream_id, "conflict");
    if (row == NULL) {
        ec_events_free(*rows);
        return out_of_memory(failure);
    }
    row->expected = expected;
    row->actual = actual;
    return EC_OK;
}

void ec_test_store_free(ec_test_store *store)
{
    ec_arena_free(&store->memory);
}
