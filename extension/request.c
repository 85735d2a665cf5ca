/*
 * request.c: what is to be appended: validated, each stream once.
 *
 * The streams of a request are those that its expectations name and those that its events go to.
 * Each mention is hashed to its lock tag and all are sorted; equal neighbours are one stream, and
 * within it the mentions of one command stand together, its expectations before its events. So one
 * sort finds duplicates, contradictions and undeclared streams, and leaves the streams in the order
 * in which they must be locked.
 *
 * An expectation with a null stream and the version "any" stands for every stream that no other
 * one of its command names. It is the default of the append functions: "no expectation at all".
 */
#include "postgres.h"

#include "access/detoast.h"
#include "guc.h"
#include "idempotency.h"
#include "mb/pg_wchar.h"
#include "request.h"
#include "stream_lock.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#define MAX_NAME_CHARACTERS 255
#define MOST_AT_ONCE 1000000

typedef struct mention {
    uint64 lock_tag;
    const char *id;
    int length;
    int command;
    int order;   /* in the request: expectations first, then events */
    Datum datum; /* text */
} mention;

ec_request *ec_request_new(text *store, int command_count, int event_count, int expectation_count)
{
    const int flags = MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO;
    ec_request *request = palloc0(sizeof(ec_request));

    /* A few bytes may say a billion nulls: no more memory for them than the input has earned. */
    if (Max(event_count, expectation_count) > MOST_AT_ONCE)
        ereport(ERROR,
                (ec_error_code(EC_ERROR_invalid_event),
                 errmsg("more than %d events or expectations in one call", MOST_AT_ONCE),
                 ec_error_detail(EC_ERROR_invalid_event, "s", "problem", "too many in one call"),
                 errhint("Append them in several calls.")));
    request->store = store;
    request->command_count = command_count;
    request->commands = palloc_extended(Max(command_count, 1) * sizeof(ec_command), flags);
    request->event_count = event_count;
    request->events = palloc_extended(Max(event_count, 1) * sizeof(ec_event), flags);
    request->expectation_count = expectation_count;
    request->expectations =
        palloc_extended(Max(expectation_count, 1) * sizeof(ec_expectation), flags);
    return request;
}

void ec_request_set_id(ec_event *event, Datum id, bool is_null)
{
    event->id_is_given = !is_null;
    if (!is_null)
        event->id = *DatumGetUUIDP(id);
}

/* White space of Unicode (property White_Space) beyond ASCII that is no control character. */
static bool is_space(pg_wchar c)
{
    return c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

const char *ec_request_name_fault(const char *name, int length)
{
    bool utf8 = GetDatabaseEncoding() == PG_UTF8;
    int characters = 0;
    bool space = false;

    if (name == NULL)
        return "is null";
    for (const char *at = name; at < name + length;) {
        bool ascii = !IS_HIGHBIT_SET(*at);
        pg_wchar c =
            ascii || !utf8 ? (unsigned char)*at : utf8_to_unicode((const unsigned char *)at);

        if (c < 0x20 || c == 0x7f || (utf8 && c >= 0x80 && c < 0xa0))
            return "contains a control character";
        space = c == ' ' || (!ascii && utf8 && is_space(c));
        if (space && characters == 0)
            return "begins with white space";
        if (++characters > MAX_NAME_CHARACTERS)
            return "is longer than 255 characters";
        at += ascii ? 1 : pg_mblen(at);
    }
    return characters == 0 ? "is empty" : space ? "ends with white space" : NULL;
}

ec_problem *ec_request_stream_id_problem(const char *id, int length)
{
    static const char hint[] = "A stream id has 1 to 255 characters, no control characters, and "
                               "neither begins nor ends with white space.";
    const char *fault = ec_request_name_fault(id, length);

    if (fault == NULL)
        return NULL;
    if (id == NULL)
        return ec_problem_make(EC_ERROR_invalid_stream_id, "stream id is null", hint, "s",
                               "problem", fault);
    return ec_problem_make(
        EC_ERROR_invalid_stream_id, psprintf("stream id %s", fault), hint, "ss", "stream_id",
        pnstrdup(id, pg_mbcharcliplen(id, length, MAX_NAME_CHARACTERS)), "problem", fault);
}

/* Let the commands have their parts of the request's arrays, which are sorted by command. */
static void hand_out(ec_request *request)
{
    for (int i = 0; i < request->event_count; i++) {
        ec_command *command = &request->commands[request->events[i].command];

        if (command->event_count++ == 0)
            command->events = &request->events[i];
        command->ids_are_given |= request->events[i].id_is_given;
    }
    for (int i = 0; i < request->expectation_count; i++) {
        ec_command *command = &request->commands[request->expectations[i].command];

        if (command->expectation_count++ == 0)
            command->expectations = &request->expectations[i];
    }
}

static ec_problem *expectation_problem(const ec_expectation *expectation, int number)
{
    int64 version = DatumGetInt64(expectation->version);

    if (expectation->version_is_null || version < EC_EXPECT_EXISTS) {
        const char *shown = expectation->version_is_null ? "null" : psprintf(INT64_FORMAT, version);

        return ec_problem_make(
            EC_ERROR_invalid_expected_version, psprintf("%s is not an expected version", shown),
            "Expect a version above 0, or 0 (no stream), -1 (any version) or -2 (the stream "
            "exists). There is no null: to check nothing, expect any.",
            "ij", "expectation", (int64)number, "expected", shown);
    }
    if (expectation->stream_is_null && version != EC_EXPECT_ANY)
        return ec_request_stream_id_problem(NULL, 0);
    return NULL;
}

static int64 content_size(const ec_event *event)
{
    int64 size = 0;

    if (!event->data_is_null)
        size += toast_raw_datum_size(event->data) - VARHDRSZ;
    if (!event->payload_is_null)
        size += toast_raw_datum_size(event->payload) - VARHDRSZ;
    if (!event->metadata_is_null)
        size += toast_raw_datum_size(event->metadata) - VARHDRSZ;
    return size;
}

static const char *event_fault(ec_event *event)
{
    int characters;

    if (event->stream_is_null)
        return "has no stream id";
    if (event->type_is_null)
        return "has no type";
    event->type = PointerGetDatum(DatumGetTextPP(event->type));
    characters = pg_mbstrlen_with_len(VARDATA_ANY(event->type), VARSIZE_ANY_EXHDR(event->type));
    if (characters == 0)
        return "has an empty type";
    if (characters > MAX_NAME_CHARACTERS)
        return "has a type of more than 255 characters";
    if (!event->data_is_null && !event->payload_is_null)
        return "has both data and payload";
    if (content_size(event) > (int64)ec_max_event_size * 1024)
        return psprintf("is larger than eventcore.max_event_size (%d kB)", ec_max_event_size);
    return NULL;
}

/* The data of an event that has no content at all: {}. */
static Datum empty_data(void)
{
    static Jsonb *empty = NULL;

    if (empty == NULL) {
        MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

        empty = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum("{}")));
        MemoryContextSwitchTo(caller);
    }
    return JsonbPGetDatum(empty);
}

