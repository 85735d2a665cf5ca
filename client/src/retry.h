/* retry.h: what is tried again, and after how long. */
#ifndef EC_RETRY_H
#define EC_RETRY_H

#include "failure.h"

/* Whether the command may succeed if it is executed again from its read on. */
bool ec_is_retriable(const ec_failure *failure);

/*
 * The pause before retry number `retry` (from 1 on), in microseconds: exponential with full
 * jitter, `random` being uniform over all its values.
 */
int64_t ec_backoff_us(const ec_execute_options *options, int retry, uint64_t random);

#endif
