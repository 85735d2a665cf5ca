/*
 * options.c: reading an options struct by its struct_size.
 *
 * A program built against an older header passes a shorter struct and keeps the defaults of the
 * newer fields; one built against a newer header is understood as far as this library goes.
 */
#include "options.h"

#include <string.h>

#define LARGEST_SIZE 4096 /* beyond it, struct_size was never set */

bool ec_options_take(void *options, size_t size, const void *given)
{
    size_t given_size;

    if (given == NULL)
        return true;
    memcpy(&given_size, given, sizeof given_size);
    if (given_size <= sizeof given_size || given_size > LARGEST_SIZE)
        return false;
    memcpy(options, given, given_size < size ? given_size : size);
    return true;
}
