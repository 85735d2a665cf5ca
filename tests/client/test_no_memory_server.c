/*
 * Memory that runs out: on a connection to a server, in the library, in jansson and in libpq.
 *
 * libpq cannot tell that it was memory, nor be relied on afterwards: the connection counts as lost.
 * An append is in doubt then, unless it could be repeated.
 */
#include <stdlib.h>

#include "batch.h"
#include "no_memory.h"

enum { STEP = 13 }; /* a run is some round trips, and some hundred allocations */

static bool is_for_want_of_memory(ec_status status)
{
    return status == EC_NO_MEMORY || status == EC_CONNECTION_LOST || status == EC_PROTOCOL_ERROR;
}

/* A connection of the run's own. */
struct run {
    struct server *server;
    ec_connection *connection;
    ec_execute_options options;
};

static void begin(struct run *run, struct server *server)
{
    *run = (struct run){.server = server, .options = EC_EXECUTE_OPTIONS_INIT};
    run->options.backoff_base_ms = 0;
    unique_id(server->a, "account");
    unique_id(server->b, "account");
    deposit(server->sql, server->a, 100);
    assert_ok(run->connection, ec_connect(&run->connection, NULL, NULL));
}

/* The handle is of use again. */
static void end(struct run *run)
{
    ec_stream_event event = {run->server->limits, {.type = "LimitSet", .data = "{\"amount\": 0}"}};

    assert_survived(ec_append(run->connection, &event, 1, NULL, 0, NULL) == EC_OK);
    ec_close(run->connection);
}

/* 30 were moved once, and `status` and `outcome` agree; or not at all. */
static void check_transfer(struct server *s, ec_status status, const ec_outcome *outcome,
                           bool failed)
{
    long long moved = balance_of(s->sql, s->b);

    assert_survived(moved == 0 || moved == 30);
    assert_survived(balance_of(s->sql, s->a) == 100 - moved);
    assert_survived(status == EC_OK || (failed && is_for_want_of_memory(status)));
    assert_survived(outcome != NULL || (status == EC_NO_MEMORY && moved == 0));
    assert_survived(ec_outcome_status(outcome) == status || outcome == NULL);
    if (status == EC_OK)
        assert_survived(moved == 30 && ec_outcome_event_count(outcome) == 2);
    else
        assert_survived(moved == 0 || ec_outcome_in_doubt(outcome));
}

static void append_elsewhere(void *argument)
{
    struct server *s = argument;

    /* The other one's memory is not at stake. */
    bool was_failing = no_memory_pause();

    deposit(s->sql, s->a, 0);
    no_memory_resume(was_failing);
}

struct trial {
    struct server *server;
    bool conflict;
    bool locked;
};

static void transfer_once(void *argument)
{
    const struct trial *trial = argument;
    struct server *s = trial->server;
    struct transfer command = {.amount = 30};
    ec_outcome *outcome = NULL;
    int handled = 0;
    struct run run;
    ec_status status;
    bool failed;

    begin(&run, s);
    if (trial->conflict) {
        command.handled = &handled;
        command.interfere = append_elsewhere;
        command.argument = s;
    }
    if (trial->locked)
        run.options.lock_after = 0;
    no_memory_begin();
    status = transfer_execute_with(run.connection, &s->streams, &command, &run.options, &outcome);
    failed = no_memory_end();
    check_transfer(s, status, outcome, failed);
    ec_outcome_free(outcome);
    end(&run);
}

static void test_command(void **state)
{
    no_memory_survive(transfer_once, &(struct trial){.server = *state}, STEP);
}

static void test_conflict(void **state)
{
    no_memory_survive(transfer_once, &(struct trial){.server = *state, .conflict = true}, STEP);
}

static void test_locked(void **state)
{
    no_memory_survive(transfer_once, &(struct trial){.server = *state, .locked = true}, STEP);
}

/* ------------------------------------------------------------------ connecting */

static void connect_once(void *argument)
{
    ec_connection *connection;
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    ec_metadata metadata = {.user_id = "user"};
    ec_status status, set = EC_OK;
    bool failed;

    (void)argument;
    options.store = "default";
    no_memory_begin();
    status = ec_connect(&connection, NULL, &options);
    if (status == EC_OK)
        set = ec_set_metadata(connection, &metadata);
    failed = no_memory_end();
    assert_survived(status == EC_OK || (failed && is_for_want_of_memory(status)));
    assert_survived(set == EC_OK || (failed && set == EC_NO_MEMORY));
    assert_survived(connection != NULL || status == EC_NO_MEMORY);
    assert_survived(ec_error_message(connection)[0] != '\0' || status == EC_OK);
    ec_close(connection);
}

static void test_connecting(void **state)
{
    no_memory_survive(connect_once, *state, STEP);
}

/* ------------------------------------------------------------------ append and read */

static void append_once(void *argument)
{
    struct server *s = argument;
    struct run run;
    ec_outcome *outcome = NULL;
    ec_status status;
    bool failed;
    long long version;

    begin(&run, s);
    {
        ec_stream_event events[] = {{s->b, {.type = "MoneyDeposited", .data = "{\"amount\": 30}"}},
                                    {s->a, {.type = "Bytes", .payload = "abc", .payload_size = 3}}};
        ec_expectation expected[] = {{s->b, 0}, {s->a, 1}};

        no_memory_begin();
        status = ec_append(run.connection, events, 2, expected, 2, &outcome);
        failed = no_memory_end();
    }
    version = version_of(s->sql, s->b);
    assert_survived(version_of(s->sql, s->a) == 1 + version && version <= 1);
    assert_survived(status == EC_OK || (failed && is_for_want_of_memory(status)));
    assert_survived(status != EC_OK || (version == 1 && ec_outcome_event_count(outcome) == 2));
    assert_survived(status == EC_OK || version == 0 || ec_outcome_in_doubt(outcome));
    ec_outcome_free(outcome);
    end(&run);
}

