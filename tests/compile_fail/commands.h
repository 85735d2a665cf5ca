/* commands.h: two commands, complete but for what each test puts into the handler of `fulfil`, or
   behind the upcasters. */
#include <eventcore/eventcore.h>

struct transfer {
    long long amount;
};

#define SHOP_EVENTS(list, type)                                                                    \
    type(list, Moved, "MoneyMoved") type(list, Fulfilled, "OrderFulfilled")

#ifndef FORBIDDEN_UPCASTERS
#define FORBIDDEN_UPCASTERS(list, upcast)
#endif

static ec_upcaster add_place;

#define SHOP_UPCASTERS(list, upcast)                                                               \
    upcast(list, Fulfilled, 1, 2, add_place) upcast(list, Fulfilled, 2, 3, NULL)                   \
        FORBIDDEN_UPCASTERS(list, upcast)
EC_EVENTS_UPCAST(shop, SHOP_EVENTS, SHOP_UPCASTERS);

static ec_status add_place(const ec_event *event, ec_upcast *upcast)
{
    (void)event;
    return ec_upcast_set(upcast, "{s:I}", "place", 0LL);
}

#define TRANSFER_STREAMS(command, stream)                                                          \
    stream(command, writes, from_account) stream(command, writes, to_account)
EC_COMMAND(transfer, TRANSFER_STREAMS, shop, struct transfer, long long);

struct fulfil {
    size_t product_count;
};

#define FULFIL_STREAMS(command, stream)                                                            \
    stream(command, writes, order) stream(command, reads, customer)                                \
        stream(command, writes_optional, voucher) stream(command, reads_optional, referrer)        \
            stream(command, writes_many, products) stream(command, reads_many, catalogue)
EC_RESOLVING_COMMAND(fulfil, FULFIL_STREAMS, shop, struct fulfil, long long);

static ec_status transfer_apply(const struct transfer *transfer, long long *state, shop_kind kind,
                                const ec_event *event)
{
    (void)transfer, (void)kind;
    *state += EC_FROM(event, transfer_from_account);
    return EC_OK;
}

static ec_status transfer_handle(const struct transfer *transfer, const long long *state,
                                 transfer_context ctx)
{
    EC_REQUIRE(ctx, *state >= transfer->amount, "insufficient_funds", "balance %lld", *state);
    return transfer_record(ctx, transfer_from_account, shop_Moved, NULL);
}

static ec_status fulfil_apply(const struct fulfil *fulfil, long long *state, shop_kind kind,
                              const ec_event *event)
{
    size_t index;

    (void)fulfil;
    switch (kind) {
    case shop_Moved:
        return EC_OK;
    case shop_Fulfilled:
        *state += ec_event_in(event, fulfil_products.slot, &index);
    }
    return EC_OK;
}

static ec_status fulfil_resolve(const struct fulfil *fulfil, const long long *state,
                                fulfil_resolution resolution)
{
    (void)fulfil;
    EC_VALIDATE(resolution, *state >= 0, "no_products", "stock %lld", *state);
    fulfil_discover_read(resolution, fulfil_catalogue, "catalogue-1", NULL);
#ifdef FORBIDDEN_DISCOVERY
    FORBIDDEN_DISCOVERY;
#endif
    return fulfil_discover(resolution, fulfil_products, "product-3", NULL);
}

static ec_status fulfil_handle(const struct fulfil *fulfil, const long long *state,
                               fulfil_context ctx)
{
    ec_new_event event = {.type = shop_type(shop_Fulfilled)};

    EC_REQUIRE(ctx, *state >= 0, "out_of_stock", "stock %lld", *state);
    for (size_t i = 0; i < fulfil->product_count; i++)
        fulfil_record_at(ctx, fulfil_products, i, shop_Fulfilled, "{s:I}", "place", (long long)i);
    if (EC_BOUND(ctx, fulfil_voucher))
        fulfil_record_optional(ctx, fulfil_voucher, shop_Fulfilled, NULL);
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
