/* rows.c: return rows from a function. */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "errors.h"
#include "funcapi.h"
#include "rows.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static bool has_type(Form_pg_attribute column, Oid type)
{
    if (column->attisdropped)
        return false;
    return type == ANYARRAYOID ? OidIsValid(get_element_type(column->atttypid))
                               : column->atttypid == type;
}

bool ec_rows_match(TupleDesc columns, const Oid *types, int count)
{
    bool match = columns->natts == count;

    for (int i = 0; match && i < count; i++)
        match = has_type(TupleDescAttr(columns, i), types[i]);
    return match;
}

void ec_rows_raise_altered(const char *type)
{
    ereport(ERROR, (ec_error_code(EC_ERROR_relation_mismatch), errmsg("type %s was altered", type),
                    ec_error_detail(EC_ERROR_relation_mismatch, "s", "relation", type),
                    errhint("The types of eventcore belong to the extension: restore them as "
                            "CREATE EXTENSION made them.")));
}

ReturnSetInfo *ec_rows_begin(FunctionCallInfo fcinfo, const Oid *types, int count)
{
    ReturnSetInfo *rows = (ReturnSetInfo *)fcinfo->resultinfo;

    InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
    if (!ec_rows_match(rows->setDesc, types, count))
        ec_rows_raise_altered(rows->setDesc->tdtypeid == RECORDOID
                                  ? "of the result"
                                  : format_type_be(rows->setDesc->tdtypeid));
    return rows;
}

void ec_rows_add(ReturnSetInfo *rows, Datum *values, bool *nulls)
{
    tuplestore_putvalues(rows->setResult, rows->setDesc, values, nulls);
}
