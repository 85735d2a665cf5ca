/*
 * proxy.h: a proxy between a client and the server that breaks the connection at a chosen message.
 *
 * It listens on a socket of its own, passes every connection on to the server, and tells the
 * messages of the protocol from each other in both directions. So a test can break a connection at
 * any message, and do so again and again: at each one in turn.
 *
 * Nothing depends on timing. Before the client is let see that its connection is gone, the server
 * has been given the end of its input, has done what it had been asked for, and has left: all that
 * it said meanwhile is dropped. What the store then holds will not change behind the test's back.
 */
#ifndef PROXY_H
#define PROXY_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct proxy proxy;

typedef enum proxy_direction { PROXY_REQUESTS, PROXY_REPLIES, PROXY_DIRECTIONS } proxy_direction;

typedef enum proxy_fault {
    PROXY_CUT_BEFORE, /* the message does not get through */
    PROXY_CUT_WITHIN, /* half of its bytes do */
    PROXY_CUT_AFTER,  /* it does, and nothing after it: a request is done, its reply is lost */
    PROXY_SILENCE,    /* from the message on nothing gets through, and nobody hangs up */
    PROXY_GARBLE      /* it is changed so that its lengths do not fit any more */
} proxy_fault;

typedef struct proxy_plan {
    proxy_fault fault;
    proxy_direction direction;
    size_t message; /* counted from 0, the startup packet, or its first reply, on each connection */
    size_t connections; /* so many are broken, from the next one on ... */
    size_t refused;     /* ... then so many are hung up on at once; the others pass */
    /*
     * Called when a connection has been broken, before the client can know, by the proxy's thread;
     * NULL: nothing. proxy_faults() waits until it has returned.
     */
    void (*broken)(void *argument);
    void *argument;
} proxy_plan;

/* Start a proxy to the server of `sql`, which passes everything. */
proxy *proxy_start(PGconn *sql);

/* A connection string that leads through it. */
const char *proxy_conninfo(const proxy *proxy);

/* What to do from now on; NULL: to pass everything. */
void proxy_set(proxy *proxy, const proxy_plan *plan);

/* How many connections were broken or hung up on since proxy_set(). */
size_t proxy_faults(proxy *proxy);

/* How many messages of a direction were passed on the last connection. */
size_t proxy_passed(proxy *proxy, proxy_direction direction);

/* Do as if there were no server, or be there again. */
void proxy_hide(proxy *proxy, bool hidden);

/* Hang up on everyone and free it. */
void proxy_stop(proxy *proxy);

#endif
