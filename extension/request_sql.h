/* request_sql.h: requests from the arguments of the SQL functions. */
#ifndef EVENTCORE_REQUEST_SQL_H
#define EVENTCORE_REQUEST_SQL_H

#include "fmgr.h"
#include "request.h"

typedef ec_request *(*ec_request_parser)(FunctionCallInfo fcinfo);

/* One command each; the arguments are those of the SQL functions, see sql/append.sql. */
extern ec_request *ec_request_from_composites(FunctionCallInfo fcinfo);
extern ec_request *ec_request_from_columns(FunctionCallInfo fcinfo);
extern ec_request *ec_request_from_values(FunctionCallInfo fcinfo);

/* Many commands, see sql/batch.sql. */
extern ec_request *ec_request_from_commands(FunctionCallInfo fcinfo);
extern ec_request *ec_request_from_command_columns(FunctionCallInfo fcinfo);

/* An array argument, taken apart. One that is null gives `values` NULL. */
typedef struct ec_column {
    Datum *values;
    bool *nulls;
    int count;
} ec_column;

/* Raises `error` if the array has more than one dimension. */
extern ec_column ec_column_argument(FunctionCallInfo fcinfo, int argument, ec_error error);

/* The same; null is an error too. */
extern ec_column ec_column_required(FunctionCallInfo fcinfo, int argument, ec_error error,
                                    const char *name);

/* The argument `store`; null is an error. */
extern text *ec_store_argument(FunctionCallInfo fcinfo, int argument);

#endif