/* Validate one event; number counts from 1 in its command. */
static ec_problem *event_problem(ec_event *event, int number)
{
    const char *fault = event_fault(event);

    if (fault != NULL)
        return ec_problem_make(EC_ERROR_invalid_event, psprintf("event %d %s", number, fault),
                               "An event has a stream id, a type of 1 to 255 characters, and "
                               "either data (JSON) or payload (bytes).",
                               "is", "event", (int64)number, "problem", fault);
    if (event->data_is_null && event->payload_is_null) {
        event->data = empty_data();
        event->data_is_null = false;
    }
    return NULL;
}

static void mention_stream(mention *m, const ec_request *request, Datum stream_id, int command,
                           int order)
{
    text *id = DatumGetTextPP(stream_id);

    m->datum = PointerGetDatum(id);
    m->id = VARDATA_ANY(id);
    m->length = VARSIZE_ANY_EXHDR(id);
    m->command = command;
    m->order = order;
    m->lock_tag = ec_stream_lock_tag(request->store, m->id, m->length);
}

/* Validate each part by itself, and collect the mentions of streams of the commands that pass. */
static int collect_mentions(ec_request *request, mention *mentions)
{
    int count = 0;

    for (int i = 0; i < request->command_count; i++) {
        ec_command *command = &request->commands[i];

        for (int j = 0; j < command->expectation_count && command->problem == NULL; j++)
            command->problem = expectation_problem(&command->expectations[j], j + 1);
        for (int j = 0; j < command->event_count && command->problem == NULL; j++)
            command->problem = event_problem(&command->events[j], j + 1);
    }
    for (int i = 0; i < request->expectation_count; i++) {
        ec_expectation *expectation = &request->expectations[i];

        expectation->stream = -1;
        if (!expectation->stream_is_null && !request->commands[expectation->command].problem)
            mention_stream(&mentions[count++], request, expectation->stream_id,
                           expectation->command, i);
    }
    for (int i = 0; i < request->event_count; i++) {
        const ec_event *event = &request->events[i];

        if (!request->commands[event->command].problem)
            mention_stream(&mentions[count++], request, event->stream_id, event->command,
                           request->expectation_count + i);
    }
    return count;
}

int ec_request_compare_streams(const ec_stream *a, const ec_stream *b)
{
    int order = memcmp(a->id, b->id, Min(a->length, b->length));

    return order != 0 ? order : a->length - b->length;
}

static bool same_stream(const mention *a, const mention *b)
{
    return a->lock_tag == b->lock_tag && a->length == b->length &&
           memcmp(a->id, b->id, a->length) == 0;
}

