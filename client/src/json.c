/*
 * json.c: JSON by jansson's formats.
 *
 * A parsed event is kept with the event, since what it was unpacked into may point to its strings.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "upcast.h"

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
        ec_fail(event->failure, status, "%s", reason == NULL ? ec_json_message(&problem) : reason);
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

const char *ec_context_pack(ec_context *context, const char *type, const char *format,
                            va_list arguments)
{
    json_error_t problem = {.text = ""};
    json_t *json = json_vpack_ex(&problem, 0, format, arguments);
    char *text;

    if (json == NULL) {
        ec_context_fail(context, pack_status(&problem, format), "%s%s with format \"%s\": %s",
                        type == NULL ? "ec_pack" : "event ", type == NULL ? "" : type,
                        format == NULL ? "" : format, ec_json_message(&problem));
        return NULL;
    }
    text = ec_json_print(json, &context->memory);
    json_decref(json);
    if (text == NULL)
        ec_context_fail(context, EC_NO_MEMORY, "out of memory in ec_pack");
    return text;
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
