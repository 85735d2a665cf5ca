/*
 * commands.c: run a workload of commands against one contender, check what it left behind, and
 * print a line of figures:
 *
 *     commands create                                            the tables, once in a database
 *     commands CONTENDER WORKLOAD WORKERS SECONDS ROUND
 *     -> WORKLOAD|WORKERS workers|CONTENDER|ROUND|commands/s|attempts a command|conflicts|
 *        rejections|given up|p50|p95|p99|CPU
 *
 * Latencies are in milliseconds; CPU is the client's own, in microseconds a command. A worker is a
 * thread with a connection. All begin together, when each has run a few commands that do not count,
 * and what is under way at the end does not count either.
 *
 * What a command costs an event store depends on the length of the streams that it reads. They are
 * kept at about ten events: accounts are opened with `changes` events, and where there are so few
 * that they would soon be longer, the workers move on to fresh ones after `turn` commands. (The
 * other contenders do the same, though it makes no difference to them.)
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "books.h"
#include "contender.h"
#include "network.h"
#include "sql.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { MOST_WORKERS = 90, LARGEST_AMOUNT = 100, WARM_UP = 10, MOST_PER_SECOND = 10000 };

typedef struct workload {
    const char *name;
    long accounts; /* used at a time, by all workers or each */
    long turn;     /* so many commands are run on them; 0: no limit */
    long changes;  /* that each account was opened with */
    bool transfers;
    bool private;  /* each worker has accounts of its own */
    long distance; /* a round trip to the server takes so many microseconds more */
} workload;

static const workload workloads[] = {
    {"contention", 1, 18, 1, false, false, 0},
    {"transfers, 10 accounts", 10, 90, 1, true, false, 0},
    {"transfers, 10,000 accounts", 10000, 0, 9, true, false, 0},
    {"transfers, 10,000 accounts, 1 ms away", 10000, 0, 9, true, false, 1000},
    {"throughput", 1, 18, 1, false, true, 0},
};

static const contender *const contenders[] = {
    &balance_table, &balance_table_pipelined, &balance_table_with_history, &loop_by_hand,
    &eventcore,     &eventcore_locked};

typedef struct run {
    const workload *workload;
    const contender *contender;
    long workers;
    double seconds;
    char prefix[ACCOUNT_SIZE / 2];
    long opened; /* accounts; behind them one of each worker, to warm up with */
    pthread_barrier_t start;
    double end;
    atomic_bool failed;
    atomic_long done; /* commands, to take turns by */
} run;

typedef struct worker {
    pthread_t thread;
    run *run;
    long number;
    unsigned seed;
    long done; /* as of the run, where accounts are private */
    /* All commands, to be found again in the store. */
    long long deposited;
    long deposits, transfers;
    /* Those that count. */
    long rejected, gave_up, attempts, conflicts;
    double *latencies;
    size_t count, capacity;
} worker;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void account_name(const run *run, long number, char name[ACCOUNT_SIZE])
{
    snprintf(name, ACCOUNT_SIZE, "%s%ld", run->prefix, number);
}

/* ------------------------------------------------------------------ workers */

static result command(worker *worker, void *session, long from, long to, tries *tries)
{
    const contender *contender = worker->run->contender;
    long long amount = 1 + rand_r(&worker->seed) % LARGEST_AMOUNT;
    char from_name[ACCOUNT_SIZE], to_name[ACCOUNT_SIZE];
    result result;

    account_name(worker->run, to, to_name);
    if (from < 0) {
        result = contender->deposit(session, to_name, amount, tries);
        worker->deposits += result == DONE;
        worker->deposited += result == DONE ? amount : 0;
    } else {
        account_name(worker->run, from, from_name);
        result = contender->transfer(session, from_name, to_name, amount, tries);
        worker->transfers += result == DONE;
    }
    return result;
}

/* The next command, on the accounts whose turn it is. */
static result next_command(worker *worker, void *session, tries *tries)
{
    run *run = worker->run;
    const workload *workload = run->workload;
    long done = workload->private ? worker->done : atomic_load(&run->done);
    long turn = workload->turn == 0 ? 0 : done / workload->turn, first, from = -1, to;
    result result;

    if (workload->private)
        turn = turn * run->workers + worker->number;
    first = turn * workload->accounts % run->opened;
    to = rand_r(&worker->seed) % workload->accounts;
    if (workload->transfers)
        from = (to + 1 + rand_r(&worker->seed) % (workload->accounts - 1)) % workload->accounts;
    result = command(worker, session, from < 0 ? from : first + from, first + to, tries);
    if (workload->private)
        worker->done++;
    else if (workload->turn > 0)
        atomic_fetch_add(&run->done, 1);
    return result;
}

