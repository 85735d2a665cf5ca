/*
 * kind.c: finding the kind of an event.
 *
 * A short list is searched from its start. For a long one, events that were read together share a
 * hash table: it is made in their memory, so that no list of types, which all threads share, is
 * ever written to, and only when enough lookups have come to pay for it.
 */
#include "kind.h"

#include <string.h>

#define SHORT_LIST 16
#define LOOKUPS_BEFORE_INDEX 8

static int search(const ec_event_types *types, const char *type)
{
    for (size_t i = 0; i < types->count; i++)
        if (strcmp(types->types[i], type) == 0)
            return (int)i;
    return -1;
}

/* FNV-1a */
static size_t hash(const char *type)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (; *type != '\0'; type++)
        hash = (hash ^ (uint8_t)*type) * UINT64_C(1099511628211);
    return (size_t)hash;
}

/* The place of a type: where it is, or the free one where it would be. */
static uint32_t *place_of(const ec_kind_index *index, const ec_event_types *types, const char *type)
{
    size_t i = hash(type) & index->mask;

    while (index->places[i] != 0 && strcmp(types->types[index->places[i] - 1], type) != 0)
        i = (i + 1) & index->mask;
    return &index->places[i];
}

static void make(ec_kind_index *index, const ec_event_types *types, ec_arena *memory)
{
    size_t size = 2 * SHORT_LIST;

    while (size < 2 * types->count)
        size *= 2;
    index->places = ec_arena_array(memory, size, sizeof *index->places);
    if (index->places == NULL)
        return; /* the list can be searched without */
    index->mask = size - 1;
    for (size_t i = 0; i < types->count; i++) {
        uint32_t *place = place_of(index, types, types->types[i]);

        if (*place == 0) /* of a type that is listed twice, the first counts */
            *place = (uint32_t)i + 1;
    }
    index->types = types;
}

int ec_kind_find(const ec_event_types *types, const char *type, ec_kind_index *index,
                 ec_arena *memory)
{
    if (index == NULL || types->count <= SHORT_LIST)
        return search(types, type);
    if (index->types == NULL && ++index->lookups > LOOKUPS_BEFORE_INDEX)
        make(index, types, memory);
    if (index->types != types)
        return search(types, type);
    return (int)*place_of(index, types, type) - 1;
}
