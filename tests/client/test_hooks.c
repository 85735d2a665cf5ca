/* test_hooks.c: what hooks are told. */
#include "server.h"

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* ------------------------------------------------------------------ a journal */

/* One line a call: the hook, and what tells calls of it apart. */
struct journal {
    char lines[2000];
    ec_hook_info last;
    char traceparent[60];
    const void *executions[100]; /* of the attempts and the ends */
    size_t execution_count;
};

static void note(struct journal *journal, const char *hook, const ec_hook_info *info)
{
    size_t length = strlen(journal->lines);

    snprintf(journal->lines + length, sizeof journal->lines - length, "%s %s %s %d/%d%s\n", hook,
             info->command, ec_status_name(info->status), info->attempts, info->conflicts,
             info->locked ? " locked" : "");
    journal->last = *info;
    snprintf(journal->traceparent, sizeof journal->traceparent, "%s",
             info->metadata->traceparent == NULL ? "" : info->metadata->traceparent);
    assert_true(info->read_us >= 0 && info->handle_us >= 0 && info->append_us >= 0);
    assert_true(info->read_us + info->handle_us + info->append_us + info->paused_us <=
                info->total_us);
}

static void attempt(void *argument, const ec_hook_info *info)
{
    struct journal *journal = argument;

    assert_int_equal(info->read_us + info->handle_us + info->append_us, 0);
    journal->executions[journal->execution_count++] = info->execution;
    note(journal, "attempt", info);
}

static void conflict(void *argument, const ec_hook_info *info)
{
    assert_true(info->violation_count > 0);
    assert_true(info->violations[0].actual != info->violations[0].expected);
    note(argument, "conflict", info);
}

static void retry(void *argument, const ec_hook_info *info)
{
    assert_string_not_equal(info->message, "");
    note(argument, "retry", info);
}

static void commit(void *argument, const ec_hook_info *info)
{
    note(argument, "commit", info);
}

static void finish(void *argument, const ec_hook_info *info)
{
    struct journal *journal = argument;

    journal->executions[journal->execution_count++] = info->execution;
    note(journal, "finish", info);
}

static ec_hooks hooks_of(struct journal *journal)
{
    ec_hooks hooks = EC_HOOKS_INIT;

    hooks.argument = journal;
    hooks.on_attempt = attempt;
    hooks.on_conflict = conflict;
    hooks.on_retry = retry;
    hooks.on_commit = commit;
    hooks.on_finish = finish;
    return hooks;
}

static void hook(struct server *s, struct journal *journal)
{
    const ec_hooks hooks = hooks_of(journal);

    assert_ok(s->connection, ec_set_hooks(s->connection, &hooks));
}

/* Compare, and begin anew. */
static void assert_noted(struct journal *journal, const char *lines)
{
    assert_string_equal(journal->lines, lines);
    journal->lines[0] = '\0';
}

static void deposit_1(void *argument)
{
    struct server *s = argument;

    deposit(s->sql, s->a, 1);
}

/* ------------------------------------------------------------------ what they are told */

static void test_a_success(void **state)
{
    struct server *s = *state;
    struct journal journal = {.lines = ""};
    struct transfer command = {.amount = 30};
    const ec_metadata metadata = {.traceparent = TRACE};

    assert_ok(s->connection, ec_set_metadata(s->connection, &metadata));
    hook(s, &journal);
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, NULL));
    assert_noted(&journal, "attempt transfer ok 1/0\n"
                           "commit transfer ok 1/0\n"
                           "finish transfer ok 1/0\n");
    assert_int_equal(journal.last.event_count, 2);
    assert_true(journal.last.read_us > 0 && journal.last.append_us > 0);
    assert_string_equal(journal.traceparent, TRACE);
    assert_ptr_equal(journal.executions[0], journal.executions[1]);

    assert_ok(s->connection, ec_set_hooks(s->connection, NULL));
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &command, NULL));
    assert_noted(&journal, "");
}

