/*
 * contender.h: a way to keep accounts, of which money is withdrawn and to which it is deposited.
 *
 * All are driven by the same harness (commands.c), so that only the store differs.
 */
#ifndef CONTENDER_H
#define CONTENDER_H

#include <stdbool.h>

#define ACCOUNT_SIZE 48

typedef enum result { DONE, REJECTED, GAVE_UP, FAILED } result;

/* What a command cost beside time. */
typedef struct tries {
    int attempts;
    int conflicts;
} tries;

typedef struct contender {
    const char *name;
    /* Make what is needed in a database that has none of it; NULL: nothing. */
    const char *create;
    /* Open accounts: a prefix of their names, their number, the changes that each has seen, and the
     * amount of each change. Names are the prefix and a number from 0 on. */
    const char *open;
    /* What is in the accounts of a prefix: the sum of all, the smallest, and the number of changes,
     * -1 if they are not kept. */
    const char *audit;

    void *(*connect)(void); /* NULL on failure, which is reported, as that of commands */
    result (*deposit)(void *session, const char *account, long long amount, tries *tries);
    /* Rejected if `from` has less than the amount. */
    result (*transfer)(void *session, const char *from, const char *to, long long amount,
                       tries *tries);
    void (*disconnect)(void *session);
} contender;

extern const contender balance_table, balance_table_pipelined, balance_table_with_history,
    loop_by_hand, eventcore, eventcore_locked;

#endif
