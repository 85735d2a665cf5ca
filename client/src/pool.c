/*
 * pool.c: connections that threads take in turn.
 *
 * What is counted are seats, max_size in all: one is taken by each connection that is out and by
 * each thread that makes or checks one, without the lock. A free seat, or one with an idle
 * connection, is taken at once; else the thread queues. Who gives a seat up hands it to the head
 * of the queue, with or without a connection on it: it is never free while somebody waits, so
 * nobody who comes later can be faster.
 *
 * Idle connections are a stack, so that those that are not needed stay at its bottom and age. A
 * sound one has nothing to say: what can be read from its socket is its end, or news so rare that a
 * new connection is made for them as well. That costs no round trip, but does not find a
 * peer that is gone without a word: so after some time idle the server is asked for an answer.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"
#include "options.h"

#define CHECK_MS 1000 /* for an answer that says that a connection lives */

typedef struct {
    ec_connection *connection; /* NULL: none yet */
    int64_t idle_since;
} seat;

typedef struct waiter {
    pthread_cond_t served;
    seat seat;
    enum { WAITS, SERVED, REFUSED } state;
    struct waiter *next;
} waiter;

struct ec_pool {
    ec_connection *model; /* never connected: the others are made like it */
    ec_pool_options options;
    pthread_mutex_t mutex; /* guards all below */
    size_t in_use;
    seat *idle; /* a stack */
    size_t idle_count;
    waiter *first, **end; /* the queue */
    size_t waiting;
    int64_t connects, timeouts;
    bool is_freed; /* by the program: goes when nobody is left in it */
};

/* ------------------------------------------------------------------ life */

