/*
 * retry.c: the retry policy.
 *
 * Full jitter: the pause is uniform between nothing and the exponential bound, so that the losers
 * of one race do not meet again at the next.
 */
#include "retry.h"

#include <string.h>

bool ec_is_retriable(const ec_failure *failure)
{
    static const char *const sqlstates[] = {
        "40001", /* serialization failure, or a stream lock out of order */
        "40P01", /* deadlock detected */
        "53200", /* out of lock memory */
    };

    if (failure->status == EC_VERSION_CONFLICT || failure->status == EC_CONNECTION_LOST)
        return true;
    for (size_t i = 0; i < sizeof sqlstates / sizeof *sqlstates; i++)
        if (strcmp(failure->sqlstate, sqlstates[i]) == 0)
            return true;
    return false;
}

int64_t ec_backoff_us(const ec_execute_options *options, int retry, uint64_t random)
{
    int64_t bound = options->backoff_base_ms;

    for (int i = 1; i < retry && bound < options->backoff_cap_ms; i++)
        bound = bound > INT64_MAX / 2 ? INT64_MAX : bound * 2;
    if (bound > options->backoff_cap_ms)
        bound = options->backoff_cap_ms;
    bound = bound > INT64_MAX / 2000 ? INT64_MAX / 2 : bound * 1000;
    return (int64_t)(random % ((uint64_t)bound + 1));
}
