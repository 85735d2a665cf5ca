/*
 * projection_inline.c: projections that run within the append.
 *
 * Which there are every session remembers, and looks again when their table has changed: a trigger
 * on it sends the message by which sessions learn of changed tables. No append misses one. Who
 * creates, pauses or drops an inline projection holds the gate until it has committed: it waits for
 * the appends that are open, and an append that begins later gets the message with its own lock on
 * the gate, for a transaction sends its messages before it gives its locks back.
 *
 * A handler may append in turn. What that writes is not projected there and then: other projections
 * would get it before the events that it reacts to. It queues up behind them, and the outermost
 * append works the queue off before it returns, so that each projection gets events in the order of
 * their positions. What a handler appended in a savepoint and rolled back leaves the queue again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "event_writer.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "projection.h"
#include "projection_inline.h"
#include "recorded_event.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

/* An event that is appended in reaction to an event, and so on: this far, and no further. */
#define MOST_REACTIONS 100

/* The inline projections of all stores. */
static struct {
    uint64 changes; /* that we were told of */
    uint64 seen;    /* of these, when we last looked */
    bool has_callbacks;
    Oid table;
    MemoryContext memory;
    List *projections;
} known = {.changes = 1};

/* Events of an append that a projection is to get. */
typedef struct entry {
    struct entry *next;
    ec_projection *projection;
    Datum *events;
    int count;
    int depth; /* 1: of an append that no handler made */
    SubTransactionId subtransaction;
} entry;

/* Not empty only while an append is at work; it lives in that one's memory. */
static struct {
    MemoryContext memory; /* NULL: no append is at work */
    entry *first;
    const entry *handled; /* now; NULL: none yet */
} queue;

static void table_changed(Datum argument, Oid table)
{
    (void)argument;
    if (table == known.table || !OidIsValid(table))
        known.changes++;
}

/* A function was changed or its schema renamed: the handlers that were looked up may be others. */
static void catalog_changed(Datum argument, int cache, uint32 hash)
{
    (void)argument;
    (void)cache;
    (void)hash;
    known.changes++;
}

static void subtransaction_ended(SubXactEvent event, SubTransactionId id, SubTransactionId parent,
                                 void *argument)
{
    (void)parent;
    (void)argument;
    if (event != SUBXACT_EVENT_ABORT_SUB)
        return;
    /* Its own subtransactions, committed or not, began after it and have higher numbers. */
    for (entry **link = &queue.first; *link != NULL;)
        if ((*link)->subtransaction >= id)
            *link = (*link)->next;
        else
            link = &(*link)->next;
}

static void look_again(void)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext memory =
        AllocSetContextCreate(caller, "eventcore inline projections", ALLOCSET_SMALL_SIZES);
    uint64 changes;

    if (!known.has_callbacks) {
        CacheRegisterRelcacheCallback(table_changed, (Datum)0);
        CacheRegisterSyscacheCallback(PROCOID, catalog_changed, (Datum)0);
        CacheRegisterSyscacheCallback(NAMESPACEOID, catalog_changed, (Datum)0);
        RegisterSubXactCallback(subtransaction_ended, NULL);
        known.has_callbacks = true;
    }
    changes = known.changes; /* what changes while we look we look at again */
    /* What the queue still points to lives as long as the queue. */
    if (known.memory != NULL && queue.memory != NULL)
        MemoryContextSetParent(known.memory, queue.memory);
    else if (known.memory != NULL)
        MemoryContextDelete(known.memory);
    known.memory = NULL;
    known.projections = NIL;
    known.table = get_relname_relid("projections", get_namespace_oid("eventcore", false));
    if (!OidIsValid(known.table))
        return; /* the extension is older than the library */
    MemoryContextSwitchTo(memory);
    known.projections = ec_projection_load_inline();
    MemoryContextSwitchTo(caller);
    MemoryContextSetParent(memory, CacheMemoryContext);
    known.memory = memory;
    known.seen = changes;
}

