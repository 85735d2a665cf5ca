/*
 * counters.c: counting what is executed, and printing that for Prometheus.
 *
 * Any number of threads count at once, without a lock. Each command has an entry in a hash table,
 * which is made when its name is first seen, pushed in front of its chain, and never moved or
 * removed: so whoever walks a chain sees whole entries only. Two threads that see a new name at the
 * same time agree through the compare-and-swap on the chain's head: the loser looks at what was put
 * in front, and finds the name there.
 *
 * Numbers are relaxed atomics: each is right by itself, and a print that runs beside is as of some
 * instant for each of them. A histogram's count is the sum of its buckets, so that these agree.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "eventcore/eventcore.h"

#define CHAINS 64

/* Upper bounds in microseconds, and as they are printed, in seconds. */
#define BUCKETS(X)                                                                                 \
    X(500, "0.0005")                                                                               \
    X(1000, "0.001")                                                                               \
    X(2500, "0.0025")                                                                              \
    X(5000, "0.005")                                                                               \
    X(10000, "0.01")                                                                               \
    X(25000, "0.025")                                                                              \
    X(50000, "0.05")                                                                               \
    X(100000, "0.1")                                                                               \
    X(250000, "0.25")                                                                              \
    X(500000, "0.5")                                                                               \
    X(1000000, "1")                                                                                \
    X(2500000, "2.5")                                                                              \
    X(5000000, "5")                                                                                \
    X(10000000, "10")                                                                              \
    X(INT64_MAX, "+Inf")

static const struct {
    int64_t bound_us;
    const char *label;
} buckets[] = {
#define BUCKET(bound, label) {bound, label},
    BUCKETS(BUCKET)
#undef BUCKET
};
#define BUCKET_COUNT (sizeof buckets / sizeof *buckets)

/* All statuses, in a row. */
static const ec_status results[] = {
#define RESULT(NAME, name, number, description) EC_##NAME,
    EC_STATUSES(RESULT)
#undef RESULT
};
#define RESULT_COUNT (sizeof results / sizeof *results)

typedef _Atomic uint64_t number;

/* What is counted of a command beside its results and its durations. */
typedef enum { ATTEMPTS, CONFLICTS, RETRIES, LOCKED, EVENTS, COUNT_COUNT } count;

static const struct {
    const char *name;
    const char *help;
} counts[COUNT_COUNT] = {
    [ATTEMPTS] = {"eventcore_attempts_total", "Tries of commands, the first ones included."},
    [CONFLICTS] = {"eventcore_conflicts_total", "Tries that lost to another writer."},
    [RETRIES] = {"eventcore_retries_total", "Tries that failed and were followed by another."},
    [LOCKED] = {"eventcore_locked_attempts_total",
                "Tries that locked their streams before they read them."},
    [EVENTS] = {"eventcore_events_written_total", "Events written."},
};

typedef struct entry {
    struct entry *next; /* does not change once it is in its chain */
    number results[RESULT_COUNT];
    number counts[COUNT_COUNT];
    number buckets[BUCKET_COUNT]; /* each without those below */
    number total_us;
    char name[]; /* of the command */
} entry;

struct ec_counters {
    entry *_Atomic chains[CHAINS];
    entry *unnamed; /* for commands that there is no memory for: its name is empty */
};

/* ------------------------------------------------------------------ entries */

static entry *make_entry(const char *name)
{
    size_t length = strlen(name);
    entry *made = calloc(1, sizeof *made + length + 1);

    if (made != NULL)
        memcpy(made->name, name, length);
    return made;
}

static entry *_Atomic *chain_of(ec_counters *counters, const char *name)
{
    uint32_t hash = UINT32_C(0x811c9dc5); /* FNV-1a */

    for (const char *byte = name; *byte != '\0'; byte++)
        hash = (hash ^ (uint8_t)*byte) * UINT32_C(0x01000193);
    return &counters->chains[(hash ^ hash >> 16) % CHAINS];
}

static entry *find(entry *from, const entry *until, const char *name)
{
    while (from != until && strcmp(from->name, name) != 0)
        from = from->next;
    return from == until ? NULL : from;
}

/* The command's entry, made if there is none. */
static entry *entry_of(ec_counters *counters, const char *name)
{
    entry *_Atomic *chain = chain_of(counters, name);
    entry *first = atomic_load_explicit(chain, memory_order_acquire);
    entry *found = find(first, NULL, name), *made;

    if (found != NULL)
        return found;
    made = make_entry(name);
    if (made == NULL)
        return counters->unnamed;
    do {
        made->next = first;
        if (atomic_compare_exchange_weak_explicit(chain, &first, made, memory_order_release,
                                                  memory_order_acquire))
            return made;
        found = find(first, made->next, name);
    } while (found == NULL);
    free(made);
    return found;
}

/* ------------------------------------------------------------------ counting */

static void add(number *to, uint64_t more)
{
    atomic_fetch_add_explicit(to, more, memory_order_relaxed);
}

static uint64_t value_of(const number *of)
{
    return atomic_load_explicit(of, memory_order_relaxed);
}

static void count_attempt(void *argument, const ec_hook_info *info)
{
    entry *entry = entry_of(argument, info->command);

    add(&entry->counts[ATTEMPTS], 1);
    if (info->locked)
        add(&entry->counts[LOCKED], 1);
}

static void count_conflict(void *argument, const ec_hook_info *info)
{
    add(&entry_of(argument, info->command)->counts[CONFLICTS], 1);
}

