/*
 * testkit_request.c: what the server refuses before it looks at its tables.
 *
 * The rules are those of the extension's request.c. Not copied is the limit on the size of an
 * event, which is a setting of the server.
 */
#include <jansson.h>
#include <string.h>

#include "testkit_store.h"

#define MAX_NAME_CHARACTERS 255

ec_status ec_test_refuse(ec_failure *failure, const char *sqlstate, const char *format, ...)
{
    ec_arena memory = {NULL};
    va_list arguments;
    char *message;

    va_start(arguments, format);
    message = ec_arena_format(&memory, format, arguments);
    va_end(arguments);
    ec_fail(failure, ec_status_from_sqlstate(sqlstate), "%s",
            message == NULL ? "out of memory" : message);
    memcpy(failure->sqlstate, sqlstate, strnlen(sqlstate, sizeof failure->sqlstate - 1));
    ec_arena_free(&memory);
    return failure->status;
}

/* The length of the UTF-8 sequence at `at` and the character it stands for; 0 if it is none. */
static int decode_character(const unsigned char *at, uint32_t *character)
{
    int length = *at < 0x80 ? 1 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : *at >= 0xc0 ? 2 : 0;

    *character = length == 1 ? *at : *at & (0xffU >> (length + 1));
    for (int i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        *character = *character << 6 | (at[i] & 0x3f);
    }
    return length;
}

/* White space of Unicode (property White_Space) that is no control character. */
static bool is_space(uint32_t c)
{
    return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

static const char *name_fault(const char *name)
{
    const unsigned char *at = (const unsigned char *)name;
    int characters = 0;
    bool space = false;

    while (*at != '\0') {
        uint32_t c;
        int length = decode_character(at, &c);

        if (length == 0)
            return "is not valid UTF-8";
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            return "contains a control character";
        space = is_space(c);
        if (space && characters == 0)
            return "begins with white space";
        if (++characters > MAX_NAME_CHARACTERS)
            return "is longer than 255 characters";
        at += length;
    }
    return characters == 0 ? "is empty" : space ? "ends with white space" : NULL;
}

ec_status ec_test_request_check_stream_id(const char *stream_id, ec_failure *failure)
{
    const char *fault = stream_id == NULL ? "is null" : name_fault(stream_id);

    return fault == NULL ? EC_OK : ec_test_refuse(failure, "VE004", "stream id %s", fault);
}

/* Text that the server cannot take in is refused before anything else is looked at. */
static ec_status check_text(const char *text, ec_failure *failure)
{
    const unsigned char *at = (const unsigned char *)text;
    uint32_t character;

    while (*at != '\0') {
        int length = decode_character(at, &character);

        if (length == 0)
            return ec_test_refuse(failure, "22021", "invalid byte sequence for encoding \"UTF8\"");
        at += length;
    }
    return EC_OK;
}

static ec_status check_json(const char *text, ec_failure *failure)
{
    json_error_t problem;
    json_t *json;

    if (text == NULL)
        return EC_OK;
    json = ec_test_json_load(text, &problem);
    if (json == NULL)
        return ec_test_refuse(failure, "22P02", "invalid input syntax for type json: %s",
                              problem.text);
    json_decref(json);
    return EC_OK;
}

static ec_status check_entry(const ec_entry *entry, size_t number, ec_failure *failure)
{
    const ec_new_event *event = &entry->event;
    size_t characters = 0;

    for (const char *at = event->type; *at != '\0'; at++)
        characters += (*at & 0xc0) != 0x80;
    if (characters == 0)
        return ec_test_refuse(failure, "VE005", "event %zu has an empty type", number);
    if (characters > MAX_NAME_CHARACTERS)
        return ec_test_refuse(failure, "VE005", "event %zu has a type of more than 255 characters",
                              number);
    return ec_test_request_check_stream_id(entry->stream_id, failure);
}

static ec_status check_expectation(const ec_expectation *expected, size_t place,
                                   ec_failure *failure)
{
    const ec_expectation *this = &expected[place];

    if (this->version < EC_EXPECT_EXISTS)
        return ec_test_refuse(failure, "VE007", "%lld is not an expected version",
                              (long long)this->version);
    if (this->stream_id == NULL && this->version == EC_EXPECT_ANY)
        return EC_OK;
    if (ec_test_request_check_stream_id(this->stream_id, failure) != EC_OK)
        return failure->status;
    for (size_t i = 0; i < place; i++)
        if (expected[i].stream_id != NULL && strcmp(expected[i].stream_id, this->stream_id) == 0 &&
            expected[i].version != this->version)
            return ec_test_refuse(failure, "VE003",
                                  "two different versions are expected of stream \"%s\"",
                                  this->stream_id);
    return EC_OK;
}

/* A null stream stands for every stream that is not named. */
static bool is_declared(const char *stream_id, const ec_expectation *expected,
                        size_t expected_count)
{
    for (size_t i = 0; i < expected_count; i++)
        if (expected[i].stream_id == NULL || strcmp(expected[i].stream_id, stream_id) == 0)
            return true;
    return false;
}

static ec_status check_ids(const ec_entry *entries, size_t entry_count, ec_failure *failure)
{
    for (size_t i = 0; i < entry_count; i++)
        for (size_t j = 0; j < i; j++)
            if (memcmp(&entries[i].id, &entries[j].id, sizeof(ec_uuid)) == 0) {
                char id[EC_UUID_TEXT_SIZE];

                ec_uuid_format(&entries[i].id, id);
                return ec_test_refuse(failure, "VE006", "event id %s stands twice in one append",
                                      id);
            }
    return EC_OK;
}

ec_status ec_test_request_check(const ec_entry *entries, size_t entry_count,
                                const ec_expectation *expected, size_t expected_count,
                                ec_failure *failure)
{
    ec_status status = EC_OK;

    for (size_t i = 0; i < entry_count && status == EC_OK; i++) {
        status = check_text(entries[i].event.type, failure);
        if (status == EC_OK)
            status = check_json(entries[i].event.data, failure);
        if (status == EC_OK)
            status = check_json(entries[i].event.metadata, failure);
    }
    for (size_t i = 0; expected != NULL && i < expected_count && status == EC_OK; i++)
        status = check_expectation(expected, i, failure);
    for (size_t i = 0; i < entry_count && status == EC_OK; i++)
        status = check_entry(&entries[i], i + 1, failure);
    for (size_t i = 0; expected != NULL && i < entry_count && status == EC_OK; i++)
        if (!is_declared(entries[i].stream_id, expected, expected_count))
            status =
                ec_test_refuse(failure, "VE002",
                               "event %zu goes to stream \"%s\", of which no version is expected",
                               i + 1, entries[i].stream_id);
    return status == EC_OK ? check_ids(entries, entry_count, failure) : status;
}