static void test_a_conflict(void **state)
{
    struct server *s = *state;
    struct journal journal = {.lines = ""};
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = deposit_1, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    hook(s, &journal);
    options.backoff_base_ms = options.backoff_cap_ms = 20;
    options.jitter_percent = 0;
    options.lock_after = 1;
    assert_ok(s->connection,
              transfer_execute_with(s->connection, &s->streams, &command, &options, NULL));
    assert_noted(&journal, "attempt transfer ok 1/0\n"
                           "conflict transfer version_conflict 1/1\n"
                           "retry transfer version_conflict 1/1\n"
                           "attempt transfer ok 2/1 locked\n"
                           "commit transfer ok 2/1 locked\n"
                           "finish transfer ok 2/1 locked\n");
    assert_true(journal.last.paused_us >= 20000);

    options.max_attempts = 1;
    options.lock_after = -1; /* else it locks at once, having learnt, and the interference waits */
    s->handled = 0;
    assert_status(s->connection,
                  transfer_execute_with(s->connection, &s->streams, &command, &options, NULL),
                  EC_VERSION_CONFLICT);
    assert_noted(&journal, "attempt transfer ok 1/0\n"
                           "conflict transfer version_conflict 1/1\n"
                           "finish transfer version_conflict 1/1\n");
}

/* The pause is announced before it begins, and the handler's time is the handler's. */
static void remember_delay(void *argument, const ec_hook_info *info)
{
    *(ec_hook_info *)argument = *info;
}

static void test_durations(void **state)
{
    struct server *s = *state;
    ec_hook_info seen = {.delay_us = 0};
    struct transfer command = {
        .amount = 30, .handled = &s->handled, .interfere = deposit_1, .argument = s};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_hooks hooks = EC_HOOKS_INIT;

    hooks.argument = &seen;
    hooks.on_retry = remember_delay;
    options.hooks = &hooks; /* of this command only */
    options.backoff_base_ms = options.backoff_cap_ms = 2;
    options.jitter_percent = 0;
    assert_ok(s->connection,
              transfer_execute_with(s->connection, &s->streams, &command, &options, NULL));
    assert_int_equal(seen.delay_us, 2000);
    assert_int_equal(seen.paused_us, 0);
    assert_true(seen.handle_us > 0);
}

static void test_other_ends(void **state)
{
    struct server *s = *state;
    struct journal journal = {.lines = ""};
    struct transfer command = {.amount = 1000};
    const transfer_streams unbound = {.from_account = s->a};
    const ec_stream_event event = {s->b, {.type = "MoneyDeposited", .data = "{\"amount\": 1}"}};
    const ec_expectation wrong = {s->b, 7};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_hooks uninitialised = {0};

    hook(s, &journal);
    assert_status(s->connection, transfer_execute(s->connection, &s->streams, &command, NULL),
                  EC_REJECTED);
    assert_noted(&journal, "attempt transfer ok 1/0\nfinish transfer rejected 1/0\n");
    assert_status(s->connection, transfer_execute(s->connection, &unbound, &command, NULL),
                  EC_UNBOUND_STREAM);
    assert_noted(&journal, "finish transfer unbound_stream 0/0\n");
    options.max_attempts = 0;
    assert_status(s->connection,
                  transfer_execute_with(s->connection, &s->streams, &command, &options, NULL),
                  EC_INVALID_ARGUMENT);
    assert_noted(&journal, "finish transfer invalid_argument 0/0\n");

    assert_ok(s->connection, ec_append(s->connection, &event, 1, NULL, 0, NULL));
    assert_noted(&journal,
                 "attempt ec_append ok 1/0\ncommit ec_append ok 1/0\nfinish ec_append ok 1/0\n");
    assert_status(s->connection, ec_append(s->connection, &event, 1, &wrong, 1, NULL),
                  EC_VERSION_CONFLICT);
    assert_noted(&journal, "attempt ec_append ok 1/0\n"
                           "conflict ec_append version_conflict 1/1\n"
                           "finish ec_append version_conflict 1/1\n");

    assert_status(s->connection, ec_set_hooks(s->connection, &uninitialised), EC_INVALID_ARGUMENT);
    options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    options.hooks = &uninitialised;
    assert_status(s->connection,
                  transfer_execute_with(s->connection, &s->streams, &command, &options, NULL),
                  EC_INVALID_ARGUMENT);
    assert_noted(&journal, "");
}

