/*
 * event_loop_poll.c: a server in one thread, around poll(), that sells tickets.
 *
 *     event_loop_poll CONNINFO SOCKET
 *
 * It listens on a Unix socket. A line is the name of a show, and its answer a seat there. Each
 * client has a connection to the store; who waits for the store keeps nobody else from going on.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <eventcore/eventcore.h>

/* ------------------------------------------------------------------ the command */

struct sell {
    int seats; /* that a show has */
};
struct sold {
    int tickets;
};

#define SHOW_EVENTS(list, type) type(list, Sold, "TicketSold")
#define SELL_STREAMS(command, stream) stream(command, writes, show)
EC_EVENTS(show, SHOW_EVENTS);
EC_COMMAND(sell, SELL_STREAMS, show, struct sell, struct sold);

static ec_status sell_apply(const struct sell *sell, struct sold *state, show_kind kind,
                            const ec_event *event)
{
    (void)sell, (void)kind, (void)event;
    state->tickets++;
    return EC_OK;
}

static ec_status sell_handle(const struct sell *sell, const struct sold *state, sell_context ctx)
{
    EC_REQUIRE(ctx, state->tickets < sell->seats, "sold_out", "all %d seats", sell->seats);
    return sell_record(ctx, sell_show, show_Sold, "{s:i}", "seat", state->tickets + 1);
}

/* ------------------------------------------------------------------ the server */

enum { SESSIONS = 16 };

struct session {
    int client;           /* its socket; -1: nobody is here */
    ec_connection *store; /* which the first task connects */
    ec_task *task;        /* NULL: none, a line is awaited */
    char line[100];
    size_t length; /* of what has come of the line */
};

static void hang_up(struct session *session)
{
    ec_task_free(session->task); /* abandons what nobody waits for any more */
    ec_close(session->store);
    close(session->client);
    *session = (struct session){.client = -1};
}

static void welcome(struct session *sessions, int listener, const char *conninfo)
{
    int client = accept(listener, NULL, NULL), i = 0;
    ec_connect_options lazy = EC_CONNECT_OPTIONS_INIT;

    lazy.lazy = true; /* ec_connect() would wait */
    while (i < SESSIONS && sessions[i].client >= 0)
        i++;
    if (client >= 0 && i == SESSIONS)
        close(client);
    else if (client >= 0) {
        sessions[i].client = client;
        if (ec_connect(&sessions[i].store, conninfo, &lazy) != EC_OK)
            hang_up(&sessions[i]);
    }
}

/* Start what a whole line asks for, if there is one. */
static void take_line(struct session *session)
{
    static const struct sell sell = {.seats = 3};
    char *end = memchr(session->line, '\n', session->length), show[sizeof session->line + 5];
    sell_streams streams = {.show = show};

    if (end == NULL)
        return;
    snprintf(show, sizeof show, "show-%.*s", (int)(end - session->line), session->line);
    session->length -= (size_t)(++end - session->line);
    memmove(session->line, end, session->length);
    sell_execute_start(session->store, &streams, &sell, NULL, &session->task);
}

static void answer(struct session *session)
{
    ec_outcome *outcome = NULL;
    ec_status status = ec_task_finish(session->task, &outcome);

    session->task = NULL;
    if (status == EC_OK)
        dprintf(session->client, "seat %d\n", (int)ec_event_version(ec_outcome_event(outcome, 0)));
    else
        dprintf(session->client, "%s: %s\n", ec_status_name(status), ec_outcome_message(outcome));
    ec_outcome_free(outcome);
}

/* Go on as far as that is possible without waiting. */
static void go_on(struct session *session, bool readable)
{
    if (readable) {
        ssize_t size = read(session->client, session->line + session->length,
                            sizeof session->line - session->length);

        if (size <= 0) {
            hang_up(session);
            return;
        }
        session->length += (size_t)size;
    }
    for (;;) {
        if (session->task == NULL)
            take_line(session);
        if (session->task == NULL || ec_task_advance(session->task) == EC_PENDING)
            return;
        answer(session);
    }
}

static void serve(int listener, const char *conninfo)
{
    struct session sessions[SESSIONS];
    struct pollfd polled[SESSIONS + 1] = {[SESSIONS] = {.fd = listener, .events = POLLIN}};

    for (int i = 0; i < SESSIONS; i++)
        sessions[i] = (struct session){.client = -1};
    for (;;) {
        int timeout = -1;

        for (int i = 0; i < SESSIONS; i++) {
            const ec_task *task = sessions[i].task;
            int left = task == NULL ? -1 : ec_task_timeout_ms(task);

            polled[i] = (struct pollfd){.fd = sessions[i].client, .events = POLLIN};
            if (task != NULL)
                polled[i] = (struct pollfd){ec_task_socket(task), ec_task_events(task), 0};
            if (left >= 0 && (timeout < 0 || left < timeout))
                timeout = left;
        }
        poll(polled, SESSIONS + 1, timeout);
        for (int i = 0; i < SESSIONS; i++)
            if (sessions[i].client >= 0)
                go_on(&sessions[i], sessions[i].task == NULL && polled[i].revents != 0);
        if (polled[SESSIONS].revents != 0)
            welcome(sessions, listener, conninfo);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *conninfo = argc > 1 ? argv[1] : NULL, *path = argc > 2 ? argv[2] : "tickets";
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    ec_connection *probe;
    bool works = ec_connect(&probe, conninfo, NULL) == EC_OK;

    if (!works)
        fprintf(stderr, "event_loop_poll: %s\n", ec_error_message(probe));
    ec_close(probe);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (works && bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
        listen(listener, SESSIONS) == 0)
        serve(listener, conninfo);
    return 1;
}