static int compare_mentions(const void *left, const void *right)
{
    const mention *a = left, *b = right;

    if (a->lock_tag != b->lock_tag)
        return a->lock_tag < b->lock_tag ? -1 : 1;
    if (!same_stream(a, b))
        return a->length != b->length ? a->length - b->length : memcmp(a->id, b->id, a->length);
    return a->command != b->command ? a->command - b->command : a->order - b->order;
}

static ec_problem *contradiction(const ec_stream *stream, int64 expected, int64 other)
{
    char *id = pnstrdup(stream->id, stream->length);

    return ec_problem_make(EC_ERROR_conflicting_expectation,
                           psprintf("two different versions are expected of stream \"%s\"", id),
                           "Name each stream once, at the version that the decision was based on.",
                           "sii", "stream_id", id, "expected", expected, "also_expected", other);
}

static ec_problem *undeclared(const ec_request *request, const ec_event *event)
{
    const ec_stream *stream = &request->streams[event->stream];
    int number = event - request->commands[event->command].events + 1;
    char *id = pnstrdup(stream->id, stream->length);

    return ec_problem_make(
        EC_ERROR_undeclared_stream,
        psprintf("event %d goes to stream \"%s\", of which no version is expected", number, id),
        "Name every stream that the append writes in its expectations; to check nothing, expect "
        "any version of it.",
        "si", "stream_id", id, "event", (int64)number);
}

/*
 * Make the streams from sorted mentions. `declared` is the expectation that the current command
 * has of the current stream, if any.
 */
static void make_streams(ec_request *request, const mention *mentions, int count)
{
    const ec_expectation *declared = NULL;
    ec_event **undeclared_events = palloc0(request->command_count * sizeof(ec_event *));
    ec_problem *bad_id = NULL;

    request->streams = palloc_extended(Max(count, 1) * sizeof(ec_stream), MCXT_ALLOC_HUGE);
    for (int i = 0; i < count; i++) {
        const mention *m = &mentions[i];
        ec_command *command = &request->commands[m->command];

        if (i == 0 || !same_stream(m, m - 1)) {
            request->streams[request->stream_count++] = (ec_stream){
                .id = m->id, .length = m->length, .id_datum = m->datum, .lock_tag = m->lock_tag};
            bad_id = ec_request_stream_id_problem(m->id, m->length);
            declared = NULL;
        } else if (m->command != m[-1].command)
            declared = NULL;
        if (bad_id != NULL && command->problem == NULL)
            command->problem = bad_id;

        if (m->order < request->expectation_count) {
            ec_expectation *expectation = &request->expectations[m->order];

            if (declared == NULL) {
                expectation->stream = request->stream_count - 1;
                declared = expectation;
            } else if (DatumGetInt64(expectation->version) != DatumGetInt64(declared->version) &&
                       command->problem == NULL)
                command->problem = contradiction(&request->streams[request->stream_count - 1],
                                                 DatumGetInt64(declared->version),
                                                 DatumGetInt64(expectation->version));
        } else {
            ec_event *event = &request->events[m->order - request->expectation_count];
            ec_event **first = &undeclared_events[m->command];

            event->stream = request->stream_count - 1;
            if (declared == NULL && (*first == NULL || event < *first))
                *first = event;
        }
    }

    for (int i = 0; i < request->command_count; i++) {
        ec_command *command = &request->commands[i];
        bool allowed = false;

        for (int j = 0; j < command->expectation_count; j++)
            allowed |= command->expectations[j].stream_is_null;
        if (undeclared_events[i] != NULL && !allowed && command->problem == NULL)
            command->problem = undeclared(request, undeclared_events[i]);
    }
    pfree(undeclared_events);
}

/* What is invalid is not locked, so only now can it be said which streams are used. */
static void mark_used_streams(ec_request *request)
{
    for (int i = 0; i < request->expectation_count; i++) {
        const ec_expectation *expectation = &request->expectations[i];

        if (expectation->stream >= 0 && !request->commands[expectation->command].problem)
            request->streams[expectation->stream].used = true;
    }
    for (int i = 0; i < request->event_count; i++) {
        const ec_event *event = &request->events[i];

        if (!request->commands[event->command].problem) {
            request->streams[event->stream].used = true;
            request->streams[event->stream].written = true;
        }
    }
}

void ec_request_finish(ec_request *request)
{
    int most = request->expectation_count + request->event_count;
    mention *mentions = palloc_extended(Max(most, 1) * sizeof(mention), MCXT_ALLOC_HUGE);
    int count;

    hand_out(request);
    count = collect_mentions(request, mentions);
    qsort(mentions, count, sizeof(mention), compare_mentions);
    make_streams(request, mentions, count);
    ec_idempotency_link(request);
    mark_used_streams(request);
    pfree(mentions);
}
