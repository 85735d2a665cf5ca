/*
 * status.c: statuses, their names, and which of them an SQLSTATE means.
 *
 * The server's list of errors is the authority for the SQLSTATEs: an error added there without a
 * status here does not compile.
 */
#include <string.h>

#include "../../extension/errors.h"
#include "failure.h"

enum {
#define STATUS(NAME, name, number, description) status_##name = number,
    EC_STATUSES(STATUS)
#undef STATUS
        status_stream_locked = EC_SERVER_ERROR, /* the standard 40001: known by its SQLSTATE */
};

static const struct {
    char sqlstate[6];
    ec_status status;
} server_errors[] = {
#define SERVER_ERROR(name, sqlstate) {sqlstate, (ec_status)status_##name},
    EC_ERRORS(SERVER_ERROR)
#undef SERVER_ERROR
};

const char *ec_status_name(ec_status status)
{
    switch (status) {
#define NAME_OF(NAME, name, number, description)                                                   \
    case EC_##NAME:                                                                                \
        return #name;
        EC_STATUSES(NAME_OF)
#undef NAME_OF
    }
    return "unknown_status";
}

const char *ec_status_description(ec_status status)
{
    switch (status) {
#define DESCRIPTION_OF(NAME, name, number, description)                                            \
    case EC_##NAME:                                                                                \
        return description;
        EC_STATUSES(DESCRIPTION_OF)
#undef DESCRIPTION_OF
    }
    return "not a status of this library";
}

/*
 * A server that shuts down, has crashed or starts up, or a connection behind a pooler that broke.
 * Not the rest of class 08, 08P01: it is about a message, which is as wrong the next time.
 */
static bool is_lost_connection(const char *sqlstate)
{
    static const char *const sqlstates[] = {"08000", "08001", "08003", "08004", "08006",
                                            "08007", "57P01", "57P02", "57P03"};

    for (size_t i = 0; i < sizeof sqlstates / sizeof *sqlstates; i++)
        if (strcmp(sqlstate, sqlstates[i]) == 0)
            return true;
    return false;
}

ec_status ec_status_from_sqlstate(const char *sqlstate)
{
    if (is_lost_connection(sqlstate))
        return EC_CONNECTION_LOST;
    for (size_t i = 0; i < sizeof server_errors / sizeof *server_errors; i++)
        if (strcmp(sqlstate, server_errors[i].sqlstate) == 0)
            return server_errors[i].status;
    return EC_SERVER_ERROR;
}

bool ec_status_is_rejection(ec_status status)
{
    return status == EC_REJECTED || status == EC_FORBIDDEN || status == EC_INVALID_COMMAND;
}

const char *ec_version(void)
{
    return EC_VERSION;
}
