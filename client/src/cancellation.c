/*
 * cancellation.c: a switch that stops executions: a flag to look at, and a pipe to wait for.
 *
 * A byte is written into the pipe once and never read, so that any number of threads can wait for
 * it. Throwing the switch does only what a signal handler may: an atomic exchange without a lock,
 * and write().
 */
#include "eventcore/eventcore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct ec_cancellation {
    int read_end;
    int write_end;
    atomic_bool thrown;
};

#if ATOMIC_BOOL_LOCK_FREE != 2
#error "a signal handler cannot use an atomic_bool that takes a lock"
#endif

ec_status ec_cancellation_new(ec_cancellation **cancellation)
{
    ec_cancellation *made = malloc(sizeof *made);
    int ends[2];

    *cancellation = NULL;
    if (made == NULL)
        return EC_NO_MEMORY;
    if (pipe(ends) != 0) {
        free(made);
        return EC_FAILED;
    }
    for (int i = 0; i < 2; i++)
        fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    made->read_end = ends[0];
    made->write_end = ends[1];
    atomic_init(&made->thrown, false);
    *cancellation = made;
    return EC_OK;
}

void ec_cancel(ec_cancellation *cancellation)
{
    int before = errno; /* of what the signal interrupted */

    if (cancellation == NULL)
        return;
    if (!atomic_exchange(&cancellation->thrown, true))
        while (write(cancellation->write_end, "", 1) < 0 && errno == EINTR)
            ;
    errno = before;
}

bool ec_is_cancelled(const ec_cancellation *cancellation)
{
    return cancellation != NULL && atomic_load(&cancellation->thrown);
}

int ec_cancellation_descriptor(const ec_cancellation *cancellation)
{
    return cancellation->read_end;
}

void ec_cancellation_free(ec_cancellation *cancellation)
{
    if (cancellation == NULL)
        return;
    close(cancellation->read_end);
    close(cancellation->write_end);
    free(cancellation);
}
