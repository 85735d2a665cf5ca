/* eventcore.c: the loadable module. */
#include "postgres.h"

#include "fmgr.h"
#include "guc.h"
#include "preload.h"

PG_MODULE_MAGIC;

void _PG_init(void);
void _PG_init(void)
{
    ec_guc_define();
    ec_preload();
}
