/* options.h: options structs of programs built against another version of the header. */
#ifndef EC_OPTIONS_H
#define EC_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Overwrite the defaults in `options`, of `size` bytes, by the fields that the caller's struct
 * has; its first field is its own size. False if it was not initialised.
 */
bool ec_options_take(void *options, size_t size, const void *given);

#endif
