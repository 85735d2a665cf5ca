/* command.c: what callbacks can do: write, reject, allocate, look at streams, discover them. */
#include "command.h"

#include <string.h>

#include "event_id.h"

#define FIRST_CAPACITY 8

void ec_context_reset(ec_context *context)
{
    ec_arena_free(&context->memory);
    ec_failure_clear(&context->failure);
    *context = (ec_context){.streams = context->streams, .metadata = context->metadata};
}

ec_status ec_context_fail(ec_context *context, ec_status status, const char *format, ...)
{
    va_list arguments;
    char *message;

    if (context->failure.status != EC_OK)
        return context->failure.status;
    va_start(arguments, format);
    message = ec_arena_format(&context->memory, format, arguments);
    va_end(arguments);
    return ec_fail(&context->failure, status, "%s", message == NULL ? "out of memory" : message);
}

static ec_status out_of_memory(ec_context *context)
{
    return ec_context_fail(context, EC_NO_MEMORY, "out of memory in a command");
}

static bool grow(ec_context *context)
{
    size_t capacity = context->entry_capacity == 0 ? FIRST_CAPACITY : context->entry_capacity * 2;
    ec_entry *entries = ec_arena_array(&context->memory, capacity, sizeof *entries);

    if (entries == NULL)
        return false;
    for (size_t i = 0; i < context->entry_count; i++)
        entries[i] = context->entries[i];
    context->entries = entries;
    context->entry_capacity = capacity;
    return true;
}

/* Copy the event into the attempt's memory; false when memory runs out. */
static bool copy_event(ec_entry *entry, ec_arena *memory, const ec_new_event *event)
{
    const char *data = event->data == NULL && event->payload == NULL ? "{}" : event->data;
    ec_new_event *copy = &entry->event;

    copy->type = ec_arena_string(memory, event->type);
    copy->data = ec_arena_string(memory, data);
    copy->event_id = &entry->id;
    if (event->payload != NULL) {
        copy->payload = ec_arena_copy(memory, event->payload, event->payload_size);
        copy->payload_size = event->payload_size;
    }
    return copy->type != NULL && (data == NULL) == (copy->data == NULL) &&
           (event->payload == NULL) == (copy->payload == NULL);
}

/* The event's metadata, with what is to be added to it. */
static ec_status complete_metadata(ec_context *context, ec_entry *entry, const char *own)
{
    ec_failure failure = {.status = EC_OK};
    ec_status status = ec_metadata_complete(context->metadata, own, &entry->event.metadata,
                                            &context->memory, &failure);

    if (status != EC_OK)
        status = ec_context_fail(context, status, "event %s for stream %s: %s", entry->event.type,
                                 entry->stream_id, failure.message);
    ec_failure_clear(&failure);
    return status;
}

ec_status ec_context_add(ec_context *context, const char *stream_id, const ec_new_event *event)
{
    ec_entry *entry;

    if (event == NULL || event->type == NULL)
        return ec_context_fail(context, EC_INVALID_EVENT, "an event for stream %s has no type",
                               stream_id);
    if (event->data != NULL && event->payload != NULL)
        return ec_context_fail(context, EC_INVALID_EVENT,
                               "event %s for stream %s has both data and a payload", event->type,
                               stream_id);
    if (event->payload == NULL && event->payload_size > 0)
        return ec_context_fail(context, EC_INVALID_EVENT,
                               "event %s for stream %s has a payload of %zu bytes that is NULL",
                               event->type, stream_id, event->payload_size);
    if (context->entry_count == context->entry_capacity && !grow(context))
        return out_of_memory(context);
    entry = &context->entries[context->entry_count];
    *entry = (ec_entry){.stream_id = ec_arena_string(&context->memory, stream_id)};
    if (entry->stream_id == NULL || !copy_event(entry, &context->memory, event))
        return out_of_memory(context);
    if (complete_metadata(context, entry, event->metadata) != EC_OK)
        return context->failure.status;
    if (event->event_id != NULL)
        entry->id = *event->event_id;
    else if (ec_uuid_new(&entry->id) != EC_OK)
        return ec_context_fail(context, EC_FAILED, "the system has no random numbers");
    context->entry_count++;
    return EC_OK;
}

