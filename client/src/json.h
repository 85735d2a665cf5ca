/* json.h: jansson, where memory may run out. */
#ifndef EC_JSON_H
#define EC_JSON_H

#include <jansson.h>

#include "arena.h"
#include "eventcore/status.h"

/*
 * EC_NO_MEMORY, EC_INVALID_ARGUMENT for a format that is not one, or `otherwise`. `problem` must
 * have been set, or cleared, before the call that failed.
 */
ec_status ec_json_status(const json_error_t *problem, ec_status otherwise);

/* The same in words. */
static inline const char *ec_json_message(const json_error_t *problem)
{
    return problem->text[0] == '\0' ? "out of memory" : problem->text;
}

/*
 * Compact text; NULL when memory runs out. Not by json_dumps(), which then leaves something out and
 * says nothing.
 */
char *ec_json_print(const json_t *json, ec_arena *memory);

#endif
