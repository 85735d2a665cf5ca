/*
 * retry.c: the retry policy.
 *
 * With full jitter a pause is uniform between nothing and the exponential bound, so that the losers
 * of one race do not meet again at the next.
 */
#include "retry.h"

#include <string.h>

static bool has_sqlstate(const ec_failure *failure, const char *sqlstate)
{
    return strcmp(failure->sqlstate, sqlstate) == 0;
}

/*
 * The store's own serialization failure, a stream lock out of order, is one too: of locks taken in
 * one order, before everything else, none is.
 */
bool ec_is_lost_race(const ec_failure *failure)
{
    return failure->status == EC_VERSION_CONFLICT ||
           has_sqlstate(failure, "40001") || /* serialization failure */
           has_sqlstate(failure, "40P01");   /* deadlock detected */
}

bool ec_is_retriable(const ec_failure *failure)
{
    return failure->status == EC_CONNECTION_LOST || ec_is_lost_race(failure) ||
           has_sqlstate(failure, "53200"); /* out of lock memory */
}

ec_status ec_check_options(const ec_execute_options *options, ec_failure *failure)
{
    if (options->max_attempts < 1 || options->backoff_base_ms < 0 || options->backoff_cap_ms < 0 ||
        options->deadline_ms < 0)
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "execute options: max_attempts is at least 1, times are not negative");
    if (options->lock_after < -1)
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "execute options: lock_after is a number of lost races, or -1 for never");
    if (options->jitter_percent < 0 || options->jitter_percent > 100)
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "execute options: jitter_percent is from 0 to 100");
    return EC_OK;
}

int64_t ec_backoff_us(const ec_execute_options *options, int retry, uint64_t random)
{
    int64_t bound = options->backoff_base_ms, jitter;

    for (int i = 1; i < retry && bound < options->backoff_cap_ms; i++)
        bound = bound > INT64_MAX / 2 ? INT64_MAX : bound * 2;
    if (bound > options->backoff_cap_ms)
        bound = options->backoff_cap_ms;
    bound = bound > INT64_MAX / 2000 ? INT64_MAX / 2 : bound * 1000;
    /* Divided first: a bound can be near the largest number. */
    jitter = bound / 100 * options->jitter_percent + bound % 100 * options->jitter_percent / 100;
    return bound - jitter + (int64_t)(random % ((uint64_t)jitter + 1));
}
