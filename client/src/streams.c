/*
 * streams.c: from the caller's struct of ids to the set of streams.
 *
 * An id may stand in several slots. The set holds it once, so that it is read, folded and checked
 * once, with all the places at which it is declared.
 */
#include "streams.h"

#include <stdlib.h>
#include <string.h>

/* One id at one place; sorted, the places of an id lie side by side. */
typedef struct {
    const char *id;
    ec_binding binding;
} place;

static int compare_places(const void *a, const void *b)
{
    const place *left = a, *right = b;
    int order = strcmp(left->id, right->id);

    if (order != 0)
        return order;
    if (left->binding.slot != right->binding.slot)
        return left->binding.slot < right->binding.slot ? -1 : 1;
    return left->binding.index < right->binding.index ? -1 : 1;
}

static int compare_id(const void *id, const void *stream)
{
    return strcmp(id, ((const ec_stream *)stream)->id);
}

static ec_status out_of_memory(ec_failure *failure)
{
    return ec_fail(failure, EC_NO_MEMORY, "out of memory for the declared streams");
}

static ec_status bind_slot(ec_slot *slot, ec_arena *memory, const ec_stream_declaration *declared,
                           const void *ids, ec_failure *failure)
{
    const char *field = (const char *)ids + declared->offset;
    const char *const *given = (const char *const *)field;

    slot->mode = declared->mode;
    slot->name = declared->name;
    slot->count = 1;
    if (ec_mode_is_list(declared->mode)) {
        const ec_ids *list = (const ec_ids *)field;

        if (list->ids == NULL)
            return ec_fail(failure, EC_UNBOUND_STREAM,
                           "the list of streams \"%s\" is not set (an empty one is EC_NO_IDS)",
                           declared->name);
        given = list->ids;
        slot->count = list->count;
    } else if (*given == NULL && ec_mode_is_optional(declared->mode))
        slot->count = 0;
    slot->ids = ec_arena_array(memory, slot->count, sizeof *slot->ids);
    if (slot->ids == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < slot->count; i++) {
        if (given[i] == NULL)
            return ec_mode_is_list(declared->mode)
                       ? ec_fail(failure, EC_UNBOUND_STREAM,
                                 "stream %zu of the list \"%s\" is not set", i, declared->name)
                       : ec_fail(failure, EC_UNBOUND_STREAM, "the stream \"%s\" is not set",
                                 declared->name);
        slot->ids[i] = ec_arena_string(memory, given[i]);
        if (slot->ids[i] == NULL)
            return out_of_memory(failure);
    }
    return EC_OK;
}

/* Make the set of `count` places, which are sorted. */
static ec_status unite(ec_stream_set *set, ec_arena *memory, const place *places, size_t count,
                       ec_failure *failure)
{
    ec_binding *bindings = ec_arena_array(memory, count, sizeof *bindings);

    set->streams = ec_arena_array(memory, count, sizeof *set->streams);
    if (bindings == NULL || set->streams == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < count; i++) {
        ec_stream *stream = &set->streams[set->count - (set->count > 0)];

        bindings[i] = places[i].binding;
        if (set->count == 0 || strcmp(stream->id, places[i].id) != 0) {
            set->streams[set->count++] = (ec_stream){places[i].id, 0, &bindings[i], 1};
            continue;
        }
        if (bindings[i].slot == bindings[i - 1].slot)
            return ec_fail(failure, EC_INVALID_ARGUMENT,
                           "the list \"%s\" names the stream \"%s\" twice, at %zu and %zu",
                           set->slots[bindings[i].slot].name, places[i].id, bindings[i - 1].index,
                           bindings[i].index);
        stream->binding_count++;
    }
    return EC_OK;
}

ec_status ec_streams_bind(ec_stream_set *set, ec_arena *memory, const ec_definition *definition,
                          const void *ids, ec_failure *failure)
{
    size_t count = 0, filled = 0;
    place *places;
    ec_status status;

    *set = (ec_stream_set){.slot_count = definition->stream_count};
    set->slots = ec_arena_array(memory, set->slot_count, sizeof *set->slots);
    if (set->slots == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < set->slot_count; i++) {
        status = bind_slot(&set->slots[i], memory, &definition->streams[i], ids, failure);
        if (status != EC_OK)
            return status;
        count += set->slots[i].count;
    }
    if (count == 0)
        return ec_fail(failure, EC_INVALID_ARGUMENT, "the command %s has no streams",
                       definition->name);
    places = ec_arena_array(memory, count, sizeof *places);
    if (places == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < set->slot_count; i++)
        for (size_t j = 0; j < set->slots[i].count; j++)
            places[filled++] = (place){set->slots[i].ids[j], {i, j}};
    qsort(places, count, sizeof *places, compare_places);
    return unite(set, memory, places, count, failure);
}

ec_stream *ec_streams_find(const ec_stream_set *set, const char *id)
{
    return bsearch(id, set->streams, set->count, sizeof *set->streams, compare_id);
}