static bool count_command(worker *worker, result result, const tries *tries, double latency)
{
    if (worker->count == worker->capacity) {
        size_t capacity = worker->capacity == 0 ? 1024 : worker->capacity * 2;
        double *latencies = realloc(worker->latencies, capacity * sizeof *latencies);

        if (latencies == NULL)
            return false;
        worker->latencies = latencies;
        worker->capacity = capacity;
    }
    worker->latencies[worker->count++] = latency;
    worker->rejected += result == REJECTED;
    worker->gave_up += result == GAVE_UP;
    worker->attempts += tries->attempts;
    worker->conflicts += tries->conflicts;
    return true;
}

static void *work(void *argument)
{
    worker *worker = argument;
    run *run = worker->run;
    void *session = run->contender->connect();
    bool working = session != NULL;
    long own = run->opened + 2 * worker->number;

    for (int i = 0; i < WARM_UP && working; i++)
        working = command(worker, session, run->workload->transfers ? own : -1, own + 1,
                          &(tries){1, 0}) != FAILED;
    if (!working)
        atomic_store(&run->failed, true);
    pthread_barrier_wait(&run->start); /* the main thread sets the end */
    pthread_barrier_wait(&run->start);
    while (working && !atomic_load(&run->failed)) {
        tries tries = {1, 0};
        double began = seconds_now(), ended;
        result result = next_command(worker, session, &tries);

        ended = seconds_now();
        working = result != FAILED && ended < run->end;
        if (result == FAILED || (working && !count_command(worker, result, &tries, ended - began)))
            atomic_store(&run->failed, true);
    }
    if (session != NULL)
        run->contender->disconnect(session);
    return NULL;
}

static bool work_all(run *run, worker *workers, double *cpu)
{
    pthread_barrier_init(&run->start, NULL, (unsigned)run->workers + 1);
    for (long i = 0; i < run->workers; i++) {
        workers[i] = (worker){.run = run, .number = i, .seed = (unsigned)(getpid() + i)};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            fprintf(stderr, "commands: cannot start worker %ld\n", i);
            exit(1);
        }
    }
    pthread_barrier_wait(&run->start);
    network_set_round_trip(run->workload->distance);
    run->end = seconds_now() + run->seconds;
    *cpu = cpu_seconds();
    pthread_barrier_wait(&run->start);
    for (long i = 0; i < run->workers; i++)
        pthread_join(workers[i].thread, NULL);
    *cpu = cpu_seconds() - *cpu;
    network_set_round_trip(0);
    pthread_barrier_destroy(&run->start);
    return !atomic_load(&run->failed);
}

/* ------------------------------------------------------------------ accounts */

/* Accounts that last are the same in all runs, from near and far. */
static void choose_accounts(run *run, size_t contender)
{
    const workload *workload = run->workload;
    long pool = (long)(MOST_PER_SECOND * run->seconds);

    if (workload->turn == 0) {
        run->opened = workload->accounts;
        snprintf(run->prefix, sizeof run->prefix, "%zu-", contender);
    } else {
        run->opened = (pool / workload->turn + run->workers) * workload->accounts;
        snprintf(run->prefix, sizeof run->prefix, "%zu-%d-", contender, (int)getpid());
    }
}

/* Make the tables, and the accounts that last. */
static bool create(PGconn *connection)
{
    bool done = true;
    books books;

    for (size_t i = 0; i < LENGTH(contenders) && done; i++) {
        if (contenders[i]->create != NULL)
            done = books_run(connection, contenders[i]->create);
        for (size_t j = 0; j < LENGTH(workloads) && done; j++) {
            run run = {.workload = &workloads[j], .contender = contenders[i]};

            choose_accounts(&run, i);
            if (run.workload->turn == 0 && run.workload->distance == 0)
                done = books_open(connection, run.contender, run.prefix,
                                  run.opened + 2 * MOST_WORKERS, run.workload->changes, &books);
        }
    }
    return done;
}

static bool find_accounts(PGconn *connection, const run *run, books *books)
{
    if (run->workload->turn == 0)
        return books_audit(connection, run->contender, run->prefix, books);
    return books_open(connection, run->contender, run->prefix, run->opened + 2 * run->workers,
                      run->workload->changes, books);
}

