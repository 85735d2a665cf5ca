/*
 * json.c: JSON by jansson's formats.
 *
 * A parsed event is kept with the event, since what it was unpacked into may point to its strings.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "upcast.h"

ec_status ec_json_status(const json_error_t *problem, ec_status otherwise)
{
    switch (json_error_code(problem)) {
    case json_error_out_of_memory:
        return EC_NO_MEMORY;
    case json_error_invalid_format:
    case json_error_invalid_argument: /* a format that is NULL or empty */
        return EC_INVALID_ARGUMENT;
    default:
        return otherwise;
    }
}

json_t *ec_event_stored_json(ec_event *event, json_error_t *problem)
{
    if (event->json == NULL)
        event->json = json_loads(event->data, JSON_DECODE_ANY, problem);
    return event->json;
}

/* The data as it is seen; NULL on failure, with what went wrong. */
static json_t *seen_json(ec_event *event, ec_status *status, json_error_t *problem)
{
    json_t *json;

    if (event->upcast != NULL) {
        *status = event->upcast->status;
        return *status == EC_OK ? event->upcast->json : NULL;
    }
    *status = EC_INVALID_EVENT;
    if (event->data == NULL)
        return NULL;
    json = ec_event_stored_json(event, problem);
    if (json == NULL)
        *status = ec_json_status(problem, EC_INVALID_EVENT);
    return json;
}

ec_status ec_event_vunpack(const ec_event *event, const char *format, va_list arguments)
{
    json_error_t problem = {.text = "it carries a payload, not JSON"};
    const char *reason = event->upcast == NULL ? NULL : event->upcast->problem;
    ec_status status;
    json_t *json = seen_json((ec_event *)event, &status, &problem);

    if (json != NULL && json_vunpack_ex(json, &problem, 0, format, arguments) == 0)
        return EC_OK;
    if (json != NULL)
        status = ec_json_status(&problem, EC_INVALID_EVENT);
    if (event->failure != NULL)
        ec_fail(event->failure, status, "%s", reason == NULL ? problem.text : reason);
    return status;
}

ec_status ec_event_unpack(const ec_event *event, const char *format, ...)
{
    va_list arguments;
    ec_status status;

    va_start(arguments, format);
    status = ec_event_vunpack(event, format, arguments);
    va_end(arguments);
    return status;
}

const char *ec_context_pack(ec_context *context, const char *type, const char *format,
                            va_list arguments)
{
    json_error_t problem = {.text = ""};
    json_t *json = json_vpack_ex(&problem, 0, format, arguments);
    char *text;
    const char *kept;

    if (json == NULL) {
        ec_context_fail(context, ec_json_status(&problem, EC_INVALID_ARGUMENT),
                        "%s%s with format \"%s\": %s", type == NULL ? "ec_pack" : "event ",
                        type == NULL ? "" : type, format == NULL ? "" : format, problem.text);
        return NULL;
    }
    text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(json);
    kept = ec_arena_string(&context->memory, text);
    free(text);
    if (kept == NULL)
        ec_context_fail(context, EC_NO_MEMORY, "out of memory in ec_pack");
    return kept;
}

const char *ec_vpack(ec_context *context, const char *format, va_list arguments)
{
    return ec_context_pack(context, NULL, format, arguments);
}

const char *ec_pack(ec_context *context, const char *format, ...)
{
    va_list arguments;
    const char *text;

    va_start(arguments, format);
    text = ec_vpack(context, format, arguments);
    va_end(arguments);
    return text;
}
