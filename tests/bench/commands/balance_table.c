/*
 * balance_table.c: a table of balances, which forgets how they came about. A command locks the rows
 * of its accounts, in one order, decides and updates them.
 *
 * As most write it, a statement is a round trip: five for a transfer. Pipelined, a command is two:
 * one up to the balances, on which the decision rests, and one for all the rest. The same also with
 * a history, a row for each change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "sql.h"

#define AMOUNT_SIZE 24

static const statement statements[] = {
    {"begin", "BEGIN"},
    {"commit", "COMMIT"},
    {"rollback", "ROLLBACK"},
    {"lock", "SELECT id, amount FROM balance WHERE id IN ($1, $2) ORDER BY id FOR UPDATE"},
    {"lock_one", "SELECT id, amount FROM balance WHERE id = $1 FOR UPDATE"},
    {"change", "UPDATE balance SET amount = amount + $2 WHERE id = $1"},
    {"note", "INSERT INTO change (id, amount) VALUES ($1, $2)"},
};

enum { STATEMENT_COUNT = sizeof statements / sizeof *statements };

static void *begin_session(void)
{
    return sql_connect(statements, STATEMENT_COUNT);
}

/* The balance of an account among the locked rows, of which there must be `count`. */
static bool balance_of(const PGresult *rows, int count, const char *account, long long *balance)
{
    for (int i = 0; i < count && PQntuples(rows) == count; i++)
        if (strcmp(PQgetvalue(rows, i, 0), account) == 0) {
            *balance = atoll(PQgetvalue(rows, i, 1));
            return true;
        }
    fprintf(stderr, "commands: there is no account %s\n", account);
    return false;
}

/* Begin, and lock one account or two; the balance of the first. */
static bool lock(PGconn *connection, const char *const accounts[2], int count, long long *balance)
{
    const char *statement = count == 1 ? "lock_one" : "lock";
    PGresult *rows = NULL;
    bool locked;

    /* A flush sends what is there; the server answers at once, within the transaction. */
    if (!sql_send(connection, "begin", 0, NULL) ||
        !sql_send(connection, statement, count, accounts) || !PQsendFlushRequest(connection))
        return false;
    PQclear(sql_receive(connection));
    rows = sql_receive(connection);
    locked = rows != NULL && balance_of(rows, count, accounts[0], balance);
    PQclear(rows);
    return locked;
}

static bool send_change(PGconn *connection, const char *account, long long amount, bool history)
{
    char text[AMOUNT_SIZE];
    const char *values[] = {account, text};

    snprintf(text, sizeof text, "%lld", amount);
    return sql_send(connection, "change", 2, values) &&
           (!history || sql_send(connection, "note", 2, values));
}

static result end(PGconn *connection, const char *statement, int count, result result)
{
    return sql_send(connection, statement, 0, NULL) && sql_sync(connection, count + 1) ? result
                                                                                       : FAILED;
}

static result run_pipelined(void *session, const char *const accounts[2], int count,
                            const long long amounts[2], bool history)
{
    long long balance;

    if (!lock(session, accounts, count, &balance))
        return FAILED;
    if (balance + amounts[0] < 0)
        return end(session, "rollback", 0, REJECTED);
    for (int i = 0; i < count; i++)
        if (!send_change(session, accounts[i], amounts[i], history))
            return FAILED;
    return end(session, "commit", count * (1 + history), DONE);
}

static result deposit_pipelined(void *session, const char *account, long long amount, tries *tries)
{
    (void)tries;
    return run_pipelined(session, (const char *[2]){account}, 1, (long long[2]){amount}, false);
}

static result transfer_pipelined(void *session, const char *from, const char *to, long long amount,
                                 tries *tries)
{
    (void)tries;
    return run_pipelined(session, (const char *[2]){from, to}, 2, (long long[2]){-amount, amount},
                         false);
}

