/*
 * fulfil_order.c: a command that discovers its streams.
 *
 *     fulfil_order [CONNINFO]
 *
 * To fulfil an order, all that it names must be in stock. But which stocks these are only the order
 * tells. So the command is given the order's stream alone, and discovers the others: `resolve` adds
 * them to the declared lists, the library reads them, and from there on they are streams like all
 * others. Stocks are written; catalogue entries are only read, and checked nevertheless: a product
 * that is discontinued at this moment cannot slip through.
 */
#include <stdio.h>
#include <string.h>

#include <eventcore/eventcore.h>

enum { MOST_ITEMS = 20 };

struct fulfil {
    const char *address;
};

/* Items stand in the order of their naming, in which `resolve` discovers stocks and products. */
struct order {
    struct item {
        const char *product;
        long long ordered;
        long long in_stock;
        bool discontinued;
    } items[MOST_ITEMS];
    size_t item_count;
    bool fulfilled;
};

/* clang-format off */
#define SHOP_EVENTS(list, type)                        \
    type(list, ItemOrdered, "ItemOrdered")             \
    type(list, OrderFulfilled, "OrderFulfilled")       \
    type(list, StockReceived, "StockReceived")         \
    type(list, StockTaken, "StockTaken")               \
    type(list, Discontinued, "ProductDiscontinued")    \
    type(list, ShipmentRequested, "ShipmentRequested")
#define FULFIL_STREAMS(command, stream)                \
    stream(command, writes, order)                     \
    stream(command, writes, shipment)                  \
    stream(command, writes_many, stocks)               \
    stream(command, reads_many, products)
/* clang-format on */
EC_EVENTS(shop, SHOP_EVENTS);
EC_RESOLVING_COMMAND(fulfil, FULFIL_STREAMS, shop, struct fulfil, struct order);

/* Discover: called when what is known has been read and folded, until it adds nothing new. */
static ec_status fulfil_resolve(const struct fulfil *command, const struct order *order,
                                fulfil_resolution resolution)
{
    ec_context *ctx = resolution.context;

    (void)command;
    for (size_t i = 0; i < order->item_count; i++) {
        const char *product = order->items[i].product;

        fulfil_discover(resolution, fulfil_stocks, ec_format(ctx, "stock-%s", product), NULL);
        fulfil_discover_read(resolution, fulfil_products, ec_format(ctx, "product-%s", product),
                             NULL);
    }
    return EC_OK;
}

static ec_status add_item(struct order *order, const ec_event *event)
{
    const char *product;
    long long quantity;
    size_t i = 0;

    if (ec_event_unpack(event, "{s:s, s:I}", "product", &product, "quantity", &quantity) != EC_OK)
        return EC_INVALID_EVENT;
    while (i < order->item_count && strcmp(order->items[i].product, product) != 0)
        i++;
    if (i == MOST_ITEMS)
        return EC_INVALID_EVENT;
    if (i == order->item_count)
        order->items[order->item_count++].product = product; /* lives as long as the event */
    order->items[i].ordered += quantity;
    return EC_OK;
}

/* Fold in global order: a stock's events may come before those of the order that led there. */
static ec_status fulfil_apply(const struct fulfil *command, struct order *order, shop_kind kind,
                              const ec_event *event)
{
    ec_status status = EC_OK;
    long long quantity = 0;
    size_t i;

    (void)command;
    switch (kind) {
    case shop_ItemOrdered:
        return add_item(order, event);
    case shop_OrderFulfilled:
        order->fulfilled = true;
        break;
    case shop_StockReceived:
    case shop_StockTaken:
        status = ec_event_unpack(event, "{s:I}", "quantity", &quantity);
        if (ec_event_in(event, fulfil_stocks.slot, &i))
            order->items[i].in_stock += kind == shop_StockTaken ? -quantity : quantity;
        break;
    case shop_Discontinued:
        if (ec_event_in(event, fulfil_products.slot, &i))
            order->items[i].discontinued = true;
        break;
    case shop_ShipmentRequested:
        break;
    }
    return status;
}

