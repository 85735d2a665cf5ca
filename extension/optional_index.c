/*
 * optional_index.c: indexes that a store of events has if its readers want them.
 *
 * Like the three that it always has they are recognised by what they index, not by name:
 * (store, X, global_position), where X is the type, eventcore.category(stream_id) or
 * eventcore.correlation_id(metadata), as bytes in order (collation "C").
 *
 * CREATE INDEX CONCURRENTLY cannot run in a function, and would wait for the transaction that
 * called it. So a background worker of its own does it, as soon as that transaction has ended.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "append.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_opfamily_d.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "optional_index.h"
#include "parser/parser.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static const struct {
    const char *name;
    const char *function; /* in schema eventcore, NULL: the column itself */
    AttrNumber column;
    const char *definition;
} kinds[] = {
    [EC_INDEX_CATEGORY] = {"category", "category", EC_STREAM_ID, "eventcore.category(stream_id)"},
    [EC_INDEX_TYPE] = {"type", NULL, EC_TYPE, "type COLLATE pg_catalog.\"C\""},
    [EC_INDEX_CORRELATION] = {"correlation", "correlation_id", EC_METADATA,
                              "eventcore.correlation_id(metadata) COLLATE pg_catalog.\"C\""},
};

/* What the worker is given, in bgw_extra. */
typedef struct build {
    Oid database;
    Oid owner;
    ec_index_kind kind;
} build;

/* Whether an expression is our function over the column. */
static bool calls(Node *expression, const char *function, AttrNumber column)
{
    FuncExpr *call = (FuncExpr *)expression;
    Var *argument;
    char *name;

    if (!IsA(expression, FuncExpr) || list_length(call->args) != 1)
        return false;
    argument = linitial(call->args);
    if (IsA(argument, RelabelType))
        argument = (Var *)((RelabelType *)argument)->arg;
    if (!IsA(argument, Var) || argument->varattno != column)
        return false;
    name = get_func_name(call->funcid);
    return name != NULL && strcmp(name, function) == 0 &&
           strcmp(get_namespace_name(get_func_namespace(call->funcid)), "eventcore") == 0;
}

static bool is_of_kind(Relation index, ec_index_kind kind)
{
    Form_pg_index form = index->rd_index;

    if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || form->indnkeyatts != 3 ||
        !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL) ||
        form->indkey.values[0] != EC_STORE || form->indkey.values[2] != EC_GLOBAL_POSITION ||
        index->rd_indcollation[0] != C_COLLATION_OID ||
        index->rd_indcollation[1] != C_COLLATION_OID || index->rd_opfamily[1] != TEXT_BTREE_FAM_OID)
        return false;
    for (int i = 0; i < 3; i++)
        if (index->rd_indoption[i] != 0)
            return false;
    if (kinds[kind].function == NULL)
        return form->indkey.values[1] == kinds[kind].column;
    return form->indkey.values[1] == 0 && calls(linitial(RelationGetIndexExpressions(index)),
                                                kinds[kind].function, kinds[kind].column);
}

Relation ec_optional_index(const ec_relations *relations, ec_index_kind kind)
{
    for (int i = 0; i < relations->index_count; i++)
        if (is_of_kind(relations->indexes[i], kind))
            return relations->indexes[i];
    return NULL;
}

static char *create_statement(ec_index_kind kind, const char *concurrently)
{
    return psprintf("CREATE INDEX %s events_by_%s ON eventcore.events "
                    "(store, (%s), global_position)",
                    concurrently, kinds[kind].name, kinds[kind].definition);
}

static void execute(const char *statement)
{
    if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(statement, false, 0) < 0)
        elog(ERROR, "could not execute: %s", statement);
    SPI_finish();
}

/* Drop what a failed build has left. The caller has locked events, so none is running. */
static void drop_invalid(ec_index_kind kind)
{
    Oid schema = get_namespace_oid("eventcore", false);
    Oid index = get_relname_relid(psprintf("events_by_%s", kinds[kind].name), schema);

    if (OidIsValid(index) && !get_index_isvalid(index))
        execute(psprintf("DROP INDEX eventcore.events_by_%s", kinds[kind].name));
}

