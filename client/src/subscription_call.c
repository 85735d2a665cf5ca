/* subscription_call.c: their parameters, in the order of their SQL (statement.c). */
#include "subscription_call.h"

#include "parameter.h"

/* The parameters of a call as they are added, up to the first that fails. */
typedef struct {
    ec_call *call;
    const ec_subject *subject;
    int count;
    ec_status status;
} encoder;

static encoder begin(ec_call *call, ec_statement statement, const ec_subject *subject)
{
    *call = (ec_call){.statement = statement};
    return (encoder){call, subject, 0, EC_OK};
}

static void add_text(encoder *to, const char *text)
{
    if (to->status == EC_OK)
        to->status = ec_encode_text(to->call, to->count++, text, to->subject->failure);
}

static void add_null(encoder *to)
{
    to->count++;
}

static void add_number(encoder *to, int64_t number)
{
    if (to->status == EC_OK)
        to->status = ec_encode_bigint(to->call, to->count++, to->subject->memory, number,
                                      to->subject->failure);
}

/* A number that stands for the server's own choice if it is 0. */
static void add_choice(encoder *to, int64_t number)
{
    if (number == 0)
        add_null(to);
    else
        add_number(to, number);
}

static void add_bool(encoder *to, bool value)
{
    if (to->status == EC_OK)
        to->status = ec_encode_bool(to->call, to->count++, value);
}

static void add_texts(encoder *to, const char *const *texts, size_t count)
{
    ec_value *values = ec_arena_array(to->subject->memory, count, sizeof *values);

    if (values == NULL) {
        to->status = ec_fail(to->subject->failure, EC_NO_MEMORY, "out of memory for parameters");
        return;
    }
    for (size_t i = 0; i < count; i++)
        values[i] = ec_text_value(texts[i]);
    if (to->status == EC_OK)
        to->status = ec_encode_array(to->call, to->count++, to->subject->memory, EC_OID_TEXT,
                                     values, count, to->subject->failure);
}

/* The store is the last parameter of each. */
static ec_status end(encoder *to)
{
    add_text(to, to->subject->store == NULL ? "default" : to->subject->store);
    return to->status;
}

ec_status ec_call_create_subscription(ec_call *call, const ec_subject *subject,
                                      const ec_subscription_options *options)
{
    encoder to = begin(call, EC_STATEMENT_CREATE_SUBSCRIPTION, subject);

    add_text(&to, subject->subscription);
    if (options->types == NULL)
        add_null(&to);
    else
        add_texts(&to, options->types, options->type_count);
    add_text(&to, options->category);
    add_text(&to, options->prefix);
    add_text(&to, options->pattern);
    add_text(&to, options->correlation_id);
    add_number(&to, options->start);
    add_number(&to, options->group_size);
    add_bool(&to, options->acknowledge);
    add_number(&to, options->max_attempts);
    add_number(&to, options->visibility_ms);
    add_bool(&to, options->keep_order);
    return end(&to);
}

ec_status ec_call_subscription_lag(ec_call *call, const ec_subject *subject, int member)
{
    encoder to = begin(call, EC_STATEMENT_SUBSCRIPTION_LAG, subject);

    add_text(&to, subject->subscription);
    add_number(&to, member);
    return end(&to);
}

ec_status ec_call_claim_member(ec_call *call, const ec_subject *subject)
{
    encoder to = begin(call, EC_STATEMENT_CLAIM_MEMBER, subject);

    add_text(&to, subject->subscription);
    return end(&to);
}

ec_status ec_call_release_member(ec_call *call, const ec_subject *subject, int64_t member)
{
    encoder to = begin(call, EC_STATEMENT_RELEASE_MEMBER, subject);

    add_text(&to, subject->subscription);
    add_number(&to, member);
    return end(&to);
}

ec_status ec_call_fetch(ec_call *call, const ec_subject *subject, int64_t member, int64_t max_count,
                        int64_t wait_ms)
{
    encoder to = begin(call, EC_STATEMENT_FETCH, subject);

    add_text(&to, subject->subscription);
    add_number(&to, member);
    add_number(&to, max_count);
    add_number(&to, wait_ms);
    return end(&to);
}

ec_status ec_call_commit_checkpoint(ec_call *call, const ec_subject *subject, int64_t member,
                                    int64_t position)
{
    encoder to = begin(call, EC_STATEMENT_COMMIT_CHECKPOINT, subject);

    add_text(&to, subject->subscription);
    add_number(&to, member);
    add_choice(&to, position);
    return end(&to);
}

ec_status ec_call_report_error(ec_call *call, const ec_subject *subject, int64_t member,
                               const char *error)
{
    encoder to = begin(call, EC_STATEMENT_REPORT_ERROR, subject);

    add_text(&to, subject->subscription);
    add_text(&to, error);
    add_number(&to, member);
    return end(&to);
}

ec_status ec_call_receive(ec_call *call, const ec_subject *subject, int64_t max_count,
                          int64_t wait_ms, int64_t visibility_ms)
{
    encoder to = begin(call, EC_STATEMENT_RECEIVE, subject);

    add_text(&to, subject->subscription);
    add_number(&to, max_count);
    add_number(&to, wait_ms);
    add_choice(&to, visibility_ms);
    return end(&to);
}

ec_status ec_call_ack(ec_call *call, const ec_subject *subject, const ec_receipt *receipts,
                      size_t count)
{
    encoder to = begin(call, EC_STATEMENT_ACK, subject);
    int64_t *positions = ec_arena_array(subject->memory, count, sizeof *positions);
    int32_t *attempts = ec_arena_array(subject->memory, count, sizeof *attempts);

    if (positions == NULL || attempts == NULL)
        return ec_fail(subject->failure, EC_NO_MEMORY, "out of memory for parameters");
    for (size_t i = 0; i < count; i++) {
        positions[i] = receipts[i].position;
        attempts[i] = receipts[i].attempt;
    }
    add_text(&to, subject->subscription);
    if (to.status == EC_OK)
        to.status = ec_encode_bigints(call, to.count++, subject->memory, positions, count,
                                      subject->failure);
    if (to.status == EC_OK)
        to.status = ec_encode_integers(call, to.count++, subject->memory, attempts, count,
                                       subject->failure);
    return end(&to);
}

ec_status ec_call_nack(ec_call *call, const ec_subject *subject, ec_receipt receipt,
                       int64_t delay_ms, const char *reason)
{
    encoder to = begin(call, EC_STATEMENT_NACK, subject);

    add_text(&to, subject->subscription);
    add_number(&to, receipt.position);
    add_number(&to, delay_ms);
    add_text(&to, reason);
    add_number(&to, receipt.attempt);
    return end(&to);
}

ec_status ec_call_park(ec_call *call, const ec_subject *subject, ec_receipt receipt,
                       const char *reason)
{
    encoder to = begin(call, EC_STATEMENT_PARK, subject);

    add_text(&to, subject->subscription);
    add_number(&to, receipt.position);
    add_text(&to, reason);
    add_number(&to, receipt.attempt);
    return end(&to);
}

ec_status ec_call_extend_visibility(ec_call *call, const ec_subject *subject, ec_receipt receipt,
                                    int64_t visibility_ms)
{
    encoder to = begin(call, EC_STATEMENT_EXTEND_VISIBILITY, subject);

    add_text(&to, subject->subscription);
    add_number(&to, receipt.position);
    add_choice(&to, visibility_ms);
    add_number(&to, receipt.attempt);
    return end(&to);
}
