/* test_execution_locked.c: when the state machine locks, and what it then sends; no server. */
#include "graph.h"
#include "machine.h"

/* The statements of the round trip that the step asks for, a letter each. */
static const char *asked(const struct fixture *f)
{
    static const char letters[] = {
        [EC_STATEMENT_READ_STREAMS] = 'r', [EC_STATEMENT_TRY_APPEND] = 'a',
        [EC_STATEMENT_LOCK_STREAMS] = 'l', [EC_STATEMENT_BEGIN] = 'b',
        [EC_STATEMENT_COMMIT] = 'c',       [EC_STATEMENT_ROLLBACK] = 'o',
    };
    static char statements[EC_MAX_CALLS + 1];
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    ec_round_trip trip;

    assert_int_equal(ec_execution_encode(&f->execution, &trip, &memory, &failure), EC_OK);
    for (size_t i = 0; i < trip.count; i++)
        statements[i] = letters[trip.calls[i].statement];
    statements[trip.count] = '\0';
    assert_int_equal(trip.calls[trip.rows_of].statement, statement_of(f->execution.step));
    ec_arena_free(&memory);
    return statements;
}

static void lose_race(struct fixture *f)
{
    feed_accounts(f);
    feed_conflict(f);
    resume(f);
}

static void test_locks_after_lost_races(void **state)
{
    struct fixture *f = *state;

    start(f);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(asked(f), "r");
        feed_accounts(f);
        assert_string_equal(asked(f), "a");
        feed_conflict(f);
        resume(f);
    }
    assert_string_equal(asked(f), "blr");
    feed_accounts(f);
    assert_string_equal(asked(f), "ac");
    feed_appended(f, "appended");
    assert_done(f, EC_OK);
    assert_int_equal(ec_outcome_attempts(f->outcome), 4);
    assert_int_equal(ec_outcome_conflicts(f->outcome), 3);
}

static void test_locks_at_once_or_never(void **state)
{
    struct fixture *f = *state;

    f->options.lock_after = 0;
    start(f);
    assert_string_equal(asked(f), "blr");

    ec_execution_free(&f->execution);
    f->options.lock_after = -1;
    f->options.max_attempts = 100;
    start(f);
    for (int i = 0; i < 50; i++) {
        lose_race(f);
        assert_string_equal(asked(f), "r");
    }
}

/* Of what else is tried again, only what a lock would have prevented counts. */
static void test_what_counts_as_a_lost_race(void **state)
{
    struct fixture *f = *state;

    f->options.lock_after = 2;
    start(f);
    feed_failure(f, EC_SERVER_ERROR, "53200", false);
    resume(f);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    feed_failure(f, EC_SERVER_ERROR, "40001", false);
    resume(f);
    assert_string_equal(asked(f), "r");
    feed_accounts(f);
    feed_failure(f, EC_SERVER_ERROR, "40P01", false);
    resume(f);
    assert_string_equal(asked(f), "blr");
    assert_int_equal(ec_outcome_conflicts(f->outcome), 0);
    feed_failure(f, EC_SERVER_ERROR, "53200", false); /* and it stays locked */
    resume(f);
    assert_string_equal(asked(f), "blr");
}

/* The reply to COMMIT is lost: the same append is repeated, outside of a transaction. */
static void test_lost_commit_is_repeated_unlocked(void **state)
{
    struct fixture *f = *state;
    ec_uuid id;

    f->options.lock_after = 0;
    start(f);
    feed_accounts(f);
    id = f->execution.context.entries[0].id;
    for (int i = 0; i < 2; i++) {
        feed_failure(f, EC_CONNECTION_LOST, "", true);
        resume(f);
        assert_string_equal(asked(f), "a");
        assert_memory_equal(&f->execution.context.entries[0].id, &id, sizeof id);
    }
    feed_appended(f, "repeated");
    assert_done(f, EC_OK);
    assert_int_equal(f->handled, 1);

    ec_execution_free(&f->execution);
    start(f);
    feed_accounts(f);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    feed_conflict(f); /* definite: it was not done, and others were faster */
    resume(f);
    assert_string_equal(asked(f), "blr");
    feed_accounts(f);
    assert_int_equal(f->handled, 3);
    assert_string_equal(asked(f), "ac");
}

static void test_append_alone_is_never_locked(void **state)
{
    struct fixture *f = *state;
    const ec_stream_event event = {"a", {.type = "T"}};

    ec_execution_start_append(&f->execution, &event, 1, NULL, 0, NULL, NULL, f->outcome);
    for (int i = 0; i < 5; i++) {
        assert_string_equal(asked(f), "a");
        feed_failure(f, EC_SERVER_ERROR, "40001", false);
        resume(f);
    }
}

