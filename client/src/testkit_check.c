/* testkit_check.c: what came of the last command, and checks of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testkit.h"

const ec_outcome *ec_test_outcome(const ec_test *test)
{
    return test->outcome;
}

const ec_events *ec_test_written(ec_test *test)
{
    ec_events_free(test->written);
    test->written = ec_test_store_written(&test->store, test->command == NULL ? -1 : test->number);
    return test->written;
}

int64_t ec_test_version(const ec_test *test, const char *stream_id)
{
    return ec_test_store_version(&test->store, stream_id);
}

size_t ec_test_pause_count(const ec_test *test)
{
    return test->pause_count;
}

int64_t ec_test_pause_us(const ec_test *test, size_t index)
{
    return index < test->pause_count ? test->pauses[index] : -1;
}

/* ------------------------------------------------------------------ comparing events */

static const char *data_of(const ec_new_event *event)
{
    return event->data == NULL && event->payload == NULL ? "{}" : event->data;
}

/* What is not as expected; NULL if all is. */
static const char *difference(const ec_stream_event *expected, const ec_event *found)
{
    const ec_new_event *event = &expected->event;
    bool same;

    if (expected->stream_id == NULL || event->type == NULL)
        return "the expected event has no stream or no type";
    if (strcmp(expected->stream_id, found->stream_id) != 0)
        return "another stream";
    if (strcmp(event->type, found->type) != 0)
        return "another type";
    if (ec_test_json_compare(data_of(event), found->data, &same) != EC_OK)
        return "out of memory";
    if (!same)
        return "other data";
    if ((event->payload == NULL) != (found->payload == NULL) ||
        (event->payload != NULL &&
         (event->payload_size != found->payload_size ||
          memcmp(event->payload, found->payload, found->payload_size) != 0)))
        return "another payload";
    if (event->metadata != NULL &&
        ec_test_json_compare(event->metadata, found->metadata, &same) != EC_OK)
        return "out of memory";
    if (event->metadata != NULL && !same)
        return "other metadata";
    if (event->event_id != NULL && memcmp(event->event_id, found->id, sizeof(ec_uuid)) != 0)
        return "another event id";
    return NULL;
}

static const char *or_null(const char *text)
{
    return text == NULL ? "(null)" : text;
}

static void show(FILE *text, const char *stream_id, const char *type, const char *data,
                 size_t payload_size, const char *metadata)
{
    fprintf(text, "%s %s ", or_null(stream_id), or_null(type));
    if (data != NULL)
        fputs(data, text);
    else
        fprintf(text, "(payload of %zu bytes)", payload_size);
    if (metadata != NULL)
        fprintf(text, " with metadata %s", metadata);
}

static void show_expected(FILE *text, const ec_stream_event *expected)
{
    const ec_new_event *event = &expected->event;

    show(text, expected->stream_id, event->type, data_of(event), event->payload_size,
         event->metadata);
}

static void show_found(FILE *text, const ec_event *found, bool with_metadata)
{
    show(text, found->stream_id, found->type, found->data, found->payload_size,
         with_metadata ? found->metadata : NULL);
}

/* Both lists beside each other, and where they differ. Returns whether they do not. */
static bool compare(FILE *text, const ec_stream_event *expected, size_t count,
                    const ec_events *found)
{
    bool same = true;

    for (size_t i = 0; i < count || i < found->event_count; i++) {
        const ec_event *event = i < found->event_count ? &found->rows[i].event : NULL;
        const char *fault = i >= count      ? "nothing more was expected"
                            : event == NULL ? "it is missing"
                                            : difference(&expected[i], event);

        same = same && fault == NULL;
        fprintf(text, "\n  %zu. ", i + 1);
        if (fault == NULL) {
            fputs("as expected: ", text);
            show_found(text, event, false);
            continue;
        }
        fprintf(text, "%s\n     expected: ", fault);
        if (i < count)
            show_expected(text, &expected[i]);
        else
            fputs("nothing", text);
        fputs("\n     found:    ", text);
        if (event != NULL)
            show_found(text, event, i < count && expected[i].event.metadata != NULL);
        else
            fputs("nothing", text);
    }
    return same;
}

