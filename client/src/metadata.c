/*
 * metadata.c: the well-known keys of metadata, added to what is written, and read back.
 *
 * The keys of an execution are rendered once: its events share that text. Only for an event that
 * has metadata of its own they are rendered anew, without those that it has, and put in front of
 * its text. That stays as it is: parsed and printed again, its numbers could lose digits.
 */
#include "metadata.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "event.h"
#include "json.h"

static const struct {
    const char *name;
    size_t offset;
} keys[] = {
    {"correlation_id", offsetof(ec_metadata, correlation_id)},
    {"causation_id", offsetof(ec_metadata, causation_id)},
    {"user_id", offsetof(ec_metadata, user_id)},
    {"traceparent", offsetof(ec_metadata, traceparent)},
};

#define KEY_COUNT (sizeof keys / sizeof *keys)

static const char **value_of(ec_metadata *metadata, size_t key)
{
    return (const char **)(void *)((char *)metadata + keys[key].offset);
}

/* ------------------------------------------------------------------ traceparent */

#define HEXADECIMAL "0123456789abcdef"

/* Whether it begins with so many lower-case hexadecimal digits that are not all 0. */
static bool is_id(const char *text, size_t digits)
{
    return strspn(text, HEXADECIMAL) == digits && strspn(text, "0") < digits;
}

/*
 * W3C Trace Context (https://www.w3.org/TR/trace-context/#traceparent-header), version 00:
 * version-trace_id-parent_id-trace_flags, where an id of zeros is not valid.
 */
static bool is_traceparent(const char *text)
{
    return strlen(text) == 55 && strncmp(text, "00-", 3) == 0 && is_id(text + 3, 32) &&
           text[35] == '-' && is_id(text + 36, 16) && text[52] == '-' &&
           strspn(text + 53, HEXADECIMAL) == 2;
}

/* ------------------------------------------------------------------ writing */

ec_metadata ec_metadata_merge(const ec_metadata *first, const ec_metadata *second)
{
    ec_metadata merged = {NULL, NULL, NULL, NULL};

    if (second != NULL)
        merged = *second;
    for (size_t i = 0; i < KEY_COUNT && first != NULL; i++) {
        ec_metadata copy = *first;

        if (*value_of(&copy, i) != NULL)
            *value_of(&merged, i) = *value_of(&copy, i);
    }
    return merged;
}

/* A JSON object of the keys that are set, and of a version above 1; *text is NULL if none is. */
static ec_status render(const ec_metadata *metadata, int schema_version, const char **text,
                        ec_arena *memory, ec_failure *failure)
{
    json_error_t problem = {.text = ""};
    json_t *json =
        json_pack_ex(&problem, 0, "{s:s*, s:s*, s:s*, s:s*}", keys[0].name,
                     metadata->correlation_id, keys[1].name, metadata->causation_id, keys[2].name,
                     metadata->user_id, keys[3].name, metadata->traceparent);
    bool complete = schema_version == 1 || json_object_set_new(json, EC_SCHEMA_VERSION_KEY,
                                                               json_integer(schema_version)) == 0;
    size_t size = json_object_size(json), wanted = schema_version != 1;
    ec_metadata copy = *metadata;

    *text = size == 0 ? NULL : ec_json_print(json, memory);
    json_decref(json);
    for (size_t i = 0; i < KEY_COUNT; i++)
        wanted += *value_of(&copy, i) != NULL;
    if (json == NULL && json_error_code(&problem) == json_error_invalid_utf8)
        return ec_fail(failure, EC_INVALID_ARGUMENT, "metadata is not UTF-8");
    /* jansson leaves out a value that it has no room for, as if it were NULL. */
    if (json == NULL || !complete || size != wanted || (*text == NULL && size > 0))
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for metadata");
    return EC_OK;
}

ec_status ec_metadata_prepare(ec_added_metadata *added, const ec_metadata *metadata,
                              ec_arena *memory, ec_failure *failure)
{
    *added = (ec_added_metadata){.keys = *metadata};
    if (metadata->traceparent != NULL && !is_traceparent(metadata->traceparent))
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "metadata: \"%s\" is not a traceparent as of W3C Trace Context, version 00",
                       metadata->traceparent);
    return render(metadata, 1, &added->text, memory, failure);
}

/* Take away the keys that the event's own metadata has, whatever their values. */
static ec_status leave_missing(ec_metadata *missing, int *schema_version, const char *own,
                               ec_failure *failure)
{
    json_error_t problem = {.text = ""};
    json_t *json = json_loads(own, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &problem);
    ec_status status = EC_OK;

    if (json == NULL && ec_json_status(&problem, EC_INVALID_EVENT) == EC_NO_MEMORY)
        status = ec_fail(failure, EC_NO_MEMORY, "out of memory for metadata");
    else if (!json_is_object(json))
        status = ec_fail(failure, EC_INVALID_EVENT,
                         "its metadata is not a JSON object that keys can be added to%s%s",
                         json == NULL ? ": " : "", problem.text);
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (json_object_get(json, keys[i].name) != NULL)
            *value_of(missing, i) = NULL;
    if (json_object_get(json, EC_SCHEMA_VERSION_KEY) != NULL)
        *schema_version = 1;
    json_decref(json);
    return status;
}

