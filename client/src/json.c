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
#include "json.h"

ec_status ec_json_status(const json_error_t *problem, ec_status otherwise)
{
    switch (json_error_code(problem)) {
    case json_error_unknown: /* it says nothing when it cannot allocate */
    case json_error_out_of_memory:
        return EC_NO_MEMORY;
    case json_error_invalid_format:
    case json_error_invalid_argument: /* a format that is NULL or empty */
        return EC_INVALID_ARGUMENT;
    default:
        return otherwise;
    }
}

char *ec_json_print(const json_t *json, ec_arena *memory)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t size = json_dumpb(json, NULL, 0, flags);
    char *text = size == 0 ? NULL : ec_arena_alloc(memory, size + 1);

    return text != NULL && json_dumpb(json, text, size, flags) == size ? text : NULL;
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
    status = event->data == NULL ? EC_INVALID_EVENT : ec_json_status(&problem, EC_INVALID_EVENT);
    if (event->failure != NULL)
        ec_fail(event->failure, status, "%s", ec_json_message(&problem));
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

/* A value that is NULL was passed as such, or there was no memory for it. */
static ec_status pack_status(const json_error_t *problem, const char *format)
{
    if (json_error_code(problem) == json_error_null_value &&
        strncmp(problem->text, "NULL object", 11) == 0 && strpbrk(format, "oO") == NULL)
        return EC_NO_MEMORY;
    return ec_json_status(problem, EC_INVALID_ARGUMENT);
}

const char *ec_vpack(ec_context *context, const char *format, va_list arguments)
{
    json_error_t problem = {.text = ""};
    json_t *json = json_vpack_ex(&problem, 0, format, arguments);
    char *text;

    if (json == NULL) {
        ec_context_fail(context, pack_status(&problem, format), "ec_pack with format \"%s\": %s",
                        format == NULL ? "" : format, ec_json_message(&problem));
        return NULL;
    }
    text = ec_json_print(json, &context->memory);
    json_decref(json);
    if (text == NULL)
        ec_context_fail(context, EC_NO_MEMORY, "out of memory in ec_pack");
    return text;
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
