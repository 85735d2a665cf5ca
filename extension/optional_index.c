/*
 * optional_index.c: indexes that a store of events has if its readers want them.
 *
 * Like the three that it always has they are recognised by what they index, not by name:
 * (store, X, global_position), where X is the type, eventcore.category(stream_id) or
 * eventcore.correlation_id(metadata), as bytes in order (collation "C").
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_proc.h"
#include "nodes/primnodes.h"
#include "optional_index.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

static const struct {
    const char *name;
    const char *function; /* in schema eventcore, NULL: the column itself */
    AttrNumber column;
} kinds[] = {
    [EC_INDEX_CATEGORY] = {"category", "category", EC_STREAM_ID},
    [EC_INDEX_TYPE] = {"type", NULL, EC_TYPE},
    [EC_INDEX_CORRELATION] = {"correlation", "correlation_id", EC_METADATA},
};

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
