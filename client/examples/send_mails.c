/*
 * send_mails.c: carry events into another system, with retries.
 *
 *     send_mails [CONNINFO]
 *
 * A mail is sent for each order that was placed. A mail server takes no part in the database's
 * transactions, so each event is handled at least once: it is acknowledged when its mail is sent.
 * One that cannot be sent now is given back and comes again later, while others are sent; one that
 * never can is set aside for somebody to look at. Any number of programs may run side by side.
 *
 * The mail server here is a file descriptor: standard output. It is busy at first. A real one is
 * given the event's id as the Message-ID, by which it can tell what it was given twice.
 *
 * It stops on SIGINT and SIGTERM, within a second; or, here, when everything is sent.
 */
#include <eventcore/eventcore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SHOP_EVENTS(list, type) type(list, OrderPlaced, "OrderPlaced")
EC_SOME_EVENTS(shop, SHOP_EVENTS);

struct mail_server {
    int sent;
    int expected;
    bool busy;
};

EC_CONSUMER(mails, shop, struct mail_server);

static ec_cancellation *stop;

static void stop_on_signal(int signal)
{
    (void)signal;
    ec_cancel(stop);
}

static ec_status mails_handle(struct mail_server *server, shop_kind kind, const ec_event *event,
                              ec_delivery *delivery)
{
    const char *customer, *address = NULL;
    ec_status status =
        ec_event_unpack(event, "{s:s, s?s}", "customer", &customer, "address", &address);

    (void)kind;
    if (status != EC_OK)
        return status; /* as any failure: comes again, and is set aside in the end */
    if (address == NULL)
        return ec_delivery_park(delivery, "%s has no address", customer);
    if (server->busy) {
        server->busy = false;
        return ec_delivery_fail(delivery, 100, "450 mailbox busy");
    }
    printf("to %s: thank you for your order, %s (delivery %d)\n", address, customer,
           ec_delivery_attempt(delivery));
    if (++server->sent == server->expected)
        ec_cancel(stop);
    return EC_OK;
}

/* Told of each failure, before it is tried again: this is where a program logs. */
static bool log_failure(void *argument, const ec_failed_attempt *attempt)
{
    const char *reason = strrchr(attempt->message, ':'); /* behind the event's position */

    (void)argument;
    printf("failed%s\n", reason == NULL ? "" : reason);
    return true;
}

/* ------------------------------------------------------------------ the program */

static bool place_orders(ec_connection *store)
{
    static const char *const orders[] = {
        "{\"customer\": \"Ada\", \"address\": \"ada@example.org\"}",
        "{\"customer\": \"Grace\"}",
        "{\"customer\": \"Edsger\", \"address\": \"edsger@example.org\"}",
    };
    bool placed = true;

    for (size_t i = 0; i < sizeof orders / sizeof *orders && placed; i++) {
        ec_stream_event event = {NULL, {.type = shop_type(shop_OrderPlaced), .data = orders[i]}};
        char order[64];

        placed = ec_stream_id_new("mailed_order", order, sizeof order) == EC_OK;
        event.stream_id = order;
        placed = placed && ec_append(store, &event, 1, NULL, 0, NULL) == EC_OK;
    }
    return placed;
}

static bool send_mails(ec_connection *store)
{
    ec_subscription_options subscription = EC_SUBSCRIPTION_OPTIONS_INIT;
    ec_consume_options options = EC_CONSUME_OPTIONS_INIT;
    struct mail_server server = {.expected = 2, .busy = true};

    subscription.category = "mailed_order";
    subscription.acknowledge = true;
    subscription.max_attempts = 5;
    subscription.visibility_ms = 60000; /* longer than a mail takes */
    options.acknowledge = true;
    options.at_least_once = true;
    options.retry = log_failure;
    options.cancellation = stop;
    return ec_create_subscription(store, "mails", &subscription, NULL) == EC_OK &&
           mails_consume(store, "mails", &server, &options) == EC_CANCELLED &&
           printf("%d sent\n", server.sent) > 0;
}

int main(int argc, char **argv)
{
    ec_connection *store = NULL;
    bool done = ec_cancellation_new(&stop) == EC_OK;

    if (done) {
        signal(SIGINT, stop_on_signal);
        signal(SIGTERM, stop_on_signal);
        done = ec_connect(&store, argc > 1 ? argv[1] : NULL, NULL) == EC_OK &&
               place_orders(store) && send_mails(store);
    }
    if (!done)
        fprintf(stderr, "send_mails: %s\n", ec_error_message(store));
    ec_close(store);
    ec_cancellation_free(stop);
    return done ? 0 : 1;
}
