/* transfer_proof.c: how fast it was, and whether it was right. */
#include "transfer_proof.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../examples/transfer.h"

enum { ACCOUNTS_PER_READ = 500, EVENTS_PER_READ = 1000 };

/* ------------------------------------------------------------------ the bank */

bool bank_open(struct bank *bank, long account_count, long long deposit)
{
    char text[EC_UUID_TEXT_SIZE];
    ec_uuid uuid;

    *bank = (struct bank){.account_count = account_count, .deposit = deposit};
    if (ec_uuid_new(&uuid) != EC_OK)
        return false;
    ec_uuid_format(&uuid, text);
    snprintf(bank->prefix, sizeof bank->prefix, "account-%s-", text + 24);
    return true;
}

void account_id(const struct bank *bank, long number, char id[ACCOUNT_ID_SIZE])
{
    snprintf(id, ACCOUNT_ID_SIZE, "%s%ld", bank->prefix, number);
}

/* The number of an account of this run; -1 for any other stream. */
static long account_number(const struct bank *bank, const char *stream_id)
{
    size_t length = strlen(bank->prefix);
    long number;

    if (strncmp(stream_id, bank->prefix, length) != 0)
        return -1;
    number = strtol(stream_id + length, NULL, 10);
    return number >= 0 && number < bank->account_count ? number : -1;
}

/* ------------------------------------------------------------------ measurement */

void tally_latency(struct tally *tally, double seconds)
{
    if (tally->latency_count == tally->latency_capacity) {
        size_t capacity = tally->latency_capacity == 0 ? 1024 : tally->latency_capacity * 2;
        double *latencies = realloc(tally->latencies, capacity * sizeof *latencies);

        if (latencies == NULL) {
            tally->failed = true;
            return;
        }
        tally->latencies = latencies;
        tally->latency_capacity = capacity;
    }
    tally->latencies[tally->latency_count++] = seconds;
}

void tally_add(struct tally *total, struct tally *part)
{
    total->transferred += part->transferred;
    total->rejected += part->rejected;
    total->gave_up += part->gave_up;
    total->conflicts += part->conflicts;
    total->retries += part->retries;
    total->failed |= part->failed;
    for (size_t i = 0; i < part->latency_count; i++)
        tally_latency(total, part->latencies[i]);
    free(part->latencies);
    *part = (struct tally){.failed = false};
}

static int compare_latencies(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;

    return (left > right) - (left < right);
}

static double percentile_ms(const struct tally *tally, int percent)
{
    size_t count = tally->latency_count;

    return count == 0 ? 0 : 1000 * tally->latencies[(count - 1) * (size_t)percent / 100];
}

void tally_print_header(void)
{
    printf("\n%-6s%11s%10s%10s%9s%12s%9s%9s%9s%9s\n", "", "commands/s", "commands", "conflicts",
           "retries", "rejections", "gave up", "p50 ms", "p95 ms", "p99 ms");
}

void tally_print(struct tally *tally, const char *name, const char *lesson)
{
    long commands = tally->transferred + tally->rejected + tally->gave_up;

    if (tally->latency_count > 0)
        qsort(tally->latencies, tally->latency_count, sizeof *tally->latencies, compare_latencies);
    printf("%-6s%11.0f%10ld%10ld%9ld%12ld%9ld%9.1f%9.1f%9.1f\n", name,
           (double)(tally->transferred + tally->rejected) / tally->seconds, commands,
           tally->conflicts, tally->retries, tally->rejected, tally->gave_up,
           percentile_ms(tally, 50), percentile_ms(tally, 95), percentile_ms(tally, 99));
    printf("      %s\n", lesson);
}

/* ------------------------------------------------------------------ following the log */

struct follower {
    pthread_t thread;
    const struct bank *bank;
    const char *conninfo;
    atomic_bool finish;
    int64_t *versions; /* of each account: the last one seen */
    long events;
    long out_of_order; /* events that were not the next one of their account */
    bool failed;
};

static void follow_event(struct follower *follower, const ec_event *event)
{
    long number = account_number(follower->bank, ec_event_stream_id(event));

    if (number < 0)
        return;
    follower->events++;
    if (ec_event_version(event) != follower->versions[number] + 1)
        follower->out_of_order++;
    follower->versions[number] = ec_event_version(event);
}

static void *follow(void *argument)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    struct follower *follower = argument;
    int64_t after = follower->bank->before;
    ec_connection *connection;
    ec_events *events;
    bool last = false;

    follower->failed = ec_connect(&connection, follower->conninfo, NULL) != EC_OK;
    while (!follower->failed && !last) {
        bool finish = atomic_load(&follower->finish); /* all is written before this read */
        size_t count;

        follower->failed = ec_read_all(connection, after, EVENTS_PER_READ, &events) != EC_OK;
        if (follower->failed)
            break;
        count = ec_events_count(events);
        for (size_t i = 0; i < count; i++) {
            const ec_event *event = ec_events_at(events, i);

            if (ec_event_position(event) <= after)
                follower->out_of_order++;
            after = ec_event_position(event);
            follow_event(follower, event);
        }
        ec_events_free(events);
        last = finish && count == 0;
        if (!finish && count < EVENTS_PER_READ)
            nanosleep(&pause, NULL);
    }
    if (follower->failed)
        fprintf(stderr, "\ntransfer_demo: reading the log: %s\n", ec_error_message(connection));
    ec_close(connection);
    return NULL;
}

