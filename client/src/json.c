/*
 * json.c: JSON by jansson's formats.
 *
 * A parsed event is kept with the event, since what it was unpacked into may point to its strings.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "event.h"

/* What went wrong: with the format, for want of memory, or else. */
static ec_status status_of(const json_error_t *problem, ec_status otherwise)
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

static json_t *event_json(ec_event *event, json_error_t *error)
{
    if (event->json == NULL)
        event->json = json_loads(event->data, JSON_DECODE_ANY, error);
    return event->json;
}

ec_status ec_event_vunpack(const ec_event *event, const char *format, va_list arguments)
{
    json_error_t problem = {.text = "it carries a payload, not JSON"};
    json_t *json = event->data == NULL ? NULL : event_json((ec_event *)event, &problem);
    int result = -1;
    ec_status status;

    if (json != NULL)
        result = json_vunpack_ex(json, &problem, 0, format, arguments);
    if (result == 0)
        return EC_OK;
    status = event->data == NULL ? EC_INVALID_EVENT : status_of(&problem, EC_INVALID_EVENT);
    if (event->failure != NULL)
        ec_fail(event->failure, status, "%s", problem.text);
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
        ec_context_fail(context, status_of(&problem, EC_INVALID_ARGUMENT),
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
