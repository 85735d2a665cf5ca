/* testkit.c: a test's life, what is given, and what is arranged for the next command. */
#include "testkit.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

ec_test *ec_test_new(void)
{
    return calloc(1, sizeof(ec_test));
}

void ec_test_free(ec_test *test)
{
    if (test == NULL)
        return;
    ec_events_free(test->written);
    ec_outcome_free(test->outcome);
    ec_test_store_free(&test->store);
    ec_arena_free(&test->memory);
    free(test);
}

void ec_test_on_failure(ec_test *test, ec_test_handler handler, void *argument)
{
    test->handler = handler;
    test->handler_argument = argument;
}

size_t ec_test_failures(const ec_test *test)
{
    return test->failures;
}

bool ec_test_tell(ec_test *test, const char *file, int line, const char *format, ...)
{
    va_list arguments;
    const char *message;

    va_start(arguments, format);
    message = ec_arena_format(&test->memory, format, arguments);
    va_end(arguments);
    if (message == NULL)
        message = "a check failed, and memory ran out";
    test->failures++;
    if (test->handler != NULL)
        test->handler(test->handler_argument, message, file, line);
    else
        fprintf(stderr, "%s:%d: %s\n", file, line, message);
    return false;
}

/* ------------------------------------------------------------------ events */

ec_stream_event ec_test_event(ec_test *test, const char *file, int line, const char *stream_id,
                              const char *type, const char *format, ...)
{
    ec_stream_event event = {.stream_id = stream_id, .event.type = type};
    json_error_t problem = {.text = ""};
    va_list arguments;
    json_t *json;
    char *text;

    if (format == NULL)
        return event;
    va_start(arguments, format);
    json = json_vpack_ex(&problem, 0, format, arguments);
    va_end(arguments);
    text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(json);
    event.event.data = ec_arena_string(&test->memory, text);
    free(text);
    if (event.event.data == NULL)
        ec_test_tell(test, file, line, "the data of event %s cannot be made by format \"%s\": %s",
                     type == NULL ? "(null)" : type, format,
                     json == NULL ? problem.text : "out of memory");
    return event;
}

ec_entry *ec_test_entries(ec_test *test, const ec_stream_event *events, size_t count,
                          const char **problem)
{
    ec_context context = {.memory = test->memory};
    ec_entry *entries = NULL;

    for (size_t i = 0; i < count && context.failure.status == EC_OK; i++)
        if (events[i].stream_id == NULL)
            ec_context_fail(&context, EC_INVALID_ARGUMENT, "event %zu has no stream id", i);
        else
            ec_context_add(&context, events[i].stream_id, &events[i].event);
    if (context.failure.status == EC_OK)
        entries = context.entries;
    else
        *problem = ec_arena_string(&context.memory, context.failure.message);
    if (*problem == NULL)
        *problem = "out of memory";
    ec_failure_clear(&context.failure);
    test->memory = context.memory; /* which is where the entries are */
    return entries;
}

bool ec_test_given(ec_test *test, const ec_stream_event *events, size_t count, const char *file,
                   int line)
{
    const char *problem = NULL;
    const ec_entry *entries = ec_test_entries(test, events, count, &problem);
    ec_failure failure = {.status = EC_OK};
    ec_events *rows = NULL;

    if (entries != NULL &&
        ec_test_store_append(&test->store, entries, count, NULL, 0, 0, &rows, &failure) != EC_OK) {
        problem = ec_arena_string(&test->memory, failure.message);
        entries = NULL;
    }
    ec_events_free(rows);
    ec_failure_clear(&failure);
    return entries != NULL || ec_test_tell(test, file, line, "these events cannot be given: %s",
                                           problem == NULL ? "out of memory" : problem);
}

/* ------------------------------------------------------------------ what comes between */

static ec_test_turn *add_turn(ec_test *test, ec_test_step step)
{
    ec_test_turn *turn = ec_arena_alloc(&test->memory, sizeof *turn), **end = &test->turns[step];

    while (*end != NULL)
        end = &(*end)->next;
    *end = turn;
    return turn;
}

bool ec_test_meanwhile(ec_test *test, const ec_stream_event *events, size_t count, const char *file,
                       int line)
{
    const char *problem = NULL;
    const ec_entry *entries = ec_test_entries(test, events, count, &problem);
    ec_test_turn *turn = entries == NULL ? NULL : add_turn(test, EC_TEST_APPEND);

    if (turn == NULL)
        return ec_test_tell(test, file, line, "these events cannot be written: %s",
                            problem == NULL ? "out of memory" : problem);
    turn->others = entries;
    turn->other_count = count;
    return true;
}

bool ec_test_conflict(ec_test *test, int count)
{
    for (int i = 0; i < count; i++) {
        ec_test_turn *turn = add_turn(test, EC_TEST_APPEND);

        if (turn == NULL)
            return false;
        turn->conflict = true;
    }
    return true;
}

bool ec_test_fail(ec_test *test, ec_test_step step, ec_test_fault fault)
{
    ec_test_turn *turn = add_turn(test, step);

    if (turn == NULL)
        return false;
    turn->failure =
        fault == EC_FAULT_LOST || fault == EC_FAULT_REPLY_LOST ? EC_CONNECTION_LOST : EC_TIMEOUT;
    turn->unanswered = true;
    turn->done = fault == EC_FAULT_REPLY_LOST || fault == EC_FAULT_REPLY_LATE;
    return true;
}

bool ec_test_fail_with(ec_test *test, ec_test_step step, const char *sqlstate)
{
    ec_test_turn *turn;

    if (sqlstate == NULL || strlen(sqlstate) != 5 || strcmp(sqlstate, "00000") == 0)
        return false;
    for (int i = 0; i < 5; i++)
        if (!isdigit((unsigned char)sqlstate[i]) && !isupper((unsigned char)sqlstate[i]))
            return false;
    turn = add_turn(test, step);
    if (turn == NULL)
        return false;
    turn->failure = ec_status_from_sqlstate(sqlstate);
    turn->unanswered = turn->failure == EC_CONNECTION_LOST;
    memcpy(turn->sqlstate, sqlstate, sizeof turn->sqlstate);
    return true;
}