static void enqueue(ec_projection *projection, Datum *events, int count)
{
    entry **last = &queue.first;
    entry *e = palloc(sizeof(entry));
    int depth = queue.handled == NULL ? 1 : queue.handled->depth + 1;

    if (depth > MOST_REACTIONS)
        ereport(ERROR, (ec_error_code(EC_ERROR_projection_recursion),
                        errmsg("projection \"%s\" appends in reaction to what it has appended",
                               queue.handled->projection->name),
                        ec_error_detail(EC_ERROR_projection_recursion, "s", "projection",
                                        queue.handled->projection->name),
                        errhint("%d reactions followed on each other. Have its filters leave out "
                                "what its handler appends.",
                                MOST_REACTIONS)));
    *e = (entry){NULL, projection, events, count, depth, GetCurrentSubTransactionId()};
    while (*last != NULL)
        last = &(*last)->next;
    *last = e;
}

/* Queue up, for each projection, the events that pass its filter. */
static void enqueue_all(const ec_request *request, ec_event *const *events, int count,
                        const ec_relations *relations)
{
    MemoryContext caller = MemoryContextSwitchTo(queue.memory);
    TupleDesc columns = ec_recorded_event_columns();
    Datum *values = palloc0(count * sizeof(Datum)); /* each made once, if anybody wants it */
    ec_event_scan scan = {
        .slot = MakeSingleTupleTableSlot(RelationGetDescr(relations->events), &TTSOpsVirtual)};
    ListCell *cell;

    foreach (cell, known.projections) {
        ec_projection *projection = lfirst(cell);
        Datum *passing;
        int passing_count = 0;

        if (!ec_projection_is_of_store(projection, request->store))
            continue;
        passing = palloc(count * sizeof(Datum));
        for (int i = 0; i < count; i++) {
            ec_event_writer_fill(scan.slot, request, events[i]);
            if (!ec_log_filter_passes(&projection->filter, &scan))
                continue;
            if (values[i] == (Datum)0)
                values[i] = ec_recorded_event(&scan, columns);
            passing[passing_count++] = values[i];
        }
        if (passing_count > 0)
            enqueue(projection, passing, passing_count);
    }
    ExecDropSingleTupleTableSlot(scan.slot);
    MemoryContextSwitchTo(caller);
}

static void work_off(void)
{
    while (queue.first != NULL) {
        entry *e = queue.first;

        CHECK_FOR_INTERRUPTS();
        queue.first = e->next;
        queue.handled = e;
        ec_projection_handle(e->projection, e->events, e->count);
    }
}

void ec_projection_inline(const ec_request *request, ec_event *const *events, int count,
                          const ec_relations *relations)
{
    MemoryContext caller = CurrentMemoryContext;

    if (known.seen != known.changes)
        look_again();
    if (known.projections == NIL)
        return;
    if (queue.memory != NULL) { /* a handler appends */
        enqueue_all(request, events, count, relations);
        return;
    }
    queue.memory = AllocSetContextCreate(caller, "eventcore inline", ALLOCSET_DEFAULT_SIZES);
    PG_TRY();
    {
        enqueue_all(request, events, count, relations);
        work_off();
    }
    PG_FINALLY();
    {
        MemoryContext memory = queue.memory;

        queue.memory = NULL;
        queue.first = NULL;
        queue.handled = NULL;
        MemoryContextSwitchTo(caller);
        MemoryContextDelete(memory);
    }
    PG_END_TRY();
}

PG_FUNCTION_INFO_V1(eventcore_projections_changed);
Datum eventcore_projections_changed(PG_FUNCTION_ARGS)
{
    const TriggerData *trigger = (const TriggerData *)fcinfo->context;

    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("eventcore.projections_changed is called by triggers only")));
    CacheInvalidateRelcache(trigger->tg_relation);
    return PointerGetDatum(NULL);
}
