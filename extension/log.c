/* log.c: the SQL functions that read the global log; see log_reader.c. */
#include "postgres.h"

#include "errors.h"
#include "horizon.h"
#include "log_reader.h"
#include "read.h"
#include "request_sql.h"
#include "rows.h"
#include "utils/snapmgr.h"

typedef struct arguments {
    int after, max_count, backward, member, store; /* group_size stands behind member */
} arguments;

/* Return what passes the filter, whose other conditions are set. */
static Datum read_log(FunctionCallInfo fcinfo, const arguments *at, ec_log_filter *filter)
{
    ec_relations relations;
    ec_log_reader reader = {
        .relations = &relations,
        .filter = filter,
        .max_count = ec_read_max_count(fcinfo, at->max_count),
        .max_scanned = PG_INT64_MAX,
        .backward = !PG_ARGISNULL(at->backward) && PG_GETARG_BOOL(at->backward),
        .receive = ec_read_add_row,
        .context = ec_read_begin_rows(fcinfo),
    };

    reader.position = !PG_ARGISNULL(at->after) ? PG_GETARG_INT64(at->after)
                      : reader.backward        ? PG_INT64_MAX
                                               : 0;
    ec_log_filter_group_arguments(filter, fcinfo, at->member);
    ec_log_filter_prepare(filter);
    relations = ec_relations_open(ec_store_argument(fcinfo, at->store), AccessShareLock);
    (void)ec_log_read(&reader);
    ec_relations_close(&relations);
    return (Datum)0;
}

/*
 * (after bigint, max_count bigint, types text[], category text, prefix text, pattern text,
 *  correlation_id text, backward boolean, member int, group_size int, store text)
 */
PG_FUNCTION_INFO_V1(eventcore_read_all);
Datum eventcore_read_all(PG_FUNCTION_ARGS)
{
    static const arguments at = {0, 1, 7, 8, 10};
    ec_log_filter filter = ec_log_filter_arguments(fcinfo, 2);

    return read_log(fcinfo, &at, &filter);
}

/*
 * (category text, after bigint, max_count bigint, types text[], backward boolean, member int,
 *  group_size int, store text)
 */
PG_FUNCTION_INFO_V1(eventcore_read_category);
Datum eventcore_read_category(PG_FUNCTION_ARGS)
{
    static const arguments at = {1, 2, 4, 5, 7};
    ec_log_filter filter = {0};

    if (PG_ARGISNULL(0))
        ereport(ERROR, (ec_error_code(EC_ERROR_invalid_filter), errmsg("category must not be null"),
                        ec_error_detail(EC_ERROR_invalid_filter, "s", "problem",
                                        "category must not be null"),
                        errhint("Use eventcore.read_all() to read every category.")));
    filter.category = PG_GETARG_TEXT_PP(0);
    ec_log_filter_set_types(&filter, PG_ARGISNULL(3) ? NULL : PG_GETARG_ARRAYTYPE_P(3));
    return read_log(fcinfo, &at, &filter);
}

/* (store text) */
PG_FUNCTION_INFO_V1(eventcore_safe_position);
Datum eventcore_safe_position(PG_FUNCTION_ARGS)
{
    ec_relations relations = ec_relations_open(ec_store_argument(fcinfo, 0), AccessShareLock);
    int64 position = ec_horizon_push_snapshot(&relations);

    PopActiveSnapshot();
    ec_relations_close(&relations);
    PG_RETURN_INT64(position);
}

/* (store text) */
PG_FUNCTION_INFO_V1(eventcore_last_position);
Datum eventcore_last_position(PG_FUNCTION_ARGS)
{
    ec_relations relations = ec_relations_open(ec_store_argument(fcinfo, 0), AccessShareLock);
    int64 position = ec_last_position(&relations);

    ec_relations_close(&relations);
    PG_RETURN_INT64(position);
}
