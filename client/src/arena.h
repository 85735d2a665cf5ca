/* arena.h: memory that is freed all at once. */
#ifndef EC_ARENA_H
#define EC_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct ec_arena {
    struct ec_chunk *chunks; /* newest first */
} ec_arena;

/* Return zeroed memory, aligned for any type; NULL when memory runs out. */
void *ec_arena_alloc(ec_arena *arena, size_t size);

/* As ec_arena_alloc() for `count` items; NULL also when their size overflows. */
void *ec_arena_array(ec_arena *arena, size_t count, size_t size);

/* Copy bytes, with a NUL behind them. */
void *ec_arena_copy(ec_arena *arena, const void *bytes, size_t size);

/* Copy a string; NULL stays NULL. */
char *ec_arena_string(ec_arena *arena, const char *string);

char *ec_arena_format(ec_arena *arena, const char *format, va_list arguments);

/* Free everything; the arena can be used again. */
void ec_arena_free(ec_arena *arena);

#endif
