/* subscription_call.h: the statements about subscriptions, ready to be sent. */
#ifndef EC_SUBSCRIPTION_CALL_H
#define EC_SUBSCRIPTION_CALL_H

#include "call.h"

/* What all of them are about. */
typedef struct ec_subject {
    const char *subscription;
    const char *store; /* NULL: the default one */
    ec_arena *memory;  /* for the parameters */
    ec_failure *failure;
} ec_subject;

/* An event of the acknowledged kind, as it was received. */
typedef struct ec_receipt {
    int64_t position;
    int32_t attempt;
} ec_receipt;

ec_status ec_call_create_subscription(ec_call *call, const ec_subject *subject,
                                      const ec_subscription_options *options);
ec_status ec_call_subscription_lag(ec_call *call, const ec_subject *subject, int member);

ec_status ec_call_claim_member(ec_call *call, const ec_subject *subject);
ec_status ec_call_release_member(ec_call *call, const ec_subject *subject, int64_t member);
ec_status ec_call_fetch(ec_call *call, const ec_subject *subject, int64_t member, int64_t max_count,
                        int64_t wait_ms);

/* `position` 0 commits nothing, and asks for the checkpoint. */
ec_status ec_call_commit_checkpoint(ec_call *call, const ec_subject *subject, int64_t member,
                                    int64_t position);
ec_status ec_call_report_error(ec_call *call, const ec_subject *subject, int64_t member,
                               const char *error);

/* `visibility_ms` 0: as the subscription says. */
ec_status ec_call_receive(ec_call *call, const ec_subject *subject, int64_t max_count,
                          int64_t wait_ms, int64_t visibility_ms);
ec_status ec_call_ack(ec_call *call, const ec_subject *subject, const ec_receipt *receipts,
                      size_t count);
ec_status ec_call_nack(ec_call *call, const ec_subject *subject, ec_receipt receipt,
                       int64_t delay_ms, const char *reason);
ec_status ec_call_park(ec_call *call, const ec_subject *subject, ec_receipt receipt,
                       const char *reason);
ec_status ec_call_extend_visibility(ec_call *call, const ec_subject *subject, ec_receipt receipt,
                                    int64_t visibility_ms);

#endif