static void test_append(void **state)
{
    no_memory_survive(append_once, *state, STEP);
}

static void lose_append(void *argument)
{
    struct server *s = argument;
    struct run run;
    ec_status status;
    bool failed;

    begin(&run, s);
    {
        ec_stream_event event = {s->a, {.type = "MoneyDeposited"}};
        ec_expectation expected[] = {{s->b, 7}, {s->a, 5}};

        no_memory_begin();
        status = ec_append(run.connection, &event, 1, expected, 2, NULL);
        failed = no_memory_end();
    }
    assert_survived(version_of(s->sql, s->a) == 1);
    assert_survived(status == EC_VERSION_CONFLICT || (failed && is_for_want_of_memory(status)));
    if (status == EC_VERSION_CONFLICT)
        assert_survived(ec_error_violation_count(run.connection) == 2);
    end(&run);
}

static void test_lost_append(void **state)
{
    no_memory_survive(lose_append, *state, STEP);
}

static void refuse_append(void *argument)
{
    struct run run;
    ec_stream_event event = {" not an id", {.type = "MoneyDeposited"}};
    ec_status status;
    bool failed;

    begin(&run, argument);
    no_memory_begin();
    status = ec_append(run.connection, &event, 1, NULL, 0, NULL);
    failed = no_memory_end();
    assert_survived(status == EC_INVALID_STREAM_ID || (failed && is_for_want_of_memory(status)));
    assert_survived(ec_error_message(run.connection)[0] != '\0');
    end(&run);
}

static void test_refused_append(void **state)
{
    no_memory_survive(refuse_append, *state, STEP);
}

static void read_once(void *argument)
{
    struct server *s = argument;
    const char *ids[] = {s->a, s->b};
    ec_events *events[3] = {NULL};
    ec_status statuses[3];
    struct run run;
    bool failed;

    begin(&run, s);
    no_memory_begin();
    statuses[0] = ec_read_stream(run.connection, s->a, NULL, &events[0]);
    statuses[1] = ec_read_streams(run.connection, ids, 2, NULL, &events[1]);
    statuses[2] = ec_read_all(run.connection, 0, 1, &events[2]);
    failed = no_memory_end();
    for (int i = 0; i < 3; i++) {
        assert_survived((events[i] != NULL) == (statuses[i] == EC_OK));
        assert_survived(statuses[i] == EC_OK || (failed && is_for_want_of_memory(statuses[i])));
        if (events[i] != NULL)
            assert_survived(ec_events_count(events[i]) == 1);
        ec_events_free(events[i]);
    }
    end(&run);
}

static void test_reading(void **state)
{
    no_memory_survive(read_once, *state, STEP);
}

/* ------------------------------------------------------------------ many commands */

enum { COMMANDS = 18, STREAMS = 2 * COMMANDS };

struct many {
    struct server *server;
    ec_status (*execute)(ec_connection *, ec_command *, size_t, const ec_execute_options *);
};

/* Deposits travel down a chain of streams, and each command depends on the one before it. */
static void transfer_many(void *argument)
{
    const struct many *many = argument;
    struct server *s = many->server;
    char ids[COMMANDS][80], limits[COMMANDS][80];
    ec_command commands[COMMANDS];
    transfer_streams streams[COMMANDS];
    struct transfer transfers[COMMANDS];
    bool failed;
    struct run run;

    begin(&run, s);
    for (int i = 0; i < COMMANDS; i++)
        snprintf(ids[i], sizeof ids[i], "%s-%d", s->a, i);
    for (int i = 0; i < COMMANDS; i++) {
        /* Each pair of commands has a chain of its own. */
        snprintf(limits[i], sizeof limits[i], "%s-%d", s->b, i);
        streams[i] = (transfer_streams){.from_account = i % 2 == 0 ? s->a : ids[i - 1],
                                        .to_account = ids[i],
                                        .limits = limits[i]};
        transfers[i] = (struct transfer){.amount = 1};
        commands[i] = transfer_prepare(&streams[i], &transfers[i]);
    }
    no_memory_begin();
    many->execute(run.connection, commands, COMMANDS, &run.options);
    failed = no_memory_end();
    for (int i = 0; i < COMMANDS; i++) {
        const ec_outcome *outcome = commands[i].outcome;
        long long received = run_sql(s->sql,
                                     "SELECT count(*) FROM eventcore.read_stream('%s')"
                                     " WHERE type = 'MoneyDeposited'",
                                     ids[i]);

        assert_survived(received <= 1);
        assert_survived(commands[i].status == EC_OK ||
                        (i % 2 == 1 && commands[i].status == EC_REJECTED) ||
                        (failed && is_for_want_of_memory(commands[i].status)));
        if (commands[i].status == EC_OK)
            assert_survived(received == 1 && ec_outcome_event_count(outcome) == 2);
        else
            assert_survived(received == 0 || ec_outcome_in_doubt(outcome));
        ec_outcome_free(commands[i].outcome);
    }
    end(&run);
}

static void test_batch(void **state)
{
    no_memory_survive(transfer_many, &(struct many){*state, ec_execute_batch}, STEP);
}

static void test_pipeline(void **state)
{
    no_memory_survive(transfer_many, &(struct many){*state, ec_execute_pipelined}, STEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_command),        SERVER_TEST(test_conflict), SERVER_TEST(test_locked),
        SERVER_TEST(test_connecting),     SERVER_TEST(test_append),   SERVER_TEST(test_lost_append),
        SERVER_TEST(test_refused_append), SERVER_TEST(test_reading),  SERVER_TEST(test_batch),
        SERVER_TEST(test_pipeline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