static result deposit_with_history(void *session, const char *account, long long amount,
                                   tries *tries)
{
    (void)tries;
    return run_pipelined(session, (const char *[2]){account}, 1, (long long[2]){amount}, true);
}

static result transfer_with_history(void *session, const char *from, const char *to,
                                    long long amount, tries *tries)
{
    (void)tries;
    return run_pipelined(session, (const char *[2]){from, to}, 2, (long long[2]){-amount, amount},
                         true);
}

/* ------------------------------------------------------------------ a round trip a statement */

static bool change(PGconn *connection, const char *account, long long amount)
{
    char text[AMOUNT_SIZE];
    const char *values[] = {account, text};

    snprintf(text, sizeof text, "%lld", amount);
    return sql_do(connection, "change", 2, values);
}

static result run(void *session, const char *const accounts[2], int count,
                  const long long amounts[2])
{
    const char *statement = count == 1 ? "lock_one" : "lock";
    PGresult *rows = NULL;
    long long balance;
    bool done = sql_do(session, "begin", 0, NULL) &&
                (rows = sql_run(session, statement, count, accounts)) != NULL &&
                balance_of(rows, count, accounts[0], &balance);

    PQclear(rows);
    if (done && balance + amounts[0] < 0)
        return sql_do(session, "rollback", 0, NULL) ? REJECTED : FAILED;
    for (int i = 0; i < count && done; i++)
        done = change(session, accounts[i], amounts[i]);
    return done && sql_do(session, "commit", 0, NULL) ? DONE : FAILED;
}

static result deposit(void *session, const char *account, long long amount, tries *tries)
{
    (void)tries;
    return run(session, (const char *[2]){account}, 1, (long long[2]){amount});
}

static result transfer(void *session, const char *from, const char *to, long long amount,
                       tries *tries)
{
    (void)tries;
    return run(session, (const char *[2]){from, to}, 2, (long long[2]){-amount, amount});
}

/* ------------------------------------------------------------------ the contenders */

/* Half-filled pages, so that an update touches no index. */
#define CREATE                                                                                     \
    "CREATE TABLE balance"                                                                         \
    " (id text COLLATE \"C\" PRIMARY KEY, amount bigint NOT NULL) WITH (fillfactor = 50);"         \
    "CREATE TABLE change"                                                                          \
    " (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text COLLATE \"C\" NOT NULL,"    \
    "  amount bigint NOT NULL, changed_at timestamptz NOT NULL DEFAULT now());"                    \
    "CREATE INDEX change_id ON change (id, number)"

#define OPEN                                                                                       \
    "INSERT INTO balance SELECT $1::text || i, $3::int * $4::bigint FROM generate_series(0, "      \
    "$2::int - 1) i"

#define OPEN_WITH_HISTORY                                                                          \
    "WITH opened AS (" OPEN ") INSERT INTO change (id, amount)"                                    \
    " SELECT $1::text || i, $4::bigint"                                                            \
    " FROM generate_series(1, $3::int), generate_series(0, $2::int - 1) i"

#define AUDIT(changes)                                                                             \
    "SELECT sum(amount), min(amount), " changes " FROM balance WHERE id > $1 AND id < $1 || 'A'"

#define COUNT_CHANGES "(SELECT count(*) FROM change WHERE id > $1 AND id < $1 || 'A')"

/* The first one makes the tables for all. */
const contender balance_table = {"balance table", CREATE,  OPEN,     AUDIT("-1"),
                                 begin_session,   deposit, transfer, sql_disconnect};

const contender balance_table_pipelined = {
    "balance table, pipelined", NULL,          OPEN, AUDIT("-1"), begin_session, deposit_pipelined,
    transfer_pipelined,         sql_disconnect};

const contender balance_table_with_history = {"balance table with history, pipelined",
                                              NULL,
                                              OPEN_WITH_HISTORY,
                                              AUDIT(COUNT_CHANGES),
                                              begin_session,
                                              deposit_with_history,
                                              transfer_with_history,
                                              sql_disconnect};