static void test_tasks(void **state)
{
    struct server *s = *state;
    struct journal journal = {.lines = ""};
    struct transfer command = {.amount = 30};
    ec_task *task;

    hook(s, &journal);
    assert_ok(s->connection,
              transfer_execute_start(s->connection, &s->streams, &command, NULL, &task));
    assert_status(s->connection, ec_set_hooks(s->connection, NULL), EC_INVALID_ARGUMENT);
    assert_ok(s->connection, ec_task_finish(task, NULL));
    assert_noted(&journal, "attempt transfer ok 1/0\n"
                           "commit transfer ok 1/0\n"
                           "finish transfer ok 1/0\n");
    assert_ok(s->connection,
              transfer_execute_start(s->connection, &s->streams, &command, NULL, &task));
    ec_task_free(task);
    assert_noted(&journal, "attempt transfer ok 1/0\nfinish transfer cancelled 1/0\n");
    assert_string_equal(journal.last.message, "abandoned");
}

/* ------------------------------------------------------------------ many commands */

/* Of two commands, of which the second is rejected. */
static void execute_two(struct server *s, struct journal *journal,
                        ec_status execute(ec_connection *, ec_command *, size_t,
                                          const ec_execute_options *))
{
    struct transfer good = {.amount = 30}, bad = {.amount = 1000};
    ec_command commands[] = {transfer_prepare(&s->streams, &good),
                             transfer_prepare(&s->streams, &bad)};

    assert_status(s->connection, execute(s->connection, commands, 2, NULL), EC_REJECTED);
    assert_non_null(strstr(journal->lines, "commit transfer ok 1/0\n"));
    assert_non_null(strstr(journal->lines, "finish transfer ok 1/0\n"));
    assert_non_null(strstr(journal->lines, "finish transfer rejected 1/0\n"));
    assert_int_equal(journal->execution_count, 4);
    assert_ptr_not_equal(journal->executions[0], journal->executions[1]);
    for (int i = 2; i < 4; i++) /* the ends, in whatever order */
        assert_true(journal->executions[i] == journal->executions[0] ||
                    journal->executions[i] == journal->executions[1]);
    assert_ptr_not_equal(journal->executions[2], journal->executions[3]);
    ec_outcome_free(commands[0].outcome);
    ec_outcome_free(commands[1].outcome);
}

static void test_pipelined(void **state)
{
    struct journal journal = {.lines = ""};

    hook(*state, &journal);
    execute_two(*state, &journal, ec_execute_pipelined);
}

static void test_batch(void **state)
{
    struct journal journal = {.lines = ""};

    hook(*state, &journal);
    execute_two(*state, &journal, ec_execute_batch);
}

/* A rejection that rests on what is not written after all is no end yet. */
static void test_batch_that_decides_anew(void **state)
{
    struct server *s = *state;
    struct journal journal = {.lines = ""};
    struct transfer first = {
        .amount = 80, .handled = &s->handled, .interfere = deposit_1, .argument = s};
    struct transfer second = {.amount = 80};
    ec_command commands[] = {transfer_prepare(&s->streams, &first),
                             transfer_prepare(&s->streams, &second)};
    const char *end;

    hook(s, &journal);
    assert_status(s->connection, ec_execute_batch(s->connection, commands, 2, NULL), EC_REJECTED);
    end = strstr(journal.lines, "finish");
    assert_non_null(end);
    assert_string_equal(end, "finish transfer ok 2/1\nfinish transfer rejected 2/1\n");
    ec_outcome_free(commands[0].outcome);
    ec_outcome_free(commands[1].outcome);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_a_success), SERVER_TEST(test_a_conflict),
        SERVER_TEST(test_durations), SERVER_TEST(test_other_ends),
        SERVER_TEST(test_tasks),     SERVER_TEST(test_pipelined),
        SERVER_TEST(test_batch),     SERVER_TEST(test_batch_that_decides_anew),
    };

    return cmocka_run_group_tests_name("hooks", tests, NULL, NULL);
}
