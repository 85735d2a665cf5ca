/* errors.c: the error list as SQLSTATEs, JSON details, and errors as values. */
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

static char *json_detail(ec_error error, const char *types, va_list pairs)
{
    StringInfoData json;

    initStringInfo(&json);
    appendStringInfo(&json, "{\"error\":\"%s\"", error_list[error].name);
    for (const char *type = types; *type != '\0'; type++) {
        appendStringInfo(&json, ",\"%s\":", va_arg(pairs, const char *));
        if (*type == 'i')
            appendStringInfo(&json, INT64_FORMAT, va_arg(pairs, int64));
        else if (*type == 's')
            escape_json(&json, va_arg(pairs, const char *));
        else
            appendStringInfoString(&json, va_arg(pairs, const char *));
    }
    appendStringInfoChar(&json, '}');
    return json.data;
}

int ec_error_detail(ec_error error, const char *types, ...)
{
    va_list pairs;
    char *json;

    va_start(pairs, types);
    json = json_detail(error, types, pairs);
    va_end(pairs);
    return errdetail_internal("%s", json);
}

ec_problem *ec_problem_make(ec_error error, const char *message, const char *hint,
                            const char *types, ...)
{
    ec_problem *problem = palloc(sizeof(ec_problem));
    va_list pairs;

    va_start(pairs, types);
    *problem = (ec_problem){error, message, json_detail(error, types, pairs), hint};
    va_end(pairs);
    return problem;
}

void ec_problem_raise(const ec_problem *problem)
{
    ereport(ERROR, (ec_error_code(problem->error), errmsg_internal("%s", problem->message),
                    errdetail_internal("%s", problem->detail), errhint("%s", problem->hint)));
    pg_unreachable();
}

const char *ec_problem_sqlstate(const ec_problem *problem)
{
    return error_list[problem->error].sqlstate;
}
