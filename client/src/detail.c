/*
 * detail.c: the violations of a conflict that was raised, from the JSON of its DETAIL.
 *
 * The statements of this library have conflicts as rows. Raised they are by a function behind one
 * of them, such as a projection or a trigger that appends.
 */
#include <jansson.h>

#include "failure.h"

static bool read_violation(ec_violation *violation, json_t *json, ec_arena *memory)
{
    const char *stream_id;
    json_int_t expected, actual;

    if (json_unpack(json, "{s:s, s:I, s:I}", "stream_id", &stream_id, "expected", &expected,
                    "actual", &actual) != 0)
        return false;
    *violation = (ec_violation){ec_arena_string(memory, stream_id), expected, actual};
    return violation->stream_id != NULL;
}

void ec_failure_read_violations(ec_failure *failure)
{
    json_t *json = failure->detail == NULL ? NULL : json_loads(failure->detail, 0, NULL);
    json_t *list = json_object_get(json, "violations");
    size_t count = json_array_size(list), i = 0;
    ec_violation *violations = NULL;

    if (count > 0)
        violations = ec_arena_array(&failure->memory, count, sizeof *violations);
    while (violations != NULL && i < count &&
           read_violation(&violations[i], json_array_get(list, i), &failure->memory))
        i++;
    if (violations != NULL && i == count) { /* all or none */
        failure->violations = violations;
        failure->violation_count = count;
    }
    json_decref(json);
}