static ec_status fulfil_handle(const struct fulfil *command, const struct order *order,
                               fulfil_context ctx)
{
    EC_REQUIRE(ctx, order->item_count > 0, "no_order", "there is no such order");
    EC_REQUIRE(ctx, !order->fulfilled, "already_fulfilled", "it is done");
    for (size_t i = 0; i < order->item_count; i++) {
        const struct item *item = &order->items[i];

        EC_REQUIRE(ctx, !item->discontinued, "discontinued", "%s", item->product);
        EC_REQUIRE(ctx, item->in_stock >= item->ordered, "out_of_stock",
                   "%s: %lld ordered, %lld in stock", item->product, item->ordered, item->in_stock);
        fulfil_record_at(ctx, fulfil_stocks, i, shop_StockTaken, "{s:I, s:s}", "quantity",
                         item->ordered, "order", EC_ID(ctx, fulfil_order));
    }
    fulfil_record(ctx, fulfil_shipment, shop_ShipmentRequested, "{s:s, s:s}", "order",
                  EC_ID(ctx, fulfil_order), "address", command->address);
    return fulfil_record(ctx, fulfil_order, shop_OrderFulfilled, NULL);
}

/* ------------------------------------------------------------------ the program */

/* Execute the command; false if it could not be decided. */
static bool fulfil(ec_connection *shop, const char *order, const char *shipment)
{
    fulfil_streams streams = {
        .order = order, .shipment = shipment, .stocks = EC_NO_IDS, .products = EC_NO_IDS};
    struct fulfil command = {.address = "1 Main Street"};
    ec_outcome *outcome = NULL;
    ec_status status = fulfil_execute(shop, &streams, &command, &outcome);

    if (status == EC_OK)
        fputs("fulfilled:", stdout);
    for (size_t i = 0; i < ec_outcome_event_count(outcome); i++)
        printf(" %s", ec_event_type(ec_outcome_event(outcome, i)));
    if (status == EC_REJECTED)
        printf("rejected: %s", ec_outcome_message(outcome));
    putchar('\n');
    ec_outcome_free(outcome);
    return status == EC_OK || status == EC_REJECTED;
}

/* Place an order, of one item or two, and have it fulfilled. */
static bool order(ec_connection *shop, const char *item, const char *other)
{
    char id[64], shipment[64];
    ec_stream_event items[] = {
        {id, {.type = shop_type(shop_ItemOrdered), .data = item}},
        {id, {.type = shop_type(shop_ItemOrdered), .data = other}},
    };

    return ec_stream_id_new("order", id, sizeof id) == EC_OK &&
           ec_stream_id_new("shipment", shipment, sizeof shipment) == EC_OK &&
           ec_append(shop, items, other == NULL ? 1 : 2, NULL, 0, NULL) == EC_OK &&
           fulfil(shop, id, shipment);
}

int main(int argc, char **argv)
{
    const ec_stream_event goods[] = {
        {"stock-lamp", {.type = shop_type(shop_StockReceived), .data = "{\"quantity\": 2}"}},
        {"stock-bulb", {.type = shop_type(shop_StockReceived), .data = "{\"quantity\": 6}"}},
        {"product-gramophone", {.type = shop_type(shop_Discontinued)}},
    };
    const char *lamps = "{\"product\": \"lamp\", \"quantity\": 2}";
    const char *bulbs = "{\"product\": \"bulb\", \"quantity\": 6}";
    const char *gramophone = "{\"product\": \"gramophone\", \"quantity\": 1}";
    ec_connection *shop;
    bool done = ec_connect(&shop, argc > 1 ? argv[1] : NULL, NULL) == EC_OK &&
                ec_append(shop, goods, 3, NULL, 0, NULL) == EC_OK && order(shop, lamps, bulbs) &&
                order(shop, lamps, NULL) && order(shop, gramophone, NULL);

    if (!done)
        fprintf(stderr, "fulfil_order: %s\n", ec_error_message(shop));
    ec_close(shop);
    return done ? 0 : 1;
}
