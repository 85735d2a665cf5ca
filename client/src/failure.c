/* failure.c: making and moving errors. */
#include "failure.h"

#include <string.h>

static const char *const out_of_memory = "out of memory";

ec_status ec_fail(ec_failure *failure, ec_status status, const char *format, ...)
{
    ec_arena memory = {NULL};
    va_list arguments;
    char *message;

    /* The arguments may lie in the error that is replaced. */
    va_start(arguments, format);
    message = ec_arena_format(&memory, format, arguments);
    va_end(arguments);
    ec_failure_clear(failure);
    failure->memory = memory;
    failure->status = status;
    failure->message = message == NULL ? out_of_memory : message;
    return status;
}

static char *result_field(ec_failure *failure, const PGresult *result, int field)
{
    return ec_arena_string(&failure->memory, PQresultErrorField(result, field));
}

ec_status ec_fail_from_result(ec_failure *failure, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    if (sqlstate == NULL)
        return ec_fail(failure, EC_PROTOCOL_ERROR, "unexpected reply: %s %s",
                       PQresStatus(PQresultStatus(result)), PQresultErrorMessage(result));
    ec_failure_clear(failure);
    failure->status = ec_status_from_sqlstate(sqlstate);
    memcpy(failure->sqlstate, sqlstate, strnlen(sqlstate, sizeof failure->sqlstate - 1));
    failure->message = result_field(failure, result, PG_DIAG_MESSAGE_PRIMARY);
    if (failure->message == NULL)
        failure->message = ec_status_description(failure->status);
    failure->detail = result_field(failure, result, PG_DIAG_MESSAGE_DETAIL);
    failure->hint = result_field(failure, result, PG_DIAG_MESSAGE_HINT);
    if (failure->status == EC_VERSION_CONFLICT)
        ec_failure_read_violations(failure);
    return failure->status;
}

ec_status ec_fail_from_connection(ec_failure *failure, const PGconn *pg)
{
    const char *message = PQerrorMessage(pg);
    size_t length = strlen(message);

    while (length > 0 && message[length - 1] == '\n')
        length--;
    if (length == 0)
        return ec_fail(failure, EC_CONNECTION_LOST, "%s",
                       ec_status_description(EC_CONNECTION_LOST));
    return ec_fail(failure, EC_CONNECTION_LOST, "%.*s", (int)length, message);
}

void ec_failure_clear(ec_failure *failure)
{
    ec_arena_free(&failure->memory);
    *failure = (ec_failure){.status = EC_OK};
}

void ec_failure_move(ec_failure *to, ec_failure *from)
{
    if (to == from)
        return;
    ec_failure_clear(to);
    *to = *from;
    *from = (ec_failure){.status = EC_OK};
}

void ec_failure_copy(ec_failure *to, const ec_failure *from)
{
    ec_fail(to, from->status, "%s", from->message == NULL ? "" : from->message);
    memcpy(to->sqlstate, from->sqlstate, sizeof to->sqlstate);
    to->detail = ec_arena_string(&to->memory, from->detail);
    to->hint = ec_arena_string(&to->memory, from->hint);
}
