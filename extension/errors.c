/* errors.c: the error list as SQLSTATEs, and its JSON details. */
#include "postgres.h"

#include "errors.h"
#include "utils/elog.h"
#include "utils/json.h"

static const struct {
    const char *name;
    const char *sqlstate;
} error_list[] = {
#define ERROR_ENTRY(name, sqlstate) {#name, sqlstate},
    EC_ERRORS(ERROR_ENTRY)
#undef ERROR_ENTRY
};

int ec_error_code(ec_error error)
{
    const char *state = error_list[error].sqlstate;

    return errcode(MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]));
}

int ec_error_detail(ec_error error, const char *types, ...)
{
    StringInfoData json;
    va_list pairs;

    initStringInfo(&json);
    appendStringInfo(&json, "{\"error\":\"%s\"", error_list[error].name);
    va_start(pairs, types);
    for (const char *type = types; *type != '\0'; type++) {
        appendStringInfo(&json, ",\"%s\":", va_arg(pairs, const char *));
        if (*type == 'i')
            appendStringInfo(&json, INT64_FORMAT, va_arg(pairs, int64));
        else if (*type == 's')
            escape_json(&json, va_arg(pairs, const char *));
        else
            appendStringInfoString(&json, va_arg(pairs, const char *));
    }
    va_end(pairs);
    appendStringInfoChar(&json, '}');
    return errdetail_internal("%s", json.data);
}
