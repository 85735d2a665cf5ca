/* role.c: act as another role for a while. */
#include "postgres.h"

#include "access/table.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "relations.h"
#include "role.h"
#include "utils/guc.h"
#include "utils/rel.h"

ec_role ec_role_begin(Oid role, const char *search_path, bool restricted)
{
    ec_role before;

    GetUserIdAndSecContext(&before.user, &before.security);
    before.guc_level = NewGUCNestLevel();
    SetUserIdAndSecContext(role, before.security | SECURITY_LOCAL_USERID_CHANGE |
                                     (restricted ? SECURITY_RESTRICTED_OPERATION : 0));
    (void)set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                            true, 0, false);
    return before;
}

void ec_role_end(const ec_role *before)
{
    AtEOXact_GUC(false, before->guc_level);
    SetUserIdAndSecContext(before->user, before->security);
}

ec_role ec_role_begin_statements(void)
{
    Relation stores = ec_relations_open_stores(AccessShareLock);
    Oid owner = stores->rd_rel->relowner;

    table_close(stores, AccessShareLock);
    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
    return ec_role_begin(owner, "pg_catalog, pg_temp", false);
}

void ec_role_end_statements(const ec_role *before)
{
    ec_role_end(before);
    SPI_finish();
}
