/*
 * snapshots.c: commands over streams of some lengths, with and without snapshots of their state.
 *
 *     snapshots ROUNDS MILLISECONDS LENGTH:STREAMS...
 *
 * The streams are account-LENGTH-1 to account-LENGTH-STREAMS. Prints lines for tests/bench/run:
 * `panel|case|contender|round|commands per second`.
 */
#include <eventcore/eventcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BANK_EVENTS(list, type) type(list, deposited, "MoneyDeposited")
EC_EVENTS(bank, BANK_EVENTS);

struct deposit {
    long long amount;
};

struct balance {
    long long amount;
};

#define DEPOSIT_STREAMS(command, stream) stream(command, writes, account)
EC_COMMAND(deposit, DEPOSIT_STREAMS, bank, struct deposit, struct balance);
EC_SNAPSHOTS(balance, struct balance, 1, 100);

static ec_status balance_serialise(const struct balance *state, ec_snapshot *snapshot)
{
    return ec_snapshot_pack(snapshot, "{s:I}", "amount", state->amount);
}

static ec_status balance_deserialise(struct balance *state, ec_snapshot *snapshot)
{
    return ec_snapshot_unpack(snapshot, "{s:I}", "amount", &state->amount);
}

static ec_status deposit_apply(const struct deposit *deposit, struct balance *state, bank_kind kind,
                               const ec_event *event)
{
    long long amount;
    ec_status status = ec_event_unpack(event, "{s:I}", "amount", &amount);

    (void)deposit, (void)kind;
    if (status == EC_OK)
        state->amount += amount;
    return status;
}

static ec_status deposit_handle(const struct deposit *deposit, const struct balance *state,
                                deposit_context ctx)
{
    EC_REQUIRE(ctx, state->amount >= 0, "closed", "balance %lld", state->amount);
    return deposit_record(ctx, deposit_account, bank_deposited, "{s:I}", "amount", deposit->amount);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Commands per second; negative on failure. */
static double measure(ec_connection *connection, const char *length, long streams,
                      const ec_snapshots *snapshots, double seconds)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    static const struct deposit one = {.amount = 1};
    double start = seconds_now(), end;
    long done = 0;

    options.snapshots = snapshots;
    do {
        char id[64];
        deposit_streams ids = {.account = id};

        snprintf(id, sizeof id, "account-%s-%ld", length, 1 + random() % streams);
        if (deposit_execute_with(connection, &ids, &one, &options, NULL) != EC_OK)
            return -1;
        done++;
        end = seconds_now();
    } while (end - start < seconds);
    return (double)done / (end - start);
}

int main(int argc, char **argv)
{
    ec_connection *connection;
    bool done = argc > 3 && ec_connect(&connection, NULL, NULL) == EC_OK;

    if (argc <= 3)
        return 2;
    for (int round = 0; done && round <= atoi(argv[1]); round++)
        for (int i = 3; done && i < argc; i++)
            for (int turn = 0; done && turn < 2; turn++) {
                bool with = (round + turn) % 2 == 1;
                char *length = strdup(argv[i]), *streams = strchr(length, ':');
                double rate = -1;

                if (streams != NULL) {
                    *streams++ = '\0';
                    rate = measure(connection, length, atol(streams),
                                   with ? &balance_snapshots : NULL, atof(argv[2]) / 1000);
                }
                done = rate >= 0;
                printf("a command on one long stream, durable|%s events|%s|%d|%.1f\n", length,
                       with ? "snapshots" : "every event", round, rate);
                fflush(stdout);
                free(length);
            }
    if (!done)
        fprintf(stderr, "snapshots: %s\n", ec_error_message(connection));
    ec_close(connection);
    return !done;
}
