/*
 * testkit_run.c: the driver of executions in memory.
 *
 * It does what a blocking driver does on a connection (execute.c), with the store in memory, a
 * clock that only pauses move, and what the test has arranged for each step.
 */
#include <string.h>

#include "execution.h"
#include "options.h"
#include "testkit.h"

static ec_test_turn take_turn(ec_test *test, ec_step step)
{
    ec_test_turn **first = &test->turns[step == EC_STEP_READ ? EC_TEST_READ : EC_TEST_APPEND];
    ec_test_turn turn = {.failure = EC_OK};

    if (*first != NULL) {
        turn = **first;
        *first = turn.next;
    }
    return turn;
}

static ec_status append_others(ec_test *test, const ec_test_turn *turn, ec_failure *failure)
{
    ec_events *rows = NULL;
    ec_status status = EC_OK;

    if (turn->other_count > 0)
        status = ec_test_store_append(&test->store, turn->others, turn->other_count, NULL, 0, 0,
                                      &rows, failure);
    if (status == EC_OK)
        ec_events_free(rows);
    return status;
}

/* A conflict at the first stream with a version to be at; there is no event behind it. */
static ec_status make_conflict(const ec_execution *execution, ec_events **rows, ec_failure *failure)
{
    const ec_expectation *first = &execution->expected[0];

    return ec_test_store_conflict(first->stream_id, first->version, first->version + 1, rows,
                                  failure);
}

static ec_status carry_out(ec_test *test, const ec_execution *execution, const ec_test_turn *turn,
                           ec_events **rows, ec_failure *failure)
{
    if (execution->step == EC_STEP_READ)
        return ec_test_store_read(&test->store, &execution->streams, rows, failure);
    if (append_others(test, turn, failure) != EC_OK)
        return failure->status;
    if (turn->conflict)
        return make_conflict(execution, rows, failure);
    return ec_test_store_append(&test->store, execution->context.entries,
                                execution->context.entry_count, execution->expected,
                                execution->expected_count, test->number, rows, failure);
}

static void fail_step(ec_failure *failure, const ec_test_turn *turn)
{
    if (turn->sqlstate[0] != '\0')
        ec_test_refuse(failure, turn->sqlstate, "the test made the server fail with SQLSTATE %s",
                       turn->sqlstate);
    else if (turn->failure == EC_TIMEOUT)
        ec_fail(failure, EC_TIMEOUT, "the test let the deadline pass");
    else
        ec_fail(failure, EC_CONNECTION_LOST, "the test cut the connection");
}

static void do_step(ec_test *test, ec_execution *execution)
{
    ec_test_turn turn = take_turn(test, execution->step);
    ec_failure failure = {.status = EC_OK};
    ec_events *rows = NULL;
    ec_status status = EC_OK;

    if (turn.failure == EC_OK || turn.done)
        status = carry_out(test, execution, &turn, &rows, &failure);
    if (turn.failure != EC_OK) {
        if (status == EC_OK)
            ec_events_free(rows);
        fail_step(&failure, &turn);
        status = turn.failure;
    }
    if (status == EC_OK)
        ec_execution_rows(execution, rows);
    else
        ec_execution_failed(execution, &failure, turn.unanswered);
}

static bool note_pause(ec_test *test, int64_t pause_us)
{
    if (test->pause_count == test->pause_capacity) {
        size_t capacity = test->pause_capacity == 0 ? 16 : test->pause_capacity * 2;
        int64_t *pauses = ec_arena_array(&test->memory, capacity, sizeof *pauses);

        if (pauses == NULL)
            return false;
        if (test->pause_count > 0)
            memcpy(pauses, test->pauses, test->pause_count * sizeof *pauses);
        test->pauses = pauses;
        test->pause_capacity = capacity;
    }
    test->pauses[test->pause_count++] = pause_us;
    return true;
}

/* Whether the time is over, as a connection would find: at the next step, or during the pause. */
static ec_status time_status(const ec_execution *execution, int64_t passed_us)
{
    const ec_execute_options *options = &execution->options;
    int64_t pause_us = execution->step == EC_STEP_SLEEP ? execution->delay_us : 0;
    int64_t until_us = pause_us > INT64_MAX - passed_us ? INT64_MAX : passed_us + pause_us;

    if (options->cancellation != NULL && ec_is_cancelled(options->cancellation))
        return EC_CANCELLED;
    return options->deadline_ms > 0 && until_us / 1000 >= options->deadline_ms ? EC_TIMEOUT : EC_OK;
}

static void stop(ec_execution *execution, ec_status status)
{
    const char *last = execution->failure.message;
    ec_failure failure = {.status = EC_OK};

    ec_fail(&failure, status, "%s after %d attempts%s%s",
            status == EC_TIMEOUT     ? "the deadline passed"
            : status == EC_CANCELLED ? "cancelled"
                                     : "out of memory in a test",
            execution->outcome->attempts,
            last == NULL ? "" : "; the last: ", last == NULL ? "" : last);
    ec_execution_failed(execution, &failure, false);
}

static ec_status drive(ec_test *test, ec_execution *execution)
{
    int64_t passed_us = 0;
    ec_status status;

    while (execution->step != EC_STEP_DONE) {
        bool sleeps = execution->step == EC_STEP_SLEEP;

        status = time_status(execution, passed_us);
        if (status == EC_OK && sleeps && !note_pause(test, execution->delay_us))
            status = EC_NO_MEMORY;
        if (status != EC_OK)
            stop(execution, status);
        else if (sleeps) {
            passed_us = execution->delay_us > INT64_MAX - passed_us
                            ? INT64_MAX
                            : passed_us + execution->delay_us;
            ec_execution_resume(execution);
        } else
            do_step(test, execution);
    }
    status = execution->failure.status;
    ec_execution_free(execution);
    ec_outcome_forget(test->outcome);
    memset(test->turns, 0, sizeof test->turns);
    return status;
}

static ec_status refuse_call(ec_test *test, ec_status status, const char *message)
{
    ec_failure failure = {.status = EC_OK};

    ec_fail(&failure, status, "%s", message);
    ec_outcome_end(test->outcome, &failure);
    ec_outcome_forget(test->outcome);
    ec_failure_clear(&failure);
    memset(test->turns, 0, sizeof test->turns);
    return status;
}

ec_status ec_test_execute(ec_test *test, ec_command command, const ec_execute_options *given)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    const ec_definition *definition = command.definition;
    ec_execution execution;

    test->number++;
    test->command = "(null)";
    test->pause_count = 0;
    if (ec_outcome_prepare(&test->outcome) == NULL)
        return EC_NO_MEMORY;
    if (definition == NULL || definition->struct_size < sizeof *definition ||
        definition->name == NULL || definition->streams == NULL || definition->apply == NULL ||
        definition->handle == NULL || command.streams == NULL ||
        !ec_options_take(&options, sizeof options, given))
        return refuse_call(test, EC_INVALID_ARGUMENT,
                           "the definition or the options are not initialised, or streams is NULL");
    options.lock_after = -1;
    test->command = definition->name;
    ec_execution_start(&execution, definition, command.streams, command.command, &options, NULL,
                       test->outcome);
    return drive(test, &execution);
}