ec_status ec_metadata_complete(const ec_added_metadata *added, int schema_version, const char *own,
                               const char **complete, ec_arena *memory, ec_failure *failure)
{
    ec_metadata missing = ec_metadata_merge(added == NULL ? NULL : &added->keys, NULL);
    const char *text = added == NULL ? NULL : added->text;
    const char *front, *behind;
    size_t length;
    char *joined;

    if (own == NULL && schema_version > 1)
        return render(&missing, schema_version, complete, memory, failure);
    *complete = own == NULL ? text : ec_arena_string(memory, own);
    if (own != NULL && *complete == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for metadata");
    if (own == NULL || (text == NULL && schema_version == 1))
        return EC_OK;
    if (leave_missing(&missing, &schema_version, own, failure) != EC_OK ||
        render(&missing, schema_version, &front, memory, failure) != EC_OK || front == NULL)
        return failure->status;
    /* {"key":"value"} and {"own":1} make {"key":"value","own":1} */
    behind = strchr(own, '{') + 1;
    length = strlen(front);
    if (behind[strspn(behind, " \t\r\n")] == '}') {
        *complete = front;
        return EC_OK;
    }
    joined = ec_arena_alloc(memory, length + strlen(behind) + 1);
    if (joined == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for metadata");
    memcpy(joined, front, length);
    joined[length - 1] = ',';
    strcpy(joined + length, behind);
    *complete = joined;
    return EC_OK;
}

ec_status ec_set_metadata(ec_connection *connection, const ec_metadata *metadata)
{
    ec_metadata copy = ec_metadata_merge(metadata, NULL);
    ec_failure *failure = &connection->failure;
    ec_added_metadata checked;
    ec_arena memory = {NULL};

    if (connection->task != NULL)
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "the connection is in use by a task that has not ended");
    ec_failure_clear(failure);
    ec_metadata_prepare(&checked, &copy, &memory, failure);
    for (size_t i = 0; i < KEY_COUNT && failure->status == EC_OK; i++) {
        const char **value = value_of(&copy, i);
        const char *given = *value;

        *value = ec_arena_string(&memory, given);
        if (*value == NULL && given != NULL)
            ec_fail(failure, EC_NO_MEMORY, "out of memory for metadata");
    }
    if (failure->status != EC_OK) {
        ec_arena_free(&memory);
        return failure->status;
    }
    ec_arena_free(&connection->metadata_memory);
    connection->metadata_memory = memory;
    connection->metadata = copy;
    return EC_OK;
}

/* ------------------------------------------------------------------ reading */

const json_t *ec_event_metadata_json(ec_event *event, ec_status *status)
{
    json_error_t problem = {.text = ""};

    if (event->metadata_json != NULL)
        return event->metadata_json;
    event->metadata_json =
        json_loads(event->metadata, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &problem);
    if (event->metadata_json == NULL) {
        *status = ec_json_status(&problem, EC_INVALID_EVENT);
        if (event->failure != NULL)
            ec_fail(event->failure, *status, "its metadata: %s", ec_json_message(&problem));
    }
    return event->metadata_json;
}

ec_status ec_event_read_metadata(const ec_event *event, ec_metadata *metadata)
{
    ec_status status = EC_OK;
    const json_t *json =
        event->metadata == NULL ? NULL : ec_event_metadata_json((ec_event *)event, &status);

    for (size_t i = 0; i < KEY_COUNT; i++)
        *value_of(metadata, i) = json_string_value(json_object_get(json, keys[i].name));
    return status;
}

ec_status ec_metadata_caused_by(const ec_event *event, ec_metadata *metadata)
{
    ec_status status = ec_event_read_metadata(event, metadata);
    char *id;

    if (status != EC_OK)
        return status;
    id = ec_event_alloc(event, EC_UUID_TEXT_SIZE);
    if (id == NULL) {
        *metadata = (ec_metadata){NULL, NULL, NULL, NULL};
        return EC_NO_MEMORY;
    }
    ec_uuid_format(event->id, id);
    metadata->causation_id = id;
    if (metadata->correlation_id == NULL)
        metadata->correlation_id = id;
    /* Whoever receives an invalid one starts a trace anew, says the standard. */
    if (metadata->traceparent != NULL && !is_traceparent(metadata->traceparent))
        metadata->traceparent = NULL;
    return EC_OK;
}
