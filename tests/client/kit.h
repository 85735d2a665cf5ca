/* kit.h: a command tested in memory, and the checks that fail. */
#ifndef KIT_H
#define KIT_H

#include "bank.h"

#include <eventcore/testkit.h>
#include <stdlib.h>

struct kit {
    ec_test *test;
    struct transfer command;
    transfer_streams streams;
    ec_execute_options options;
    int handled;
    const char *message; /* of the last failed check */
    int line;
    jmp_buf leave;
    bool leaves;
};

static EC_UNUSED void note_failure(void *argument, const char *message, const char *file, int line)
{
    struct kit *k = argument;

    assert_non_null(strstr(file, "test_testkit"));
    k->message = message;
    k->line = line;
    if (k->leaves)
        longjmp(k->leave, 1);
}

static EC_UNUSED int setup(void **state)
{
    struct kit *k = calloc(1, sizeof *k);

    if (k == NULL)
        return -1;
    k->test = ec_test_new();
    ec_test_on_failure(k->test, note_failure, k);
    k->command = (struct transfer){.amount = 30, .handled = &k->handled};
    k->streams = (transfer_streams){.from_account = "a", .to_account = "b", .limits = "limits"};
    k->options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    *state = k;
    return 0;
}

static EC_UNUSED int teardown(void **state)
{
    struct kit *k = *state;

    ec_test_free(k->test);
    free(k);
    return 0;
}

/* The checks so far hold. */
static EC_UNUSED void assert_passed(const struct kit *k)
{
    if (ec_test_failures(k->test) > 0)
        print_error("%d: %s\n", k->line, k->message);
    assert_int_equal(ec_test_failures(k->test), 0);
}

/* The one check since the last call of this has failed, with this message. */
static EC_UNUSED void assert_told(struct kit *k, const char *message)
{
    assert_non_null(k->message);
    assert_string_equal(k->message, message);
    k->message = NULL;
}

#define DEPOSITED(stream, amount)                                                                  \
    EC_EVENT(k->test, stream, "MoneyDeposited", "{s:I}", "amount", (long long)(amount))
#define WITHDRAWN(stream, amount)                                                                  \
    EC_EVENT(k->test, stream, "MoneyWithdrawn", "{s:I}", "amount", (long long)(amount))
#define GIVEN_100(k) EC_GIVEN((k)->test, DEPOSITED("a", 100))
#define WHEN(k) EC_WHEN_WITH((k)->test, &(k)->options, transfer, &(k)->streams, &(k)->command)

/* The transfer of 30 was done, once. */
static EC_UNUSED void then_transferred(struct kit *k, int attempts, int conflicts)
{
    EC_THEN(k->test, WITHDRAWN("a", 30), DEPOSITED("b", 30));
    EC_THEN_TRIED(k->test, attempts, conflicts);
    EC_THEN_VERSION(k->test, "b", 1);
    assert_passed(k);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
