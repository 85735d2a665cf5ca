/*
 * projection.c: what a projection is, and how its functions are called.
 *
 * A handler runs with the rights of the role that created the projection, whoever runs it: the
 * background worker, a scheduler, or, inline, anybody who appends. So none of them may be able to
 * lend the handler's code more rights than its owner has, nor to have it do something else than
 * its owner meant:
 *
 * - It runs as the owner, who cannot SET ROLE back. What it could leave behind to be run later with
 *   the rights of whoever commits (deferred triggers, cursors WITH HOLD) is refused.
 * - It runs with the search_path of the session that created it, and temporary objects, which the
 *   one who appends may have made to look like the owner's, come last. Settings that it makes do
 * not outlive the call.
 * - Its functions and owner are looked up by name at each use, as the owner: what was dropped, was
 *   replaced by something that does not fit, or may no longer be called, is an error.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "projection.h"
#include "recorded_event.h"
#include "relations.h"
#include "role.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Columns of eventcore.projections. */
enum {
    STORE,
    NAME,
    HANDLER,
    TYPES,
    CATEGORY,
    PREFIX,
    PATTERN,
    CORRELATION_ID,
    MODE,
    BATCH_SIZE,
    ON_ERROR,
    MAX_ATTEMPTS,
    RETRY_DELAY,
    RESET,
    START,
    REPLACES,
    SWAP,
    OWNER,
    SEARCH_PATH,
    PAUSED,
    CREATED_AT,
    COLUMNS
};

static const Oid column_types[COLUMNS] = {
    TEXTOID, TEXTOID, TEXTOID, ANYARRAYOID, TEXTOID, TEXTOID,     TEXTOID,
    TEXTOID, TEXTOID, INT4OID, TEXTOID,     INT4OID, INTERVALOID, TEXTOID,
    INT8OID, TEXTOID, TEXTOID, TEXTOID,     TEXTOID, BOOLOID,     TIMESTAMPTZOID,
};

static text *text_copy(Datum value, bool is_null)
{
    return is_null ? NULL : DatumGetTextPCopy(value);
}

static char *string_copy(Datum value, bool is_null)
{
    return is_null ? NULL : TextDatumGetCString(value);
}

static ec_projection *from_row(HeapTuple row, TupleDesc columns)
{
    ec_projection *projection = palloc0(sizeof(ec_projection));
    Datum values[COLUMNS];
    bool nulls[COLUMNS];
    char *on_error;

    heap_deform_tuple(row, columns, values, nulls);
    on_error = TextDatumGetCString(values[ON_ERROR]);
    projection->store = text_copy(values[STORE], false);
    projection->name = string_copy(values[NAME], false);
    projection->handler = string_copy(values[HANDLER], false);
    ec_log_filter_set_types(&projection->filter,
                            nulls[TYPES] ? NULL : DatumGetArrayTypePCopy(values[TYPES]));
    projection->filter.category = text_copy(values[CATEGORY], nulls[CATEGORY]);
    projection->filter.prefix = text_copy(values[PREFIX], nulls[PREFIX]);
    projection->filter.pattern = text_copy(values[PATTERN], nulls[PATTERN]);
    projection->filter.correlation_id = text_copy(values[CORRELATION_ID], nulls[CORRELATION_ID]);
    ec_log_filter_prepare(&projection->filter);
    projection->is_inline = strcmp(TextDatumGetCString(values[MODE]), "inline") == 0;
    projection->batch_size = DatumGetInt32(values[BATCH_SIZE]);
    projection->on_error = strcmp(on_error, "park") == 0    ? EC_ON_ERROR_PARK
                           : strcmp(on_error, "retry") == 0 ? EC_ON_ERROR_RETRY
                                                            : EC_ON_ERROR_STOP;
    projection->max_attempts = DatumGetInt32(values[MAX_ATTEMPTS]);
    projection->reset = string_copy(values[RESET], nulls[RESET]);
    projection->start = DatumGetInt64(values[START]);
    projection->replaces = string_copy(values[REPLACES], nulls[REPLACES]);
    projection->swap = string_copy(values[SWAP], nulls[SWAP]);
    projection->owner = string_copy(values[OWNER], false);
    projection->search_path = string_copy(values[SEARCH_PATH], false);
    projection->is_paused = DatumGetBool(values[PAUSED]);
    return projection;
}

/* Load those of a primary key, or all inline ones that are not paused. */
static List *load(int key_count, ScanKey keys)
{
    Relation table = ec_relations_open_table("projections", column_types, COLUMNS, AccessShareLock);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    SysScanDesc scan = systable_beginscan(table, ec_primary_key_index(table), key_count > 0,
                                          snapshot, key_count, keys);
    List *projections = NIL;
    HeapTuple row;

    while (HeapTupleIsValid(row = systable_getnext(scan))) {
        ec_projection *projection = from_row(row, RelationGetDescr(table));

        if (key_count > 0 || (projection->is_inline && !projection->is_paused))
            projections = lappend(projections, projection);
    }
    systable_endscan(scan);
    UnregisterSnapshot(snapshot);
    table_close(table, AccessShareLock);
    return projections;
}

