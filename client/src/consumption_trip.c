/* consumption_trip.c: what is sent for a request of a consumption. */
#include "consumption.h"

ec_receipt ec_consumption_receipt(const ec_consumption *c, size_t index)
{
    const ec_row *row = &c->events->rows[c->next + index];

    return (ec_receipt){row->event.position, row->attempt};
}

static void add_control(ec_round_trip *trip, ec_statement statement)
{
    trip->calls[trip->count++] = (ec_call){.statement = statement};
}

/* The place of the next call, whose rows are the reply. */
static ec_call *add_asking(ec_round_trip *trip)
{
    trip->rows_of = trip->count;
    return &trip->calls[trip->count++];
}

static ec_status add_take(const ec_consumption *c, ec_round_trip *trip, const ec_subject *subject)
{
    const ec_consume_options *options = &c->options;

    if (options->acknowledge)
        return ec_call_receive(add_asking(trip), subject, c->limit, options->wait_ms,
                               options->visibility_ms);
    if (ec_consumption_is_transaction(c))
        add_control(trip, EC_STATEMENT_BEGIN);
    return ec_call_fetch(add_asking(trip), subject, c->member, c->limit, options->wait_ms);
}

static ec_status add_ack(const ec_consumption *c, ec_round_trip *trip, const ec_subject *subject)
{
    ec_receipt *receipts = ec_arena_array(subject->memory, c->chunk, sizeof *receipts);

    if (receipts == NULL)
        return ec_fail(subject->failure, EC_NO_MEMORY, "out of memory for parameters");
    for (size_t i = 0; i < c->chunk; i++)
        receipts[i] = ec_consumption_receipt(c, i);
    return ec_call_ack(add_asking(trip), subject, receipts, c->chunk);
}

static ec_status add_settle(const ec_consumption *c, ec_round_trip *trip, const ec_subject *subject)
{
    bool in_transaction = ec_consumption_is_transaction(c);
    ec_status status = EC_OK;

    if (!c->options.acknowledge)
        status = ec_call_commit_checkpoint(
            add_asking(trip), subject, c->member,
            c->handled == 0 ? 0 : ec_consumption_receipt(c, c->handled - 1).position);
    else if (!in_transaction)
        status = add_ack(c, trip, subject);
    if (in_transaction)
        add_control(trip, EC_STATEMENT_COMMIT);
    return status;
}

static ec_status add_report(const ec_consumption *c, ec_round_trip *trip, const ec_subject *subject)
{
    return ec_call_report_error(&trip->calls[trip->count++], subject,
                                c->options.acknowledge ? 0 : c->member, c->failure.message);
}

/* Without a failure, the event is given back only because the consumer stops. */
static ec_status add_give_back(const ec_consumption *c, ec_round_trip *trip,
                               const ec_subject *subject)
{
    ec_receipt receipt = ec_consumption_receipt(c, 0);
    bool failed = c->failure.status != EC_OK;
    ec_call *call = add_asking(trip);
    ec_status status;

    if (failed && c->delivery.parks)
        status = ec_call_park(call, subject, receipt, c->failure.message);
    else
        status = ec_call_nack(call, subject, receipt, failed ? c->delivery.delay_ms : 0,
                              c->failure.message);
    if (status == EC_OK && failed)
        status = add_report(c, trip, subject);
    return status;
}

ec_status ec_consumption_encode(ec_consumption *c, ec_round_trip *trip, ec_arena *memory,
                                bool in_transaction, ec_failure *failure)
{
    const ec_subject subject = {c->subscription, c->store, memory, failure};
    ec_status status = EC_OK;

    *trip = (ec_round_trip){.rows_of = EC_MAX_CALLS};
    if (in_transaction && c->request != EC_REQUEST_SETTLE)
        add_control(trip, EC_STATEMENT_ROLLBACK);
    switch (c->request) {
    case EC_REQUEST_CLAIM:
        status = ec_call_claim_member(add_asking(trip), &subject);
        break;
    case EC_REQUEST_TAKE:
        status = add_take(c, trip, &subject);
        break;
    case EC_REQUEST_ACKNOWLEDGE:
        add_control(trip, EC_STATEMENT_BEGIN);
        status = add_ack(c, trip, &subject);
        break;
    case EC_REQUEST_SETTLE:
        status = add_settle(c, trip, &subject);
        break;
    case EC_REQUEST_GIVE_BACK:
        status = add_give_back(c, trip, &subject);
        break;
    case EC_REQUEST_REPORT:
        status = add_report(c, trip, &subject);
        break;
    case EC_REQUEST_RELEASE:
        status = ec_call_release_member(&trip->calls[trip->count++], &subject, c->member);
        break;
    }
    return status;
}
