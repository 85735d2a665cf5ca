/*
 * fold.c: from replies to reads to the versions of the streams and the state.
 *
 * A command that discovers streams reads several times: all its streams each time, those it has
 * behind the version it knows. So all replies together are as of the instant of the last one, but
 * an event of a later reply may stand before one of an earlier reply in the log: it is of a stream
 * that was discovered in between. Hence the replies are merged by position, and folded from the
 * start.
 */
#include "fold.h"

#include <string.h>

#include "upcast.h"

static ec_status impossible(ec_failure *failure, const char *what)
{
    return ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply %s", what);
}

ec_status ec_fold_versions(ec_stream_set *streams, const ec_events *reply, size_t number,
                           ec_failure *failure)
{
    size_t answered = 0;

    for (size_t i = 0; i < reply->row_count; i++) {
        const ec_row *row = &reply->rows[i];
        ec_stream *stream = ec_streams_find(streams, row->event.stream_id);

        if (stream == NULL)
            return impossible(failure, "has a stream that was not asked for");
        if (stream->replies != number) {
            if (row->stream_version < stream->version)
                return impossible(failure, "has a stream at a lower version than before");
            stream->seen = stream->version;
            stream->version = row->stream_version;
            stream->replies = number;
            answered++;
        } else if (row->stream_version != stream->version)
            return impossible(failure, "has a stream at two versions");
        if (row->event.version == 0)
            continue;
        if (row->event.version <= stream->seen || row->event.version > stream->version)
            return impossible(failure, "has an event that was not asked for, or beyond its stream");
        stream->seen = row->event.version;
    }
    return answered == streams->count ? EC_OK : impossible(failure, "leaves out a stream");
}

/* The callback's status, unless what it was called with failed in a way that cannot be ignored. */
static ec_status apply_event(const ec_definition *definition, const void *command, void *state,
                             ec_event *event, ec_failure *failure)
{
    const ec_event_types *types = definition->event_types;
    int kind = types == NULL ? -1 : ec_event_kind(event, types);
    ec_status status;

    if (types != NULL && kind < 0) {
        if (types->selects)
            return EC_OK;
        return ec_fail(failure, EC_UNKNOWN_EVENT,
                       "%s: event %s, version %lld of stream %s: its type is not in the list %s",
                       definition->name, event->type, (long long)event->version, event->stream_id,
                       types->name);
    }
    if (event->upcast != NULL && event->upcast->status != EC_OK)
        return ec_fail(failure, event->upcast->status, "%s: %s", definition->name,
                       event->upcast->problem);
    event->failure = failure;
    status = definition->apply(command, state, kind, event);
    if (failure->status == EC_NO_MEMORY) /* whatever the callback took it for */
        status = EC_NO_MEMORY;
    if (status == EC_OK)
        ec_failure_clear(failure);
    else
        ec_fail(failure, status, "%s: event %s, version %lld of stream %s: %s", definition->name,
                event->type, (long long)event->version, event->stream_id,
                failure->status == status ? failure->message : ec_status_description(status));
    return status;
}

/* In the log. An event that is only about to be appended has no position yet: it comes last. */
static uint64_t place_of(const ec_events *reply, size_t row)
{
    return (uint64_t)reply->rows[row].event.position - 1;
}

/* The reply whose next event comes first in the log; `reply_count` when all are at their end. */
static size_t first_reply(ec_events *const *replies, size_t reply_count, const size_t *next)
{
    size_t first = reply_count;

    for (size_t i = 0; i < reply_count; i++)
        if (next[i] < replies[i]->event_count &&
            (first == reply_count ||
             place_of(replies[i], next[i]) < place_of(replies[first], next[first])))
            first = i;
    return first;
}

ec_status ec_fold(const ec_definition *definition, const void *command, void *state,
                  ec_events *const *replies, size_t reply_count, ec_context *context)
{
    size_t next[EC_MAX_REPLIES] = {0};
    ec_status status = EC_OK;

    while (status == EC_OK) {
        size_t from = first_reply(replies, reply_count, next);
        ec_event *event;

        if (from == reply_count)
            break;
        event = &replies[from]->rows[next[from]++].event;
        event->stream = ec_streams_find(context->streams, event->stream_id);
        status = apply_event(definition, command, state, event, &context->failure);
    }
    return status;
}
