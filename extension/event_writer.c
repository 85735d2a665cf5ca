/*
 * event_writer.c: events become tuples and index entries.
 *
 * Written directly with the table and index access methods, as the apply worker of logical
 * replication does, and not by an INSERT statement: planning and executing one costs more than the
 * rest of an append. Heap tuples are logged many at a time, and each of our three indexes gets its
 * entries in the order of its keys, so that neighbours go to one page.
 *
 * What else an INSERT statement would do is done by the executor's parts if the table asks for it:
 * check constraints and NOT NULL, further indexes, foreign keys and AFTER triggers (row, statement,
 * deferred, with transition tables). A table as CREATE EXTENSION made it does not, and pays
 * nothing.
 *
 * Event ids are inserted in their order. Two appends to different streams that carry the same ids
 * wait for each other in the unique index; in any other order they could wait in a circle.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "compat.h"
#include "errors.h"
#include "event_writer.h"
#include "idempotency.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* As COPY does. */
#define MOST_TUPLES_AT_ONCE 1000
#define MOST_BYTES_AT_ONCE 65535

/* What users have put on the table. */
typedef struct extras {
    EState *estate;
    ResultRelInfo table; /* with their indexes only */
    bool has_triggers;
    TransitionCaptureState *transition;
} extras;

/* An event and the tuple that it became. */
typedef struct entry {
    ec_event *event;
    TupleTableSlot *slot;
} entry;

typedef struct writer {
    const ec_request *request;
    const ec_relations *relations;
    CommandId command;
    MemoryContext memory; /* of the tuples that are being written */
    extras *extras;       /* NULL if there are none */
    entry *entries;
    int entry_count;
} writer;

static bool trigger_is_enabled(const Trigger *trigger)
{
    if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS)
        return true;
    return trigger->tgenabled == (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA
                                      ? TRIGGER_FIRES_ON_REPLICA
                                      : TRIGGER_FIRES_ON_ORIGIN);
}

void ec_event_writer_check_triggers(const ec_relations *relations)
{
    const TriggerDesc *triggers = relations->events->trigdesc;

    if (triggers == NULL ||
        (!triggers->trig_insert_before_row && !triggers->trig_insert_before_statement))
        return;
    for (int i = 0; i < triggers->numtriggers; i++) {
        const Trigger *trigger = &triggers->triggers[i];

        if (TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_INSERT(trigger->tgtype) &&
            trigger_is_enabled(trigger))
            ereport(ERROR,
                    (ec_error_code(EC_ERROR_unsupported_trigger),
                     errmsg("BEFORE INSERT trigger \"%s\" on eventcore.events is not supported",
                            trigger->tgname),
                     ec_error_detail(EC_ERROR_unsupported_trigger, "s", "trigger", trigger->tgname),
                     errhint("It would run when the events are checked already, and could change "
                             "what was checked. Use an AFTER INSERT trigger or a check "
                             "constraint.")));
    }
}

static bool is_ours(Relation index, const ec_relations *relations)
{
    return index == relations->by_position || index == relations->by_version ||
           index == relations->by_event_id;
}

static bool has_insert_triggers(Relation events)
{
    const TriggerDesc *triggers = events->trigdesc;

    return triggers != NULL &&
           (triggers->trig_insert_after_row || triggers->trig_insert_after_statement);
}

static bool has_extras(const ec_relations *relations)
{
    TupleDesc columns = RelationGetDescr(relations->events);

    return relations->index_count > 3 || relations->events->rd_rel->relchecks > 0 ||
           TupleDescAttr(columns, EC_DATA - 1)->attnotnull ||
           TupleDescAttr(columns, EC_PAYLOAD - 1)->attnotnull ||
           TupleDescAttr(columns, EC_METADATA - 1)->attnotnull ||
           has_insert_triggers(relations->events);
}

static extras *begin_extras(const ec_relations *relations)
{
    extras *x = palloc0(sizeof(extras));
    ResultRelInfo *table = &x->table;

    x->estate = CreateExecutorState();
    x->estate->es_output_cid = GetCurrentCommandId(true);
    InitResultRelInfo(table, relations->events, 0, NULL, 0);
    table->ri_IndexRelationDescs = palloc(relations->index_count * sizeof(Relation));
    table->ri_IndexRelationInfo = palloc(relations->index_count * sizeof(IndexInfo *));
    for (int i = 0; i < relations->index_count; i++) {
        Relation index = relations->indexes[i];

        if (is_ours(index, relations))
            continue;
        table->ri_IndexRelationDescs[table->ri_NumIndices] = index;
        table->ri_IndexRelationInfo[table->ri_NumIndices++] = BuildIndexInfo(index);
    }
    x->has_triggers = has_insert_triggers(relations->events);
    if (x->has_triggers) {
        AfterTriggerBeginQuery();
        x->transition = MakeTransitionCaptureState(table->ri_TrigDesc,
                                                   RelationGetRelid(relations->events), CMD_INSERT);
    }
    return x;
}

