/* batch.h: what the tests of many commands have in common. */
#ifndef BATCH_H
#define BATCH_H

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

enum { MOST_COMMANDS = 8 };

/* Transfers to be executed together: their streams, their commands and their results. */
struct transfers {
    struct server *server;
    size_t count;
    ec_command commands[MOST_COMMANDS];
    transfer_streams streams[MOST_COMMANDS];
    struct transfer transfers[MOST_COMMANDS];
    int handled[MOST_COMMANDS];
    char c[64], d[64], other_limits[64]; /* more streams */
    int interferences;                   /* for tests that interfere more than once */
};

static inline void transfers_begin(struct transfers *t, struct server *server)
{
    *t = (struct transfers){.server = server};
    unique_id(t->c, "account");
    unique_id(t->d, "account");
    unique_id(t->other_limits, "limits");
}

/* Add a transfer; its handler can be made to interfere. */
static inline struct transfer *transfers_add(struct transfers *t, const char *from, const char *to,
                                             const char *limits, long long amount)
{
    size_t i = t->count++;

    t->streams[i] = (transfer_streams){.from_account = from, .to_account = to, .limits = limits};
    t->transfers[i] = (struct transfer){.amount = amount, .handled = &t->handled[i]};
    t->commands[i] = transfer_prepare(&t->streams[i], &t->transfers[i]);
    return &t->transfers[i];
}

static inline void transfers_end(struct transfers *t)
{
    for (size_t i = 0; i < t->count; i++)
        ec_outcome_free(t->commands[i].outcome);
}

#define assert_command(t, i, expected)                                                             \
    do {                                                                                           \
        const ec_command *command_ = &(t)->commands[i];                                            \
        if (command_->status != (expected))                                                        \
            print_error("command %d: %s: %s\n", i, ec_status_name(command_->status),               \
                        ec_outcome_message(command_->outcome));                                    \
        assert_int_equal(command_->status, expected);                                              \
        assert_int_equal(ec_outcome_status(command_->outcome), expected);                          \
    } while (0)

/* ------------------------------------------------------------------ losing a reply */

/*
 * Somebody else's transaction holds a stream. When our append waits for it, our side of the
 * connection is cut, so that the reply is lost; or the backend is killed, so that nothing is done.
 * Then that transaction ends.
 */
struct cutter {
    PGconn *sql;
    PGconn *holder;
    int backend;
    int socket; /* to be cut; -1: kill the backend */
    const char *ending;
};

static inline void *cut_when_waiting(void *argument)
{
    struct cutter *cutter = argument;

    while (run_sql(cutter->sql,
                   "SELECT count(*) FROM pg_stat_activity"
                   " WHERE pid = %d AND wait_event_type = 'Lock'",
                   cutter->backend) == 0)
        usleep(2000);
    if (cutter->socket >= 0)
        shutdown(cutter->socket, SHUT_RD);
    else
        run_sql(cutter->sql, "SELECT pg_terminate_backend(%d, 10000)", cutter->backend);
    run_sql(cutter->holder, "%s", cutter->ending);
    return NULL;
}

/* Hold the stream by an append, and start to wait for our own. */
static inline pthread_t cutter_start(struct cutter *cutter, struct server *s, const char *stream_id,
                                     bool reply_only, const char *ending)
{
    pthread_t thread;

    *cutter = (struct cutter){.sql = s->sql,
                              .holder = PQconnectdb(""),
                              .backend = backend_of(s->connection),
                              .socket = reply_only ? PQsocket(s->connection->pg) : -1,
                              .ending = ending};
    run_sql(cutter->holder, "BEGIN");
    deposit(cutter->holder, stream_id, 1000);
    assert_int_equal(pthread_create(&thread, NULL, cut_when_waiting, cutter), 0);
    return thread;
}

static inline void cutter_finish(struct cutter *cutter, pthread_t thread)
{
    pthread_join(thread, NULL);
    PQfinish(cutter->holder);
}

#endif
