/*
 * arena.c: a bump allocator.
 *
 * Chunks come zeroed from calloc() and are never reused, so that what is handed out is zeroed
 * without being written twice.
 */
#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)4000)

struct ec_chunk {
    struct ec_chunk *next;
    size_t size;
    size_t used;
    max_align_t bytes[];
};

void *ec_arena_alloc(ec_arena *arena, size_t size)
{
    struct ec_chunk *chunk = arena->chunks;
    const size_t alignment = _Alignof(max_align_t);

    if (size > SIZE_MAX / 2)
        return NULL;
    size = size == 0 ? alignment : (size + alignment - 1) / alignment * alignment;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        size_t capacity = size > CHUNK_SIZE ? size : CHUNK_SIZE;

        chunk = calloc(1, sizeof *chunk + capacity);
        if (chunk == NULL)
            return NULL;
        chunk->size = capacity;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
    }
    chunk->used += size;
    return (char *)chunk->bytes + chunk->used - size;
}

void *ec_arena_array(ec_arena *arena, size_t count, size_t size)
{
    return size != 0 && count > SIZE_MAX / size ? NULL : ec_arena_alloc(arena, count * size);
}

void *ec_arena_copy(ec_arena *arena, const void *bytes, size_t size)
{
    char *copy = ec_arena_alloc(arena, size + 1);

    if (copy != NULL && size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

char *ec_arena_string(ec_arena *arena, const char *string)
{
    return string == NULL ? NULL : ec_arena_copy(arena, string, strlen(string));
}

char *ec_arena_format(ec_arena *arena, const char *format, va_list arguments)
{
    va_list again;
    int length;
    char *text;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = length < 0 ? NULL : ec_arena_alloc(arena, (size_t)length + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

void ec_arena_free(ec_arena *arena)
{
    for (struct ec_chunk *chunk = arena->chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    arena->chunks = NULL;
}
