/*
 * read_model.c: keep a read model in the same database, exactly once.
 *
 *     read_model [CONNINFO]
 *
 * Money moves between accounts; a table says how much is on each. A subscription follows the
 * accounts' events, and a consumer adds each of them to the table. What it writes and how far the
 * subscription has come is one transaction: whatever breaks, no event is left out, and none is
 * added twice.
 *
 * This program stops when there is nothing left to do. One that is to keep the table up to date for
 * ever leaves `until_caught_up` out, and hands in a cancellation that a signal handler throws. Any
 * number of them may run: one works, and the others stand by.
 */
#include <eventcore/eventcore.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#define BANK_EVENTS(list, type)                                                                    \
    type(list, Deposited, "MoneyDeposited") type(list, Withdrawn, "MoneyWithdrawn")
EC_EVENTS(bank, BANK_EVENTS);

struct read_model {
    long long events; /* added in this run */
};

EC_CONSUMER(balances, bank, struct read_model);

/* Add an event to the table, through the connection whose transaction moves the subscription on. */
static ec_status balances_handle(struct read_model *model, bank_kind kind, const ec_event *event,
                                 ec_delivery *delivery)
{
    long long amount;
    ec_status status = ec_event_unpack(event, "{s:I}", "amount", &amount);
    char change[32];
    const char *const parameters[] = {ec_event_stream_id(event), change};
    PGresult *result;

    if (status != EC_OK)
        return status;
    snprintf(change, sizeof change, "%lld", kind == bank_Withdrawn ? -amount : amount);
    result = PQexecParams(ec_delivery_pg(delivery),
                          "INSERT INTO balance VALUES ($1, $2) ON CONFLICT (account)"
                          " DO UPDATE SET amount = balance.amount + excluded.amount",
                          2, NULL, parameters, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        status = ec_delivery_fail(delivery, -1, "%s", PQresultErrorMessage(result));
    PQclear(result);
    model->events++;
    return status;
}

/* ------------------------------------------------------------------ the program */

/* Have something happen: money is paid in at one account, and a part of it moved to another. */
static bool move_money(ec_connection *store, const char *from, const char *to)
{
    const ec_stream_event events[] = {
        {from, {.type = bank_type(bank_Deposited), .data = "{\"amount\": 100}"}},
        {from, {.type = bank_type(bank_Withdrawn), .data = "{\"amount\": 30}"}},
        {to, {.type = bank_type(bank_Deposited), .data = "{\"amount\": 30}"}}};

    return ec_append(store, events, sizeof events / sizeof *events, NULL, 0, NULL) == EC_OK;
}

/* The application's own table, and where it stands. */
static bool run_sql(PGconn *pg, const char *sql)
{
    PGresult *result = PQexec(pg, sql);
    bool done =
        PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;

    for (int i = 0; i < PQntuples(result); i++)
        printf("%s has %s\n", PQgetvalue(result, i, 0), PQgetvalue(result, i, 1));
    if (!done)
        fprintf(stderr, "read_model: %s", PQerrorMessage(pg));
    PQclear(result);
    return done;
}

static bool keep_balances(ec_connection *store)
{
    ec_subscription_options subscription = EC_SUBSCRIPTION_OPTIONS_INIT;
    ec_consume_options options = EC_CONSUME_OPTIONS_INIT;
    struct read_model model = {0};
    ec_lag lag;

    subscription.prefix = "model_account-";
    options.until_caught_up = true;
    if (ec_create_subscription(store, "balances", &subscription, NULL) != EC_OK ||
        ec_subscription_lag(store, "balances", EC_ANY_MEMBER, &lag) != EC_OK)
        return false;
    printf("%lld events behind\n", (long long)lag.events);
    if (balances_consume(store, "balances", &model, &options) != EC_OK)
        return false;
    printf("%lld events added\n", model.events);
    return true;
}

static bool run(ec_connection *store, PGconn *pg)
{
    return run_sql(pg, "SET client_min_messages = warning") &&
           run_sql(pg, "CREATE TABLE IF NOT EXISTS balance"
                       " (account text PRIMARY KEY, amount bigint NOT NULL)") &&
           move_money(store, "model_account-alice", "model_account-bob") && keep_balances(store) &&
           run_sql(pg, "SELECT * FROM balance ORDER BY account");
}

int main(int argc, char **argv)
{
    const char *conninfo = argc > 1 ? argv[1] : "";
    PGconn *pg = PQconnectdb(conninfo);
    ec_connection *store;
    bool done = ec_connect(&store, conninfo, NULL) == EC_OK && run(store, pg);

    if (!done)
        fprintf(stderr, "read_model: %s\n", ec_error_message(store));
    ec_close(store);
    PQfinish(pg);
    return done ? 0 : 1;
}
