/*
 * event_loop_libuv.c: many commands over several connections at once, in one thread, with libuv.
 *
 *     event_loop_libuv [CONNINFO]
 *
 * The command is in transfer.h. A connection that waits for the server, or pauses after a lost
 * race, keeps none of the others from going on.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "transfer.h"

enum { ACCOUNTS = 5, TELLERS = 4, TRANSFERS = 60 };

/* A connection, and the transfer that is under way on it. */
struct teller {
    ec_connection *bank;
    ec_task *task;
    struct transfer command;
    uv_timer_t timer;
    uv_poll_t *watcher; /* of the task's socket; NULL: none */
};

static char accounts[ACCOUNTS][64];
static int started, done, failed;

static bool open_accounts(ec_connection *bank)
{
    ec_stream_event deposits[ACCOUNTS];

    for (int i = 0; i < ACCOUNTS; i++) {
        ec_stream_id_new("account", accounts[i], sizeof accounts[i]);
        deposits[i] = (ec_stream_event){
            accounts[i], {.type = bank_type(bank_Deposited), .data = "{\"amount\": 100}"}};
    }
    return ec_append(bank, deposits, ACCOUNTS, NULL, 0, NULL) == EC_OK;
}

static void go_on(struct teller *teller);

/* Every account gives its neighbour something. */
static void start(struct teller *teller)
{
    transfer_streams streams = {.from_account = accounts[started % ACCOUNTS],
                                .to_account = accounts[(started + 1) % ACCOUNTS]};

    if (started == TRANSFERS || failed > 0)
        return;
    started++;
    teller->command.amount = 1;
    if (transfer_execute_start(teller->bank, &streams, &teller->command, NULL, &teller->task) ==
        EC_OK)
        go_on(teller);
    else
        failed++;
}

static void finish(struct teller *teller)
{
    ec_status status = ec_task_finish(teller->task, NULL);

    done += status == EC_OK;
    failed += status != EC_OK;
    start(teller);
}

static void on_ready(uv_poll_t *watcher, int status, int events)
{
    (void)status, (void)events;
    go_on(watcher->data);
}

static void on_time(uv_timer_t *timer)
{
    go_on(timer->data);
}

static void on_closed(uv_handle_t *watcher)
{
    free(watcher);
}

/* Advance the task, and have the loop wait for what it then waits for. */
static void go_on(struct teller *teller)
{
    bool pending = ec_task_advance(teller->task) == EC_PENDING;
    int socket = ec_task_socket(teller->task), timeout = ec_task_timeout_ms(teller->task);
    int events = (ec_task_events(teller->task) & POLLIN ? UV_READABLE : 0) |
                 (ec_task_events(teller->task) & POLLOUT ? UV_WRITABLE : 0);

    /* It may have closed its socket and opened another, even of the same number: watch it anew. */
    if (teller->watcher != NULL)
        uv_close((uv_handle_t *)teller->watcher, on_closed);
    teller->watcher = socket < 0 ? NULL : malloc(sizeof *teller->watcher);
    if (teller->watcher != NULL) {
        uv_poll_init(uv_default_loop(), teller->watcher, socket);
        teller->watcher->data = teller;
        uv_poll_start(teller->watcher, events, on_ready);
    }
    uv_timer_stop(&teller->timer);
    if (timeout >= 0 && pending)
        uv_timer_start(&teller->timer, on_time, (uint64_t)timeout, 0);
    if (!pending)
        finish(teller);
}

int main(int argc, char **argv)
{
    struct teller tellers[TELLERS] = {{.bank = NULL}};
    bool open = true;

    for (int i = 0; i < TELLERS; i++)
        open &= ec_connect(&tellers[i].bank, argc > 1 ? argv[1] : NULL, NULL) == EC_OK;
    failed = !open || !open_accounts(tellers[0].bank);
    for (int i = 0; i < TELLERS; i++) {
        tellers[i].timer.data = &tellers[i];
        uv_timer_init(uv_default_loop(), &tellers[i].timer);
        start(&tellers[i]);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT); /* until nobody waits for anything */
    printf("%d transfers over %d connections: %d done, %d failed\n", started, TELLERS, done,
           failed);
    for (int i = 0; i < TELLERS; i++)
        ec_close(tellers[i].bank);
    return failed;
}