/* ------------------------------------------------------------------ checks */

/* How the command ended, in words that live as long as the test's message. */
static bool tell_status(ec_test *test, const char *file, int line, const char *expected)
{
    const char *message = ec_outcome_message(test->outcome);
    const char *name = ec_status_name(ec_outcome_status(test->outcome));

    return ec_test_tell(test, file, line, "%s: expected %s, found %s%s%s", test->command, expected,
                        name, *message == '\0' ? "" : ": ", message);
}

static bool was_executed(ec_test *test, const char *file, int line)
{
    return test->command != NULL ||
           ec_test_tell(test, file, line, "no command was executed before this check");
}

static bool check_written(ec_test *test, const ec_stream_event *expected, size_t count,
                          const char *file, int line)
{
    const ec_events *found = ec_test_written(test);
    char *differences = NULL;
    const char *kept;
    size_t size;
    FILE *text = open_memstream(&differences, &size);
    bool same = false;

    if (text != NULL && found != NULL)
        same = compare(text, expected, count, found);
    if (text == NULL || fclose(text) != 0 || found == NULL) {
        free(differences);
        return ec_test_tell(test, file, line, "out of memory in a check");
    }
    kept = same ? NULL : ec_arena_string(&test->memory, differences);
    free(differences); /* before the handler, which may not return */
    return same ||
           ec_test_tell(test, file, line,
                        "%s: %zu events written, not the expected %zu in content and order:%s",
                        test->command, found->event_count, count, kept == NULL ? "" : kept);
}

bool ec_test_then(ec_test *test, const ec_stream_event *events, size_t count, const char *file,
                  int line)
{
    if (!was_executed(test, file, line))
        return false;
    if (ec_outcome_status(test->outcome) != EC_OK)
        return tell_status(test, file, line, "success");
    return check_written(test, events, count, file, line);
}

bool ec_test_then_rejected(ec_test *test, ec_status status, const char *code, const char *file,
                           int line)
{
    const char *found;

    if (!was_executed(test, file, line))
        return false;
    if (ec_outcome_status(test->outcome) != status)
        return tell_status(test, file, line, ec_status_name(status));
    found = ec_outcome_rejection_code(test->outcome);
    if (found == NULL || code == NULL || strcmp(found, code) != 0)
        return ec_test_tell(test, file, line,
                            "%s: expected a rejection with code \"%s\", found %s%s", test->command,
                            or_null(code), found == NULL ? "none" : "",
                            ec_outcome_message(test->outcome));
    return check_written(test, NULL, 0, file, line);
}

bool ec_test_then_failed(ec_test *test, ec_status status, const char *file, int line)
{
    if (!was_executed(test, file, line))
        return false;
    if (ec_outcome_status(test->outcome) != status)
        return tell_status(test, file, line, ec_status_name(status));
    return ec_outcome_in_doubt(test->outcome) || check_written(test, NULL, 0, file, line);
}

bool ec_test_then_tried(ec_test *test, int attempts, int conflicts, const char *file, int line)
{
    int tried = ec_outcome_attempts(test->outcome), lost = ec_outcome_conflicts(test->outcome);

    if (!was_executed(test, file, line) || (tried == attempts && lost == conflicts))
        return test->command != NULL;
    return ec_test_tell(test, file, line,
                        "%s: expected %d attempts with %d conflicts, found %d with %d",
                        test->command, attempts, conflicts, tried, lost);
}

bool ec_test_then_version(ec_test *test, const char *stream_id, int64_t version, const char *file,
                          int line)
{
    int64_t found = ec_test_version(test, stream_id);

    return found == version ||
           ec_test_tell(test, file, line, "stream %s: expected version %lld, found %lld", stream_id,
                        (long long)version, (long long)found);
}