static void destroy(ec_pool *pool)
{
    ec_close(pool->model);
    free(pool->idle);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

ec_status ec_pool_new(ec_pool **pool, const char *conninfo, const ec_pool_options *given)
{
    ec_pool_options options = EC_POOL_OPTIONS_INIT;
    ec_pool *made;
    ec_status status;

    *pool = NULL;
    if (!ec_options_take(&options, sizeof options, given) || options.max_size < 1 ||
        options.check_after_ms < 0 || options.max_idle_ms < 0)
        return EC_INVALID_ARGUMENT;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return EC_NO_MEMORY;
    if (pthread_mutex_init(&made->mutex, NULL) != 0) {
        free(made);
        return EC_NO_MEMORY;
    }
    made->options = options;
    made->end = &made->first;
    made->idle = calloc((size_t)options.max_size, sizeof *made->idle);
    status = ec_connection_new(&made->model, conninfo, options.connect);
    if (status == EC_OK && made->idle == NULL)
        status = EC_NO_MEMORY;
    if (status == EC_OK)
        *pool = made;
    else
        destroy(made);
    return status;
}

/* Leave the pool, whose lock is held and let go; the last to leave a freed one takes it down. */
static void leave(ec_pool *pool)
{
    bool is_last = pool->is_freed && pool->in_use == 0 && pool->waiting == 0;

    pthread_mutex_unlock(&pool->mutex);
    if (is_last)
        destroy(pool);
}

void ec_pool_free(ec_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_freed = true;
    while (pool->idle_count > 0)
        ec_close(pool->idle[--pool->idle_count].connection);
    for (waiter *waiter = pool->first; waiter != NULL; waiter = waiter->next) {
        waiter->state = REFUSED;
        pthread_cond_signal(&waiter->served);
    }
    pool->first = NULL;
    pool->end = &pool->first;
    leave(pool);
}

ec_status ec_pool_look(ec_pool *pool, ec_pool_usage *usage)
{
    ec_pool_usage found = EC_POOL_USAGE_INIT;

    if (!ec_options_take(&found, 0, usage)) /* its size alone is looked at */
        return EC_INVALID_ARGUMENT;
    found.struct_size = usage->struct_size;
    pthread_mutex_lock(&pool->mutex);
    found.in_use = pool->in_use;
    found.idle = pool->idle_count;
    found.waiting = pool->waiting;
    found.connects = pool->connects;
    found.timeouts = pool->timeouts;
    pthread_mutex_unlock(&pool->mutex);
    memcpy(usage, &found, found.struct_size < sizeof found ? found.struct_size : sizeof found);
    return EC_OK;
}

/* ------------------------------------------------------------------ seats */

/* The stack is in the order of release, so what is idle for too long is at its bottom. */
static void close_expired(ec_pool *pool)
{
    int64_t max_idle_ms = pool->options.max_idle_ms, now = ec_now_us();
    size_t expired = 0;

    if (max_idle_ms == 0)
        return;
    while (expired < pool->idle_count &&
           (now - pool->idle[expired].idle_since) / 1000 > max_idle_ms)
        ec_close(pool->idle[expired++].connection);
    pool->idle_count -= expired;
    memmove(pool->idle, pool->idle + expired, pool->idle_count * sizeof *pool->idle);
}

static void dequeue(ec_pool *pool, waiter *leaving)
{
    waiter **link = &pool->first;

    while (*link != leaving)
        link = &(*link)->next;
    *link = leaving->next;
    if (*link == NULL)
        pool->end = link;
}

/* Wait in the queue. The lock is held, and let go while waiting. */
static void wait_in_queue(ec_pool *pool, waiter *waiter, int64_t deadline)
{
    const struct timespec end = {.tv_sec = deadline / 1000000,
                                 .tv_nsec = deadline % 1000000 * 1000};
    int error = 0;

    *pool->end = waiter;
    pool->end = &waiter->next;
    pool->waiting++;
    while (waiter->state == WAITS && error != ETIMEDOUT)
        error = deadline == EC_NO_DEADLINE
                    ? pthread_cond_wait(&waiter->served, &pool->mutex)
                    : pthread_cond_timedwait(&waiter->served, &pool->mutex, &end);
    pool->waiting--;
    if (waiter->state == WAITS)
        dequeue(pool, waiter);
}

static ec_status queue(ec_pool *pool, int64_t timeout_ms, int64_t deadline, seat *seat,
                       ec_failure *failure)
{
    waiter waiter = {.state = WAITS};
    pthread_condattr_t attributes;

    if (pthread_condattr_init(&attributes) != 0)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for waiting");
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&waiter.served, &attributes);
    pthread_condattr_destroy(&attributes);
    wait_in_queue(pool, &waiter, deadline);
    pthread_cond_destroy(&waiter.served);
    if (waiter.state == SERVED) {
        *seat = waiter.seat;
        return EC_OK;
    }
    if (waiter.state == REFUSED)
        return ec_fail(failure, EC_CANCELLED, "the pool was freed while a connection was awaited");
    pool->timeouts++;
    return ec_fail(failure, EC_TIMEOUT,
                   "no connection became free in %lld ms: all %d of the pool are in use, and %zu "
                   "more threads wait for one",
                   (long long)timeout_ms, pool->options.max_size, pool->waiting);
}

/* Take a seat, perhaps with a connection on it. */
static ec_status take_seat(ec_pool *pool, int64_t timeout_ms, int64_t deadline, seat *seat,
                           ec_failure *failure)
{
    ec_status status = EC_OK;

    pthread_mutex_lock(&pool->mutex);
    close_expired(pool);
    if (pool->idle_count > 0) {
        *seat = pool->idle[--pool->idle_count];
        pool->in_use++;
    } else if (pool->in_use < (size_t)pool->options.max_size)
        pool->in_use++;
    else
        status = queue(pool, timeout_ms, deadline, seat, failure);
    leave(pool);
    return status;
}

/* Give a seat up, with a connection that is sound, or NULL. */
static void give_seat(ec_pool *pool, ec_connection *connection)
{
    const seat seat = {connection, ec_now_us()};
    waiter *first;

    pthread_mutex_lock(&pool->mutex);
    close_expired(pool);
    first = pool->first;
    if (first != NULL) {
        dequeue(pool, first);
        first->seat = seat;
        first->state = SERVED;
        pthread_cond_signal(&first->served);
    } else {
        pool->in_use--;
        if (connection != NULL && pool->is_freed)
            ec_close(connection);
        else if (connection != NULL)
            pool->idle[pool->idle_count++] = seat;
    }
    leave(pool);
}

/* ------------------------------------------------------------------ connections */

