/*
 * proxy.c: one thread that polls, with a pair of sockets a connection.
 *
 * A message of protocol 3 is a byte of type, four of length (which count themselves) and the rest;
 * the first one of a client has no type. A request to cancel is a connection of its own: it is
 * passed, and not counted.
 */
#include "proxy.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_LINKS = 16, PORT = 5432, CANCEL_REQUEST = 80877102 };

struct flow {
    int socket; /* where it comes from */
    char *bytes;
    size_t size;
    size_t passed; /* messages */
};

struct link {
    bool open;
    bool planned; /* to be broken */
    bool started; /* has its startup packet */
    bool silent;
    struct flow flows[PROXY_DIRECTIONS];
};

struct proxy {
    pthread_t thread;
    pthread_mutex_t mutex; /* the thread holds it, but not while it waits */
    proxy_plan plan;
    size_t faults;
    struct link *last;
    int listener; /* -1: hidden */
    bool stopping;
    struct link links[MOST_LINKS];
    int wake[2]; /* a pipe */
    struct sockaddr_storage server;
    socklen_t server_size;
    char directory[64];
    struct sockaddr_un address;
    char conninfo[256];
};

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    perror(what);
    abort();
}

static bool send_all(int socket, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(socket, bytes, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Let the server finish what it was asked for. It leaves at the end of its input. */
static void drain(int server)
{
    char bytes[4096];

    shutdown(server, SHUT_WR);
    while (recv(server, bytes, sizeof bytes, 0) > 0)
        ;
}

static void close_link(struct link *link)
{
    for (int i = 0; i < PROXY_DIRECTIONS; i++) {
        close(link->flows[i].socket);
        free(link->flows[i].bytes);
        link->flows[i].bytes = NULL;
    }
    link->open = false;
}

/* Count and tell the test, before the client can see anything of it. */
static void note_fault(proxy *proxy)
{
    proxy->faults++;
    if (proxy->plan.broken != NULL)
        proxy->plan.broken(proxy->plan.argument);
}

static void break_link(proxy *proxy, struct link *link)
{
    drain(link->flows[PROXY_REPLIES].socket);
    note_fault(proxy);
    close_link(link);
}

/* The size of the first message of a flow; 0 if it is not complete. */
static size_t message_size(const struct link *link, proxy_direction direction)
{
    const struct flow *flow = &link->flows[direction];
    size_t typed = direction == PROXY_REPLIES || link->started, size;
    const unsigned char *length = (const unsigned char *)flow->bytes + typed;

    if (flow->size < typed + 4)
        return 0;
    size = typed +
           ((size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3]);
    return flow->size < size ? 0 : size;
}

static bool is_cancel_request(const struct flow *flow)
{
    const unsigned char *code = (const unsigned char *)flow->bytes + 4;

    return flow->size == 16 && ((uint32_t)code[0] << 24 | (uint32_t)code[1] << 16 |
                                (uint32_t)code[2] << 8 | code[3]) == CANCEL_REQUEST;
}

/* A connection begins with its first message: whether it lives on. */
static bool begin(proxy *proxy, struct link *link)
{
    proxy_plan *plan = &proxy->plan;

    link->started = true;
    if (is_cancel_request(&link->flows[PROXY_REQUESTS]))
        return true;
    proxy->last = link;
    if (plan->connections > 0) {
        plan->connections--;
        link->planned = true;
    } else if (plan->refused > 0) {
        plan->refused--;
        break_link(proxy, link);
        return false;
    }
    return true;
}

/* Do to a message what the plan says. */
static void strike(proxy *proxy, struct link *link, proxy_direction direction, size_t size)
{
    struct flow *flow = &link->flows[direction];
    int to = link->flows[!direction].socket;
    static const char nonsense[] = {0x7f, 0x7f};

    link->planned = false;
    switch (proxy->plan.fault) {
    case PROXY_SILENCE:
        link->silent = true;
        note_fault(proxy);
        return;
    case PROXY_GARBLE: /* the number of columns, or whatever stands behind the length */
        memcpy(flow->bytes + 5, nonsense, size < 7 ? size - 5 : 2);
        send_all(to, flow->bytes, size);
        note_fault(proxy);
        return;
    case PROXY_CUT_WITHIN:
        send_all(to, flow->bytes, size / 2);
        break;
    case PROXY_CUT_AFTER:
        send_all(to, flow->bytes, size);
        break;
    case PROXY_CUT_BEFORE:
        break;
    }
    break_link(proxy, link);
}

/* Pass on the first message, if it is complete; whether it was. */
static bool pass_message(proxy *proxy, struct link *link, proxy_direction direction)
{
    struct flow *flow = &link->flows[direction];
    size_t size = message_size(link, direction);

    if (size == 0 || link->silent)
        return false;
    if (!link->started && !begin(proxy, link))
        return false;
    if (link->planned && direction == proxy->plan.direction &&
        flow->passed == proxy->plan.message) {
        bool garbles = proxy->plan.fault == PROXY_GARBLE;

        strike(proxy, link, direction, size);
        if (!garbles)
            return false;
    } else if (!send_all(link->flows[!direction].socket, flow->bytes, size)) {
        close_link(link);
        return false;
    }
    flow->passed++;
    flow->size -= size;
    memmove(flow->bytes, flow->bytes + size, flow->size);
    return true;
}

/* Take what there is of one direction. */
static void pass(proxy *proxy, struct link *link, proxy_direction direction)
{
    struct flow *flow = &link->flows[direction];
    char bytes[16384];
    ssize_t received = recv(flow->socket, bytes, sizeof bytes, 0);

    if (received <= 0) {
        close_link(link);
        return;
    }
    flow->bytes = realloc(flow->bytes, flow->size + (size_t)received);
    must(flow->bytes != NULL, "proxy: realloc");
    memcpy(flow->bytes + flow->size, bytes, (size_t)received);
    flow->size += (size_t)received;
    while (pass_message(proxy, link, direction))
        ;
}

static void accept_link(proxy *proxy)
{
    int client = accept(proxy->listener, NULL, NULL);
    int server = socket(proxy->server.ss_family, SOCK_STREAM, 0);
    struct link *link = proxy->links;

    while (link->open)
        must(++link < proxy->links + MOST_LINKS, "proxy: too many connections");
    must(client >= 0 && server >= 0 &&
             connect(server, (struct sockaddr *)&proxy->server, proxy->server_size) == 0,
         "proxy: connect");
    *link = (struct link){.open = true, .flows = {{.socket = client}, {.socket = server}}};
}

static void start_listening(proxy *proxy)
{
    proxy->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(proxy->listener, (struct sockaddr *)&proxy->address, sizeof proxy->address) == 0 &&
             listen(proxy->listener, MOST_LINKS) == 0,
         "proxy: listen");
}

static void *run(void *argument)
{
    proxy *proxy = argument;

    pthread_mutex_lock(&proxy->mutex);
    while (!proxy->stopping) {
        struct pollfd polled[2 + 2 * MOST_LINKS] = {{.fd = proxy->wake[0], .events = POLLIN},
                                                    {.fd = proxy->listener, .events = POLLIN}};
        char woken;

        for (int i = 0; i < 2 * MOST_LINKS; i++) {
            const struct link *link = &proxy->links[i / 2];

            polled[2 + i] = (struct pollfd){.fd = link->open ? link->flows[i % 2].socket : -1,
                                            .events = POLLIN};
        }
        pthread_mutex_unlock(&proxy->mutex);
        must(poll(polled, 2 + 2 * MOST_LINKS, -1) > 0 || errno == EINTR, "proxy: poll");
        pthread_mutex_lock(&proxy->mutex);
        if (polled[0].revents != 0)
            must(read(proxy->wake[0], &woken, 1) == 1, "proxy: read");
        /* One reply or request a turn: neither direction starves. */
        for (int i = 0; i < 2 * MOST_LINKS; i++)
            if (polled[2 + i].revents != 0 && proxy->links[i / 2].open)
                pass(proxy, &proxy->links[i / 2], (proxy_direction)(i % 2));
        if ((polled[1].revents & POLLIN) != 0 && polled[1].fd == proxy->listener)
            accept_link(proxy);
    }
    pthread_mutex_unlock(&proxy->mutex);
    return NULL;
}

static void wake(proxy *proxy)
{
    must(write(proxy->wake[1], "", 1) == 1, "proxy: write");
}

proxy *proxy_start(PGconn *sql)
{
    proxy *proxy = calloc(1, sizeof *proxy);

    must(proxy != NULL && pipe(proxy->wake) == 0, "proxy: start");
    pthread_mutex_init(&proxy->mutex, NULL);
    proxy->server_size = sizeof proxy->server;
    must(getpeername(PQsocket(sql), (struct sockaddr *)&proxy->server, &proxy->server_size) == 0,
         "proxy: getpeername");
    strcpy(proxy->directory, "/tmp/eventcore_proxy.XXXXXX");
    must(mkdtemp(proxy->directory) != NULL, "proxy: mkdtemp");
    proxy->address.sun_family = AF_UNIX;
    snprintf(proxy->address.sun_path, sizeof proxy->address.sun_path, "%s/.s.PGSQL.%d",
             proxy->directory, PORT);
    snprintf(proxy->conninfo, sizeof proxy->conninfo, "host=%s port=%d", proxy->directory, PORT);
    start_listening(proxy);
    must(pthread_create(&proxy->thread, NULL, run, proxy) == 0, "proxy: thread");
    return proxy;
}

const char *proxy_conninfo(const proxy *proxy)
{
    return proxy->conninfo;
}

void proxy_set(proxy *proxy, const proxy_plan *plan)
{
    pthread_mutex_lock(&proxy->mutex);
    proxy->plan = plan == NULL ? (proxy_plan){.connections = 0} : *plan;
    proxy->faults = 0;
    if (plan == NULL)
        for (int i = 0; i < MOST_LINKS; i++)
            proxy->links[i].planned = false;
    pthread_mutex_unlock(&proxy->mutex);
}

size_t proxy_faults(proxy *proxy)
{
    size_t faults;

    pthread_mutex_lock(&proxy->mutex);
    faults = proxy->faults;
    pthread_mutex_unlock(&proxy->mutex);
    return faults;
}

size_t proxy_passed(proxy *proxy, proxy_direction direction)
{
    size_t passed;

    pthread_mutex_lock(&proxy->mutex);
    passed = proxy->last == NULL ? 0 : proxy->last->flows[direction].passed;
    pthread_mutex_unlock(&proxy->mutex);
    return passed;
}

void proxy_hide(proxy *proxy, bool hidden)
{
    pthread_mutex_lock(&proxy->mutex);
    if (proxy->listener >= 0) {
        close(proxy->listener);
        unlink(proxy->address.sun_path);
        proxy->listener = -1;
    }
    if (!hidden)
        start_listening(proxy);
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
}

void proxy_stop(proxy *proxy)
{
    proxy_hide(proxy, true);
    pthread_mutex_lock(&proxy->mutex);
    proxy->stopping = true;
    pthread_mutex_unlock(&proxy->mutex);
    wake(proxy);
    pthread_join(proxy->thread, NULL);
    for (int i = 0; i < MOST_LINKS; i++)
        if (proxy->links[i].open)
            close_link(&proxy->links[i]);
    close(proxy->wake[0]);
    close(proxy->wake[1]);
    rmdir(proxy->directory);
    pthread_mutex_destroy(&proxy->mutex);
    free(proxy);
}
