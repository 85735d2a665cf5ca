/* books.c: what is in the accounts of a contender, to be compared with what should be. */
#include "books.h"

#include <stdio.h>
#include <stdlib.h>

#include "sql.h"

#define NUMBER_SIZE 24

static PGresult *query(PGconn *connection, const char *sql, int count, const char *const *values)
{
    PGresult *rows = PQexecParams(connection, sql, count, NULL, values, NULL, NULL, 0);

    if (PQresultStatus(rows) == PGRES_TUPLES_OK || PQresultStatus(rows) == PGRES_COMMAND_OK)
        return rows;
    fprintf(stderr, "commands: %s", PQerrorMessage(connection));
    PQclear(rows);
    return NULL;
}

bool books_run(PGconn *connection, const char *sql)
{
    PGresult *result = PQexec(connection, sql);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;

    if (!done)
        fprintf(stderr, "commands: %s", PQerrorMessage(connection));
    PQclear(result);
    return done;
}

bool books_audit(PGconn *connection, const contender *contender, const char *prefix, books *books)
{
    PGresult *rows = query(connection, contender->audit, 1, &prefix);

    if (rows == NULL)
        return false;
    books->sum = atoll(PQgetvalue(rows, 0, 0));
    books->smallest = atoll(PQgetvalue(rows, 0, 1));
    books->changes = atoll(PQgetvalue(rows, 0, 2));
    PQclear(rows);
    return true;
}

bool books_open(PGconn *connection, const contender *contender, const char *prefix, long count,
                long changes, books *books)
{
    char count_text[NUMBER_SIZE], changes_text[NUMBER_SIZE], amount_text[NUMBER_SIZE];
    const char *values[] = {prefix, count_text, changes_text, amount_text};
    PGresult *opened;

    snprintf(count_text, sizeof count_text, "%ld", count);
    snprintf(changes_text, sizeof changes_text, "%ld", changes);
    snprintf(amount_text, sizeof amount_text, "%d", AMOUNT_OPENED_WITH);
    opened = query(connection, contender->open, 4, values);
    PQclear(opened);
    return opened != NULL && books_audit(connection, contender, prefix, books) &&
           books_agree(contender, prefix, books, count * changes * AMOUNT_OPENED_WITH,
                       count * changes);
}

bool books_agree(const contender *contender, const char *prefix, const books *found, long long sum,
                 long long changes)
{
    if (found->sum == sum && found->smallest >= 0 &&
        (found->changes == changes || found->changes == -1))
        return true;
    fprintf(stderr,
            "commands: %s, accounts %s: they have %lld after %lld changes, the smallest %lld; they "
            "should have %lld after %lld\n",
            contender->name, prefix, found->sum, found->changes, found->smallest, sum, changes);
    return false;
}