ec_projection *ec_projection_load(text *store, const char *name)
{
    ScanKeyData keys[2];
    List *found;

    ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(store));
    ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(name));
    found = load(2, keys);
    return found == NIL ? NULL : linitial(found);
}

List *ec_projection_load_inline(void)
{
    return load(0, NULL);
}

uint64 ec_projection_execute(const char *sql, text *store, const char *name)
{
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[] = {PointerGetDatum(store), CStringGetTextDatum(name)};
    ec_role before = ec_role_begin_statements();
    uint64 count;

    SPI_execute_with_args(sql, lengthof(types), types, values, NULL, false, 0);
    count = SPI_processed;
    ec_role_end_statements(&before);
    return count;
}

void ec_projection_forget(text *store, const char *name)
{
    static const char *const statements[] = {
        "DELETE FROM eventcore.projections WHERE store = $1 AND name = $2",
        "DELETE FROM eventcore.projection_progress WHERE store = $1 AND name = $2",
        "DELETE FROM eventcore.parked_projection_events WHERE store = $1 AND name = $2",
    };

    for (int i = 0; i < (int)lengthof(statements); i++)
        ec_projection_execute(statements[i], store, name);
}

static void raise_unusable(const char *projection, const char *problem)
{
    ereport(ERROR,
            (ec_error_code(EC_ERROR_projection_unusable),
             errmsg("projection \"%s\" cannot run: %s", projection, problem),
             ec_error_detail(EC_ERROR_projection_unusable, "ss", "projection", projection,
                             "problem", problem),
             errhint("Put that right, or drop the projection, or pause it while you do. One that "
                     "has stopped goes on with eventcore.resume_projection().")));
}

bool ec_projection_is_unusable(const ErrorData *error)
{
    return strcmp(unpack_sql_state(error->sqlerrcode), "VE038") == 0;
}

bool ec_projection_is_transient(const ErrorData *error)
{
    return ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_TRANSACTION_ROLLBACK;
}

/* What is wrong with a function, in words; NULL if nothing. */
static const char *function_fault(const char *name, Oid function, bool is_handler, Oid owner)
{
    Oid event = ec_recorded_event_type();
    HeapTuple row = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    const char *problem = NULL;
    Form_pg_proc form;

    if (!HeapTupleIsValid(row))
        return strchr(name, '(') != NULL ? psprintf("function %s does not exist", name)
               : is_handler              ? psprintf("there is no function %s that takes one "
                                                                 "eventcore.recorded_event or an array of them",
                                                    name)
                            : psprintf("there is no function %s without arguments", name);
    form = (Form_pg_proc)GETSTRUCT(row);
    if (form->prokind != PROKIND_FUNCTION || form->proretset)
        problem = "%s is not a plain function that returns one value";
    else if (is_handler
                 ? form->pronargs != 1 || (form->proargtypes.values[0] != event &&
                                           form->proargtypes.values[0] != get_array_type(event))
                 : form->pronargs != 0)
        problem = is_handler ? "function %s does not take one eventcore.recorded_event or an "
                               "array of them"
                             : "function %s takes arguments";
    else if (isAnyTempNamespace(form->pronamespace)) /* whoever appends could have one there */
        problem = "function %s is temporary";
    else if (!ec_function_is_executable(function, owner))
        problem = "its owner may not execute function %s";
    ReleaseSysCache(row);
    return problem == NULL ? NULL : psprintf(problem, name);
}

/* The function of a name with argument types, InvalidOid if there is none. */
static Oid find_by_signature(const char *signature)
{
    LOCAL_FCINFO(fcinfo, 1);
    Datum function;

    InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
    fcinfo->args[0].value = CStringGetTextDatum(signature);
    fcinfo->args[0].isnull = false;
    function = to_regprocedure(fcinfo);
    return fcinfo->isnull ? InvalidOid : DatumGetObjectId(function);
}

static Oid find_by_name(const char *projection, const char *name, bool is_handler)
{
    List *names = ec_qualified_name_list(name);
    Oid event = ec_recorded_event_type();
    Oid events = get_array_type(event);
    Oid function, of_array;

    if (!is_handler)
        return LookupFuncName(names, 0, NULL, true);
    function = LookupFuncName(names, 1, &event, true);
    of_array = LookupFuncName(names, 1, &events, true);
    if (OidIsValid(function) && OidIsValid(of_array))
        raise_unusable(projection, psprintf("function %s exists over one event and over an array: "
                                            "name it with its argument type",
                                            name));
    return OidIsValid(function) ? function : of_array;
}