static void end_extras(extras *x)
{
    if (x->has_triggers) {
        ExecASInsertTriggers(x->estate, &x->table, x->transition);
        AfterTriggerEndQuery(x->estate);
    }
    ExecResetTupleTable(x->estate->es_tupleTable, false); /* slots that triggers needed */
    ExecCloseResultRelations(x->estate);
    FreeExecutorState(x->estate);
}

void ec_event_writer_fill(TupleTableSlot *slot, const ec_request *request, const ec_event *event)
{
    Datum *values = slot->tts_values - 1; /* columns count from 1 */
    bool *nulls = slot->tts_isnull - 1;

    ExecClearTuple(slot);
    memset(slot->tts_isnull, 0, EC_EVENT_COLUMNS * sizeof(bool));
    values[EC_STORE] = PointerGetDatum(request->store);
    values[EC_GLOBAL_POSITION] = Int64GetDatum(event->position);
    values[EC_STREAM_ID] = request->streams[event->stream].id_datum;
    values[EC_VERSION] = Int64GetDatum(event->version);
    values[EC_EVENT_ID] = UUIDPGetDatum(&event->id);
    values[EC_TYPE] = event->type;
    values[EC_DATA] = event->data;
    nulls[EC_DATA] = event->data_is_null;
    values[EC_PAYLOAD] = event->payload;
    nulls[EC_PAYLOAD] = event->payload_is_null;
    values[EC_METADATA] = event->metadata;
    nulls[EC_METADATA] = event->metadata_is_null;
    values[EC_RECORDED_AT] = TimestampTzGetDatum(event->recorded_at);
    ExecStoreVirtualTuple(slot);
}

static Size content_size(const ec_event *event)
{
    return (event->data_is_null ? 0 : VARSIZE_ANY(event->data)) +
           (event->payload_is_null ? 0 : VARSIZE_ANY(event->payload)) +
           (event->metadata_is_null ? 0 : VARSIZE_ANY(event->metadata));
}

static int compare_versions(const void *left, const void *right, void *streams)
{
    const ec_event *a = ((const entry *)left)->event, *b = ((const entry *)right)->event;
    const ec_stream *of_a = (ec_stream *)streams + a->stream;
    const ec_stream *of_b = (ec_stream *)streams + b->stream;

    if (of_a == of_b)
        return a->version < b->version ? -1 : 1;
    return ec_request_compare_streams(of_a, of_b);
}

/* Only b-trees are unique, and they do not look at the IndexInfo that other kinds want. */
static void insert_index_entry(const writer *w, Relation index, Datum *keys, const entry *e)
{
    bool nulls[3] = {false, false, false};

    CHECK_FOR_INTERRUPTS();
    index_insert(index, keys, nulls, &e->slot->tts_tid, w->relations->events, UNIQUE_CHECK_YES,
                 false, NULL);
}

/*
 * Insert the event ids. A duplicate is an append to other streams that has used the same id and
 * committed since this one looked it up.
 */
static void insert_event_ids(const writer *w, int count)
{
    MemoryContext caller = CurrentMemoryContext;
    volatile int current = 0;

    PG_TRY();
    {
        for (; current < count; current++) {
            const entry *e = &w->entries[current];
            Datum keys[] = {PointerGetDatum(w->request->store), UUIDPGetDatum(&e->event->id)};

            insert_index_entry(w, w->relations->by_event_id, keys, e);
        }
    }
    PG_CATCH();
    {
        if (geterrcode() != ERRCODE_UNIQUE_VIOLATION)
            PG_RE_THROW();
        MemoryContextSwitchTo(caller);
        FlushErrorState();
        ec_problem_raise(ec_idempotency_problem(&w->entries[current].event->id,
                                                "was used by another append at the same time"));
    }
    PG_END_TRY();
}

