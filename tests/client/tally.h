/*
 * tally.h: a command whose state tells every event and their order, with snapshots.
 *
 * It may be given a list of further streams, and it may discover streams.
 */
#ifndef TALLY_H
#define TALLY_H

#include "bank.h"

struct tally {
    long long amount;     /* is recorded, unless it is 0 */
    const char *discover; /* a stream to discover, or NULL */
    char *folded;         /* takes the state that was decided on, serialised; or NULL */
    bool rejects;         /* in place of recording */
    void (*interfere)(void *argument); /* called in the handler, once */
    void *argument;
};

struct tally_state {
    long long count;
    long long hash;   /* of all events, in order */
    const char *last; /* what the last one was noted with */
};

#define TALLY_EVENTS(list, type) type(list, counted, "Counted")
EC_EVENTS(tally_event, TALLY_EVENTS);

#define TALLY_STREAMS(command, stream)                                                             \
    stream(command, writes, target) stream(command, reads_optional, base)                          \
        stream(command, reads_many, others)
EC_RESOLVING_COMMAND(tally, TALLY_STREAMS, tally_event, struct tally, struct tally_state);

static _Atomic int tally_saved, tally_loaded; /* calls */
static ec_status tally_load_status;           /* the result of loading */
static ec_status tally_save_status;

EC_SNAPSHOTS(tally, struct tally_state, 1, 3);

static ec_status tally_serialise(const struct tally_state *state, ec_snapshot *snapshot)
{
    tally_saved++;
    if (tally_save_status != EC_OK)
        return tally_save_status;
    return ec_snapshot_pack(snapshot, "{s:I, s:I, s:s*}", "count", state->count, "hash",
                            state->hash, "last", state->last);
}

static ec_status tally_deserialise(struct tally_state *state, ec_snapshot *snapshot)
{
    tally_loaded++;
    ec_snapshot_unpack(snapshot, "{s:I, s:I, s?s}", "count", &state->count, "hash", &state->hash,
                       "last", &state->last);
    return tally_load_status;
}

static ec_status tally_apply(const struct tally *tally, struct tally_state *state,
                             tally_event_kind kind, const ec_event *event)
{
    unsigned long long hash = (unsigned long long)state->hash;
    long long amount;
    size_t index = 0;
    ec_status status =
        ec_event_unpack(event, "{s:I, s?s}", "amount", &amount, "note", &state->last);

    (void)tally, (void)kind;
    hash = hash * 31 + (unsigned long long)amount;
    hash = hash * 31 + (EC_FROM(event, tally_target) ? 1 : EC_FROM(event, tally_base) ? 2 : 3);
    if (ec_event_in(event, tally_others.slot, &index))
        hash = hash * 31 + index;
    state->hash = (long long)(hash * 31 + (unsigned long long)ec_event_version(event));
    state->count++;
    return status;
}

static ec_status tally_resolve(const struct tally *tally, const struct tally_state *state,
                               tally_resolution resolution)
{
    (void)state;
    return tally->discover == NULL
               ? EC_OK
               : tally_discover_read(resolution, tally_others, tally->discover, NULL);
}

static ec_status tally_handle(const struct tally *tally, const struct tally_state *state,
                              tally_context ctx)
{
    if (tally->folded != NULL)
        sprintf(tally->folded, "%lld %lld %s", state->count, state->hash,
                state->last == NULL ? "" : state->last);
    if (tally->interfere != NULL)
        tally->interfere(tally->argument);
    EC_REQUIRE(ctx, !tally->rejects, "rejected", "as it was told");
    if (tally->amount == 0)
        return EC_OK;
    return tally_record(ctx, tally_target, tally_event_counted, "{s:I, s:s}", "amount",
                        tally->amount, "note", "by tally");
}

#endif
