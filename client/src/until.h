/* until.h: until when something may take: a deadline, or somebody asking to stop. */
#ifndef EC_UNTIL_H
#define EC_UNTIL_H

#include "failure.h"

#define EC_NO_DEADLINE INT64_MAX
#define EC_CANCELLED_AT_ONCE INT64_MIN /* a deadline that means: cancelled, and not too late */

typedef struct ec_until {
    int64_t deadline;                    /* on the clock of ec_now_us() */
    const ec_cancellation *cancellation; /* NULL: none */
} ec_until;

/* What something that cannot go on waits for. */
typedef struct ec_wait {
    int descriptor; /* -1: only for time to pass */
    short events;   /* of poll() */
    ec_until until;
} ec_wait;

/* Microseconds on a clock that never jumps: what deadlines are measured on. */
int64_t ec_now_us(void);

/* `timeout_ms` from now; 0 means no deadline. */
ec_until ec_until_after(int64_t timeout_ms, const ec_cancellation *cancellation);

/* EC_OK while it is not over, else EC_TIMEOUT or EC_CANCELLED. */
ec_status ec_until_status(const ec_until *until);

/* Milliseconds for poll(), rounded up so that it does not spin through the last one; -1: none. */
int ec_poll_timeout(int64_t deadline);

/* Wait, perhaps less: whoever waits looks again. True if the descriptor is ready. */
bool ec_wait_for(const ec_wait *wait);

/* Wait for poll()'s `events`. As ec_until_status(), and EC_CONNECTION_LOST for a bad descriptor. */
ec_status ec_until_ready(const ec_until *until, int descriptor, short events);

/* Let time pass. Not EC_OK as soon as it is over, or sure to be before the pause is. */
ec_status ec_until_pause(const ec_until *until, int64_t duration_us);

#endif
