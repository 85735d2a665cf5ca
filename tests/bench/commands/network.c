/*
 * network.c: the time that a reply spends on a network, which a server on the same machine leaves
 * out.
 *
 * libpq and the client library wait for replies in poll(), once for each. A program's own poll()
 * goes before that of the C library, also for the libraries; this one returns late. Time passes and
 * no work is done, as on a network; and as there, locks that the server holds stay held.
 */
#define _GNU_SOURCE
#include "network.h"

#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

static atomic_long round_trip_us;

void network_set_round_trip(long us)
{
    atomic_store(&round_trip_us, us);
}

int poll(struct pollfd *sockets, nfds_t count, int timeout)
{
    const struct timespec limit = {timeout / 1000, timeout % 1000 * 1000000L};
    long us = atomic_load(&round_trip_us);
    int ready = ppoll(sockets, count, timeout < 0 ? NULL : &limit, NULL);

    if (ready > 0 && us > 0)
        nanosleep(&(struct timespec){us / 1000000, us % 1000000 * 1000}, NULL);
    return ready;
}
