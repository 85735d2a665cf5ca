/* heat.h: which kinds of commands have lost races of late, on one connection. */
#ifndef EC_HEAT_H
#define EC_HEAT_H

#include <stdint.h>

#define EC_HEAT_KINDS 64

/* Zeroed: nothing has lost. */
typedef struct ec_heat {
    uint16_t kinds[EC_HEAT_KINDS]; /* by hash of the command's name */
} ec_heat;

/*
 * How many lost races a command of this name still has to lose before it is locked, out of the
 * `lock_after` of its options.
 */
int ec_heat_lock_after(const ec_heat *heat, const char *name, int lock_after);

/* A command of this name, with this option, has been executed and has lost so many races. */
void ec_heat_note(ec_heat *heat, const char *name, int lock_after, int lost_races);

#endif
