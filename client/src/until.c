/*
 * until.c: waiting, but no longer than wanted.
 *
 * A cancellation has a descriptor that becomes readable, so that poll() waits for it beside
 * anything else. Signals do not shorten a wait.
 */
#include "until.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

int64_t ec_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

ec_until ec_until_after(int64_t timeout_ms, const ec_cancellation *cancellation)
{
    int64_t now = ec_now_us();
    bool unlimited = timeout_ms <= 0 || timeout_ms > (INT64_MAX - now) / 1000;

    return (ec_until){unlimited ? EC_NO_DEADLINE : now + timeout_ms * 1000, cancellation};
}

ec_status ec_until_status(const ec_until *until)
{
    if (until->deadline == EC_CANCELLED_AT_ONCE ||
        (until->cancellation != NULL && ec_is_cancelled(until->cancellation)))
        return EC_CANCELLED;
    return until->deadline != EC_NO_DEADLINE && ec_now_us() >= until->deadline ? EC_TIMEOUT : EC_OK;
}

int ec_poll_timeout(int64_t deadline)
{
    int64_t left, now = ec_now_us();

    if (deadline == EC_NO_DEADLINE)
        return -1;
    if (deadline <= now)
        return 0;
    left = deadline - now;
    return left / 1000 >= INT32_MAX ? INT32_MAX : (int)((left + 999) / 1000);
}

/* Sleep as long as that, to the microsecond; signals do not shorten it. */
static void sleep_us(int64_t duration_us)
{
    struct timespec rest = {duration_us / 1000000, duration_us % 1000000 * 1000};

    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

bool ec_wait_for(const ec_wait *wait)
{
    const ec_until *until = &wait->until;
    struct pollfd polled[] = {
        {.fd = wait->descriptor, .events = wait->events},
        {.fd = until->cancellation == NULL ? -1 : ec_cancellation_descriptor(until->cancellation),
         .events = POLLIN},
    };
    int64_t left = until->deadline - ec_now_us();

    if (wait->descriptor >= 0)
        return poll(polled, 2, ec_poll_timeout(until->deadline)) > 0 && polled[0].revents != 0;
    /* A pause is kept to the microsecond. As far as poll() counts, a cancellation ends it. */
    if (until->cancellation != NULL && left >= 1000)
        poll(polled, 2, left / 1000 > INT32_MAX ? INT32_MAX : (int)(left / 1000));
    else if (left > 0)
        sleep_us(left);
    return false;
}

ec_status ec_until_ready(const ec_until *until, int descriptor, short events)
{
    const ec_wait wait = {.descriptor = descriptor, .events = events, .until = *until};
    ec_status status;

    if (descriptor < 0)
        return EC_CONNECTION_LOST;
    do
        status = ec_until_status(until);
    while (status == EC_OK && !ec_wait_for(&wait));
    return status;
}

ec_status ec_until_pause(const ec_until *until, int64_t duration_us)
{
    int64_t now = ec_now_us();
    ec_wait wait = {.descriptor = -1, .until = *until};
    ec_status status;

    wait.until.deadline = duration_us > INT64_MAX - now ? INT64_MAX : now + duration_us;
    if (wait.until.deadline >= until->deadline)
        return EC_TIMEOUT;
    do {
        ec_wait_for(&wait);
        status = ec_until_status(until);
    } while (status == EC_OK && ec_now_us() < wait.until.deadline);
    return status;
}