static void count_retry(void *argument, const ec_hook_info *info)
{
    add(&entry_of(argument, info->command)->counts[RETRIES], 1);
}

/* What a callback returns may be no status at all: it has failed. */
static size_t result_of(ec_status status)
{
    for (size_t i = 0; i < RESULT_COUNT; i++)
        if (results[i] == status)
            return i;
    return result_of(EC_FAILED);
}

static void count_end(void *argument, const ec_hook_info *info)
{
    entry *entry = entry_of(argument, info->command);
    size_t bucket = 0;

    while (info->total_us > buckets[bucket].bound_us)
        bucket++;
    add(&entry->results[result_of(info->status)], 1);
    add(&entry->counts[EVENTS], info->event_count);
    add(&entry->buckets[bucket], 1);
    add(&entry->total_us, (uint64_t)info->total_us);
}

ec_hooks ec_counters_hooks(ec_counters *counters)
{
    ec_hooks hooks = EC_HOOKS_INIT;

    hooks.argument = counters;
    hooks.on_attempt = count_attempt;
    hooks.on_conflict = count_conflict;
    hooks.on_retry = count_retry;
    hooks.on_finish = count_end;
    return hooks;
}

ec_status ec_counters_new(ec_counters **counters)
{
    ec_counters *made = calloc(1, sizeof *made);

    *counters = NULL;
    if (made != NULL)
        made->unnamed = make_entry("");
    if (made == NULL || made->unnamed == NULL) {
        free(made);
        return EC_NO_MEMORY;
    }
    for (size_t i = 0; i < CHAINS; i++)
        atomic_init(&made->chains[i], NULL);
    atomic_store(chain_of(made, ""), made->unnamed);
    *counters = made;
    return EC_OK;
}

void ec_counters_free(ec_counters *counters)
{
    if (counters == NULL)
        return;
    for (size_t i = 0; i < CHAINS; i++)
        for (entry *entry = atomic_load(&counters->chains[i]), *next; entry != NULL; entry = next) {
            next = entry->next;
            free(entry);
        }
    free(counters);
}

/* ------------------------------------------------------------------ printing */

/* A label's value is quoted: backslash, quotation mark and line feed are escaped. */
static void print_label(FILE *file, const char *value)
{
    for (; *value != '\0'; value++)
        if (*value == '\n')
            fputs("\\n", file);
        else
            fprintf(file, "%s%c", *value == '\\' || *value == '"' ? "\\" : "", *value);
}

/* The beginning of a sample, up to its labels other than the command. */
static void begin_sample(FILE *file, const char *metric, const entry *entry)
{
    fprintf(file, "%s{command=\"", metric);
    print_label(file, entry->name);
    putc('"', file);
}

static void print_results(FILE *file, const entry *entry, count unused)
{
    (void)unused;
    for (size_t i = 0; i < RESULT_COUNT; i++) {
        uint64_t value = value_of(&entry->results[i]);

        if (value == 0)
            continue;
        begin_sample(file, "eventcore_commands_total", entry);
        fprintf(file, ",result=\"%s\"} %" PRIu64 "\n", ec_status_name(results[i]), value);
    }
}

static void print_histogram(FILE *file, const entry *entry, count unused)
{
    uint64_t below = 0, total_us = value_of(&entry->total_us);

    (void)unused;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        below += value_of(&entry->buckets[i]);
        begin_sample(file, "eventcore_command_duration_seconds_bucket", entry);
        fprintf(file, ",le=\"%s\"} %" PRIu64 "\n", buckets[i].label, below);
    }
    begin_sample(file, "eventcore_command_duration_seconds_sum", entry);
    fprintf(file, "} %" PRIu64 ".%06" PRIu64 "\n", total_us / 1000000, total_us % 1000000);
    begin_sample(file, "eventcore_command_duration_seconds_count", entry);
    fprintf(file, "} %" PRIu64 "\n", below);
}

static void print_count(FILE *file, const entry *entry, count count)
{
    begin_sample(file, counts[count].name, entry);
    fprintf(file, "} %" PRIu64 "\n", value_of(&entry->counts[count]));
}

/* A metric's samples stand together, behind its description. */
static void begin_metric(FILE *file, const char *name, const char *type, const char *help)
{
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Print something of every command. `which` is passed on. */
static void print_all(const ec_counters *counters, FILE *file,
                      void (*print)(FILE *file, const entry *entry, count which), count which)
{
    for (size_t i = 0; i < CHAINS; i++)
        for (const entry *entry = atomic_load_explicit(&counters->chains[i], memory_order_acquire);
             entry != NULL; entry = entry->next)
            if (entry != counters->unnamed || value_of(&entry->counts[ATTEMPTS]) > 0)
                print(file, entry, which);
}

ec_status ec_counters_print(const ec_counters *counters, FILE *file)
{
    begin_metric(file, "eventcore_commands_total", "counter", "Commands by name and result.");
    print_all(counters, file, print_results, 0);
    for (count count = 0; count < COUNT_COUNT; count++) {
        begin_metric(file, counts[count].name, "counter", counts[count].help);
        print_all(counters, file, print_count, count);
    }
    begin_metric(file, "eventcore_command_duration_seconds", "histogram",
                 "How long commands took, retries and pauses included.");
    print_all(counters, file, print_histogram, 0);
    return fflush(file) == 0 && !ferror(file) ? EC_OK : EC_FAILED;
}
