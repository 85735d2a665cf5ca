/*
 * transfer_demo.c: what `make demo` runs: concurrent money transfers, and the proof that none went
 * wrong.
 *
 * The command is the one of ../examples/transfer.h. Here many threads execute it at once.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../examples/transfer.h"
#include "transfer_proof.h"

/* ------------------------------------------------------------------ the workers */

enum { LARGEST_AMOUNT = 100, ACCOUNTS_PER_DEPOSIT = 500 };

struct options {
    const char *conninfo;
    long workers;
    long seconds;
    long hot;
    long cool;
    long deposit;
};

/* A phase of the demonstration: the accounts it transfers between, and what it is to show. */
struct phase {
    const char *name;
    const char *lesson;
    long first, count;
};

struct worker {
    pthread_t thread;
    const struct options *options;
    const struct bank *bank;
    const struct phase *phase;
    unsigned seed;
    atomic_bool *stop;
    atomic_long *progress;
    struct tally tally;
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void transfer_once(struct worker *worker, ec_connection *connection, ec_outcome **outcome)
{
    const struct phase *phase = worker->phase;
    long from = rand_r(&worker->seed) % phase->count;
    long to = (from + 1 + rand_r(&worker->seed) % (phase->count - 1)) % phase->count;
    char from_id[ACCOUNT_ID_SIZE], to_id[ACCOUNT_ID_SIZE];
    transfer_streams streams = {.from_account = from_id, .to_account = to_id};
    struct transfer command = {.amount = 1 + rand_r(&worker->seed) % LARGEST_AMOUNT};
    double started;

    account_id(worker->bank, phase->first + from, from_id);
    account_id(worker->bank, phase->first + to, to_id);
    started = seconds_now();
    switch (transfer_execute(connection, &streams, &command, outcome)) {
    case EC_OK:
        worker->tally.transferred++;
        break;
    case EC_REJECTED:
        worker->tally.rejected++;
        break;
    case EC_VERSION_CONFLICT:
        worker->tally.gave_up++;
        break;
    default:
        fprintf(stderr, "\ntransfer_demo: %s\n", ec_error_message(connection));
        worker->tally.failed = true;
        return;
    }
    worker->tally.conflicts += ec_outcome_conflicts(*outcome);
    worker->tally.retries += ec_outcome_attempts(*outcome) - 1;
    tally_latency(&worker->tally, seconds_now() - started);
    atomic_fetch_add(worker->progress, 1);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    ec_connection *connection;
    ec_outcome *outcome = NULL;

    if (ec_connect(&connection, worker->options->conninfo, NULL) != EC_OK) {
        fprintf(stderr, "\ntransfer_demo: %s\n", ec_error_message(connection));
        worker->tally.failed = true;
    }
    while (!worker->tally.failed && !atomic_load(worker->stop))
        transfer_once(worker, connection, &outcome);
    ec_outcome_free(outcome);
    ec_close(connection);
    return NULL;
}

static void show_progress(const struct phase *phase, long second, long seconds, long commands)
{
    bool terminal = isatty(STDERR_FILENO);

    fprintf(stderr, "%s%s: second %ld of %ld, %ld commands%s", terminal ? "\r" : "", phase->name,
            second, seconds, commands, terminal ? "  " : "\n");
    if (terminal && second == seconds)
        fprintf(stderr, "\r%60s\r", "");
}

/* Run a phase with all workers; false if one of them failed. */
static bool run_phase(const struct options *options, const struct bank *bank,
                      const struct phase *phase, struct tally *total)
{
    struct worker *workers = calloc((size_t)options->workers, sizeof *workers);
    atomic_bool stop = false;
    atomic_long progress = 0;
    double started = seconds_now();
    long running = 0;

    if (workers == NULL)
        return false;
    for (; running < options->workers; running++) {
        workers[running] = (struct worker){.options = options,
                                           .bank = bank,
                                           .phase = phase,
                                           .seed = (unsigned)running + 1,
                                           .stop = &stop,
                                           .progress = &progress};
        if (pthread_create(&workers[running].thread, NULL, work, &workers[running]) != 0) {
            fprintf(stderr, "transfer_demo: cannot start worker %ld\n", running);
            total->failed = true;
            break;
        }
    }
    for (long second = 1; second <= options->seconds && !total->failed; second++) {
        sleep(1);
        show_progress(phase, second, options->seconds, atomic_load(&progress));
    }
    atomic_store(&stop, true);
    for (long i = 0; i < running; i++) {
        pthread_join(workers[i].thread, NULL);
        tally_add(total, &workers[i].tally);
    }
    total->seconds = seconds_now() - started;
    free(workers);
    return !total->failed;
}

/* Open the accounts, many in one atomic append: each must not exist yet. */
static bool deposit_all(ec_connection *connection, struct bank *bank)
{
    ec_stream_event events[ACCOUNTS_PER_DEPOSIT];
    ec_expectation expected[ACCOUNTS_PER_DEPOSIT];
    char ids[ACCOUNTS_PER_DEPOSIT][ACCOUNT_ID_SIZE];
    ec_outcome *outcome = NULL;
    char data[64];

    snprintf(data, sizeof data, "{\"amount\": %lld}", bank->deposit);
    for (long done = 0; done < bank->account_count;) {
        size_t count = 0;

        for (; count < ACCOUNTS_PER_DEPOSIT && done < bank->account_count; count++, done++) {
            account_id(bank, done, ids[count]);
            events[count] = (ec_stream_event){ids[count], {.type = "MoneyDeposited", .data = data}};
            expected[count] = (ec_expectation){ids[count], EC_EXPECT_NO_STREAM};
        }
        if (ec_append(connection, events, count, expected, count, &outcome) != EC_OK) {
            fprintf(stderr, "transfer_demo: %s\n", ec_error_message(connection));
            ec_outcome_free(outcome);
            return false;
        }
        if (done == (long)count)
            bank->before = ec_event_position(ec_outcome_event(outcome, 0)) - 1;
    }
    ec_outcome_free(outcome);
    return true;
}

/* ------------------------------------------------------------------ the program */

static void usage(FILE *to)
{
    fputs(
        "Usage: transfer_demo [OPTION]...\n"
        "\n"
        "Transfer money between accounts from many threads at once, first within a small set of\n"
        "accounts, then within a large one, and prove from the store that nothing went wrong.\n"
        "\n"
        "  -c, --conninfo=CONNINFO  the server and database; default: the PG* environment\n"
        "  -w, --workers=N          threads, each with a connection of its own, at most 90 (8)\n"
        "  -s, --seconds=N          duration of each of the two phases (6)\n"
        "      --hot=N              accounts of the small set (10)\n"
        "      --cool=N             accounts of the large set (10000)\n"
        "      --deposit=N          what each account begins with (1000)\n"
        "  -h, --help               show this\n"
        "\n"
        "Exit status: 0 if every proof holds, 1 if one fails or the run does, 2 for bad options.\n",
        to);
}

static bool parse_number(const char *name, const char *text, long least, long most, long *number)
{
    char *end;

    errno = 0;
    *number = strtol(text, &end, 10);
    if (!isspace((unsigned char)*text) && end != text && *end == '\0' && errno == 0 &&
        *number >= least && *number <= most)
        return true;
    fprintf(stderr, "transfer_demo: --%s takes a number from %ld to %ld, not \"%s\"\n", name, least,
            most, text);
    return false;
}

static bool parse_options(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"conninfo", required_argument, NULL, 'c'}, {"workers", required_argument, NULL, 'w'},
        {"seconds", required_argument, NULL, 's'},  {"hot", required_argument, NULL, 'H'},
        {"cool", required_argument, NULL, 'C'},     {"deposit", required_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0}};
    bool valid = true;
    int option;

    while (valid && (option = getopt_long(argc, argv, "c:w:s:h", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->conninfo = optarg;
            break;
        case 'w':
            valid = parse_number("workers", optarg, 1, 90, &options->workers);
            break;
        case 's':
            valid = parse_number("seconds", optarg, 1, 86400, &options->seconds);
            break;
        case 'H':
            valid = parse_number("hot", optarg, 2, 1000000, &options->hot);
            break;
        case 'C':
            valid = parse_number("cool", optarg, 2, 1000000, &options->cool);
            break;
        case 'd':
            valid = parse_number("deposit", optarg, 0, INT_MAX, &options->deposit);
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            valid = false; /* getopt_long has said why */
        }
    }
    if (valid && optind < argc) {
        fprintf(stderr, "transfer_demo: unexpected argument \"%s\"\n", argv[optind]);
        valid = false;
    }
    if (!valid)
        fputs("Try --help.\n", stderr);
    return valid;
}

