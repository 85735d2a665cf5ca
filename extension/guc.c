/* guc.c: settings. */
#include "postgres.h"

#include "guc.h"
#include "utils/guc.h"
#include "utils/memutils.h"

int ec_max_event_size = 16 * 1024;

void ec_guc_define(void)
{
    DefineCustomIntVariable(
        "eventcore.max_event_size",
        "The most that data, payload and metadata of one event may take together.",
        "Larger ones are refused as invalid_event (VE005).", &ec_max_event_size, 16 * 1024, 1,
        MaxAllocSize / 1024, PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
    MarkGUCPrefixReserved("eventcore");
}