/* What the lock was for has grown: it is begun again with all of it, which is no lost race. */
static void test_discovery_locks_the_larger_set(void **state)
{
    struct fixture *f = *state;
    visit_streams streams = {.root = "root", .visited = EC_NO_IDS, .peeked = EC_NO_IDS};
    struct visit command = {.resolved = 0};
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    f->options.lock_after = 0;
    ec_execution_start(&f->execution, &visit_definition, &streams, &command, &f->options, NULL,
                       f->outcome);
    assert_string_equal(asked(f), "blr");
    reply_event(result, "root", 1, 1, "Linked", "{\"to\": \"b\"}", 1);
    feed(f, result);
    assert_string_equal(asked(f), "oblr");
    assert_int_equal(f->execution.streams.streams[0].version, 1);
    result = reply_begin(EC_STATEMENT_READ_STREAMS);
    reply_event(result, "b", 1, 2, "Linked", "{\"to\": \"c\", \"only_read\": true}", 1);
    reply_stream(result, "root", 1);
    feed(f, result);
    assert_string_equal(asked(f), "oblr");
    result = reply_begin(EC_STATEMENT_READ_STREAMS);
    reply_stream(result, "root", 1);
    reply_stream(result, "b", 1);
    reply_stream(result, "c", 1);
    feed(f, result);
    assert_string_equal(asked(f), "ac");
    assert_int_equal(ec_outcome_attempts(f->outcome), 1);
    assert_int_equal(f->execution.lost_races, 0);
}

/* ------------------------------------------------------------------ the rest of the policy */

struct asked_for {
    int calls;
    ec_failed_attempt last;
    char sqlstate[6];
};

static bool twice(void *argument, const ec_failed_attempt *attempt)
{
    struct asked_for *asked_for = argument;

    asked_for->last = *attempt;
    strcpy(asked_for->sqlstate, attempt->sqlstate);
    assert_non_null(attempt->message);
    return ++asked_for->calls <= 2;
}

static void test_the_predicate_decides(void **state)
{
    struct fixture *f = *state;
    struct asked_for asked_for = {.calls = 0};

    f->options.retry = twice;
    f->options.retry_argument = &asked_for;
    start(f);
    lose_race(f);
    assert_int_equal(asked_for.last.status, EC_VERSION_CONFLICT);
    assert_string_equal(asked_for.sqlstate, "");
    assert_int_equal(asked_for.last.attempts, 1);
    assert_int_equal(asked_for.last.conflicts, 1);
    feed_failure(f, EC_SERVER_ERROR, "40P01", false);
    resume(f);
    assert_string_equal(asked_for.sqlstate, "40P01");
    assert_int_equal(asked_for.last.attempts, 2);
    feed_accounts(f);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    assert_done(f, EC_CONNECTION_LOST);
    assert_int_equal(asked_for.calls, 3);
    assert_true(ec_outcome_in_doubt(f->outcome));

    /* It is not asked about what is not tried again, nor when the tries are used up. */
    ec_execution_free(&f->execution);
    start(f);
    feed_failure(f, EC_SERVER_ERROR, "42501", false);
    assert_done(f, EC_SERVER_ERROR);
    ec_execution_free(&f->execution);
    assert_non_null(ec_outcome_prepare(&f->outcome));
    f->options.max_attempts = 1;
    start(f);
    feed_failure(f, EC_SERVER_ERROR, "40001", false);
    assert_done(f, EC_SERVER_ERROR);
    assert_int_equal(asked_for.calls, 3);
}

static void test_presets_and_bad_options(void **state)
{
    const ec_execute_options good = EC_EXECUTE_OPTIONS_INIT,
                             presets[] = {EC_EXECUTE_OPTIONS_INIT, EC_EXECUTE_INTERACTIVE_INIT,
                                          EC_EXECUTE_PERSISTENT_INIT, EC_EXECUTE_ONCE_INIT};
    ec_execute_options bad[8];
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++) {
        f->options = presets[i];
        start(f);
        assert_int_equal(f->execution.step, EC_STEP_READ);
        ec_execution_free(&f->execution);
    }
    for (int i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].max_attempts = 0;
    bad[1].backoff_base_ms = -1;
    bad[2].backoff_cap_ms = -1;
    bad[3].deadline_ms = -1;
    bad[4].lock_after = -2;
    bad[5].jitter_percent = -1;
    bad[6].jitter_percent = 101;
    bad[7].max_attempts = -1;
    for (int i = 0; i < 8; i++) {
        f->options = bad[i];
        start(f);
        assert_done(f, EC_INVALID_ARGUMENT);
        ec_execution_free(&f->execution);
    }
    f->options = (ec_execute_options)EC_EXECUTE_ONCE_INIT;
    assert_non_null(ec_outcome_prepare(&f->outcome));
    start(f);
    feed_accounts(f);
    feed_conflict(f);
    assert_done(f, EC_VERSION_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_locks_after_lost_races),       TEST(test_locks_at_once_or_never),
        TEST(test_what_counts_as_a_lost_race),   TEST(test_lost_commit_is_repeated_unlocked),
        TEST(test_append_alone_is_never_locked), TEST(test_discovery_locks_the_larger_set),
        TEST(test_the_predicate_decides),        TEST(test_presets_and_bad_options),
    };

    return cmocka_run_group_tests_name("locked execution", tests, NULL, NULL);
}
