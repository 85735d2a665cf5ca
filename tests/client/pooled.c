/*
 * pooled.c: a program that executes commands from several threads on the same two streams:
 * pooled WAY prepared|unprepared FROM TO
 *
 * It connects as the PG* environment says, through a pooler, and prints how it went. The ways are
 * execute, batch, pipelined, locked and read. In the first three every thread has read before any
 * of them appends: all but one lose that race, and none may hold a session of the server meanwhile,
 * for there are fewer of them than threads.
 */
#include <pthread.h>

#include "bank.h"

enum { THREADS = 4, COMMANDS = 25 };

static transfer_streams streams = {.limits = "limits"};
static ec_connect_options connect_options = EC_CONNECT_OPTIONS_INIT;
static ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
static pthread_barrier_t all_have_read;
static bool races, reads;
static ec_status (*many)(ec_connection *, ec_command *, size_t, const ec_execute_options *);

struct worker {
    pthread_t thread;
    int done;
    int conflicts;
    char problem[500];
};

static void await_the_others(void *argument)
{
    (void)argument;
    pthread_barrier_wait(&all_have_read);
}

static ec_status read_account(ec_connection *connection)
{
    ec_events *events;
    ec_status status = ec_read_stream(connection, streams.from_account, NULL, &events);

    ec_events_free(events);
    return status;
}

/* A transfer, by the call for many. */
static ec_status transfer_many(ec_connection *connection, const struct transfer *transfer,
                               ec_outcome **outcome)
{
    ec_command command = transfer_prepare(&streams, transfer);
    ec_status status;

    command.outcome = *outcome;
    status = many(connection, &command, 1, &options);
    *outcome = command.outcome;
    return status;
}

static ec_status do_once(ec_connection *connection, const struct transfer *transfer,
                         ec_outcome **outcome)
{
    if (reads)
        return read_account(connection);
    if (many != NULL)
        return transfer_many(connection, transfer, outcome);
    return transfer_execute_with(connection, &streams, transfer, &options, outcome);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    int handled = 0;
    struct transfer command = {.amount = 1, .handled = &handled};
    ec_connection *connection;
    ec_outcome *outcome = NULL;
    ec_status status = ec_connect(&connection, NULL, &connect_options);

    if (races)
        command.interfere = await_the_others;
    for (int i = 0; i < COMMANDS && status == EC_OK; i++) {
        status = do_once(connection, &command, &outcome);
        worker->done += status == EC_OK;
        worker->conflicts += ec_outcome_conflicts(outcome);
    }
    if (status != EC_OK)
        snprintf(worker->problem, sizeof worker->problem, "%s: %s %s\n", ec_status_name(status),
                 ec_error_sqlstate(connection), ec_error_message(connection));
    ec_outcome_free(outcome);
    ec_close(connection);
    return NULL;
}

int main(int argc, char **argv)
{
    struct worker workers[THREADS] = {{.done = 0}};
    int done = 0, conflicts = 0;

    if (argc != 5)
        return 2;
    reads = strcmp(argv[1], "read") == 0;
    if (strcmp(argv[1], "batch") == 0)
        many = ec_execute_batch;
    if (strcmp(argv[1], "pipelined") == 0)
        many = ec_execute_pipelined;
    options.lock_after = strcmp(argv[1], "locked") == 0 ? 0 : -1;
    races = !reads && options.lock_after == -1;
    options.max_attempts = 1000;
    connect_options.unprepared = strcmp(argv[2], "unprepared") == 0;
    streams.from_account = argv[3];
    streams.to_account = argv[4];
    pthread_barrier_init(&all_have_read, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&workers[i].thread, NULL, work, &workers[i]);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        done += workers[i].done;
        conflicts += workers[i].conflicts;
        fputs(workers[i].problem, stdout);
    }
    pthread_barrier_destroy(&all_have_read);
    printf("%d of %d, %s\n", done, THREADS * COMMANDS,
           conflicts == 0             ? "no conflicts"
           : conflicts >= THREADS - 1 ? "conflicts"
                                      : "too few conflicts");
    return 0;
}
