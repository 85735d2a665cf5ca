/* delivery.c: what a handler can do with the events that it is given. */
#include "connection.h"
#include "consumption.h"

#define LONGEST_DELAY_MS INT64_C(31536000000) /* a year */

size_t ec_delivery_count(const ec_delivery *delivery)
{
    return delivery->count;
}

const ec_event *ec_delivery_event(const ec_delivery *delivery, size_t index)
{
    return index < delivery->count ? delivery->events[index] : NULL;
}

int ec_delivery_attempt(const ec_delivery *delivery)
{
    const ec_consumption *c = delivery->consumption;

    return c->options.acknowledge ? ec_consumption_receipt(c, 0).attempt : c->failures + 1;
}

struct pg_conn *ec_delivery_pg(const ec_delivery *delivery)
{
    return delivery->connection->pg;
}

static void vfail(ec_delivery *delivery, const char *format, va_list arguments)
{
    ec_arena memory = {NULL};
    char *reason = ec_arena_format(&memory, format, arguments);

    ec_fail(delivery->failure, EC_FAILED, "%s", reason == NULL ? "out of memory" : reason);
    ec_arena_free(&memory);
    delivery->failed = true;
}

ec_status ec_delivery_fail(ec_delivery *delivery, int64_t delay_ms, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfail(delivery, format, arguments);
    va_end(arguments);
    delivery->delay_ms = delay_ms < LONGEST_DELAY_MS ? delay_ms : LONGEST_DELAY_MS;
    return EC_FAILED;
}

ec_status ec_delivery_park(ec_delivery *delivery, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfail(delivery, format, arguments);
    va_end(arguments);
    delivery->parks = true;
    return EC_FAILED;
}

ec_status ec_delivery_extend(ec_delivery *delivery, int64_t visibility_ms)
{
    const ec_consumption *c = delivery->consumption;
    ec_connection *connection = delivery->connection;
    ec_until until = {EC_NO_DEADLINE, c->options.cancellation};
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    const ec_subject subject = {c->subscription, c->store, &memory, &failure};
    ec_status status = EC_OK;
    bool maybe_done;

    if (!c->options.acknowledge || ec_consumption_is_transaction(c))
        return EC_OK;
    for (size_t i = 0; i < c->chunk && status == EC_OK; i++) {
        ec_events *rows = NULL;
        ec_call call;

        status =
            ec_call_extend_visibility(&call, &subject, ec_consumption_receipt(c, i), visibility_ms);
        if (status == EC_OK)
            status = ec_connection_open(connection, &until, &failure);
        if (status == EC_OK)
            status = ec_connection_call(connection, &call, &until, &rows, &failure, &maybe_done);
        if (status == EC_OK && (rows->row_count == 0 || rows->rows[0].answers[0] != 1))
            status = ec_fail(&failure, EC_NOT_DELIVERED, "the event is another consumer's by now");
        ec_events_free(rows);
    }
    if (status != EC_OK)
        ec_failure_move(delivery->failure, &failure);
    ec_failure_clear(&failure);
    ec_arena_free(&memory);
    return status;
}
