/*
 * many_commands.c: transfers on one connection, one at a time, in batches and pipelined.
 *
 *     many_commands ACCOUNTS ROUNDS MILLISECONDS
 *
 * Prints lines for tests/bench/run: `panel|case|contender|round|commands per second`.
 */
#include <eventcore/eventcore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BANK_EVENTS(list, type)                                                                    \
    type(list, deposited, "MoneyDeposited") type(list, withdrawn, "MoneyWithdrawn")
EC_EVENTS(bank, BANK_EVENTS);

struct transfer {
    long long amount;
};

struct balance {
    long long amount;
};

#define TRANSFER_STREAMS(command, stream)                                                          \
    stream(command, writes, from_account) stream(command, writes, to_account)
EC_COMMAND(transfer, TRANSFER_STREAMS, bank, struct transfer, struct balance);

static ec_status transfer_apply(const struct transfer *transfer, struct balance *state,
                                bank_kind kind, const ec_event *event)
{
    long long amount;

    (void)transfer;
    if (ec_event_unpack(event, "{s:I}", "amount", &amount) != EC_OK)
        return EC_INVALID_EVENT;
    if (EC_FROM(event, transfer_from_account))
        state->amount += kind == bank_deposited ? amount : -amount;
    return EC_OK;
}

static ec_status transfer_handle(const struct transfer *transfer, const struct balance *state,
                                 transfer_context ctx)
{
    EC_REQUIRE(ctx, state->amount >= transfer->amount, "insufficient_funds", "balance %lld",
               state->amount);
    transfer_record(ctx, transfer_from_account, bank_withdrawn, "{s:I}", "amount",
                    transfer->amount);
    return transfer_record(ctx, transfer_to_account, bank_deposited, "{s:I}", "amount",
                           transfer->amount);
}

/* ------------------------------------------------------------------ the accounts */

enum { ID_SIZE = 32, MOST_AT_A_TIME = 1000 };

struct bank {
    ec_connection *connection;
    size_t count;
    char (*ids)[ID_SIZE];
};

static bool open_accounts(struct bank *bank)
{
    ec_stream_event events[MOST_AT_A_TIME];

    for (size_t done = 0; done < bank->count;) {
        size_t count = 0;

        for (; count < MOST_AT_A_TIME && done < bank->count; count++, done++) {
            snprintf(bank->ids[done], ID_SIZE, "account-%zu", done);
            events[count] = (ec_stream_event){
                bank->ids[done], {.type = "MoneyDeposited", .data = "{\"amount\": 1000000}"}};
        }
        if (ec_append(bank->connection, events, count, NULL, 0, NULL) != EC_OK)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ measuring */

enum { SINGLE, BATCH, PIPELINED, CONTENDERS };

static const char *const contenders[] = {"one at a time", "batch", "pipelined"};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static ec_status run_some(const struct bank *bank, int contender, ec_command *commands,
                          size_t count)
{
    ec_status status = EC_OK;

    if (contender == BATCH)
        return ec_execute_batch(bank->connection, commands, count, NULL);
    if (contender == PIPELINED)
        return ec_execute_pipelined(bank->connection, commands, count, NULL);
    for (size_t i = 0; i < count && status == EC_OK; i++)
        status = ec_execute(bank->connection, commands[i].definition, commands[i].streams,
                            commands[i].command, NULL, &commands[i].outcome);
    return status;
}

/* Commands per second, `size` at a time; negative on failure. */
static double measure(const struct bank *bank, int contender, size_t size, double seconds)
{
    static transfer_streams streams[MOST_AT_A_TIME];
    static ec_command commands[MOST_AT_A_TIME];
    static const struct transfer one = {.amount = 1};
    double start = seconds_now(), end;
    size_t done = 0;

    do {
        for (size_t i = 0; i < size; i++) {
            size_t from = (size_t)random() % bank->count;
            ec_outcome *outcome = commands[i].outcome; /* to be reused */

            streams[i].from_account = bank->ids[from];
            streams[i].to_account =
                bank->ids[(from + 1 + (size_t)random() % (bank->count - 1)) % bank->count];
            commands[i] = transfer_prepare(&streams[i], &one);
            commands[i].outcome = outcome;
        }
        if (run_some(bank, contender, commands, size) != EC_OK)
            return -1;
        done += size;
        end = seconds_now();
    } while (end - start < seconds);
    return (double)done / (end - start);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {1, 10, 100, 1000};
    struct bank bank = {.connection = NULL};
    bool done = false;

    if (argc != 4)
        return 2;
    bank.count = strtoul(argv[1], NULL, 10);
    bank.ids = calloc(bank.count, sizeof *bank.ids);
    if (bank.ids != NULL && ec_connect(&bank.connection, NULL, NULL) == EC_OK)
        done = open_accounts(&bank);
    for (int round = 0; done && round <= atoi(argv[2]); round++)
        for (size_t i = 0; done && i < sizeof sizes / sizeof *sizes; i++)
            for (int turn = 0; done && turn < CONTENDERS; turn++) {
                int contender = (round + turn) % CONTENDERS;
                double rate = measure(&bank, contender, sizes[i], atof(argv[3]) / 1000);

                done = rate >= 0;
                printf("transfers on one connection, durable|%zu commands|%s|%d|%.1f\n", sizes[i],
                       contenders[contender], round, rate);
                fflush(stdout);
            }
    if (!done)
        fprintf(stderr, "many_commands: %s\n", ec_error_message(bank.connection));
    ec_close(bank.connection);
    free(bank.ids);
    return !done;
}