/* Execute a statement that ends transactions and begins new ones, as SPI cannot. */
static void execute_concurrently(const char *statement)
{
    PlannedStmt *planned;

    StartTransactionCommand();
    MemoryContextSwitchTo(TopMemoryContext); /* that of the transaction goes with it */
    planned = makeNode(PlannedStmt);
    planned->commandType = CMD_UTILITY;
    planned->utilityStmt = linitial_node(RawStmt, raw_parser(statement, RAW_PARSE_DEFAULT))->stmt;
    planned->canSetTag = true;
    PushActiveSnapshot(GetTransactionSnapshot());
    pgstat_report_activity(STATE_RUNNING, statement);
    ProcessUtility(planned, statement, false, PROCESS_UTILITY_TOPLEVEL, NULL, NULL, None_Receiver,
                   NULL);
    if (ActiveSnapshotSet())
        PopActiveSnapshot();
    CommitTransactionCommand();
}

PGDLLEXPORT void eventcore_build_index(Datum unused);
void eventcore_build_index(Datum unused pg_attribute_unused())
{
    build b;
    LockRelId events;

    memcpy(&b, MyBgworkerEntry->bgw_extra, sizeof(build));
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(b.database, b.owner, 0);

    /*
     * One build after the other: each waits for the snapshots of all others, so that two that hold
     * one while they wait for the table's lock would be a deadlock.
     */
    StartTransactionCommand();
    events.relId = get_relname_relid("events", get_namespace_oid("eventcore", false));
    events.dbId = b.database;
    InvalidateCatalogSnapshot();
    LockRelationIdForSession(&events, ShareUpdateExclusiveLock); /* an error gives it back */
    PushActiveSnapshot(GetTransactionSnapshot());
    drop_invalid(b.kind);
    PopActiveSnapshot();
    CommitTransactionCommand();

    MemoryContextSwitchTo(TopMemoryContext);
    execute_concurrently(create_statement(b.kind, "CONCURRENTLY IF NOT EXISTS"));
    UnlockRelationIdForSession(&events, ShareUpdateExclusiveLock);
}

static void start_build(ec_index_kind kind, Oid owner)
{
    BackgroundWorker worker = {
        .bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
        .bgw_start_time = BgWorkerStart_RecoveryFinished,
        .bgw_restart_time = BGW_NEVER_RESTART,
        .bgw_library_name = "eventcore",
        .bgw_function_name = "eventcore_build_index",
        .bgw_type = "eventcore index build",
    };
    build b = {MyDatabaseId, owner, kind};

    snprintf(worker.bgw_name, BGW_MAXLEN, "eventcore index build: %s", kinds[kind].name);
    memcpy(worker.bgw_extra, &b, sizeof(build));
    if (!RegisterDynamicBackgroundWorker(&worker, NULL))
        ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                        errmsg("no background worker is free to build the index"),
                        errhint("Raise max_worker_processes, or pass concurrently => false: that "
                                "blocks appends until the index is built.")));
}

static ec_index_kind kind_argument(FunctionCallInfo fcinfo)
{
    char *name = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0));

    for (int kind = 0; kind < (int)lengthof(kinds); kind++)
        if (strcmp(name, kinds[kind].name) == 0)
            return kind;
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("there is no optional index of the kind \"%s\"", name),
                    errhint("It is one of category, type and correlation.")));
}

/* (kind text, concurrently boolean) */
PG_FUNCTION_INFO_V1(eventcore_add_index);
Datum eventcore_add_index(PG_FUNCTION_ARGS)
{
    ec_index_kind kind = kind_argument(fcinfo);
    bool concurrently = PG_ARGISNULL(1) || PG_GETARG_BOOL(1);
    ec_relations relations;
    Oid events, owner, caller;
    int context;
    bool exists;

    ec_append_check_context();
    relations = ec_relations_open(cstring_to_text("default"), AccessShareLock);
    exists = ec_optional_index(&relations, kind) != NULL;
    events = RelationGetRelid(relations.events);
    owner = relations.events->rd_rel->relowner;
    ec_relations_close(&relations);
    if (exists)
        PG_RETURN_TEXT_P(cstring_to_text("exists"));
    if (concurrently) {
        start_build(kind, owner);
        PG_RETURN_TEXT_P(cstring_to_text("building"));
    }

    GetUserIdAndSecContext(&caller, &context);
    SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
    LockRelationOid(events, ShareRowExclusiveLock);
    drop_invalid(kind);
    execute(create_statement(kind, ""));
    SetUserIdAndSecContext(caller, context);
    PG_RETURN_TEXT_P(cstring_to_text("created"));
}
