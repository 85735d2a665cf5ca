/* retry.h: what is tried again, and after how long. */
#ifndef EC_RETRY_H
#define EC_RETRY_H

#include "failure.h"

/* Whether the command may succeed if it is executed again from its read on. */
bool ec_is_retriable(const ec_failure *failure);

/* Whether another writer was faster, which locking the streams before they are read prevents. */
bool ec_is_lost_race(const ec_failure *failure);

/* EC_INVALID_ARGUMENT for options that cannot be. */
ec_status ec_check_options(const ec_execute_options *options, ec_failure *failure);

/*
 * The pause before retry number `retry` (from 1 on), in microseconds: exponential, with
 * `random` being uniform over all its values.
 */
int64_t ec_backoff_us(const ec_execute_options *options, int retry, uint64_t random);

#endif
