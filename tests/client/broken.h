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

/* What is executed. */
typedef struct operation {
    void (*run)(struct run *run);
    bool unprepared;
    bool reads; /* writes nothing, and has no outcome */
    bool many;  /* several commands, which a break may hit or not */
} operation;

/*
 * Execute, with a break, and once more, with what the break has left behind. False if it was over
 * before the message at which it was to break.
 */
static inline bool broken_run(struct server *s, proxy *proxy, const operation *operation,
                              const proxy_plan *plan)
{
    struct run run = {.plan = *plan};
    bool connected = begin(&run, s, proxy, operation->unprepared), broke;

    operation->run(&run);
    broke = proxy_faults(proxy) > 0;
    if (!operation->reads) {
        run.done = 1;
        check_store(&run);
    }
    if (broke) {
        operation->run(&run);
        run.done *= 2;
        check(&run, proxy_faults(proxy) == 1);
        check_store(&run);
    }
    if (!operation->reads && !operation->many) {
        check(&run, run.attempts == (broke ? 2 + connected : 1));
        check(&run, run.handled == (broke ? 2 : 1));
    }
    end(&run, proxy);
    return broke;
}

/* Break it at each message in turn, until there is none left. */
static inline void break_everywhere(struct server *s, const operation *operation,
                                    bool while_connecting)
{
    proxy *proxy = proxy_start(s->sql);

    for (proxy_direction direction = 0; direction < PROXY_DIRECTIONS; direction++)
        for (proxy_fault fault = PROXY_CUT_BEFORE; fault <= PROXY_CUT_AFTER; fault++) {
            size_t first = while_connecting ? 0 : messages_to_connect(s, proxy, direction);
            proxy_plan plan = {fault, direction, first, .connections = 1};

            while (broken_run(s, proxy, operation, &plan))
                plan.message++;
            assert_true(plan.message >= first + 4); /* it did break */
        }
    proxy_stop(proxy);
}

#endif