/* ------------------------------------------------------------------ figures */

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double percentile_ms(const double *sorted, size_t count, double share)
{
    return count == 0 ? 0 : 1000 * sorted[(size_t)(share * (double)(count - 1))];
}

static void print_figures(const run *run, const worker *total, const char *round, double cpu)
{
    double *sorted = total->latencies;
    size_t count = total->count;

    qsort(sorted, count, sizeof *sorted, compare_doubles);
    printf("%s|%ld workers|%s|%s|%.1f|%.3f|%ld|%ld|%ld|%.2f|%.2f|%.2f|%.1f\n", run->workload->name,
           run->workers, run->contender->name, round,
           (double)(count - (size_t)total->rejected - (size_t)total->gave_up) / run->seconds,
           count == 0 ? 0 : (double)total->attempts / (double)count, total->conflicts,
           total->rejected, total->gave_up, percentile_ms(sorted, count, 0.5),
           percentile_ms(sorted, count, 0.95), percentile_ms(sorted, count, 0.99),
           count == 0 ? 0 : cpu * 1e6 / (double)count);
}

static bool add(worker *total, const worker *worker)
{
    double *latencies =
        realloc(total->latencies, (total->count + worker->count + 1) * sizeof *latencies);

    if (latencies == NULL)
        return false;
    if (worker->count > 0)
        memcpy(latencies + total->count, worker->latencies, worker->count * sizeof *latencies);
    total->latencies = latencies;
    total->count += worker->count;
    total->rejected += worker->rejected;
    total->gave_up += worker->gave_up;
    total->attempts += worker->attempts;
    total->conflicts += worker->conflicts;
    total->deposits += worker->deposits;
    total->deposited += worker->deposited;
    total->transfers += worker->transfers;
    return true;
}

static bool measure(PGconn *connection, run *run, const char *round)
{
    worker workers[MOST_WORKERS], total = {.count = 0};
    books before, after;
    double cpu;
    bool done;

    if (!find_accounts(connection, run, &before))
        return false;
    done = work_all(run, workers, &cpu) &&
           books_audit(connection, run->contender, run->prefix, &after);
    for (long i = 0; i < run->workers; i++) {
        done = done && add(&total, &workers[i]);
        free(workers[i].latencies);
    }
    done = done && books_agree(run->contender, run->prefix, &after, before.sum + total.deposited,
                               before.changes + total.deposits + 2 * total.transfers);
    if (done)
        print_figures(run, &total, round, cpu);
    free(total.latencies);
    return done;
}

static bool choose(run *run, char **argv)
{
    for (size_t i = 0; i < LENGTH(workloads); i++)
        if (strcmp(workloads[i].name, argv[2]) == 0)
            run->workload = &workloads[i];
    run->workers = atol(argv[3]);
    run->seconds = atof(argv[4]);
    for (size_t i = 0; i < LENGTH(contenders) && run->workload != NULL; i++)
        if (strcmp(contenders[i]->name, argv[1]) == 0) {
            run->contender = contenders[i];
            choose_accounts(run, i);
        }
    return run->workload != NULL && run->contender != NULL && run->workers >= 1 &&
           run->workers <= MOST_WORKERS && run->seconds > 0;
}

static int usage(void)
{
    fprintf(stderr, "Usage: commands create\n"
                    "       commands CONTENDER WORKLOAD WORKERS SECONDS ROUND\n"
                    "Workloads:");
    for (size_t i = 0; i < LENGTH(workloads); i++)
        fprintf(stderr, " \"%s\"", workloads[i].name);
    fprintf(stderr, "\nContenders:");
    for (size_t i = 0; i < LENGTH(contenders); i++)
        fprintf(stderr, " \"%s\"", contenders[i]->name);
    fprintf(stderr, "\nWorkers: 1 to %d\n", MOST_WORKERS);
    return 2;
}

int main(int argc, char **argv)
{
    bool creates = argc == 2 && strcmp(argv[1], "create") == 0, done;
    run run = {.workers = 0};
    PGconn *connection;

    if (!creates && (argc != 6 || !choose(&run, argv)))
        return usage();
    connection = sql_connect(NULL, 0);
    if (connection == NULL)
        return 1;
    done = creates ? create(connection) : measure(connection, &run, argv[5]);
    sql_disconnect(connection);
    return done ? 0 : 1;
}
