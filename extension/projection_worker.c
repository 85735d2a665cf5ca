/*
 * projection_worker.c: what the background worker of a database does for projections.
 *
 * An error that is not the handler's (those are the projection's state, see projection_run.c) is
 * written down as that projection's too, in a new transaction, so that it cannot stop the others.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "projection_run.h"
#include "projection_worker.h"
#include "role.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

typedef struct runnable {
    text *store;
    char *name;
} runnable;

static void begin(void)
{
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
}

static void end(void)
{
    PopActiveSnapshot();
    CommitTransactionCommand();
}

static bool has_tables(void)
{
    Oid schema = get_namespace_oid("eventcore", true);

    return OidIsValid(schema) && OidIsValid(get_relname_relid("projection_progress", schema));
}

/* The async projections that are to run now, in `memory`. */
static List *list_runnable(MemoryContext memory)
{
    List *list = NIL;

    begin();
    if (has_tables()) {
        ec_role before = ec_role_begin_statements();

        SPI_execute("SELECT d.store, d.name FROM eventcore.projections AS d "
                    "JOIN eventcore.projection_progress AS p "
                    "ON p.store = d.store AND p.name = d.name "
                    "WHERE d.mode = 'async' AND NOT d.paused AND NOT p.failed "
                    "AND coalesce(p.next_attempt_at <= clock_timestamp(), true)",
                    true, 0);
        for (uint64 i = 0; i < SPI_processed; i++) {
            HeapTuple row = SPI_tuptable->vals[i];
            MemoryContext caller = MemoryContextSwitchTo(memory);
            runnable *r = palloc(sizeof(runnable));

            r->store = cstring_to_text(SPI_getvalue(row, SPI_tuptable->tupdesc, 1));
            r->name = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
            list = lappend(list, r);
            MemoryContextSwitchTo(caller);
        }
        ec_role_end_statements(&before);
    }
    end();
    return list;
}

/* Write down an error that ended the transaction of a batch. */
static void note_error(const runnable *r, const ErrorData *error)
{
    bool again = ec_projection_is_transient(error) || error->sqlerrcode == ERRCODE_QUERY_CANCELED;

    begin();
    if (has_tables())
        ec_projection_execute(
            psprintf("UPDATE eventcore.projection_progress SET failed = %s, next_attempt_at = %s, "
                     "last_error = %s, last_error_at = clock_timestamp() "
                     "WHERE store = $1 AND name = $2",
                     again ? "false" : "true",
                     again ? "clock_timestamp() + interval '1 second'" : "NULL",
                     quote_literal_cstr(error->message)),
            r->store, r->name);
    end();
}

static bool run(const runnable *r)
{
    MemoryContext caller = CurrentMemoryContext;
    volatile bool go_on = false;
    ErrorData *volatile error = NULL;

    PG_TRY();
    {
        int64 handled = 0;

        pgstat_report_activity(STATE_RUNNING, psprintf("eventcore projection %s", r->name));
        begin();
        go_on = ec_projection_run_batch(r->store, r->name, PG_INT64_MAX, &handled);
        /* A checkpoint alone is worth no flush: lost in a crash, it is found again. */
        if (handled == 0)
            (void)set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
                                    GUC_ACTION_LOCAL, true, 0, false);
        end();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(caller);
        error = CopyErrorData();
        EmitErrorReport();
        FlushErrorState();
        AbortCurrentTransaction();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(caller);
    if (error != NULL)
        note_error(r, error);
    pgstat_report_activity(STATE_IDLE, NULL);
    return go_on;
}

bool ec_projections_work(void)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext memory =
        AllocSetContextCreate(TopMemoryContext, "eventcore projections", ALLOCSET_DEFAULT_SIZES);
    bool go_on = false;
    ListCell *cell;
    List *list;

    MemoryContextSwitchTo(memory);
    list = list_runnable(memory);
    MemoryContextSwitchTo(memory); /* the end of a transaction has switched elsewhere */
    foreach (cell, list) {
        CHECK_FOR_INTERRUPTS();
        go_on |= run(lfirst(cell));
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(memory);
    return go_on;
}

long ec_projections_delay(void)
{
    long delay = -2;

    begin();
    if (has_tables()) {
        ec_role before = ec_role_begin_statements();
        bool is_null;
        Datum due;

        /* A rebuild beside another projection may wait for that one, which tells nobody. */
        SPI_execute("SELECT least(min(ceil(1000 * extract(epoch FROM p.next_attempt_at "
                    "- clock_timestamp()))), min(1000) FILTER (WHERE d.replaces IS NOT NULL))"
                    "::bigint, count(*) FROM eventcore.projections AS d "
                    "JOIN eventcore.projection_progress AS p "
                    "ON p.store = d.store AND p.name = d.name "
                    "WHERE d.mode = 'async' AND NOT d.paused AND NOT p.failed",
                    true, 1);
        due = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
        if (!is_null)
            delay = Max(DatumGetInt64(due), 0);
        else if (DatumGetInt64(
                     SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null)) > 0)
            delay = -1;
        ec_role_end_statements(&before);
    }
    end();
    return delay;
}
