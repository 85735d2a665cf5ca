/*
 * transfer_money.c: execute a command, and look at what came of it.
 *
 *     transfer_money [CONNINFO]
 *
 * The command itself is in transfer.h: read that first.
 */
#include <stdio.h>

#include "transfer.h"

/* What needs no decision needs no command: append to a stream that must not exist yet. */
static bool open_account(ec_connection *bank, const char *id, const char *deposit)
{
    ec_stream_event event = {id, {.type = bank_type(bank_Deposited), .data = deposit}};
    ec_expectation expected = {id, EC_EXPECT_NO_STREAM};

    return ec_append(bank, &event, 1, &expected, 1, NULL) == EC_OK;
}

/* Execute the command; false if it could not be decided. To be rejected is a result. */
static bool transfer(ec_connection *bank, const char *from, const char *to, long long amount)
{
    transfer_streams streams = {.from_account = from, .to_account = to};
    struct transfer command = {.amount = amount};
    ec_outcome *outcome = NULL;
    ec_status status = transfer_execute(bank, &streams, &command, &outcome);

    if (status == EC_OK)
        printf("transfer of %lld: done with %zu events at attempt %d\n", amount,
               ec_outcome_event_count(outcome), ec_outcome_attempts(outcome));
    else if (ec_status_is_rejection(status))
        printf("transfer of %lld: %s, %s: %s\n", amount, ec_status_name(status),
               ec_outcome_rejection_code(outcome), ec_outcome_rejection_message(outcome));
    ec_outcome_free(outcome);
    return status == EC_OK || ec_status_is_rejection(status);
}

/* An account's history is its stream; its balance is what the events add up to. */
static bool print_account(ec_connection *bank, const char *name, const char *id)
{
    long long balance = 0, change;
    ec_events *events;
    bank_kind kind;
    bool read = ec_read_stream(bank, id, NULL, &events) == EC_OK;

    for (size_t i = 0; read && i < ec_events_count(events); i++) {
        const ec_event *event = ec_events_at(events, i);

        read = bank_kind_of(event, &kind) && balance_change(event, kind, &change) == EC_OK;
        if (read) {
            balance += change;
            printf("%s, version %d: %s, balance %lld\n", name, (int)ec_event_version(event),
                   ec_event_type(event), balance);
        }
    }
    ec_events_free(events);
    return read;
}

static bool run(ec_connection *bank)
{
    char alice[64], bob[64];

    return ec_stream_id_new("account", alice, sizeof alice) == EC_OK &&
           ec_stream_id_new("account", bob, sizeof bob) == EC_OK &&
           open_account(bank, alice, "{\"amount\": 100}") &&
           open_account(bank, bob, "{\"amount\": 20}") &&
           transfer(bank, alice, bob, 30) &&  /* done */
           transfer(bank, alice, bob, 500) && /* rejected: there is not so much */
           transfer(bank, alice, bob, -5) &&  /* rejected: there is no such amount */
           print_account(bank, "alice", alice) && print_account(bank, "bob", bob);
}

int main(int argc, char **argv)
{
    ec_connection *bank;
    bool done = ec_connect(&bank, argc > 1 ? argv[1] : NULL, NULL) == EC_OK && run(bank);

    if (!done)
        fprintf(stderr, "transfer_money: %s\n", ec_error_message(bank));
    ec_close(bank);
    return done ? 0 : 1;
}
