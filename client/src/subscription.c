/* subscription.c: making a subscription, and asking how far it is behind. */
#include "subscription_call.h"

#include "options.h"
#include "read.h"

static ec_subject subject_of(ec_connection *connection, const char *name, ec_arena *memory)
{
    return (ec_subject){name, connection->store, memory, &connection->failure};
}

ec_status ec_create_subscription(ec_connection *connection, const char *name,
                                 const ec_subscription_options *given, bool *created)
{
    ec_subscription_options options = EC_SUBSCRIPTION_OPTIONS_INIT;
    ec_arena memory = {NULL};
    ec_subject subject = subject_of(connection, name, &memory);
    ec_events *rows = NULL;
    ec_call call;
    ec_status status;

    if (created != NULL)
        *created = false;
    if (name == NULL || !ec_options_take(&options, sizeof options, given))
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "the subscription's name is NULL, or its options are not initialised");
    status = ec_call_create_subscription(&call, &subject, &options);
    if (status == EC_OK)
        status = ec_read_rows(connection, &call, &rows);
    if (status == EC_OK && created != NULL)
        *created = rows->row_count > 0 && rows->rows[0].answers[0] == 1;
    ec_events_free(rows);
    ec_arena_free(&memory);
    return status;
}

ec_status ec_subscription_lag(ec_connection *connection, const char *name, int member, ec_lag *lag)
{
    ec_arena memory = {NULL};
    ec_subject subject = subject_of(connection, name, &memory);
    ec_events *rows = NULL;
    ec_call call;
    ec_status status;

    *lag = (ec_lag){-1, -1};
    if (name == NULL)
        return ec_fail(&connection->failure, EC_INVALID_ARGUMENT,
                       "the subscription's name is NULL");
    status = ec_call_subscription_lag(&call, &subject, member);
    if (status == EC_OK)
        status = ec_read_rows(connection, &call, &rows);
    if (status == EC_OK && rows->row_count == 0) {
        status = ec_fail(&connection->failure, EC_SUBSCRIPTION_NOT_FOUND,
                         "there is no subscription \"%s\", or it has no member %d", name, member);
    } else if (status == EC_OK && rows->rows[0].answers[0] >= 0) {
        lag->events = rows->rows[0].answers[0];
        lag->seconds = (double)rows->rows[0].answers[1] / 1e6;
    }
    ec_events_free(rows);
    ec_arena_free(&memory);
    return status;
}