ec_status ec_write(ec_context *context, size_t slot_number, size_t index, const ec_new_event *event)
{
    const ec_slot *slot;

    if (context->resolving)
        return ec_context_fail(context, EC_INVALID_ARGUMENT,
                               "events are written from `handle`, not from `resolve`");
    if (slot_number >= context->streams->slot_count)
        return ec_context_fail(context, EC_UNDECLARED_STREAM,
                               "the command declares %zu streams and lists: there is no slot %zu",
                               context->streams->slot_count, slot_number);
    slot = &context->streams->slots[slot_number];
    if (!ec_mode_is_written(slot->mode))
        return ec_context_fail(context, EC_UNDECLARED_STREAM,
                               "\"%s\" is declared as only read, so it cannot be written",
                               slot->name);
    if (slot->count == 0 && ec_mode_is_optional(slot->mode))
        return ec_context_fail(context, EC_UNBOUND_STREAM,
                               "the optional stream \"%s\" has no id, so it cannot be written",
                               slot->name);
    if (index >= slot->count)
        return ec_context_fail(context, EC_INVALID_ARGUMENT,
                               "the list \"%s\" has %zu streams: there is no index %zu", slot->name,
                               slot->count, index);
    return ec_context_add(context, slot->ids[index], event);
}

ec_status ec_vrecord(ec_context *context, size_t slot, size_t index, const char *type,
                     const char *format, va_list arguments)
{
    ec_new_event event = {.type = type};

    if (format != NULL) {
        event.data = ec_vpack(context, format, arguments);
        if (event.data == NULL)
            return context->failure.status;
    }
    return ec_write(context, slot, index, &event);
}

ec_status ec_record(ec_context *context, size_t slot, size_t index, const char *type,
                    const char *format, ...)
{
    va_list arguments;
    ec_status status;

    va_start(arguments, format);
    status = ec_vrecord(context, slot, index, type, format, arguments);
    va_end(arguments);
    return status;
}

ec_status ec_vreject(ec_context *context, ec_status status, const char *code, const char *format,
                     va_list arguments)
{
    if (context->failure.status != EC_OK)
        return context->failure.status;
    if (!ec_status_is_rejection(status))
        return ec_context_fail(context, EC_INVALID_ARGUMENT, "ec_reject: %s is not a rejection",
                               ec_status_name(status));
    context->rejection_message = ec_arena_format(&context->memory, format, arguments);
    context->rejection_code = ec_arena_string(&context->memory, code == NULL ? "" : code);
    if (context->rejection_code == NULL || context->rejection_message == NULL)
        return out_of_memory(context);
    return ec_context_fail(context, status, "%s: %s", context->rejection_code,
                           context->rejection_message);
}

ec_status ec_reject(ec_context *context, ec_status status, const char *code, const char *format,
                    ...)
{
    va_list arguments;

    va_start(arguments, format);
    status = ec_vreject(context, status, code, format, arguments);
    va_end(arguments);
    return status;
}

const char *ec_format(ec_context *context, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = ec_arena_format(&context->memory, format, arguments);
    va_end(arguments);
    if (text == NULL)
        out_of_memory(context);
    return text;
}

void *ec_alloc(ec_context *context, size_t size)
{
    void *memory = ec_arena_alloc(&context->memory, size);

    if (memory == NULL)
        out_of_memory(context);
    return memory;
}

size_t ec_stream_count(const ec_context *context, size_t slot)
{
    return slot < context->streams->slot_count ? context->streams->slots[slot].count : 0;
}

const char *ec_stream_id(const ec_context *context, size_t slot, size_t index)
{
    return index < ec_stream_count(context, slot) ? context->streams->slots[slot].ids[index] : NULL;
}

int64_t ec_stream_version(const ec_context *context, size_t slot, size_t index)
{
    const char *id = ec_stream_id(context, slot, index);
    const ec_stream *stream = id == NULL ? NULL : ec_streams_find(context->streams, id);

    return stream == NULL || stream->replies == 0 ? -1 : stream->version;
}

bool ec_stream_find(const ec_context *context, size_t slot, const char *id, size_t *index)
{
    const ec_stream *stream = id == NULL ? NULL : ec_streams_find(context->streams, id);
    const ec_binding *binding = stream == NULL ? NULL : ec_stream_binding(stream, slot);

    if (binding != NULL && index != NULL)
        *index = binding->index;
    return binding != NULL;
}

ec_status ec_discover(ec_context *context, size_t slot, const char *id, size_t *index)
{
    ec_stream_set *streams = context->streams;

    if (!context->resolving)
        return ec_context_fail(context, EC_INVALID_ARGUMENT,
                               "streams are discovered from `resolve` alone");
    if (slot >= streams->slot_count || !ec_mode_is_list(streams->slots[slot].mode))
        return ec_context_fail(context, EC_INVALID_ARGUMENT,
                               "a stream is discovered for a list: slot %zu is none", slot);
    if (id == NULL)
        return ec_context_fail(context, EC_INVALID_ARGUMENT,
                               "a stream discovered for the list \"%s\" has no id",
                               streams->slots[slot].name);
    if (ec_stream_find(context, slot, id, index))
        return context->failure.status;
    if (!ec_streams_add(streams, slot, id))
        return out_of_memory(context);
    context->discovered++;
    if (index != NULL)
        *index = streams->slots[slot].count - 1;
    return context->failure.status;
}
