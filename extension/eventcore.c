/* eventcore.c: the loadable module. */
#include "postgres.h"

#include "fmgr.h"
#include "guc.h"

PG_MODULE_MAGIC;

void _PG_init(void);
void _PG_init(void)
{
    ec_guc_define();
}