struct follower *follower_start(const struct bank *bank, const char *conninfo)
{
    struct follower *follower = calloc(1, sizeof *follower);

    if (follower == NULL)
        return NULL;
    follower->bank = bank;
    follower->conninfo = conninfo;
    follower->versions = calloc((size_t)bank->account_count, sizeof *follower->versions);
    if (follower->versions == NULL ||
        pthread_create(&follower->thread, NULL, follow, follower) != 0) {
        fputs("transfer_demo: cannot start the reader of the log\n", stderr);
        follower_free(follower);
        return NULL;
    }
    return follower;
}

void follower_finish(struct follower *follower)
{
    atomic_store(&follower->finish, true);
    pthread_join(follower->thread, NULL);
}

void follower_free(struct follower *follower)
{
    free(follower->versions);
    free(follower);
}

/* ------------------------------------------------------------------ proof */

/* What was found in the accounts' streams. */
struct findings {
    long long sum;
    long events;
    long negative; /* versions at which a balance was below zero */
    long gaps;     /* events whose version does not follow on */
    long missed;   /* events that the reader of the log did not see */
};

/* The accounts of one read, and how far their events have been counted. */
struct account {
    long long balance;
    int64_t version;
};

static bool examine_event(const ec_event *event, struct account *account, struct findings *findings)
{
    long long change;
    bank_kind kind;

    if (!bank_kind_of(event, &kind) || balance_change(event, kind, &change) != EC_OK)
        return false;
    account->balance += change;
    findings->sum += change;
    findings->events++;
    findings->negative += account->balance < 0;
    findings->gaps += ec_event_version(event) != account->version + 1;
    account->version = ec_event_version(event);
    return true;
}

/* Examine up to ACCOUNTS_PER_READ accounts from `first` on. */
static bool examine(ec_connection *connection, const struct bank *bank,
                    const struct follower *follower, long first, struct findings *findings)
{
    char ids[ACCOUNTS_PER_READ][ACCOUNT_ID_SIZE];
    const char *pointers[ACCOUNTS_PER_READ];
    struct account accounts[ACCOUNTS_PER_READ] = {{0, 0}};
    ec_events *events;
    long count = 0;
    bool understood = true;

    for (; count < ACCOUNTS_PER_READ && first + count < bank->account_count; count++) {
        account_id(bank, first + count, ids[count]);
        pointers[count] = ids[count];
    }
    if (ec_read_streams(connection, pointers, (size_t)count, NULL, &events) != EC_OK) {
        fprintf(stderr, "transfer_demo: %s\n", ec_error_message(connection));
        return false;
    }
    for (size_t i = 0; i < ec_events_count(events) && understood; i++) {
        const ec_event *event = ec_events_at(events, i);
        long number = account_number(bank, ec_event_stream_id(event)) - first;

        understood =
            number >= 0 && number < count && examine_event(event, &accounts[number], findings);
    }
    for (long i = 0; i < count; i++) {
        findings->gaps += ec_events_stream_version(events, ids[i]) != accounts[i].version;
        findings->missed += follower->versions[first + i] != accounts[i].version;
    }
    ec_events_free(events);
    if (!understood)
        fputs("transfer_demo: an account has an event that no transfer writes\n", stderr);
    return understood;
}

static bool show(const char *proof, long long found, long long expected)
{
    bool holds = found == expected;

    printf("  %s  %s: %lld", holds ? "holds" : "FAILS", proof, found);
    if (!holds)
        printf(", expected %lld", expected);
    putchar('\n');
    return holds;
}

bool prove(ec_connection *connection, const struct bank *bank, const struct follower *follower,
           long transfers)
{
    struct findings findings = {.sum = 0};
    bool proved = !follower->failed;

    for (long first = 0; first < bank->account_count; first += ACCOUNTS_PER_READ)
        if (!examine(connection, bank, follower, first, &findings))
            return false;
    puts("\nRead back from the store:");
    proved &= show("the money is all there, and no more; sum", findings.sum,
                   bank->account_count * bank->deposit);
    proved &= show("no account was ever overdrawn; versions below zero", findings.negative, 0);
    proved &= show("versions are 1, 2, 3, ...; gaps", findings.gaps, 0);
    proved &= show("two events a transfer, one a deposit; events", findings.events,
                   2LL * transfers + bank->account_count);
    proved &= show("a reader of the log saw each event, while they were written; events",
                   follower->events, findings.events);
    proved &= show("and each once and in order; accounts or events out of step",
                   findings.missed + follower->out_of_order, 0);
    puts(proved ? "\nVerdict: every proof holds." : "\nVerdict: NOT PROVED.");
    return proved;
}
