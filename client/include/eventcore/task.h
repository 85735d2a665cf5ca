/**
 * @file
 * Commands, appends and reads that do not block, for programs with an event loop.
 *
 * A function NAME_execute_start() begins what the one without _start would do, and makes a task.
 * The program then waits, beside whatever else it waits for, until the task's socket is ready or
 * its time is over, and advances it, until it has ended:
 *
 *     transfer_execute_start(connection, &streams, &command, NULL, &task);
 *     while (ec_task_advance(task) == EC_PENDING) {
 *         struct pollfd polled = {ec_task_socket(task), ec_task_events(task), 0};
 *         poll(&polled, 1, ec_task_timeout_ms(task));
 *     }
 *     status = ec_task_finish(task, &outcome);
 *
 * Nothing here waits but ec_task_finish() of a task that has not ended, and one thing that libpq
 * does while connecting: it looks up host names, which takes as long as the system's resolver does
 * (and reads files, such as certificates). Give an address (`hostaddr`) or a socket's directory
 * where that matters.
 *
 * A connection has one task at a time; until that is finished or freed, every other call on the
 * handle fails with EC_INVALID_ARGUMENT. Tasks of different connections know nothing of each other.
 */
#ifndef EVENTCORE_TASK_H
#define EVENTCORE_TASK_H

#include "append.h"
#include "execute.h"
#include "read.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ starting */

/**
 * Start a command, as ec_execute() executes it. EC_COMMAND makes NAME_execute_start() of it.
 *
 * @param connection  of the thread that calls; need not be connected (see ec_connect_options).
 * @param definition  lives until the task is finished, like `command` and what `options->metadata`
 *                    refers to.
 * @param streams     is copied, with its ids.
 * @param command     is passed on to the callbacks, which ec_task_advance() calls.
 * @param options     NULL: the defaults; are copied. To throw a cancellation does not wake the
 *                    loop: it may wait for ec_cancellation_descriptor(), or use ec_task_cancel().
 * @param task        is set to the task, to be given to ec_task_finish() or ec_task_free(); on
 *                    failure to NULL.
 * @return EC_OK; EC_INVALID_ARGUMENT, also if the connection has a task; or EC_NO_MEMORY. What is
 *         wrong with the command itself is the task's result.
 */
EC_API ec_status ec_execute_start(ec_connection *connection, const ec_definition *definition,
                                  const void *streams, const void *command,
                                  const ec_execute_options *options, ec_task **task);

/** Start what ec_append() does. `expected` lives until the task is finished; `events` is copied. */
EC_API ec_status ec_append_start(ec_connection *connection, const ec_stream_event *events,
                                 size_t event_count, const ec_expectation *expected,
                                 size_t expected_count, ec_task **task);

/** Start what ec_read_stream() does; ec_task_finish_read() gives the events. */
EC_API ec_status ec_read_stream_start(ec_connection *connection, const char *stream_id,
                                      const ec_read_options *options, ec_task **task);

/** Start what ec_read_streams() does; what is given is copied. */
EC_API ec_status ec_read_streams_start(ec_connection *connection, const char *const *stream_ids,
                                       size_t stream_count, const int64_t *after_versions,
                                       ec_task **task);

/** Start what ec_read_all() does. */
EC_API ec_status ec_read_all_start(ec_connection *connection, int64_t after, int64_t max_count,
                                   ec_task **task);

/* ------------------------------------------------------------------ under way */

/**
 * Go on as far as that is possible without waiting; to call it too early does no harm. The
 * command's callbacks are called in here.
 * @return EC_PENDING, or EC_OK when the task has ended, well or not: ec_task_finish() tells.
 */
EC_API ec_status ec_task_advance(ec_task *task);

/**
 * The socket to wait for; -1 if only time must pass, or the task has ended. It belongs to libpq.
 *
 * Ask again after each ec_task_advance(): it may have closed one and opened another, even with the
 * same number. What watches descriptors lastingly (epoll and its kin) must be told of the socket
 * anew each time; for libuv, uv_poll_start() does.
 */
EC_API int ec_task_socket(const ec_task *task);

/** What to wait for at the socket: POLLIN, POLLOUT or both, as of <poll.h>. 0: nothing. */
EC_API short ec_task_events(const ec_task *task);

/** The most milliseconds to wait for; then advance it all the same. 0: now; -1: no limit. */
EC_API int ec_task_timeout_ms(const ec_task *task);

/**
 * Have it stop with EC_CANCELLED: advance it then, and further until it has ended, since a
 * statement that is under way is cancelled, and its last word awaited for up to a second.
 * A read is cancelled likewise.
 */
EC_API void ec_task_cancel(ec_task *task);

/* ------------------------------------------------------------------ the end */

/**
 * Take the result of a command or an append, and free the task. One that has not ended is waited
 * for. The connection is free again, and has the error.
 * @param task     of ec_execute_start() or ec_append_start().
 * @param outcome  NULL if it is not wanted. Else *outcome, NULL or of an earlier call, is freed and
 *                 replaced; free it with ec_outcome_free().
 * @return as ec_execute() or ec_append().
 */
EC_API ec_status ec_task_finish(ec_task *task, ec_outcome **outcome);

/**
 * Take the result of a read, and free the task, as ec_task_finish() does.
 * @param task    of one of the ec_read_*_start().
 * @param events  is set to a list to be freed with ec_events_free(); on failure to NULL.
 * @return as the function without `_start`.
 */
EC_API ec_status ec_task_finish_read(ec_task *task, ec_events **events);

/**
 * Free a task without its result. One that has not ended is abandoned at once: what the server is
 * doing is asked to stop, and the connection closed, to be made anew by the next call. Whether an
 * append under way was done remains unknown. NULL is allowed.
 */
EC_API void ec_task_free(ec_task *task);

#ifdef __cplusplus
}
#endif

#endif
