/* consumption_retry.c: what a consumption tries again, and after how long. */
#include <string.h>

#include "consumption.h"
#include "event_id.h"
#include "retry.h"

bool ec_consumption_is_transaction(const ec_consumption *c)
{
    return !c->options.at_least_once;
}

bool ec_consumption_claims(const ec_consumption *c)
{
    return !c->options.acknowledge && c->options.member == EC_ANY_MEMBER;
}

int64_t ec_consumption_backoff_us(const ec_consumption *c, int retry)
{
    ec_execute_options policy = EC_EXECUTE_OPTIONS_INIT;
    uint64_t random = 0;

    policy.backoff_base_ms = c->options.backoff_base_ms;
    policy.backoff_cap_ms = c->options.backoff_cap_ms;
    policy.jitter_percent = c->options.jitter_percent;
    /* Without random numbers the jitter is lost, not the event. */
    if (!ec_random(&random, sizeof random))
        random = UINT64_MAX / 2;
    return ec_backoff_us(&policy, retry, random);
}

bool ec_consumption_is_worth_another(ec_consumption *c, const ec_failure *failure)
{
    const ec_consume_options *options = &c->options;
    const ec_failed_attempt attempt = {failure->status, failure->sqlstate, failure->message,
                                       ++c->failures, 0};

    if ((failure->status != EC_UNKNOWN_EVENT || options->acknowledge) &&
        (options->max_attempts == 0 || c->failures < options->max_attempts) &&
        (options->retry == NULL || options->retry(options->retry_argument, &attempt)))
        return true;
    c->stopping = true;
    ec_failure_clear(&c->result);
    ec_failure_copy(&c->result, failure);
    return false;
}

/*
 * Whether it may go better another time: everything but what is wrong with the request itself. By
 * the class of the SQLSTATE: rolled back, out of resources, not in the right state, an operator,
 * the system.
 */
bool ec_consumption_is_transient(const ec_consumption *c, const ec_failure *failure)
{
    static const char *const classes[] = {"40", "53", "55", "57", "58"};

    switch (failure->status) {
    case EC_NOT_DELIVERED:
    case EC_NO_MEMORY:
        return true;
    case EC_MEMBER_NOT_FOUND:
        return ec_consumption_claims(c);
    case EC_MEMBER_CLAIMED:
        return !c->options.until_caught_up;
    default:
        for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
            if (strncmp(failure->sqlstate, classes[i], 2) == 0)
                return true;
        return ec_is_retriable(failure);
    }
}