static void insert_index_entries(const writer *w, int count)
{
    insert_event_ids(w, count);
    for (int i = 0; i < count; i++) {
        const entry *e = &w->entries[i];
        Datum keys[] = {PointerGetDatum(w->request->store), Int64GetDatum(e->event->position)};

        insert_index_entry(w, w->relations->by_position, keys, e);
    }
    qsort_arg(w->entries, count, sizeof(entry), compare_versions, w->request->streams);
    for (int i = 0; i < count; i++) {
        const entry *e = &w->entries[i];
        Datum keys[] = {PointerGetDatum(w->request->store),
                        w->request->streams[e->event->stream].id_datum,
                        Int64GetDatum(e->event->version)};

        insert_index_entry(w, w->relations->by_version, keys, e);
    }
}

static void insert_tuples(const writer *w, int count)
{
    Relation table = w->relations->events;

    if (count == 1)
        table_tuple_insert(table, w->entries[0].slot, w->command, 0, NULL);
    else {
        TupleTableSlot **slots = palloc(count * sizeof(TupleTableSlot *));

        for (int i = 0; i < count; i++)
            slots[i] = w->entries[i].slot;
        table_multi_insert(table, slots, count, w->command, 0, NULL);
    }
}

/* Write the first of `count` events, as many as fit at once; returns how many that were. */
static int write_some(writer *w, ec_event *const *events, int count)
{
    MemoryContext caller = MemoryContextSwitchTo(w->memory);
    Size bytes = 0;

    count = Min(count, w->entry_count);
    for (int i = 0; i < count; i++) {
        entry *e = &w->entries[i];

        bytes += content_size(events[i]);
        if (bytes > MOST_BYTES_AT_ONCE)
            count = i + 1;
        e->event = events[i];
        ec_event_writer_fill(e->slot, w->request, e->event);
        if (w->extras != NULL && RelationGetDescr(w->relations->events)->constr != NULL)
            ExecConstraints(&w->extras->table, e->slot, w->extras->estate);
    }
    insert_tuples(w, count);
    if (w->extras != NULL) { /* before the entries are sorted otherwise */
        for (int i = 0; i < count; i++) {
            TupleTableSlot *slot = w->entries[i].slot;
            /* Deferrable unique constraints are checked again at the end, by a trigger. */
            List *recheck = ec_insert_index_entries(&w->extras->table, slot, w->extras->estate);

            if (w->extras->has_triggers)
                ExecARInsertTriggers(w->extras->estate, &w->extras->table, slot, recheck,
                                     w->extras->transition);
            list_free(recheck);
            ResetPerTupleExprContext(w->extras->estate);
        }
    }
    insert_index_entries(w, count);
    MemoryContextSwitchTo(caller);
    MemoryContextReset(w->memory);
    return count;
}

static int compare_ids(const void *left, const void *right)
{
    const ec_event *a = *(ec_event *const *)left, *b = *(ec_event *const *)right;

    return memcmp(&a->id, &b->id, UUID_LEN);
}

void ec_event_writer_write(ec_event *const *events, int count, bool in_id_order,
                           const ec_request *request, const ec_relations *relations)
{
    ec_event **sorted = palloc_extended(count * sizeof(ec_event *), MCXT_ALLOC_HUGE);
    writer w = {.request = request, .relations = relations};
    TupleDesc columns;

    memcpy(sorted, events, count * sizeof(ec_event *));
    if (in_id_order)
        qsort(sorted, count, sizeof(ec_event *), compare_ids);

    w.command = GetCurrentCommandId(true);
    w.memory =
        AllocSetContextCreate(CurrentMemoryContext, "eventcore tuples", ALLOCSET_SMALL_SIZES);
    w.entry_count = Min(count, MOST_TUPLES_AT_ONCE);
    w.entries = palloc(w.entry_count * sizeof(entry));
    /* A copy: slots pin a relation's own description, and a thousand pins are slow to give back. */
    columns = CreateTupleDescCopy(RelationGetDescr(relations->events));
    for (int i = 0; i < w.entry_count; i++)
        w.entries[i].slot =
            MakeSingleTupleTableSlot(columns, table_slot_callbacks(relations->events));
    if (has_extras(relations))
        w.extras = begin_extras(relations);

    for (int written = 0; written < count;)
        written += write_some(&w, sorted + written, count - written);

    if (w.extras != NULL)
        end_extras(w.extras);
    for (int i = 0; i < w.entry_count; i++)
        ExecDropSingleTupleTableSlot(w.entries[i].slot);
    MemoryContextDelete(w.memory);
    pfree(w.entries);
    pfree(sorted);
}
