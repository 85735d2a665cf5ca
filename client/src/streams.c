/*
 * streams.c: from the caller's struct of ids to the set of streams.
 *
 * An id may stand in several slots. The set holds it once, so that it is read, folded and checked
 * once, with all the places at which it is declared; to be written at one of them is enough for a
 * stream that is written. A hash table with open addressing finds a stream by its id, also while
 * streams are being discovered.
 */
#include "streams.h"

#include <string.h>

#define FIRST_CAPACITY ((size_t)8)

/* The table has twice as many places as the set has room for streams. */
#define TABLE_SIZE(capacity) ((capacity)*2)

/* Where the id is in the table, or else a free place for it. */
static size_t *table_place(const ec_stream_set *set, const char *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    size_t mask = TABLE_SIZE(set->capacity) - 1, at;

    for (const char *byte = id; *byte != '\0'; byte++)
        hash = (hash ^ (uint8_t)*byte) * UINT64_C(0x100000001b3);
    at = (size_t)(hash ^ hash >> 32) & mask;
    while (set->table[at] != 0 && strcmp(set->streams[set->table[at] - 1].id, id) != 0)
        at = (at + 1) & mask;
    return &set->table[at];
}

ec_stream *ec_streams_find(const ec_stream_set *set, const char *id)
{
    size_t found = set->count == 0 ? 0 : *table_place(set, id);

    return found == 0 ? NULL : &set->streams[found - 1];
}

const ec_binding *ec_stream_binding(const ec_stream *stream, size_t slot)
{
    const ec_binding *binding = stream->bindings;

    while (binding != NULL && binding->slot != slot)
        binding = binding->next;
    return binding;
}

/* On failure the set is as before: callbacks may go on looking at it. */
static bool grow(ec_stream_set *set)
{
    size_t capacity = set->capacity == 0 ? FIRST_CAPACITY : set->capacity * 2;
    ec_stream *streams = ec_arena_array(set->memory, capacity, sizeof *streams);
    size_t *table = ec_arena_array(set->memory, TABLE_SIZE(capacity), sizeof *table);

    if (streams == NULL || table == NULL)
        return false;
    if (set->count > 0)
        memcpy(streams, set->streams, set->count * sizeof *streams);
    set->capacity = capacity;
    set->streams = streams;
    set->table = table;
    for (size_t i = 0; i < set->count; i++)
        *table_place(set, streams[i].id) = i + 1;
    return true;
}

static bool grow_slot(ec_slot *slot, ec_arena *memory)
{
    size_t capacity = slot->capacity == 0 ? FIRST_CAPACITY : slot->capacity * 2;
    const char **ids = ec_arena_array(memory, capacity, sizeof *ids);

    if (ids == NULL)
        return false;
    for (size_t i = 0; i < slot->count; i++)
        ids[i] = slot->ids[i];
    slot->capacity = capacity;
    slot->ids = ids;
    return true;
}

/* As ec_streams_add(), with an id that lives as long as the set. */
static bool add(ec_stream_set *set, size_t slot_number, const char *id)
{
    ec_slot *slot = &set->slots[slot_number];
    ec_binding *binding = ec_arena_alloc(set->memory, sizeof *binding);
    ec_stream *stream = ec_streams_find(set, id);

    if (binding == NULL || (slot->count == slot->capacity && !grow_slot(slot, set->memory)))
        return false;
    if (stream == NULL) {
        if (set->count == set->capacity && !grow(set))
            return false;
        stream = &set->streams[set->count];
        *stream = (ec_stream){.id = id};
        *table_place(set, id) = ++set->count;
    }
    *binding = (ec_binding){slot_number, slot->count, stream->bindings};
    stream->bindings = binding;
    stream->written |= ec_mode_is_written(slot->mode);
    slot->ids[slot->count++] = stream->id;
    return true;
}

bool ec_streams_add(ec_stream_set *set, size_t slot, const char *id)
{
    const char *copy = ec_arena_string(set->memory, id);

    return copy != NULL && add(set, slot, copy);
}

static bool make_slots(ec_stream_set *set, ec_arena *memory, size_t count)
{
    *set = (ec_stream_set){.memory = memory, .slot_count = count};
    set->slots = ec_arena_array(memory, count, sizeof *set->slots);
    return set->slots != NULL;
}

bool ec_streams_copy(ec_stream_set *to, ec_arena *memory, const ec_stream_set *from)
{
    if (!make_slots(to, memory, from->slot_count))
        return false;
    for (size_t i = 0; i < from->slot_count; i++) {
        const ec_slot *slot = &from->slots[i];

        to->slots[i] = (ec_slot){.mode = slot->mode, .name = slot->name};
        for (size_t j = 0; j < slot->count; j++)
            if (!add(to, i, slot->ids[j]))
                return false;
    }
    return true;
}

static ec_status out_of_memory(ec_failure *failure)
{
    return ec_fail(failure, EC_NO_MEMORY, "out of memory for the declared streams");
}

static ec_status bind_one(ec_stream_set *set, size_t slot_number, const char *id,
                          ec_failure *failure)
{
    const ec_slot *slot = &set->slots[slot_number];
    const ec_stream *there;
    const ec_binding *binding;

    if (id == NULL)
        return ec_mode_is_list(slot->mode)
                   ? ec_fail(failure, EC_UNBOUND_STREAM, "stream %zu of the list \"%s\" is not set",
                             slot->count, slot->name)
                   : ec_fail(failure, EC_UNBOUND_STREAM, "the stream \"%s\" is not set",
                             slot->name);
    there = ec_streams_find(set, id);
    binding = there == NULL ? NULL : ec_stream_binding(there, slot_number);
    if (binding != NULL)
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "the list \"%s\" names the stream \"%s\" twice, at %zu and %zu", slot->name,
                       id, binding->index, slot->count);
    return ec_streams_add(set, slot_number, id) ? EC_OK : out_of_memory(failure);
}

static ec_status bind_slot(ec_stream_set *set, size_t slot_number,
                           const ec_stream_declaration *declared, const void *ids,
                           ec_failure *failure)
{
    const char *field = (const char *)ids + declared->offset;
    const char *const *given = (const char *const *)field;
    size_t count = 1;
    ec_status status = EC_OK;

    set->slots[slot_number] = (ec_slot){.mode = declared->mode, .name = declared->name};
    if (ec_mode_is_list(declared->mode)) {
        const ec_ids *list = (const ec_ids *)field;

        if (list->ids == NULL)
            return ec_fail(failure, EC_UNBOUND_STREAM,
                           "the list of streams \"%s\" is not set (an empty one is EC_NO_IDS)",
                           declared->name);
        given = list->ids;
        count = list->count;
    } else if (*given == NULL && ec_mode_is_optional(declared->mode))
        count = 0;
    for (size_t i = 0; i < count && status == EC_OK; i++)
        status = bind_one(set, slot_number, given[i], failure);
    return status;
}

ec_status ec_streams_bind(ec_stream_set *set, ec_arena *memory, const ec_definition *definition,
                          const void *ids, ec_failure *failure)
{
    ec_status status = EC_OK;

    if (!make_slots(set, memory, definition->stream_count))
        return out_of_memory(failure);
    for (size_t i = 0; i < set->slot_count && status == EC_OK; i++)
        status = bind_slot(set, i, &definition->streams[i], ids, failure);
    if (status == EC_OK && set->count == 0)
        return ec_fail(failure, EC_INVALID_ARGUMENT, "the command %s has no streams",
                       definition->name);
    return status;
}
