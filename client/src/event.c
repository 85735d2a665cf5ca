/* event.c: looking at events and lists of them. */
#include "event.h"

#include <stdlib.h>
#include <string.h>

#include "streams.h"

const char *ec_event_stream_id(const ec_event *event)
{
    return event->stream_id;
}

int64_t ec_event_version(const ec_event *event)
{
    return event->version;
}

int64_t ec_event_position(const ec_event *event)
{
    return event->position;
}

const ec_uuid *ec_event_id(const ec_event *event)
{
    return event->id;
}

const char *ec_event_type(const ec_event *event)
{
    return event->type;
}

const char *ec_event_data(const ec_event *event)
{
    return event->data;
}

const void *ec_event_payload(const ec_event *event, size_t *size)
{
    if (size != NULL)
        *size = event->payload_size;
    return event->payload;
}

const char *ec_event_metadata(const ec_event *event)
{
    return event->metadata;
}

int64_t ec_event_recorded_at(const ec_event *event)
{
    return event->recorded_at;
}

bool ec_event_in(const ec_event *event, size_t slot, size_t *index)
{
    const ec_binding *binding =
        event->stream == NULL ? NULL : ec_stream_binding(event->stream, slot);

    if (binding != NULL && index != NULL)
        *index = binding->index;
    return binding != NULL;
}

int ec_event_kind(const ec_event *event, const ec_event_types *types)
{
    return ec_kind_find(types, event->type, event->kinds, event->memory);
}

void *ec_event_alloc(const ec_event *event, size_t size)
{
    void *memory = ec_arena_alloc(event->memory, size);

    if (memory == NULL && event->failure != NULL)
        ec_fail(event->failure, EC_NO_MEMORY, "out of memory for %zu bytes", size);
    return memory;
}

void ec_event_release(ec_event *event)
{
    json_decref(event->json);
    json_decref(event->metadata_json);
    event->json = event->metadata_json = NULL;
}

size_t ec_events_count(const ec_events *events)
{
    return events == NULL ? 0 : events->event_count;
}

const ec_event *ec_events_at(const ec_events *events, size_t index)
{
    return index < ec_events_count(events) ? &events->rows[index].event : NULL;
}

int64_t ec_events_stream_version(const ec_events *events, const char *stream_id)
{
    for (size_t i = 0; events != NULL && i < events->row_count; i++) {
        const ec_row *row = &events->rows[i];

        if (row->stream_version >= 0 && strcmp(row->event.stream_id, stream_id) == 0)
            return row->stream_version;
    }
    return -1;
}

void ec_events_free(ec_events *events)
{
    if (events == NULL)
        return;
    for (size_t i = 0; i < events->event_count; i++)
        ec_event_release(&events->rows[i].event);
    ec_arena_free(&events->memory);
    PQclear(events->result);
    free(events);
}
