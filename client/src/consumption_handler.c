/* consumption_handler.c: calling the handler of a consumption. */
#include <string.h>

#include "consumption.h"
#include "upcast.h"

/* What is wrong with an event for this consumer; EC_OK: its kind, -1 if it is to be passed over. */
static ec_status find_kind(ec_consumption *c, const ec_event *event, int *kind, bool *passed_over)
{
    const ec_event_types *types = c->consumer->event_types;

    *kind = types == NULL ? -1 : ec_event_kind(event, types);
    *passed_over = types != NULL && *kind < 0 && types->selects;
    if (event->upcast != NULL && event->upcast->status != EC_OK)
        return ec_fail(&c->failure, event->upcast->status, "%s", event->upcast->problem);
    if (types == NULL || *kind >= 0 || types->selects)
        return EC_OK;
    return ec_fail(&c->failure, EC_UNKNOWN_EVENT, "it is of a type that is not in the list \"%s\"",
                   types->name);
}

ec_event *ec_consumption_event(const ec_consumption *c, size_t index)
{
    return &c->events->rows[c->next + index].event;
}

/* The events of the chunk from `first` on that are not passed over, and the kind of the last. */
static ec_status deliver(ec_consumption *c, size_t first, size_t count, int *kind)
{
    ec_delivery *delivery = &c->delivery;

    delivery->count = 0;
    delivery->events = ec_arena_array(&c->events->memory, count, sizeof *delivery->events);
    if (delivery->events == NULL)
        return ec_fail(&c->failure, EC_NO_MEMORY, "out of memory for %zu events", count);
    for (size_t i = first; i < first + count; i++) {
        bool passed_over;
        ec_status status = find_kind(c, ec_consumption_event(c, i), kind, &passed_over);

        if (status != EC_OK)
            return status;
        ec_consumption_event(c, i)->failure = &c->failure;
        if (!passed_over)
            delivery->events[delivery->count++] = ec_consumption_event(c, i);
    }
    return EC_OK;
}

ec_status ec_consumption_handle(ec_consumption *c)
{
    const ec_consumer *consumer = c->consumer;
    bool all = consumer->handle == NULL;
    int kind = -1;
    ec_status status;

    ec_failure_clear(&c->failure);
    c->delivery.consumption = c;
    c->delivery.failure = &c->failure;
    c->delivery.failed = c->delivery.parks = false;
    c->delivery.delay_ms = -1;
    status = deliver(c, all ? 0 : c->handled, all ? c->chunk : 1, &kind);
    if (status != EC_OK || c->delivery.count == 0)
        return status;
    if (all)
        status = consumer->handle_all(c->argument, &c->delivery);
    else
        status = consumer->handle(c->argument, kind, c->delivery.events[0], &c->delivery);
    /* It may have looked away. */
    if (status == EC_OK && (c->delivery.failed || c->failure.status == EC_NO_MEMORY))
        status = c->failure.status;
    return status;
}

void ec_consumption_describe(ec_consumption *c, ec_status status)
{
    const ec_event *event = ec_consumption_event(c, c->consumer->handle == NULL ? 0 : c->handled);
    const char *reason = c->failure.message;
    char sqlstate[sizeof c->failure.sqlstate];

    memcpy(sqlstate, c->failure.sqlstate, sizeof sqlstate);
    ec_fail(&c->failure, status, "%s: event %lld, %s: %s", c->consumer->name,
            (long long)event->position, event->type,
            reason == NULL ? ec_status_description(status) : reason);
    memcpy(c->failure.sqlstate, sqlstate, sizeof sqlstate);
}
