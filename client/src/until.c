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

#include "cancellation.h"

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
    if (until->cancellation != NULL && ec_is_cancelled(until->cancellation))
        return EC_CANCELLED;
    return until->deadline != EC_NO_DEADLINE && ec_now_us() >= until->deadline ? EC_TIMEOUT : EC_OK;
}

/* Milliseconds for poll(), rounded up so that it does not spin through the last one. */
static int poll_timeout(int64_t deadline)
{
    int64_t left;

    if (deadline == EC_NO_DEADLINE)
        return -1;
    left = deadline - ec_now_us();
    if (left <= 0)
        return 0;
    return left / 1000 >= INT32_MAX ? INT32_MAX : (int)((left + 999) / 1000);
}

ec_status ec_until_ready(const ec_until *until, int descriptor, short events)
{
    struct pollfd polled[] = {
        {.fd = descriptor, .events = events},
        {.fd = until->cancellation == NULL ? -1 : ec_cancellation_descriptor(until->cancellation),
         .events = POLLIN},
    };
    int ready;

    if (descriptor < 0)
        return EC_CONNECTION_LOST;
    do {
        ec_status status = ec_until_status(until);

        if (status != EC_OK)
            return status;
        ready = poll(polled, 2, poll_timeout(until->deadline));
        if (ready < 0 && errno != EINTR)
            return EC_CONNECTION_LOST;
    } while (ready <= 0 || polled[0].revents == 0);
    return EC_OK;
}

ec_status ec_until_pause(const ec_until *until, int64_t duration_us)
{
    int64_t now = ec_now_us(), end = duration_us > INT64_MAX - now ? INT64_MAX : now + duration_us;
    struct timespec rest;

    if (end >= until->deadline)
        return EC_TIMEOUT;
    /* To the millisecond poll() waits, which a cancellation ends. */
    while (until->cancellation != NULL && end - ec_now_us() >= 1000) {
        struct pollfd polled = {.fd = ec_cancellation_descriptor(until->cancellation),
                                .events = POLLIN};
        int64_t left = (end - ec_now_us()) / 1000;

        if (ec_is_cancelled(until->cancellation))
            return EC_CANCELLED;
        poll(&polled, 1, left > INT32_MAX ? INT32_MAX : (int)left);
    }
    duration_us = end - ec_now_us();
    if (duration_us > 0) {
        rest = (struct timespec){duration_us / 1000000, duration_us % 1000000 * 1000};
        while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
            ;
    }
    return ec_until_status(until);
}
