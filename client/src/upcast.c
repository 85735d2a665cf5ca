/*
 * upcast.c: events of earlier schema versions, seen as of the current one.
 *
 * What is stored stays as it is. A list of types sees an event through its upcasters, which bring
 * the data step by step from the version in the metadata to the one that the list knows. That is
 * done when the list is asked for the event's kind, and once: lists may differ in what they know,
 * so the event keeps what each of them sees, and shows what the last one that was asked does.
 */
#include "upcast.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "metadata.h"

/* ------------------------------------------------------------------ versions */

static size_t upcaster_count(const ec_event_types *types)
{
    size_t known = offsetof(ec_event_types, upcaster_count) + sizeof types->upcaster_count;

    return types->struct_size < known ? 0 : types->upcaster_count;
}

int ec_schema_version(const ec_event_types *types, int kind)
{
    int version = 1;

    for (size_t i = 0; i < upcaster_count(types); i++)
        if (types->upcasters[i].kind == kind && types->upcasters[i].from >= version)
            version = types->upcasters[i].from + 1;
    return version;
}

int ec_schema_version_of_type(const ec_event_types *types, const char *type)
{
    if (types == NULL || upcaster_count(types) == 0)
        return 1;
    return ec_schema_version(types, ec_kind_find(types, type, NULL, NULL));
}

/*
 * Most metadata does not have the key: then it is not parsed. The server writes every letter of a
 * key as it is; a backslash can hide one only in what has not been there.
 */
static bool may_have_key(const char *metadata)
{
    return strstr(metadata, EC_SCHEMA_VERSION_KEY) != NULL || strchr(metadata, '\\') != NULL;
}

static int read_version(ec_event *event)
{
    ec_status status = EC_OK;
    const json_t *json, *version;
    double number;

    if (event->metadata == NULL || !may_have_key(event->metadata))
        return 1;
    json = ec_event_metadata_json(event, &status);
    version = json_object_get(json, EC_SCHEMA_VERSION_KEY);
    if (status == EC_OK && version == NULL)
        return 1;
    number = json_number_value(version); /* 0 if it is no number */
    return number >= 1 && number <= INT_MAX && number == (int)number ? (int)number : -1;
}

int ec_event_schema_version(const ec_event *event)
{
    if (event->schema_version == 0)
        ((ec_event *)event)->schema_version = read_version((ec_event *)event);
    return event->schema_version;
}

/* ------------------------------------------------------------------ failures */

static ec_status fail(ec_upcast *upcast, ec_status status, const char *format, ...) EC_PRINTF(3, 4);
static ec_status fail(ec_upcast *upcast, ec_status status, const char *format, ...)
{
    va_list arguments;

    if (upcast->status != EC_OK)
        return upcast->status;
    upcast->status = status;
    va_start(arguments, format);
    upcast->problem = ec_arena_format(upcast->memory, format, arguments);
    va_end(arguments);
    if (upcast->problem == NULL)
        upcast->problem = ec_status_description(EC_NO_MEMORY);
    return status;
}

const char *ec_event_problem(const ec_event *event)
{
    return event->upcast == NULL ? NULL : event->upcast->problem;
}

/* ------------------------------------------------------------------ one step */

static json_t *pack(ec_upcast *upcast, const char *format, va_list arguments)
{
    json_error_t problem = {.text = ""};
    json_t *json = upcast->status == EC_OK ? json_vpack_ex(&problem, 0, format, arguments) : NULL;

    if (json == NULL)
        fail(upcast, ec_json_status(&problem, EC_INVALID_ARGUMENT), "format \"%s\": %s",
             format == NULL ? "" : format, problem.text);
    return json;
}

ec_status ec_upcast_replace(ec_upcast *upcast, const char *format, ...)
{
    va_list arguments;
    json_t *json;

    va_start(arguments, format);
    json = pack(upcast, format, arguments);
    va_end(arguments);
    if (json != NULL) {
        json_decref(upcast->next);
        upcast->next = json;
    }
    return upcast->status;
}

/* The next version's data, an object to be changed, at first as it is; NULL on failure. */
static json_t *changing(ec_upcast *upcast)
{
    if (upcast->status != EC_OK)
        return NULL;
    if (upcast->next == NULL)
        upcast->next = json_copy(upcast->json);
    if (upcast->next == NULL)
        fail(upcast, EC_NO_MEMORY, "out of memory");
    else if (!json_is_object(upcast->next))
        fail(upcast, EC_INVALID_EVENT, "its data is not a JSON object");
    return upcast->status == EC_OK ? upcast->next : NULL;
}

ec_status ec_upcast_set(ec_upcast *upcast, const char *format, ...)
{
    json_t *next = changing(upcast), *keys;
    va_list arguments;

    if (next == NULL)
        return upcast->status;
    va_start(arguments, format);
    keys = pack(upcast, format, arguments);
    va_end(arguments);
    if (keys != NULL && !json_is_object(keys))
        fail(upcast, EC_INVALID_ARGUMENT, "format \"%s\" makes no JSON object", format);
    else if (keys != NULL && json_object_update(next, keys) != 0)
        fail(upcast, EC_NO_MEMORY, "out of memory");
    json_decref(keys);
    return upcast->status;
}

ec_status ec_upcast_unset(ec_upcast *upcast, const char *key)
{
    json_t *next = changing(upcast);

    if (next != NULL)
        json_object_del(next, key); /* one that is not there is not there */
    return upcast->status;
}

