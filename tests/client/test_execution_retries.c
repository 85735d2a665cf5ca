/* test_execution_retries.c: the state machine when races and connections are lost. */
#include "machine.h"

/* ------------------------------------------------------------------ conflicts and retries */

static void test_conflict_starts_again(void **state)
{
    struct fixture *f = *state;
    ec_uuid first_id;

    start(f);
    feed_accounts(f);
    first_id = f->execution.context.entries[0].id;
    feed_conflict(f);
    assert_in_range(f->execution.delay_us, 0, 1000);
    resume(f);
    feed_accounts_at(f, 3); /* 100 again, not 200: the state was zeroed */
    assert_int_equal(f->handled, 2);
    assert_memory_not_equal(&f->execution.context.entries[0].id, &first_id, sizeof first_id);
    feed_appended(f, "appended");
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_attempts(f->outcome), 2);
    assert_int_equal(ec_outcome_conflicts(f->outcome), 1);
    assert_int_equal(ec_outcome_violation_count(f->outcome), 2);
    assert_string_equal(ec_outcome_violation(f->outcome, 0)->stream_id, "a");
    assert_int_equal(ec_outcome_violation(f->outcome, 0)->expected, 1);
    assert_int_equal(ec_outcome_violation(f->outcome, 0)->actual, 3);
    assert_string_equal(ec_outcome_violation(f->outcome, 1)->stream_id, "limits");
}

static void test_attempts_run_out(void **state)
{
    struct fixture *f = *state;

    f->options.max_attempts = 3;
    start(f);
    for (int i = 0; i < 3; i++) {
        feed_accounts(f);
        feed_conflict(f);
        if (i < 2)
            resume(f);
    }
    assert_done(f, EC_VERSION_CONFLICT);
    assert_message(f, "2 streams not at the expected version, the first: a is at 3, not 1");
    assert_int_equal(f->execution.failure.violation_count, 2);
    assert_int_equal(ec_outcome_attempts(f->outcome), 3);
    assert_int_equal(ec_outcome_conflicts(f->outcome), 3);
    assert_int_equal(ec_outcome_event_count(f->outcome), 0);
}

static void test_retriable_errors(void **state)
{
    static const char *const sqlstates[] = {"40001", "40P01", "53200"};
    struct fixture *f = *state;

    start(f);
    for (int i = 0; i < 3; i++) {
        feed_accounts(f);
        feed_failure(f, EC_SERVER_ERROR, sqlstates[i], false);
        resume(f);
        assert_int_equal(f->execution.step, EC_STEP_READ);
        feed_failure(f, EC_SERVER_ERROR, sqlstates[i], false);
        resume(f);
    }
    feed_accounts(f);
    feed_appended(f, "appended");
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_attempts(f->outcome), 7);
    assert_int_equal(ec_outcome_conflicts(f->outcome), 0);
}

static void test_other_errors_end_it(void **state)
{
    struct fixture *f = *state;

    start(f);
    feed_failure(f, EC_SERVER_ERROR, "42501", false);
    assert_done(f, EC_SERVER_ERROR);
    assert_string_equal(f->execution.failure.sqlstate, "42501");
    assert_false(ec_outcome_in_doubt(f->outcome));
}

static void test_bad_options(void **state)
{
    struct fixture *f = *state;

    f->options.max_attempts = 0;
    start(f);
    assert_done(f, EC_INVALID_ARGUMENT);
}

/* ------------------------------------------------------------------ lost connections */

static void test_lost_read_starts_again(void **state)
{
    struct fixture *f = *state;

    start(f);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    assert_int_equal(f->execution.step, EC_STEP_READ);
    assert_false(f->execution.in_doubt);
}

