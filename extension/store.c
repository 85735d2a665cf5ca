/* store.c: create stores. */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "append.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "relations.h"
#include "request.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

static text *valid_name(FunctionCallInfo fcinfo)
{
    text *name = PG_ARGISNULL(0) ? NULL : PG_GETARG_TEXT_PP(0);
    const char *fault = name == NULL
                            ? ec_request_name_fault(NULL, 0)
                            : ec_request_name_fault(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

    if (fault != NULL)
        ereport(ERROR,
                (ec_error_code(EC_ERROR_invalid_store_name),
                 errmsg("the name of a store %s", fault),
                 ec_error_detail(EC_ERROR_invalid_store_name, "s", "problem", fault),
                 errhint("It has 1 to 255 characters, no control characters, and neither begins "
                         "nor ends with white space.")));
    return name;
}

/* (name text) */
PG_FUNCTION_INFO_V1(eventcore_create_store);
Datum eventcore_create_store(PG_FUNCTION_ARGS)
{
    text *name;
    Relation stores;
    EState *estate;
    ResultRelInfo table;
    TupleTableSlot *slot;

    ec_append_check_context();
    name = valid_name(fcinfo);
    /* Conflicts with itself: of two that create the same store, one finds that it exists. */
    stores = ec_relations_open_stores(ShareRowExclusiveLock);
    if (ec_relations_has_store(stores, name)) {
        char *shown = text_to_cstring(name);

        ereport(ERROR,
                (ec_error_code(EC_ERROR_store_exists), errmsg("store \"%s\" exists already", shown),
                 ec_error_detail(EC_ERROR_store_exists, "s", "store", shown),
                 errhint("Use it, or choose another name.")));
    }

    estate = CreateExecutorState();
    InitResultRelInfo(&table, stores, 0, NULL, 0);
    ExecOpenIndices(&table, false);
    slot = MakeSingleTupleTableSlot(RelationGetDescr(stores), &TTSOpsHeapTuple);
    ExecClearTuple(slot);
    slot->tts_values[0] = PointerGetDatum(name);
    slot->tts_values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
    memset(slot->tts_isnull, false, 2 * sizeof(bool));
    ExecStoreVirtualTuple(slot);
    AfterTriggerBeginQuery(); /* for a trigger of the user's */
    ExecSimpleRelationInsert(&table, estate, slot);
    AfterTriggerEndQuery(estate);
    ExecResetTupleTable(estate->es_tupleTable, false);
    ExecCloseResultRelations(estate);
    ExecDropSingleTupleTableSlot(slot);
    ExecCloseIndices(&table);
    FreeExecutorState(estate);
    table_close(stores, NoLock);
    CommandCounterIncrement(); /* the statement may go on to use the store */
    PG_RETURN_VOID();
}
