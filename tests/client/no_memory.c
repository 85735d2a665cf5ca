/*
 * no_memory.c: malloc() and its kin in place of libc's.
 *
 * A program's own definitions come before those of the shared libraries, for these too; they pass
 * on to the next ones, which are libc's or a sanitizer's. Allocations are counted while they are
 * live, so that a leak is seen wherever it is, libpq included.
 */
#define _GNU_SOURCE
#include "no_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define COUNTS_LEAKS false /* LeakSanitizer does, and libc has allocators that it replaces */
#else
#define COUNTS_LEAKS true
#endif

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
} next;

static atomic_long live;
static _Thread_local bool begun;
static bool lasting, failed;
static long at, left;

static void *resolve(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);

    if (function == NULL)
        abort();
    return function;
}

/* dlsym() itself frees an error that is left from before; that one is let go. */
static void find_next(void)
{
    static bool finding;

    if (next.free != NULL || finding)
        return;
    finding = true;
    next.malloc = (void *(*)(size_t))resolve("malloc");
    next.calloc = (void *(*)(size_t, size_t))resolve("calloc");
    next.realloc = (void *(*)(void *, size_t))resolve("realloc");
    next.free = (void (*)(void *))resolve("free");
}

/* Whether it is this allocation's turn. */
static bool fails(void)
{
    if (!begun || left-- > 0 || (failed && !lasting))
        return false;
    failed = true;
    errno = ENOMEM;
    return true;
}

static void *counted(void *memory)
{
    live += memory != NULL;
    return memory;
}

void *malloc(size_t size)
{
    find_next();
    return fails() ? NULL : counted(next.malloc(size));
}

void *calloc(size_t count, size_t size)
{
    find_next();
    return fails() ? NULL : counted(next.calloc(count, size));
}

void *realloc(void *memory, size_t size)
{
    find_next();
    if (fails())
        return NULL;
    return memory == NULL ? counted(next.realloc(NULL, size)) : next.realloc(memory, size);
}

void free(void *memory)
{
    find_next();
    live -= memory != NULL;
    if (next.free != NULL)
        next.free(memory);
}

/* A sanitizer's would not come by. */
char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);

    return copy == NULL ? NULL : memcpy(copy, text, size);
}

/*
 * When jansson cannot make room for a token it drops a byte of it, or aborts: its lexer does not
 * look. So to parse is one allocation here, which fails or does not.
 */
json_t *json_loads(const char *text, size_t flags, json_error_t *problem)
{
    static json_t *(*loads)(const char *, size_t, json_error_t *);
    bool was_begun;
    json_t *json;

    if (loads == NULL)
        loads = (json_t * (*)(const char *, size_t, json_error_t *)) resolve("json_loads");
    if (fails())
        return NULL;
    was_begun = no_memory_pause();
    json = loads(text, flags, problem);
    no_memory_resume(was_begun);
    return json;
}

void no_memory_begin(void)
{
    left = at;
    failed = false;
    begun = true;
}

bool no_memory_end(void)
{
    begun = false;
    return failed;
}

bool no_memory_pause(void)
{
    bool was_begun = begun;

    begun = false;
    return was_begun;
}

void no_memory_resume(bool was_begun)
{
    begun = was_begun;
}

const char *no_memory_where(void)
{
    static char text[80];

    snprintf(text, sizeof text, "allocation %ld%s failing", at,
             lasting ? " and all behind it" : "");
    return text;
}

void no_memory_survive(void (*scenario)(void *argument), void *argument, int step)
{
    const char *wanted = getenv("NO_MEMORY_STEP");

    if (wanted != NULL)
        step = atoi(wanted);
    at = INT32_MAX;
    scenario(argument); /* what is allocated once and for all */
    for (int i = 0; i < 2; i++) {
        lasting = i == 1;
        at = step / 2 * i; /* others than alone */
        do {
            long before = live;

            scenario(argument);
            if (COUNTS_LEAKS && live != before)
                fail_msg("%ld allocations leaked, with %s", live - before, no_memory_where());
            at += step;
        } while (failed);
    }
}
