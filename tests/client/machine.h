/*
 * machine.h: a state machine under test, and the replies of a server that is not there.
 *
 * The command reads from_account "a", to_account "b" and limits "limits", unless a test says so.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdlib.h>

#include "bank.h"
#include "execution.h"
#include "reply.h"

struct fixture {
    ec_execution execution;
    ec_outcome *outcome;
    ec_execute_options options;
    struct transfer command;
    int handled;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL || ec_outcome_prepare(&f->outcome) == NULL)
        return -1;
    f->options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    f->command = (struct transfer){.amount = 30, .handled = &f->handled};
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    ec_execution_free(&f->execution);
    ec_outcome_free(f->outcome);
    free(f);
    return 0;
}

static inline void start_with(struct fixture *f, const transfer_streams *streams)
{
    ec_execution_start(&f->execution, &transfer_definition, streams, &f->command, &f->options, NULL,
                       f->outcome);
}

static inline void start(struct fixture *f)
{
    transfer_streams streams = {.from_account = "a", .to_account = "b", .limits = "limits"};

    start_with(f, &streams);
}

static inline ec_statement statement_of(ec_step step)
{
    assert_true(step == EC_STEP_READ || step == EC_STEP_APPEND);
    return step == EC_STEP_READ ? EC_STATEMENT_READ_STREAMS : EC_STATEMENT_TRY_APPEND;
}

/* Pass a made reply on, as a driver does. */
static inline void feed(struct fixture *f, PGresult *result)
{
    ec_failure failure = {.status = EC_OK};
    ec_events *rows;

    assert_int_equal(ec_rows_decode(&rows, result, statement_of(f->execution.step), &failure),
                     EC_OK);
    ec_execution_rows(&f->execution, rows);
}

/*
 * 100 in "a", nothing in "b" and no limits, at version `version` of "a"; its event is there already
 * if that is the version behind which it is read.
 */
static inline void feed_accounts_at(struct fixture *f, int64_t version)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    assert_int_equal(f->execution.step, EC_STEP_READ);
    if (ec_streams_find(&f->execution.streams, "a")->version < version)
        reply_event(result, "a", version, 7, "MoneyDeposited", "{\"amount\": 100}", version);
    else
        reply_stream(result, "a", version);
    reply_stream(result, "b", 0);
    reply_stream(result, "limits", 0);
    feed(f, result);
}

static inline void feed_accounts(struct fixture *f)
{
    feed_accounts_at(f, 1);
}

static inline void feed_appended(struct fixture *f, const char *outcome)
{
    PGresult *result = reply_begin(EC_STATEMENT_TRY_APPEND);
    const ec_entry *entries = f->execution.context.entries;

    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    reply_appended(result, outcome, "a", 2, 8, &entries[0].id);
    reply_appended(result, outcome, "b", 1, 9, &entries[1].id);
    feed(f, result);
}

static inline void feed_conflict(struct fixture *f)
{
    PGresult *result = reply_begin(EC_STATEMENT_TRY_APPEND);

    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    reply_conflict(result, "a", 1, 3);
    reply_conflict(result, "limits", 0, 1);
    feed(f, result);
}

static inline void feed_failure(struct fixture *f, ec_status status, const char *sqlstate,
                                bool maybe_done)
{
    ec_failure failure = {.status = EC_OK};

    ec_fail(&failure, status, "made to fail");
    strcpy(failure.sqlstate, sqlstate);
    ec_execution_failed(&f->execution, &failure, maybe_done);
}

static inline void assert_done(const struct fixture *f, ec_status status)
{
    assert_int_equal(f->execution.step, EC_STEP_DONE);
    if (f->execution.failure.status != status)
        print_error("%s: %s\n", ec_status_name(f->execution.failure.status),
                    f->execution.failure.message);
    assert_int_equal(f->execution.failure.status, status);
}

static inline void assert_message(const struct fixture *f, const char *message)
{
    assert_string_equal(f->execution.failure.message, message);
}

static inline void resume(struct fixture *f)
{
    assert_int_equal(f->execution.step, EC_STEP_SLEEP);
    ec_execution_resume(&f->execution);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
