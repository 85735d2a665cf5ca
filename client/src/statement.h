/* statement.h: the statements that this library runs. */
#ifndef EC_STATEMENT_H
#define EC_STATEMENT_H

#include "call.h"
#include "event.h"

typedef struct ec_statement_text {
    const char *name; /* of the prepared statement; NULL: not worth being one */
    const char *sql;
    int parameter_count;
    Oid types[EC_MAX_PARAMETERS];
} ec_statement_text;

extern const ec_statement_text ec_statements[EC_STATEMENT_COUNT];

/*
 * Decode a reply to `statement` in binary format. The list takes the result over, on failure too,
 * when *events is NULL. EC_PROTOCOL_ERROR if the reply has not the shape that was asked for.
 */
ec_status ec_rows_decode(ec_events **events, PGresult *result, ec_statement statement,
                         ec_failure *failure);

#endif
