/*
 * bank.h: the commands that the tests execute.
 *
 * `transfer` has two written streams and an only-read one; `restock` has lists. A test can hook
 * into their handlers: to interfere between the read and the append, or to misbehave.
 */
#ifndef BANK_H
#define BANK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <eventcore/eventcore.h>

#define BANK_EVENTS(list, type)                                                                    \
    type(list, deposited, "MoneyDeposited") type(list, withdrawn, "MoneyWithdrawn")                \
        type(list, limited, "LimitSet")
EC_EVENTS(bank, BANK_EVENTS);

/* How a handler calls a test; as_task.h has an own one. */
#ifndef CALL_OUT
#define CALL_OUT(call) call
#endif

/* ------------------------------------------------------------------ transfer */

struct transfer {
    long long amount;
    int *handled;                      /* counts the calls of the handler, unless NULL */
    void (*interfere)(void *argument); /* called in the first one */
    void *argument;
    ec_status (*decide)(ec_context *context); /* decides in place of the handler */
    char *order;                              /* collects an event's letter each, in folding */
};

struct balances {
    long long from;
    long long to;
    long long limit;
};

#define TRANSFER_STREAMS(command, stream)                                                          \
    stream(command, writes, from_account) stream(command, writes, to_account)                      \
        stream(command, reads, limits)
EC_COMMAND(transfer, TRANSFER_STREAMS, bank, struct transfer, struct balances);

static ec_status transfer_apply(const struct transfer *transfer, struct balances *state,
                                bank_kind kind, const ec_event *event)
{
    long long amount;

    if (transfer->order != NULL)
        strncat(transfer->order, ec_event_type(event), 1);
    if (ec_event_unpack(event, "{s:I}", "amount", &amount) != EC_OK)
        return EC_INVALID_EVENT;
    switch (kind) {
    case bank_limited:
        state->limit = amount;
        break;
    case bank_withdrawn:
        amount = -amount;
        break;
    case bank_deposited:
        break;
    }
    if (EC_FROM(event, transfer_from_account))
        state->from += amount;
    if (EC_FROM(event, transfer_to_account))
        state->to += amount;
    return EC_OK;
}

static ec_status transfer_handle(const struct transfer *transfer, const struct balances *state,
                                 transfer_context ctx)
{
    if (transfer->handled != NULL && (*transfer->handled)++ == 0 && transfer->interfere != NULL)
        CALL_OUT(transfer->interfere(transfer->argument));
    if (transfer->decide != NULL)
        return transfer->decide(ctx.context);
    EC_REQUIRE(ctx, state->limit == 0 || transfer->amount <= state->limit, "above_limit",
               "limit %lld", state->limit);
    EC_REQUIRE(ctx, state->from >= transfer->amount, "insufficient_funds",
               "balance %lld, requested %lld", state->from, transfer->amount);
    transfer_record(ctx, transfer_from_account, bank_withdrawn, "{s:I}", "amount",
                    transfer->amount);
    return transfer_record(ctx, transfer_to_account, bank_deposited, "{s:I}", "amount",
                           transfer->amount);
}

/* ------------------------------------------------------------------ restock */

enum { MOST_PRODUCTS = 8 };

struct restock {
    size_t product_count;
};

struct stock {
    long long quantity[MOST_PRODUCTS];
    long long listed[MOST_PRODUCTS];
};

#define STOCK_EVENTS(list, type)                                                                   \
    type(list, restocked, "Restocked") type(list, deposited, "MoneyDeposited")
EC_SOME_EVENTS(stock, STOCK_EVENTS);

#define RESTOCK_STREAMS(command, stream)                                                           \
    stream(command, writes, ledger) stream(command, writes_many, products)                         \
        stream(command, reads_many, catalogue)
EC_COMMAND(restock, RESTOCK_STREAMS, stock, struct restock, struct stock);

static EC_UNUSED ec_status restock_apply(const struct restock *restock, struct stock *state,
                                         stock_kind kind, const ec_event *event)
{
    size_t index;

    (void)restock, (void)kind;
    if (ec_event_in(event, restock_products.slot, &index))
        state->quantity[index]++;
    if (ec_event_in(event, restock_catalogue.slot, &index))
        state->listed[index]++;
    return EC_OK;
}

/* Write to each product its index and what was counted. */
static EC_UNUSED ec_status restock_handle(const struct restock *restock, const struct stock *state,
                                          restock_context ctx)
{
    ec_new_event event = {.type = "Restocked"};

    for (size_t i = 0; i < restock->product_count; i++) {
        event.data = ec_pack(ctx.context, "{s:I, s:I, s:I}", "index", (long long)i, "quantity",
                             state->quantity[i], "listed", state->listed[i]);
        restock_write_at(ctx, restock_products, i, &event);
    }
    return EC_OK;
}

#endif