static void test_lost_append_is_repeated(void **state)
{
    struct fixture *f = *state;
    const ec_entry *entries;
    ec_uuid ids[2];

    start(f);
    feed_accounts(f);
    entries = f->execution.context.entries;
    ids[0] = entries[0].id;
    ids[1] = entries[1].id;
    for (int i = 0; i < 2; i++) {
        feed_failure(f, EC_CONNECTION_LOST, "", true);
        resume(f);
        assert_int_equal(f->execution.step, EC_STEP_APPEND);
        assert_ptr_equal(f->execution.context.entries, entries);
        for (int j = 0; j < 2; j++)
            assert_memory_equal(&entries[j].id, &ids[j], sizeof ids[j]);
    }
    feed_appended(f, "repeated");
    assert_done(f, EC_OK);
    assert_int_equal(f->handled, 1);
    assert_int_equal(ec_outcome_attempts(f->outcome), 3);
    assert_int_equal(ec_outcome_event_count(f->outcome), 2);
    assert_false(ec_outcome_in_doubt(f->outcome));
}

/* While its fate is open, nothing but the same append is sent, whatever else goes wrong. */
static void test_lost_append_then_other_errors(void **state)
{
    struct fixture *f = *state;

    start(f);
    feed_accounts(f);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    feed_failure(f, EC_CONNECTION_LOST, "", false); /* the server is not back yet */
    resume(f);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    feed_failure(f, EC_SERVER_ERROR, "53200", false);
    resume(f);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    feed_conflict(f); /* definite: it was not done */
    resume(f);
    assert_int_equal(f->execution.step, EC_STEP_READ);
    feed_accounts(f);
    assert_int_equal(f->handled, 2);
    feed_appended(f, "appended");
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_attempts(f->outcome), 5);
    assert_int_equal(ec_outcome_conflicts(f->outcome), 1);
}

static void test_append_that_was_never_sent(void **state)
{
    struct fixture *f = *state;

    start(f);
    feed_accounts(f);
    feed_failure(f, EC_CONNECTION_LOST, "", false);
    resume(f);
    assert_int_equal(f->execution.step, EC_STEP_READ);
}

static void test_doubt_is_told(void **state)
{
    struct fixture *f = *state;

    f->options.max_attempts = 2;
    start(f);
    feed_accounts(f);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    feed_failure(f, EC_TIMEOUT, "", false);
    assert_done(f, EC_TIMEOUT);
    assert_true(ec_outcome_in_doubt(f->outcome));
    assert_int_equal(ec_outcome_event_count(f->outcome), 0);
}

static ec_status write_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

static void test_no_doubt_when_nothing_is_written(void **state)
{
    struct fixture *f = *state;

    f->command.decide = write_nothing;
    f->options.verify = true;
    f->options.max_attempts = 1;
    start(f);
    feed_accounts(f);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    assert_done(f, EC_CONNECTION_LOST);
    assert_false(ec_outcome_in_doubt(f->outcome));
}

/* ------------------------------------------------------------------ an append by itself */

static void test_append_alone(void **state)
{
    struct fixture *f = *state;
    const ec_stream_event events[] = {{"a", {.type = "T"}}, {"b", {.type = "T", .data = "[]"}}};
    const ec_expectation expected[] = {{"a", 1}, {"b", EC_EXPECT_NO_STREAM}};

    ec_execution_start_append(&f->execution, events, 2, expected, 2, NULL, NULL, f->outcome);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    feed_failure(f, EC_SERVER_ERROR, "40P01", false);
    resume(f);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    feed_appended(f, "repeated");
    assert_done(f, EC_OK);
    assert_string_equal(ec_event_data(ec_outcome_event(f->outcome, 0)), "{}");
    assert_string_equal(ec_event_data(ec_outcome_event(f->outcome, 1)), "[]");

    ec_execution_free(&f->execution);
    ec_execution_start_append(&f->execution, events, 2, expected, 2, NULL, NULL, f->outcome);
    feed_conflict(f);
    assert_done(f, EC_VERSION_CONFLICT); /* repeating it alone can never succeed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_conflict_starts_again),
        TEST(test_attempts_run_out),
        TEST(test_retriable_errors),
        TEST(test_other_errors_end_it),
        TEST(test_bad_options),
        TEST(test_lost_read_starts_again),
        TEST(test_lost_append_is_repeated),
        TEST(test_lost_append_then_other_errors),
        TEST(test_append_that_was_never_sent),
        TEST(test_doubt_is_told),
        TEST(test_no_doubt_when_nothing_is_written),
        TEST(test_append_alone),
    };

    return cmocka_run_group_tests_name("execution retries", tests, NULL, NULL);
}
