/*
 * no_memory.h: a run whose allocations fail.
 *
 * malloc() and its kin are those of no_memory.c, for the library, libpq, jansson and libc alike. A
 * scenario is run again and again, once with its first allocation failing, once with its second
 * and so on, until it gets to its end without: alone, and then with all that follow it. It arranges
 * what it needs, tries what is tested, and checks what came of that.
 */
#ifndef NO_MEMORY_H
#define NO_MEMORY_H

#include <stdbool.h>

#include "bank.h"

/* From here on, in this thread, allocations fail, as it is their turn. */
void no_memory_begin(void);

/* No more. Whether one has failed. */
bool no_memory_end(void);

/* Somebody else's turn: none fails until then. Give what the first returns to the second. */
bool no_memory_pause(void);
void no_memory_resume(bool begun);

/* Which one: for messages. */
const char *no_memory_where(void);

/*
 * Run a scenario to the end of its allocations; what it allocates it frees. With a step, only every
 * so many of them fail; NO_MEMORY_STEP in the environment replaces it.
 */
void no_memory_survive(void (*scenario)(void *argument), void *argument, int step);

#define assert_survived(condition)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s, with %s", #condition, no_memory_where());                                \
    } while (0)

#endif
