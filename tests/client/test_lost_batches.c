/* test_lost_batches.c: the connection breaks at every message of many commands, against a server.
 */
#include "broken.h"

typedef ec_status execute_many(ec_connection *connection, ec_command *commands, size_t count,
                               const ec_execute_options *options);

/* A transfer from a to b, and one of nothing between two other accounts. */
static void transfer_both(struct run *run, execute_many *execute)
{
    struct server *s = run->server;
    struct transfer moving = {.amount = AMOUNT, .handled = &run->handled}, idle = {.amount = 0};
    char from[80], to[80];
    transfer_streams others = {.from_account = from, .to_account = to, .limits = s->limits};
    ec_command commands[2];
    ec_status status;

    snprintf(from, sizeof from, "%s-other", s->a);
    snprintf(to, sizeof to, "%s-other", s->b);
    commands[0] = transfer_prepare(&s->streams, &moving);
    commands[1] = transfer_prepare(&others, &idle);
    status = execute(run->connection, commands, 2, NULL);
    check(run, status == EC_OK);
    for (int i = 0; i < 2; i++) {
        check(run, commands[i].status == EC_OK);
        check(run, !ec_outcome_in_doubt(commands[i].outcome));
        check(run, ec_outcome_attempts(commands[i].outcome) <= 2);
        check(run, ec_outcome_event_count(commands[i].outcome) == 2);
        check(run, ec_event_version(ec_outcome_event(commands[i].outcome, 1)) == run->done + 1);
        ec_outcome_free(commands[i].outcome);
    }
    check(run, run->handled <= 2 * (run->done + 1));
    check(run, version_of(s->sql, from) == run->done + 1);
    check(run, version_of(s->sql, to) == run->done + 1);
}

static void batch(struct run *run)
{
    transfer_both(run, ec_execute_batch);
}

static void pipelined(struct run *run)
{
    transfer_both(run, ec_execute_pipelined);
}

static void test_batch(void **state)
{
    break_everywhere(*state, &(operation){.run = batch, .many = true}, false);
}

static void test_unprepared_batch(void **state)
{
    break_everywhere(*state, &(operation){.run = batch, .many = true, .unprepared = true}, false);
}

static void test_pipelined(void **state)
{
    break_everywhere(*state, &(operation){.run = pipelined, .many = true}, false);
}

static void test_unprepared_pipelined(void **state)
{
    break_everywhere(*state, &(operation){.run = pipelined, .many = true, .unprepared = true},
                     false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_batch),
        SERVER_TEST(test_unprepared_batch),
        SERVER_TEST(test_pipelined),
        SERVER_TEST(test_unprepared_pipelined),
    };

    return cmocka_run_group_tests_name("lost batches", tests, NULL, NULL);
}
