/*
 * heat.c: learning from lost races when to lock from the first try on.
 *
 * To lose a race costs a whole attempt; to lock costs a part of one, but always. So locking pays
 * for commands that often lose, and for no others. Who can tell beforehand? Those that came before
 * on this connection. A lost race makes commands of its kind hotter by PERIOD, an
 * execution makes them cooler by 1. So if they lose more often than once in PERIOD executions the
 * heat grows, else it vanishes. Every PERIOD of heat, or part of it, counts as one race lost in
 * advance: with lock_after = 3, for example,
 *
 *     heat   0 .. 1-16 .. 17-32 .. 33-48
 *     races left to lose 3 .. 2 .. 1 .. 0: locked from the first try on
 *
 * and the heat does not go beyond where it locks. From there it takes PERIOD locked executions
 * until one is tried without locks: if that loses, it is locked at once, and so are the next; if
 * not, the following ones go without as well. No clock is needed, and no help from the server.
 *
 * The kind of a command is its name, not its streams: what is hot moves on (an auction ends, the
 * next one begins), and what makes it hot stays. Kinds with the same hash share their heat, which
 * costs locks that are not needed, but never a wrong decision.
 */
#include "heat.h"

#include <stddef.h>

#define PERIOD 16
#define MOST_LOST 1000 /* what the type holds, and more than anybody waits for */

static size_t kind_of(const char *name)
{
    uint32_t hash = UINT32_C(0x811c9dc5); /* FNV-1a */

    for (const char *byte = name; *byte != '\0'; byte++)
        hash = (hash ^ (uint8_t)*byte) * UINT32_C(0x01000193);
    return (hash ^ hash >> 16) % EC_HEAT_KINDS;
}

int ec_heat_lock_after(const ec_heat *heat, const char *name, int lock_after)
{
    int lost = (heat->kinds[kind_of(name)] + PERIOD - 1) / PERIOD;

    return lock_after <= 0 ? lock_after : lost < lock_after ? lock_after - lost : 0;
}

void ec_heat_note(ec_heat *heat, const char *name, int lock_after, int lost_races)
{
    uint16_t *kind = &heat->kinds[kind_of(name)];
    int most = (lock_after < MOST_LOST ? lock_after : MOST_LOST) * PERIOD;

    for (; lost_races > 0 && *kind < most; lost_races--)
        *kind = (uint16_t)(*kind + PERIOD < most ? *kind + PERIOD : most);
    if (*kind > 0)
        --*kind;
}