/* Call an upcaster. What it asks of the event is of its own version: that is seen meanwhile. */
static void take_step(ec_upcast *upcast, ec_event *event, const ec_upcast_step *step)
{
    ec_failure failure = {.status = EC_OK}, *before = event->failure;
    ec_status status;

    event->failure = &failure;
    status = step->upcast(event, upcast);
    event->failure = before;
    if (status == EC_OK && failure.status == EC_NO_MEMORY)
        status = EC_NO_MEMORY;
    if (status != EC_OK)
        fail(upcast, status, "%s",
             failure.status == status ? failure.message : ec_status_description(status));
    ec_failure_clear(&failure);
    if (upcast->next != NULL) {
        json_decref(upcast->json);
        upcast->json = upcast->next;
        upcast->next = NULL;
        upcast->text = NULL;
    }
}

/* ------------------------------------------------------------------ all steps */

static const ec_upcast_step *find_step(const ec_event_types *types, int kind, int from)
{
    for (size_t i = 0; i < upcaster_count(types); i++)
        if (types->upcasters[i].kind == kind && types->upcasters[i].from == from)
            return &types->upcasters[i];
    return NULL;
}

static void begin(ec_upcast *upcast, ec_event *event)
{
    json_error_t problem = {.text = "it carries a payload, which is not upcast"};
    json_t *json = event->data == NULL ? NULL : ec_event_stored_json(event, &problem);
    bool no_memory = event->data != NULL && json_error_code(&problem) == json_error_out_of_memory;

    if (json == NULL)
        fail(upcast, no_memory ? EC_NO_MEMORY : EC_INVALID_EVENT, "%s", problem.text);
    upcast->json = json_incref(json);
}

/* The step from `version` on has failed: say so of which event. */
static void explain(ec_upcast *upcast, const ec_event *event, int version)
{
    ec_status status = upcast->status;
    const char *reason = upcast->problem;

    upcast->status = EC_OK;
    fail(upcast, status,
         "event %s, version %lld of stream %s: upcasting it from schema version %d to %d by the "
         "list %s: %s",
         event->type, (long long)event->version, event->stream_id, version, version + 1,
         upcast->types->name, reason);
}

static void take_steps(ec_upcast *upcast, ec_event *event, int kind, int version, int known)
{
    begin(upcast, event);
    while (upcast->status == EC_OK && version < known) {
        const ec_upcast_step *step = find_step(upcast->types, kind, version);

        if (step == NULL)
            fail(upcast, EC_INVALID_ARGUMENT, "there is no such upcaster");
        else if (step->upcast != NULL)
            take_step(upcast, event, step);
        if (upcast->status == EC_OK)
            version++;
    }
    if (upcast->status != EC_OK)
        explain(upcast, event, version);
}

/* A new way to see the event; NULL when memory runs out. */
static ec_upcast *add(ec_event *event, const ec_event_types *types)
{
    ec_upcast *upcast = ec_arena_alloc(event->memory, sizeof *upcast);

    if (upcast == NULL)
        return NULL;
    *upcast = (ec_upcast){.types = types, .memory = event->memory, .other = event->upcasts};
    event->upcasts = upcast;
    return upcast;
}

void ec_upcast_event(ec_event *event, const ec_event_types *types, int kind)
{
    static const ec_upcast no_memory = {.status = EC_NO_MEMORY, .problem = "out of memory"};
    int version = ec_event_schema_version(event), known = ec_schema_version(types, kind);
    ec_upcast *upcast = event->upcasts;

    event->upcast = NULL;
    if (version == known)
        return;
    while (upcast != NULL && upcast->types != types)
        upcast = upcast->other;
    if (upcast != NULL) {
        event->upcast = upcast;
        return;
    }
    upcast = add(event, types);
    event->upcast = upcast == NULL ? &no_memory : upcast;
    if (upcast == NULL)
        return;
    if (version < 0)
        fail(upcast, EC_INVALID_EVENT,
             "event %s, version %lld of stream %s: its metadata has no integer above 0 as "
             "\"" EC_SCHEMA_VERSION_KEY "\"",
             event->type, (long long)event->version, event->stream_id);
    else if (version > known)
        fail(upcast, EC_UNKNOWN_EVENT,
             "event %s, version %lld of stream %s: its schema version %d is newer than %d, the "
             "last that the list %s knows",
             event->type, (long long)event->version, event->stream_id, version, known, types->name);
    else
        take_steps(upcast, event, kind, version, known);
    event->upcast = upcast; /* again: an upcaster may have asked another list */
}

const char *ec_upcast_data(const ec_event *event)
{
    ec_upcast *upcast = (ec_upcast *)event->upcast;
    char *text;

    if (upcast->status != EC_OK || upcast->text != NULL)
        return upcast->status == EC_OK ? upcast->text : NULL;
    text = json_dumps(upcast->json, JSON_COMPACT | JSON_ENCODE_ANY);
    upcast->text = ec_arena_string(upcast->memory, text);
    free(text);
    if (upcast->text == NULL && event->failure != NULL)
        ec_fail(event->failure, EC_NO_MEMORY, "out of memory for an event");
    return upcast->text;
}

void ec_upcast_release(ec_event *event)
{
    for (ec_upcast *upcast = event->upcasts; upcast != NULL; upcast = upcast->other) {
        json_decref(upcast->json);
        json_decref(upcast->next);
    }
    event->upcasts = NULL;
    event->upcast = NULL;
}
