/* JSON from elsewhere: DETAIL of errors, metadata, traceparent, and the data of events. */
#include <eventcore/eventcore.h>
#include <jansson.h>

#include "event.h"
#include "fuzz.h"
#include "metadata.h"

static void read_detail(char *text)
{
    ec_failure failure = {.status = EC_VERSION_CONFLICT, .detail = text};

    ec_failure_read_violations(&failure);
    for (size_t i = 0; i < failure.violation_count; i++)
        require(strlen(failure.violations[i].stream_id) + 1 > 0);
    ec_failure_clear(&failure);
}

/* What is added is there, and nothing of its own is lost. */
static void check_completed(const char *own, const char *complete)
{
    json_t *before = json_loads(own, JSON_DECODE_INT_AS_REAL, NULL);
    json_t *after = json_loads(complete, JSON_DECODE_INT_AS_REAL, NULL);
    json_t *value;
    const char *key;

    require(json_is_object(after));
    require(json_object_get(after, "correlation_id") != NULL);
    json_object_foreach(before, key, value) require(json_equal(value, json_object_get(after, key)));
    json_decref(before);
    json_decref(after);
}

static void complete_metadata(char *text)
{
    const ec_metadata keys = {.correlation_id = "added", .user_id = "somebody"};
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    ec_added_metadata added;
    const char *complete;

    require(ec_metadata_prepare(&added, &keys, &memory, &failure) == EC_OK);
    if (ec_metadata_complete(&added, 1, text, &complete, &memory, &failure) == EC_OK)
        check_completed(text, complete);
    else
        require(failure.status == EC_INVALID_EVENT);
    ec_failure_clear(&failure);
    ec_arena_free(&memory);
}

static void read_metadata(char *text)
{
    static const ec_uuid id = {{1}};
    ec_arena memory = {NULL};
    ec_event event = {.id = &id, .metadata = text, .memory = &memory};
    ec_metadata found;
    ec_status status = ec_metadata_caused_by(&event, &found);

    require(status == EC_OK || status == EC_INVALID_EVENT);
    require((found.causation_id != NULL) == (status == EC_OK));
    if (found.traceparent != NULL)
        require(strlen(found.traceparent) == 55);
    ec_event_release(&event);
    ec_arena_free(&memory);
}

static void prepare_metadata(char *text)
{
    const ec_metadata keys = {.correlation_id = text, .traceparent = text};
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    ec_added_metadata added;

    if (ec_metadata_prepare(&added, &keys, &memory, &failure) == EC_OK)
        require(strlen(text) == 55 && strncmp(text, "00-", 3) == 0);
    else
        require(failure.status == EC_INVALID_ARGUMENT);
    ec_failure_clear(&failure);
    ec_arena_free(&memory);
}

static void unpack(char *text)
{
    ec_arena memory = {NULL};
    ec_event event = {.data = text, .memory = &memory};
    const char *name = NULL, *inner = NULL;
    long long number;
    double real;
    int flag;

    if (ec_event_unpack(&event, "{s:s, s?I, s?F, s?b, s?{s:s}}", "name", &name, "number", &number,
                        "real", &real, "flag", &flag, "more", "inner", &inner) == EC_OK)
        require(strlen(name) + (inner == NULL ? 0 : strlen(inner)) + 1 > 0);
    ec_event_unpack(&event, "[s, I!]", &name, &number);
    ec_event_release(&event);
    ec_arena_free(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static void (*const readers[])(char *) = {read_detail, complete_metadata, read_metadata,
                                              prepare_metadata, unpack};
    input in = {bytes, size};
    void (*reader)(char *) = readers[take_below(&in, sizeof readers / sizeof *readers)];
    char *text = take_rest(&in);

    reader(text);
    free(text);
    return 0;
}
