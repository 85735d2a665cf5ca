/* failure.h: an error as a value, with everything that the server told about it. */
#ifndef EC_FAILURE_H
#define EC_FAILURE_H

#include <libpq-fe.h>

#include "arena.h"
#include "eventcore/eventcore.h"

typedef struct ec_failure {
    ec_status status;
    char sqlstate[6];
    const char *message; /* in `memory` or static; NULL if there is none */
    const char *detail;
    const char *hint;
    const ec_violation *violations;
    size_t violation_count;
    ec_arena memory;
} ec_failure;

/* Replace the error by one of our own making; return its status. */
ec_status ec_fail(ec_failure *failure, ec_status status, const char *format, ...) EC_PRINTF(3, 4);

/* Replace the error by what the server reported; return its status. */
ec_status ec_fail_from_result(ec_failure *failure, const PGresult *result);

/* Take the violations of a conflict from its detail, if they are there. */
void ec_failure_read_violations(ec_failure *failure);

/* Replace the error by what libpq says of a broken connection; return EC_CONNECTION_LOST. */
ec_status ec_fail_from_connection(ec_failure *failure, const PGconn *pg);

/* Set back to "no error" and free what it holds. */
void ec_failure_clear(ec_failure *failure);

/* Replace `to` by `from`, which is cleared. */
void ec_failure_move(ec_failure *to, ec_failure *from);

/* Make `to`, which is clear, a copy. */
void ec_failure_copy(ec_failure *to, const ec_failure *from);

/* The client's status for an SQLSTATE. */
ec_status ec_status_from_sqlstate(const char *sqlstate);

#endif