/* The server has to answer to a synchronisation without a statement. */
static bool answers(ec_connection *connection, const ec_until *until)
{
    const ec_round_trip nothing = {.count = 0};
    ec_until soon = ec_until_after(CHECK_MS, NULL);
    ec_failure failure = {.status = EC_OK};
    ec_status status;
    ec_events *rows;
    bool maybe_done;

    if (until->deadline < soon.deadline)
        soon = *until;
    status = ec_connection_send(connection, &nothing, &soon, &rows, &failure, &maybe_done);
    ec_failure_clear(&failure);
    return status == EC_OK && connection->pg != NULL;
}

static bool is_sound(const ec_pool *pool, const seat *seat, const ec_until *until)
{
    PGconn *pg = seat->connection->pg;
    struct pollfd socket = {.fd = PQsocket(pg), .events = POLLIN};

    if (poll(&socket, 1, 0) != 0)
        return false;
    return (ec_now_us() - seat->idle_since) / 1000 < pool->options.check_after_ms ||
           answers(seat->connection, until);
}

static ec_status make(ec_pool *pool, const ec_until *until, ec_connection **connection,
                      ec_failure *failure)
{
    const ec_connection *model = pool->model;
    ec_connect_options options = model->options;
    ec_until own = ec_until_after(options.timeout_ms, NULL);
    ec_connection *made;
    ec_status status;

    pthread_mutex_lock(&pool->mutex);
    pool->connects++;
    pthread_mutex_unlock(&pool->mutex);
    options.store = model->store;
    status = ec_connection_new(&made, model->conninfo, &options);
    if (status != EC_OK)
        ec_fail(failure, status, "out of memory for a connection");
    else
        status = ec_connection_open(made, own.deadline < until->deadline ? &own : until, failure);
    if (status == EC_OK)
        *connection = made;
    else
        ec_close(made);
    return status;
}

/* A handle that only carries an error. */
static ec_status refuse(ec_connection **connection, ec_failure *failure)
{
    ec_status status = failure->status;

    *connection = calloc(1, sizeof **connection);
    if (*connection == NULL) {
        ec_failure_clear(failure);
        return EC_NO_MEMORY;
    }
    ec_failure_move(&(*connection)->failure, failure);
    return status;
}

ec_status ec_pool_acquire(ec_pool *pool, int64_t timeout_ms, ec_connection **connection)
{
    ec_until until = ec_until_after(timeout_ms, NULL);
    ec_failure failure = {.status = EC_OK};
    seat seat = {NULL, 0};
    ec_status status;

    if (timeout_ms < 0)
        status = ec_fail(&failure, EC_INVALID_ARGUMENT, "timeout_ms is negative");
    else
        status = take_seat(pool, timeout_ms, until.deadline, &seat, &failure);
    if (status != EC_OK)
        return refuse(connection, &failure);
    if (seat.connection != NULL && !is_sound(pool, &seat, &until)) {
        ec_close(seat.connection);
        seat.connection = NULL;
    }
    if (seat.connection == NULL && make(pool, &until, &seat.connection, &failure) != EC_OK) {
        give_seat(pool, NULL);
        return refuse(connection, &failure);
    }
    seat.connection->pool = pool;
    *connection = seat.connection;
    return EC_OK;
}

/* Whether nothing of its last user is left on the server's side. */
static bool is_reusable(const ec_connection *connection)
{
    PGconn *pg = connection->pg;

    return pg != NULL && PQstatus(pg) == CONNECTION_OK && PQtransactionStatus(pg) == PQTRANS_IDLE &&
           PQpipelineStatus(pg) == PQ_PIPELINE_OFF;
}

void ec_pool_release(ec_pool *pool, ec_connection *connection)
{
    if (connection == NULL || connection->pool != pool) { /* the latter carries only an error */
        ec_close(connection);
        return;
    }
    connection->pool = NULL;
    if (connection->task != NULL)
        ec_task_abandon(connection->task);
    if (is_reusable(connection)) {
        ec_set_hooks(connection, NULL);
        ec_set_metadata(connection, NULL); /* and with it the last error */
    } else {
        ec_close(connection);
        connection = NULL;
    }
    give_seat(pool, connection);
}