/* Open accounts, let the workers transfer, prove. */
static bool demonstrate(ec_connection *connection, const struct options *options, struct bank *bank)
{
    const struct phase phases[] = {
        {"hot", "few accounts: transfers lose races; after the third they lock what they read", 0,
         options->hot},
        {"cool", "many accounts: transfers rarely meet, and nothing else makes them wait",
         options->hot, options->cool}};
    struct tally tallies[2] = {{.failed = false}, {.failed = false}};
    struct follower *follower;
    bool done;

    printf("%ld accounts with %lld each, %ld workers, %ld seconds a phase\n", bank->account_count,
           bank->deposit, options->workers, options->seconds);
    fflush(stdout);
    if (!deposit_all(connection, bank))
        return false;
    follower = follower_start(bank, options->conninfo);
    if (follower == NULL)
        return false;
    done = run_phase(options, bank, &phases[0], &tallies[0]) &&
           run_phase(options, bank, &phases[1], &tallies[1]);
    follower_finish(follower);
    if (done) {
        tally_print_header();
        for (int i = 0; i < 2; i++)
            tally_print(&tallies[i], phases[i].name, phases[i].lesson);
        done = prove(connection, bank, follower, tallies[0].transferred + tallies[1].transferred);
    }
    for (int i = 0; i < 2; i++)
        free(tallies[i].latencies);
    follower_free(follower);
    return done;
}

int main(int argc, char **argv)
{
    struct options options = {
        .workers = 8, .seconds = 6, .hot = 10, .cool = 10000, .deposit = 1000};
    struct bank bank;
    ec_connection *connection;
    bool proved = false;

    if (!parse_options(argc, argv, &options))
        return 2;
    if (!bank_open(&bank, options.hot + options.cool, options.deposit)) {
        fputs("transfer_demo: the system has no random numbers\n", stderr);
        return 1;
    }
    if (ec_connect(&connection, options.conninfo, NULL) == EC_OK)
        proved = demonstrate(connection, &options, &bank);
    else
        fprintf(stderr, "transfer_demo: %s\n", ec_error_message(connection));
    ec_close(connection);
    return proved ? 0 : 1;
}
