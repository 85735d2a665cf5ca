/*
 * transfer.h: the command that transfer_money.c executes. This is all that an application writes.
 *
 * An account is a stream of events. A transfer reads two accounts, folds their events into a state,
 * decides on it, and writes to both, all or nothing, if neither has changed since it was read.
 */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <eventcore/eventcore.h>

/* What is wanted. */
struct transfer {
    long long amount;
};

/* What must be known to decide. Zeroed, then folded from the events of the streams. */
struct balances {
    long long from;
    long long to;
};

/* clang-format off */
#define BANK_EVENTS(list, type)              \
    type(list, Deposited, "MoneyDeposited")  \
    type(list, Withdrawn, "MoneyWithdrawn")
#define TRANSFER_STREAMS(command, stream)    \
    stream(command, writes, from_account)    \
    stream(command, writes, to_account)
/* clang-format on */
EC_EVENTS(bank, BANK_EVENTS);
EC_COMMAND(transfer, TRANSFER_STREAMS, bank, struct transfer, struct balances);

/* What an event does to the balance of its account. */
static ec_status balance_change(const ec_event *event, bank_kind kind, long long *change)
{
    ec_status status = ec_event_unpack(event, "{s:I}", "amount", change);

    if (status == EC_OK && kind == bank_Withdrawn)
        *change = -*change;
    return status;
}

/* Fold: called with each event of both accounts, in the order in which they happened. */
static ec_status transfer_apply(const struct transfer *transfer, struct balances *state,
                                bank_kind kind, const ec_event *event)
{
    long long change = 0;
    ec_status status = balance_change(event, kind, &change);

    (void)transfer;
    *(EC_FROM(event, transfer_from_account) ? &state->from : &state->to) += change;
    return status;
}

/* Decide: reject, or write events. Called again, with the new state, if a race was lost. */
static ec_status transfer_handle(const struct transfer *transfer, const struct balances *state,
                                 transfer_context ctx)
{
    EC_VALIDATE(ctx, transfer->amount > 0, "invalid_amount", "%lld", transfer->amount);
    EC_REQUIRE(ctx, state->from >= transfer->amount, "insufficient_funds",
               "balance %lld, requested %lld", state->from, transfer->amount);
    transfer_record(ctx, transfer_from_account, bank_Withdrawn, "{s:I}", "amount",
                    transfer->amount);
    return transfer_record(ctx, transfer_to_account, bank_Deposited, "{s:I}", "amount",
                           transfer->amount);
}

#endif
