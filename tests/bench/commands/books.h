/* books.h: what is in the accounts of a contender, to be compared with what should be. */
#ifndef BOOKS_H
#define BOOKS_H

#include <libpq-fe.h>

#include "contender.h"

enum { AMOUNT_OPENED_WITH = 1000 }; /* a change */

/* As of contender.audit. */
typedef struct books {
    long long sum;
    long long smallest;
    long long changes;
} books;

/* Run SQL without results. False on failure, which is reported, as that of the others. */
bool books_run(PGconn *connection, const char *sql);

bool books_audit(PGconn *connection, const contender *contender, const char *prefix, books *books);

/* Open accounts, and audit them. */
bool books_open(PGconn *connection, const contender *contender, const char *prefix, long count,
                long changes, books *books);

/* Whether the accounts hold what they should, and none is overdrawn. */
bool books_agree(const contender *contender, const char *prefix, const books *found, long long sum,
                 long long changes);

#endif