char *ec_projection_find_function(const char *projection, text *given, bool is_handler, Oid owner)
{
    char *name = text_to_cstring(given);
    Oid function = strchr(name, '(') != NULL ? find_by_signature(name)
                                             : find_by_name(projection, name, is_handler);
    const char *fault = function_fault(name, function, is_handler, owner);

    if (fault != NULL)
        raise_unusable(projection, fault);
    return format_procedure_qualified(function);
}

static void name_projection(void *projection)
{
    errcontext("eventcore projection \"%s\"", ((const ec_projection *)projection)->name);
}

bool ec_projection_is_of_store(const ec_projection *projection, const text *store)
{
    return VARSIZE_ANY_EXHDR(projection->store) == VARSIZE_ANY_EXHDR(store) &&
           memcmp(VARDATA_ANY(projection->store), VARDATA_ANY(store), VARSIZE_ANY_EXHDR(store)) ==
               0;
}

/* The calls that are under way are told from the contexts of errors: these end with them. */
void ec_projection_refuse_own_call(const text *store, const char *name)
{
    for (ErrorContextCallback *context = error_context_stack; context != NULL;
         context = context->previous) {
        const ec_projection *projection = context->arg;

        if (context->callback == name_projection && strcmp(projection->name, name) == 0 &&
            ec_projection_is_of_store(projection, store))
            ereport(ERROR, (ec_error_code(EC_ERROR_projection_recursion),
                            errmsg("projection \"%s\" is at work, and cannot be run or changed by "
                                   "its own functions",
                                   name),
                            ec_error_detail(EC_ERROR_projection_recursion, "s", "projection", name),
                            errhint("Do that in another transaction.")));
    }
}

/* From here to ec_role_end everything is the owner's doing. */
static ec_role become_owner(const ec_projection *projection)
{
    Oid owner = get_role_oid(projection->owner, true);

    if (!OidIsValid(owner))
        raise_unusable(projection->name,
                       psprintf("its owner, role %s, does not exist", projection->owner));
    return ec_role_begin(owner,
                         psprintf(projection->search_path[0] == '\0' ? "%spg_temp" : "%s, pg_temp",
                                  projection->search_path),
                         true);
}

static void call(FmgrInfo *function, Datum argument)
{
    LOCAL_FCINFO(fcinfo, 1);

    InitFunctionCallInfoData(*fcinfo, function, function->fn_nargs, InvalidOid, NULL, NULL);
    fcinfo->args[0].value = argument;
    fcinfo->args[0].isnull = false;
    PushActiveSnapshot(GetTransactionSnapshot());
    (void)FunctionCallInvoke(fcinfo);
    PopActiveSnapshot();
    CommandCounterIncrement(); /* the next call sees what this one has done */
}

/* Call a function that is known to fit: once for each event, or with all of them, or with none. */
static void call_all(Oid oid, Datum *events, int count)
{
    MemoryContext memory = CurrentMemoryContext;
    MemoryContext each = AllocSetContextCreate(memory, "eventcore event", ALLOCSET_DEFAULT_SIZES);
    FmgrInfo function;
    Oid *types;
    int type_count;

    fmgr_info(oid, &function);
    (void)get_func_signature(oid, &types, &type_count);
    MemoryContextSwitchTo(each);
    if (events == NULL)
        call(&function, (Datum)0);
    else if (types[0] != ec_recorded_event_type())
        call(&function, PointerGetDatum(construct_array(events, count, ec_recorded_event_type(), -1,
                                                        false, TYPALIGN_DOUBLE)));
    else
        for (int i = 0; i < count; i++) {
            CHECK_FOR_INTERRUPTS();
            call(&function, events[i]);
            MemoryContextReset(each);
        }
    MemoryContextSwitchTo(memory);
}

/* Call a function as the projection's owner. `known` remembers its OID for the next time. */
static void call_as_owner(const ec_projection *projection, const char *name, Oid *known,
                          Datum *events, int count)
{
    ErrorContextCallback context = {error_context_stack, name_projection, (void *)projection};
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext memory =
        AllocSetContextCreate(caller, "eventcore projection", ALLOCSET_DEFAULT_SIZES);
    ec_role before;
    const char *fault;

    error_context_stack = &context;
    MemoryContextSwitchTo(memory);
    before = become_owner(projection);
    if (!OidIsValid(*known))
        *known = find_by_signature(name);
    fault = function_fault(name, *known, events != NULL, GetUserId());
    if (fault != NULL)
        raise_unusable(projection->name, fault);
    call_all(*known, events, count);
    ec_role_end(&before);
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(memory);
    error_context_stack = context.previous;
}

void ec_projection_handle(ec_projection *projection, Datum *events, int count)
{
    call_as_owner(projection, projection->handler, &projection->function, events, count);
}

void ec_projection_call(const ec_projection *projection, const char *function)
{
    Oid unknown = InvalidOid;

    call_as_owner(projection, function, &unknown, NULL, 0);
}
