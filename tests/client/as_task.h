/*
 * as_task.h: the blocking calls, made of tasks and a loop around poll().
 *
 * Included in front of a test it lets that run through tasks: test_task_*.c do. The program has a
 * poll() and a nanosleep() of its own, which libpq calls, too: so it sees who waits, and fails a
 * test in which ec_task_advance() does.
 */
#ifndef AS_TASK_H
#define AS_TASK_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <eventcore/eventcore.h>

/* What a loop has seen. */
struct loop {
    int advances;
    bool sent; /* it had to wait to send */
};

static __thread bool advancing;
static __thread int waits; /* in ec_task_advance() */

int poll(struct pollfd *polled, nfds_t count, int timeout_ms)
{
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000};

    waits += advancing && timeout_ms != 0;
    return (int)syscall(SYS_ppoll, polled, count, timeout_ms < 0 ? NULL : &timeout, NULL, 0);
}

int nanosleep(const struct timespec *duration, struct timespec *rest)
{
    int failure;

    waits += advancing;
    failure = clock_nanosleep(CLOCK_MONOTONIC, 0, duration, rest);
    errno = failure == 0 ? errno : failure;
    return failure == 0 ? 0 : -1;
}

/* Advance a task, and again: too early does no harm. */
static inline ec_status advance(ec_task *task)
{
    ec_status status;

    advancing = true;
    status = ec_task_advance(task);
    if (status == EC_PENDING)
        status = ec_task_advance(task);
    advancing = false;
    assert_int_equal(waits, 0);
    return status;
}

/* Until it has ended; a thrown switch, NULL for none, wakes the loop. */
static inline struct loop loop(ec_task *task, const ec_cancellation *cancellation)
{
    struct loop seen = {0, false};

    while (seen.advances++, advance(task) == EC_PENDING) {
        struct pollfd polled[] = {
            {.fd = ec_task_socket(task), .events = ec_task_events(task)},
            {.fd = cancellation == NULL || ec_is_cancelled(cancellation)
                       ? -1
                       : ec_cancellation_descriptor(cancellation),
             .events = POLLIN},
        };

        seen.sent |= (ec_task_events(task) & POLLOUT) != 0;
        poll(polled, 2, ec_task_timeout_ms(task));
    }
    return seen;
}

/* ------------------------------------------------------------------ the calls */

static EC_UNUSED ec_status execute_as_task(ec_connection *connection,
                                           const ec_definition *definition, const void *streams,
                                           const void *command, const ec_execute_options *options,
                                           ec_outcome **outcome)
{
    ec_task *task;
    ec_status status = ec_execute_start(connection, definition, streams, command, options, &task);

    if (status != EC_OK) /* a task that was not started has no outcome: refused again, for that */
        return outcome == NULL
                   ? status
                   : ec_execute(connection, definition, streams, command, options, outcome);
    loop(task, options == NULL ? NULL : options->cancellation);
    return ec_task_finish(task, outcome);
}

static EC_UNUSED ec_status append_as_task(ec_connection *connection, const ec_stream_event *events,
                                          size_t event_count, const ec_expectation *expected,
                                          size_t expected_count, ec_outcome **outcome)
{
    ec_task *task;
    ec_status status =
        ec_append_start(connection, events, event_count, expected, expected_count, &task);

    if (status != EC_OK)
        return status;
    loop(task, NULL);
    return ec_task_finish(task, outcome);
}

static EC_UNUSED ec_status read_stream_as_task(ec_connection *connection, const char *stream_id,
                                               const ec_read_options *options, ec_events **events)
{
    ec_task *task;

    *events = NULL;
    if (ec_read_stream_start(connection, stream_id, options, &task) != EC_OK)
        return ec_error_status(connection);
    loop(task, NULL);
    return ec_task_finish_read(task, events);
}

/* A handler that calls its test may wait. */
#define CALL_OUT(call)                                                                             \
    do {                                                                                           \
        bool before = advancing;                                                                   \
        advancing = false;                                                                         \
        call;                                                                                      \
        advancing = before;                                                                        \
    } while (0)

/* Commands that are declared behind this are executed as tasks. */
#ifdef AS_TASKS
#define ec_execute execute_as_task
#define ec_append append_as_task
#define ec_read_stream read_stream_as_task
#endif

#include "server.h"

#endif
