/*
 * graph.h: a command that discovers streams: it follows links from stream to stream.
 *
 * It starts at `root` and visits every stream that a "Linked" event names; a link with "only_read"
 * leads to `peeked`. It then writes "Visited" to each visited one, and to the optional `log`.
 */
#ifndef GRAPH_H
#define GRAPH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <eventcore/eventcore.h>

enum { MOST_LINKS = 1100 };

struct visit {
    int resolved, handled;
    char order[64]; /* the first letters of the streams folded, of the last fold */
    void (*interfere)(void *argument); /* called in the first `resolve` */
    void *argument;
    ec_status (*resolve)(ec_context *context); /* in place of following links */
    ec_status (*decide)(ec_context *context);  /* in place of writing */
};

struct links {
    size_t count;
    struct {
        const char *to;
        int only_read;
    } links[MOST_LINKS];
    size_t folded;
    size_t of_visited; /* events of discovered streams that may be written */
    char order[64];
};

#define GRAPH_EVENTS(list, type)                                                                   \
    type(list, linked, "Linked") type(list, visited, "Visited") type(list, marked, "Marked")
EC_EVENTS(graph, GRAPH_EVENTS);

#define VISIT_STREAMS(command, stream)                                                             \
    stream(command, writes, root) stream(command, writes_many, visited)                            \
        stream(command, reads_many, peeked) stream(command, writes_optional, log)                  \
            stream(command, reads_optional, hint)
EC_RESOLVING_COMMAND(visit, VISIT_STREAMS, graph, struct visit, struct links);

static ec_status visit_apply(const struct visit *visit, struct links *state, graph_kind kind,
                             const ec_event *event)
{
    (void)visit;
    if (state->folded < sizeof state->order - 1)
        state->order[state->folded] = ec_event_stream_id(event)[0];
    state->folded++;
    state->of_visited += EC_FROM(event, visit_visited);
    switch (kind) {
    case graph_linked:
        return ec_event_unpack(event, "{s:s, s?b}", "to", &state->links[state->count].to,
                               "only_read", &state->links[state->count].only_read) == EC_OK &&
                       state->count++ < MOST_LINKS
                   ? EC_OK
                   : EC_INVALID_EVENT;
    case graph_visited:
    case graph_marked:
        break;
    }
    return EC_OK;
}

static ec_status visit_resolve(const struct visit *given, const struct links *state,
                               visit_resolution resolution)
{
    struct visit *visit = (struct visit *)(uintptr_t)given;

    if (visit->resolved++ == 0 && visit->interfere != NULL)
        visit->interfere(visit->argument);
    strcpy(visit->order, state->order);
    if (visit->resolve != NULL)
        return visit->resolve(resolution.context);
    for (size_t i = 0; i < state->count; i++) {
        const char *to = state->links[i].to;
        size_t index, again;

        if (state->links[i].only_read) {
            visit_discover_read(resolution, visit_peeked, to, NULL);
            continue;
        }
        visit_discover(resolution, visit_visited, to, &index);
        visit_discover(resolution, visit_visited, to, &again);
        assert_int_equal(index, again);
        assert_string_equal(ec_stream_id(resolution.context, visit_visited.slot, index), to);
    }
    return EC_OK;
}

static ec_status visit_handle(const struct visit *given, const struct links *state,
                              visit_context ctx)
{
    struct visit *visit = (struct visit *)(uintptr_t)given;
    size_t index;

    visit->handled++;
    if (visit->decide != NULL)
        return visit->decide(ctx.context);
    for (size_t i = 0; i < state->count; i++)
        assert_true(ec_stream_find(
            ctx.context, state->links[i].only_read ? visit_peeked.slot : visit_visited.slot,
            state->links[i].to, &index));
    for (size_t i = 0; i < ec_stream_count(ctx.context, visit_visited.slot); i++)
        visit_record_at(ctx, visit_visited, i, graph_visited, "{s:I, s:I}", "place", (long long)i,
                        "version",
                        (long long)ec_stream_version(ctx.context, visit_visited.slot, i));
    if (EC_BOUND(ctx, visit_log))
        visit_record_optional(ctx, visit_log, graph_marked, NULL);
    return EC_OK;
}

#endif
