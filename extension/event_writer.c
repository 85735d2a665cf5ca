/*
 * event_writer.c: events become tuples and index entries.
 *
 * Written directly with the table and index access methods, as the apply worker of logical
 * replication does, and not by an INSERT statement: planning and executing one costs more than the
 * rest of an append. What an INSERT statement also does is done here if the table asks for it:
 * check constraints, foreign keys and AFTER triggers (row, statement, deferred, with transition
 * tables). Heap tuples are logged many at a time.
 *
 * Event ids are inserted in their order. Two appends to different streams that carry the same ids
 * wait for each other in the unique index; in any other order they could wait in a circle.
 */
#include "postgres.h"

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

typedef struct writer {
    const ec_request *request;
    const ec_relations *relations;
    EState *estate;
    ResultRelInfo table;
    bool fires_triggers;
    TransitionCaptureState *transition;
    TupleTableSlot **slots;
    int slot_count;
    const ec_event *current; /* whose index entries are being inserted */
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

    if (triggers == NULL || !triggers->trig_insert_before_row)
        return;
    for (int i = 0; i < triggers->numtriggers; i++) {
        const Trigger *trigger = &triggers->triggers[i];

        if (TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE,
                                 TRIGGER_TYPE_INSERT) &&
            trigger_is_enabled(trigger))
            ereport(
                ERROR,
                (ec_error_code(EC_ERROR_unsupported_trigger),
                 errmsg("BEFORE INSERT row trigger \"%s\" on eventcore.events is not supported",
                        trigger->tgname),
                 ec_error_detail(EC_ERROR_unsupported_trigger, "s", "trigger", trigger->tgname),
                 errhint("It could change or drop an event that was checked already. Use an AFTER "
                         "INSERT trigger or a check constraint.")));
    }
}

static void begin(writer *w, int count)
{
    Relation events = w->relations->events;
    const TriggerDesc *triggers = events->trigdesc;

    w->estate = CreateExecutorState();
    w->estate->es_output_cid = GetCurrentCommandId(true);
    InitResultRelInfo(&w->table, events, 0, NULL, 0);
    w->table.ri_NumIndices = w->relations->index_count;
    w->table.ri_IndexRelationDescs = w->relations->indexes;
    w->table.ri_IndexRelationInfo = palloc(w->relations->index_count * sizeof(IndexInfo *));
    for (int i = 0; i < w->relations->index_count; i++)
        w->table.ri_IndexRelationInfo[i] = BuildIndexInfo(w->relations->indexes[i]);
    w->slot_count = Min(count, MOST_TUPLES_AT_ONCE);
    w->slots = palloc(w->slot_count * sizeof(TupleTableSlot *));
    for (int i = 0; i < w->slot_count; i++)
        w->slots[i] = table_slot_create(events, NULL);

    w->fires_triggers =
        triggers && (triggers->trig_insert_after_row || triggers->trig_insert_before_statement ||
                     triggers->trig_insert_after_statement);
    if (w->fires_triggers) {
        AfterTriggerBeginQuery();
        w->transition =
            MakeTransitionCaptureState(w->table.ri_TrigDesc, RelationGetRelid(events), CMD_INSERT);
        ExecBSInsertTriggers(w->estate, &w->table);
    }
}

static void end(writer *w)
{
    if (w->fires_triggers) {
        ExecASInsertTriggers(w->estate, &w->table, w->transition);
        AfterTriggerEndQuery(w->estate);
    }
    for (int i = 0; i < w->slot_count; i++)
        ExecDropSingleTupleTableSlot(w->slots[i]);
    ExecResetTupleTable(w->estate->es_tupleTable, false); /* slots that triggers needed */
    ExecCloseResultRelations(w->estate);
    FreeExecutorState(w->estate);
}

static void fill(TupleTableSlot *slot, const ec_request *request, const ec_event *event)
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

/* Write the first of `count` events, as many as fit at once; returns how many that were. */
static int write_some(writer *w, ec_event *const *events, int count)
{
    Relation table = w->relations->events;
    MemoryContext caller = MemoryContextSwitchTo(GetPerTupleMemoryContext(w->estate));
    Size bytes = 0;

    count = Min(count, w->slot_count);
    for (int i = 0; i < count; i++) {
        bytes += content_size(events[i]);
        if (bytes > MOST_BYTES_AT_ONCE)
            count = i + 1;
        fill(w->slots[i], w->request, events[i]);
        if (RelationGetDescr(table)->constr != NULL)
            ExecConstraints(&w->table, w->slots[i], w->estate);
    }
    if (count == 1)
        table_tuple_insert(table, w->slots[0], w->estate->es_output_cid, 0, NULL);
    else
        table_multi_insert(table, w->slots, count, w->estate->es_output_cid, 0, NULL);
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        w->current = events[i];
        ec_insert_index_entries(&w->table, w->slots[i], w->estate);
        if (w->fires_triggers)
            ExecARInsertTriggers(w->estate, &w->table, w->slots[i], NIL, w->transition);
    }
    MemoryContextSwitchTo(caller);
    ResetPerTupleExprContext(w->estate);
    return count;
}

/*
 * Turn the unique violation of an event id into duplicate_event_id: a concurrent append to other
 * streams has used the same id and committed since this one looked it up.
 */
static void rethrow(const writer *w, MemoryContext caller)
{
    ErrorData *error;

    MemoryContextSwitchTo(caller);
    error = CopyErrorData();
    if (error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION || error->constraint_name == NULL ||
        strcmp(error->constraint_name, RelationGetRelationName(w->relations->by_event_id)) != 0 ||
        w->current == NULL)
        PG_RE_THROW();
    FlushErrorState();
    ec_problem_raise(
        ec_idempotency_problem(&w->current->id, "was used by another append at the same time"));
}

static int compare_ids(const void *left, const void *right)
{
    const ec_event *a = *(ec_event *const *)left, *b = *(ec_event *const *)right;

    return memcmp(&a->id, &b->id, UUID_LEN);
}

void ec_event_writer_write(ec_event *const *events, int count, bool in_id_order,
                           const ec_request *request, const ec_relations *relations)
{
    MemoryContext caller = CurrentMemoryContext;
    ec_event **sorted = palloc_extended(count * sizeof(ec_event *), MCXT_ALLOC_HUGE);
    writer w = {.request = request, .relations = relations};

    memcpy(sorted, events, count * sizeof(ec_event *));
    if (in_id_order)
        qsort(sorted, count, sizeof(ec_event *), compare_ids);

    begin(&w, count);
    PG_TRY();
    {
        for (int written = 0; written < count;)
            written += write_some(&w, sorted + written, count - written);
    }
    PG_CATCH();
    {
        rethrow(&w, caller);
    }
    PG_END_TRY();
    end(&w);
    pfree(sorted);
}
