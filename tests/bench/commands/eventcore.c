/*
 * eventcore.c: accounts as streams, commands by the client library. With its default options, which
 * lock streams only for a command that has lost several races; and with streams locked from the
 * first try on, as is right where commands are known to meet.
 */
#include <eventcore/eventcore.h>
#include <stdio.h>
#include <stdlib.h>

#include "contender.h"

struct move {
    long long amount;
};

struct balances {
    long long from;
    long long to;
};

/* clang-format off */
#define BANK_EVENTS(list, type)              \
    type(list, Deposited, "MoneyDeposited")  \
    type(list, Withdrawn, "MoneyWithdrawn")
#define DEPOSIT_STREAMS(command, stream)     \
    stream(command, writes, to_account)
#define TRANSFER_STREAMS(command, stream)    \
    stream(command, writes, from_account)    \
    stream(command, writes, to_account)
/* clang-format on */
EC_EVENTS(bank, BANK_EVENTS);
EC_COMMAND(deposit, DEPOSIT_STREAMS, bank, struct move, struct balances);
EC_COMMAND(transfer, TRANSFER_STREAMS, bank, struct move, struct balances);

static ec_status apply(long long *balance, bank_kind kind, const ec_event *event)
{
    long long amount;
    ec_status status = ec_event_unpack(event, "{s:I}", "amount", &amount);

    if (status == EC_OK)
        *balance += kind == bank_Withdrawn ? -amount : amount;
    return status;
}

static ec_status deposit_apply(const struct move *move, struct balances *state, bank_kind kind,
                               const ec_event *event)
{
    (void)move;
    return apply(&state->to, kind, event);
}

static ec_status deposit_handle(const struct move *move, const struct balances *state,
                                deposit_context ctx)
{
    EC_REQUIRE(ctx, state->to + move->amount >= 0, "overdrawn", "balance %lld", state->to);
    return deposit_record(ctx, deposit_to_account, bank_Deposited, "{s:I}", "amount", move->amount);
}

static ec_status transfer_apply(const struct move *move, struct balances *state, bank_kind kind,
                                const ec_event *event)
{
    (void)move;
    return apply(EC_FROM(event, transfer_from_account) ? &state->from : &state->to, kind, event);
}

static ec_status transfer_handle(const struct move *move, const struct balances *state,
                                 transfer_context ctx)
{
    EC_REQUIRE(ctx, state->from >= move->amount, "insufficient_funds",
               "balance %lld, requested %lld", state->from, move->amount);
    transfer_record(ctx, transfer_from_account, bank_Withdrawn, "{s:I}", "amount", move->amount);
    return transfer_record(ctx, transfer_to_account, bank_Deposited, "{s:I}", "amount",
                           move->amount);
}

typedef struct {
    ec_connection *connection;
    ec_execute_options options;
    ec_outcome *outcome;
} session;

static void end_session(void *argument)
{
    session *session = argument;

    ec_outcome_free(session->outcome);
    ec_close(session->connection);
    free(session);
}

static void *begin_session(void)
{
    session *session = calloc(1, sizeof *session);

    if (session == NULL)
        return NULL;
    session->options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    if (ec_connect(&session->connection, NULL, NULL) == EC_OK)
        return session;
    fprintf(stderr, "commands: %s\n", ec_error_message(session->connection));
    end_session(session);
    return NULL;
}

static void *begin_locking_session(void)
{
    session *session = begin_session();

    if (session != NULL)
        session->options.lock_after = 0;
    return session;
}

static result result_of(session *session, ec_status status, tries *tries)
{
    tries->attempts = ec_outcome_attempts(session->outcome);
    tries->conflicts = ec_outcome_conflicts(session->outcome);
    if (status == EC_OK)
        return DONE;
    if (ec_status_is_rejection(status))
        return REJECTED;
    if (status == EC_VERSION_CONFLICT)
        return GAVE_UP;
    fprintf(stderr, "commands: %s\n", ec_error_message(session->connection));
    return FAILED;
}

static result deposit(void *argument, const char *account, long long amount, tries *tries)
{
    session *session = argument;
    deposit_streams streams = {.to_account = account};
    struct move move = {amount};

    return result_of(session,
                     deposit_execute_with(session->connection, &streams, &move, &session->options,
                                          &session->outcome),
                     tries);
}

static result transfer(void *argument, const char *from, const char *to, long long amount,
                       tries *tries)
{
    session *session = argument;
    transfer_streams streams = {.from_account = from, .to_account = to};
    struct move move = {amount};

    return result_of(session,
                     transfer_execute_with(session->connection, &streams, &move, &session->options,
                                           &session->outcome),
                     tries);
}

#define OPEN                                                                                       \
    "SELECT count(*) FROM generate_series(1, $3::int) AS n,"                                       \
    " generate_series(0, $2::int - 1, 1000) AS first, eventcore.append(ARRAY("                     \
    "  SELECT eventcore.new_event($1::text || i, 'MoneyDeposited',"                                \
    "                             jsonb_build_object('amount', $4::bigint))"                       \
    "  FROM generate_series(first, least(first + 1000, $2::int) - 1) AS i WHERE n > 0))"

#define AUDIT                                                                                      \
    "SELECT sum(balance), min(balance), sum(version) FROM"                                         \
    " (SELECT max(version) AS version, sum((data->>'amount')::bigint *"                            \
    "         CASE type WHEN 'MoneyWithdrawn' THEN -1 ELSE 1 END) AS balance"                      \
    "  FROM eventcore.events WHERE store = 'default' AND stream_id > $1 AND stream_id < $1 || 'A'" \
    "  GROUP BY stream_id) AS accounts"

const contender eventcore = {"eventcore",   NULL,    OPEN,     AUDIT,
                             begin_session, deposit, transfer, end_session};

const contender eventcore_locked = {"eventcore, locked",   NULL,    OPEN,     AUDIT,
                                    begin_locking_session, deposit, transfer, end_session};
