/* broken.h: a run of a command over a connection that breaks. */
#ifndef BROKEN_H
#define BROKEN_H

#include "proxy.h"
#include "server.h"

enum { AMOUNT = 30 };

struct run {
    struct server *server;
    ec_connection *connection; /* through the proxy */
    proxy_plan plan;
    int done;     /* commands that are */
    int attempts; /* in all */
    int handled;
};

/* Assert, and if it fails tell where the connection was broken. */
#define check(run, condition)                                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fail_msg("%s, with a break of kind %d at %s %zu: attempts %d, handled %d, %s",         \
                     #condition, (int)(run)->plan.fault,                                           \
                     (run)->plan.direction == PROXY_REQUESTS ? "request" : "reply",                \
                     (run)->plan.message, (run)->attempts, (run)->handled,                         \
                     ec_error_message((run)->connection));                                         \
    } while (0)

/* Exactly what was done is in the store. */
static inline void check_store(struct run *run)
{
    struct server *s = run->server;

    check(run, version_of(s->sql, s->a) == 1 + run->done);
    check(run, version_of(s->sql, s->b) == run->done);
    check(run, balance_of(s->sql, s->a) == 100 - AMOUNT * run->done);
    check(run, balance_of(s->sql, s->b) == AMOUNT * run->done);
}

/* Streams and a connection of this run's own; whether the connection was made at once. */
static inline bool begin(struct run *run, struct server *s, proxy *proxy, bool unprepared)
{
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    ec_status status;

    run->server = s;
    unique_id(s->a, "account");
    unique_id(s->b, "account");
    deposit(s->sql, s->a, 100);
    proxy_set(proxy, run->plan.connections + run->plan.refused > 0 ? &run->plan : NULL);
    options.unprepared = unprepared;
    status = ec_connect(&run->connection, proxy_conninfo(proxy), &options);
    check(run, status == EC_OK || status == EC_CONNECTION_LOST);
    return status == EC_OK;
}

/* What comes now is not of the run any more, such as the client's good-bye. */
static inline void end(struct run *run, proxy *proxy)
{
    proxy_set(proxy, NULL);
    ec_close(run->connection);
}

/* How many messages make a connection, in a direction. */
static inline size_t messages_to_connect(struct server *s, proxy *proxy, proxy_direction direction)
{
    struct run run = {.attempts = 0};
    size_t passed;

    assert_true(begin(&run, s, proxy, false));
    passed = proxy_passed(proxy, direction);
    end(&run, proxy);
    return passed;
}

#endif
