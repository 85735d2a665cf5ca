/*
 * guard.c: events are never changed.
 *
 * The triggers of events that call this are ENABLE ALWAYS, so that they also fire in replica mode,
 * and there are two of each: the statement triggers stop an UPDATE, DELETE, MERGE or TRUNCATE
 * before it looks at a row; the row triggers stop the apply worker of logical replication, which
 * fires no statement triggers.
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "errors.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(eventcore_refuse_change);
Datum eventcore_refuse_change(PG_FUNCTION_ARGS)
{
    const TriggerData *trigger = (const TriggerData *)fcinfo->context;
    const char *operation;

    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("eventcore.refuse_change is called by triggers only")));
    operation = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event)   ? "UPDATE"
                : TRIGGER_FIRED_BY_DELETE(trigger->tg_event) ? "DELETE"
                                                             : "TRUNCATE";
    ereport(ERROR, (ec_error_code(EC_ERROR_append_only),
                    errmsg("%s of eventcore.events is refused: events are append-only", operation),
                    ec_error_detail(EC_ERROR_append_only, "s", "operation", operation),
                    errhint("To correct what an event says, append another event.")));
}
