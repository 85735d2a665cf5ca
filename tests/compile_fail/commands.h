/* commands.h: two commands, complete but for what each test puts into the handler of `fulfil`. */
#include <eventcore/eventcore.h>

struct transfer {
    long long amount;
};

#define TRANSFER_STREAMS(command, writes, reads, writes_many, reads_many)                          \
    writes(command, from_account) writes(command, to_account)
EC_COMMAND(transfer, TRANSFER_STREAMS, struct transfer, long long);

struct fulfil {
    size_t product_count;
};

#define FULFIL_STREAMS(command, writes, reads, writes_many, reads_many)                            \
    writes(command, order) reads(command, customer) writes_many(command, products)                 \
        reads_many(command, catalogue)
EC_COMMAND(fulfil, FULFIL_STREAMS, struct fulfil, long long);

static ec_status transfer_apply(const struct transfer *transfer, long long *state,
                                const ec_event *event)
{
    (void)transfer;
    *state += EC_FROM(event, transfer_from_account);
    return EC_OK;
}

static ec_status transfer_handle(const struct transfer *transfer, const long long *state,
                                 transfer_context ctx)
{
    ec_new_event moved = {.type = "MoneyMoved"};

    EC_REQUIRE(ctx, *state >= transfer->amount, "insufficient_funds", "balance %lld", *state);
    return transfer_write(ctx, transfer_from_account, &moved);
}

static ec_status fulfil_apply(const struct fulfil *fulfil, long long *state, const ec_event *event)
{
    size_t index;

    (void)fulfil;
    *state += ec_event_in(event, fulfil_products.slot, &index);
    return EC_OK;
}

static ec_status fulfil_handle(const struct fulfil *fulfil, const long long *state,
                               fulfil_context ctx)
{
    ec_new_event event = {.type = "Fulfilled"};

    EC_REQUIRE(ctx, *state >= 0, "out_of_stock", "stock %lld", *state);
    for (size_t i = 0; i < fulfil->product_count; i++)
        fulfil_write_at(ctx, fulfil_products, i, &event);
#ifdef FORBIDDEN
    FORBIDDEN;
#endif
    return fulfil_write(ctx, fulfil_order, &event);
}

ec_status run(ec_connection *connection);

ec_status run(ec_connection *connection)
{
    static const char *const products[] = {"product-1", "product-2"};
    transfer_streams transfer_between = {.from_account = "account-1", .to_account = "account-2"};
    fulfil_streams fulfil_of = {.order = "order-1",
                                .customer = "customer-1",
                                .products = {products, 2},
                                .catalogue = EC_NO_IDS};
    struct transfer transfer = {.amount = 1};
    struct fulfil fulfil = {.product_count = 2};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_status status = transfer_execute(connection, &transfer_between, &transfer, NULL);

    return status == EC_OK ? fulfil_execute_with(connection, &fulfil_of, &fulfil, &options, NULL)
                           : status;
}
