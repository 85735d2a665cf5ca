/*
 * append.c: append events to many streams, checked against the versions that the caller read.
 *
 *   request     the SQL arguments became structs, validated; each stream once
 *   relations   opened before any stream is locked, so that DDL cannot close a circle
 *   locks       every stream that is named: exclusive if written, else share
 *   snapshot    a new one, whatever the isolation level: it sees all that the locks waited for
 *   repeat?     known event ids: give the first result again
 *   versions    each stream against its expected version; all violations, not just the first
 *   ticket      announce the draw (horizon.c), then draw the positions
 *   tuples      and index entries
 *   projections that run inline (projection_inline.c)
 *
 * Everything up to the ticket only reads. So a conflict is a value, and a command of a batch that
 * fails is passed over without a savepoint: the commands are decided one after the other, each
 * leaving the streams at the versions that the next one finds, and what remains is written at once.
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "append.h"
#include "event_id.h"
#include "event_writer.h"
#include "expected.h"
#include "horizon.h"
#include "idempotency.h"
#include "miscadmin.h"
#include "projection_inline.h"
#include "relations.h"
#include "stream_lock.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"
#include "wakeup.h"

void ec_append_check_context(void)
{
    PreventCommandDuringRecovery("eventcore append");
    PreventCommandIfReadOnly("eventcore append");
    PreventCommandIfParallelMode("eventcore append");
}

static ec_outcome decide_command(ec_command *command, ec_request *request, ec_event_scan *ids)
{
    if (command->problem != NULL)
        return EC_INVALID;
    if (ec_idempotency_is_repeat(command, request, ids))
        return EC_REPEATED;
    if (command->problem != NULL)
        return EC_INVALID;
    if (!ec_expected_holds(command, request))
        return EC_CONFLICT;
    if (command->event_count == 0)
        return EC_VERIFIED;
    for (int i = 0; i < command->event_count; i++) {
        ec_event *event = &command->events[i];

        event->version = ++request->streams[event->stream].version;
    }
    return EC_APPENDED;
}

/* Decide what becomes of each command. Writes nothing. Returns the number of events to write. */
static int decide(ec_request *request, const ec_relations *relations)
{
    bool ids_are_given = false;
    ec_event_scan ids;
    int count = 0;

    PushActiveSnapshot(GetLatestSnapshot());
    ec_expected_load_versions(request, relations, GetActiveSnapshot());
    for (int i = 0; i < request->command_count; i++)
        ids_are_given |= request->commands[i].ids_are_given;
    if (ids_are_given)
        ec_event_scan_ids(&ids, relations, GetActiveSnapshot());
    for (int i = 0; i < request->command_count; i++) {
        ec_command *command = &request->commands[i];

        command->outcome = EC_INVALID; /* until decided, for the events that repeat its ids */
        command->outcome = decide_command(command, request, &ids);
        if (command->outcome == EC_APPENDED)
            count += command->event_count;
    }
    if (ids_are_given)
        ec_event_scan_end(&ids);
    PopActiveSnapshot();
    return count;
}

/* Give every event to be written its position, id and time, in the caller's order. */
static void number_events(ec_event **events, int count, const ec_relations *relations)
{
    TimestampTz now = GetCurrentTimestamp();

    for (int i = 0; i < count; i++) {
        events[i]->position = ec_horizon_draw(relations);
        events[i]->recorded_at = now;
        if (!events[i]->id_is_given)
            ec_event_id_make(&events[i]->id, now);
    }
}

/* Write the events of the commands that are to be appended: `count` in all. */
static void write_events(ec_request *request, const ec_relations *relations, int count)
{
    ec_event **events = palloc_extended(count * sizeof(ec_event *), MCXT_ALLOC_HUGE);
    bool ids_are_given = false;
    int next = 0;

    for (int i = 0; i < request->command_count; i++) {
        ec_command *command = &request->commands[i];

        if (command->outcome != EC_APPENDED)
            continue;
        ids_are_given |= command->ids_are_given;
        for (int j = 0; j < command->event_count; j++)
            events[next++] = &command->events[j];
    }

    (void)GetCurrentTransactionId(); /* so that what readers wait for is a running transaction */
    ec_wakeup_appended(request->store);
    for (int i = 0; i < count; i++)
        ec_wakeup_appended_event(request->store,
                                 DatumGetTextPP(request->streams[events[i]->stream].id_datum),
                                 DatumGetTextPP(events[i]->type));
    ec_horizon_take_ticket(relations);
    number_events(events, count, relations);
    ec_event_writer_write(events, count, ids_are_given, request, relations);
    for (int i = 0; i < request->command_count; i++)
        if (request->commands[i].outcome == EC_REPEATED)
            ec_idempotency_copy_results(&request->commands[i]);
    CommandCounterIncrement(); /* a second append of this statement sees the first */
    ec_projection_inline(request, events, count, relations);
    pfree(events);
}

void ec_append(ec_request *request)
{
    ec_relations relations = ec_relations_open(request->store, RowExclusiveLock);
    int count;

    ec_event_writer_check_triggers(&relations);
    ec_stream_lock_request(request, &relations);
    count = decide(request, &relations);
    if (count > 0)
        write_events(request, &relations, count);
    ec_relations_close(&relations);
}
