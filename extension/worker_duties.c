/*
 * worker_duties.c: FOR THE MERGE, DELETE THIS FILE: stands in for the worker's duties.
 *
 * Calls public.eventcore_duty() if the database has it, which returns whether it did anything.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "worker.h"

static bool has_duty(void)
{
    return SPI_execute("SELECT 1 FROM pg_catalog.pg_proc WHERE proname = 'eventcore_duty'", true,
                       1) == SPI_OK_SELECT &&
           SPI_processed > 0;
}

static bool run(bool call)
{
    bool result = false;

    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    SPI_connect();
    PushActiveSnapshot(GetTransactionSnapshot());
    pgstat_report_activity(STATE_RUNNING, "duty");
    if (has_duty()) {
        result = true;
        if (call) {
            bool is_null;

            if (SPI_execute("SELECT public.eventcore_duty()", false, 1) != SPI_OK_SELECT)
                elog(ERROR, "duty");
            result = DatumGetBool(
                SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
        }
    }
    SPI_finish();
    PopActiveSnapshot();
    CommitTransactionCommand();
    return result;
}

bool __attribute__((weak)) ec_projections_work(void)
{
    return run(true);
}

long __attribute__((weak)) ec_projections_delay(void)
{
    return run(false) ? -1 : -2;
}

long __attribute__((weak)) ec_published_horizon_work(void)
{
    return -2;
}

PG_FUNCTION_INFO_V1(eventcore_test_wake);
Datum eventcore_test_wake(PG_FUNCTION_ARGS)
{
    (void)fcinfo;
    ec_worker_wake();
    PG_RETURN_VOID();
}
