/* test_pipeline.c: independent commands side by side on one connection, against a server. */
#include "batch.h"

static ec_status execute(struct transfers *t, const ec_execute_options *options)
{
    ec_status status = ec_execute_pipelined(t->server->connection, t->commands, t->count, options);

    /* Whatever came, the connection is as before. */
    if (t->server->connection->pg != NULL)
        assert_int_equal(PQpipelineStatus(t->server->connection->pg), PQ_PIPELINE_OFF);
    return status;
}

static void test_each_its_own_result(void **state)
{
    struct server *s = *state;
    struct transfers t;

    transfers_begin(&t, s);
    deposit(s->sql, t.c, 50);
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, t.c, t.d, s->limits, 51);
    transfers_add(&t, t.c, " leading space", s->limits, 20);
    transfers_add(&t, t.c, t.d, s->limits, 20);
    assert_status(s->connection, execute(&t, NULL), EC_REJECTED);
    assert_string_equal(ec_error_message(s->connection),
                        "insufficient_funds: balance 50, requested 51");
    assert_command(&t, 0, EC_OK);
    assert_command(&t, 1, EC_REJECTED);
    assert_command(&t, 2, EC_INVALID_STREAM_ID);
    assert_command(&t, 3, EC_OK);
    assert_int_equal(ec_outcome_event_count(t.commands[3].outcome), 2);
    assert_string_equal(ec_event_stream_id(ec_outcome_event(t.commands[3].outcome, 1)), t.d);
    assert_int_equal(balance_of(s->sql, s->b), 30);
    assert_int_equal(balance_of(s->sql, t.d), 20);
    assert_int_equal(run_sql(s->sql,
                             "SELECT count(DISTINCT xmin::text) FROM eventcore.events"
                             " WHERE stream_id IN ('%s', '%s')",
                             s->b, t.d),
                     2);
    assert_ok(s->connection, transfer_execute(s->connection, &s->streams, &t.transfers[0], NULL));
    transfers_end(&t);
}

static ec_status write_bad_json(ec_context *context)
{
    return ec_write(context, transfer_from_account.slot, 0,
                    &(ec_new_event){.type = "MoneyDeposited", .data = "{\"amount\": "});
}

static void test_misuse(void **state)
{
    struct server *s = *state;
    ec_execute_options unset = {.struct_size = 0};
    struct transfers t;

    transfers_begin(&t, s);
    assert_ok(s->connection, ec_execute_pipelined(s->connection, NULL, 0, NULL));
    assert_status(s->connection, ec_execute_pipelined(s->connection, NULL, 1, NULL),
                  EC_INVALID_ARGUMENT);
    for (int i = 0; i < 4; i++)
        transfers_add(&t, s->a, s->b, s->limits, 10);
    t.commands[0].definition = NULL;
    t.streams[1].limits = NULL;
    t.transfers[2].decide = write_bad_json;
    assert_status(s->connection, execute(&t, NULL), EC_INVALID_ARGUMENT);
    assert_command(&t, 0, EC_INVALID_ARGUMENT);
    assert_command(&t, 1, EC_UNBOUND_STREAM);
    assert_command(&t, 2, EC_SERVER_ERROR);
    assert_command(&t, 3, EC_OK);
    assert_status(s->connection, execute(&t, &unset), EC_INVALID_ARGUMENT);
    assert_command(&t, 3, EC_INVALID_ARGUMENT);
    assert_int_equal(balance_of(s->sql, s->b), 10);
    transfers_end(&t);
}

/* They race for one stream, and each is tried until it wins, the last ones by themselves. */
static void test_race_among_themselves(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_PERSISTENT_INIT;
    struct transfers t;
    int conflicts = 0;

    transfers_begin(&t, s);
    for (int i = 0; i < MOST_COMMANDS; i++)
        transfers_add(&t, s->a, s->b, s->limits, 10);
    options.lock_after = 1;
    options.backoff_cap_ms = 5;
    assert_ok(s->connection, execute(&t, &options));
    for (int i = 0; i < MOST_COMMANDS; i++) {
        assert_true(ec_outcome_conflicts(t.commands[i].outcome) <= 1);
        conflicts += ec_outcome_conflicts(t.commands[i].outcome);
    }
    assert_int_equal(conflicts, MOST_COMMANDS - 1);
    assert_int_equal(balance_of(s->sql, s->b), 80);
    transfers_end(&t);
}

/* All appends on their way are in doubt, done or not: each is repeated as it is. */
static void test_lost_replies(void **state)
{
    struct server *s = *state;
    struct transfers t;
    struct cutter cutter;
    pthread_t thread;
    char from[MOST_COMMANDS][64], to[MOST_COMMANDS][64];

    transfers_begin(&t, s);
    for (int i = 0; i < MOST_COMMANDS; i++) {
        unique_id(from[i], "account");
        unique_id(to[i], "account");
        deposit(s->sql, from[i], 10);
        transfers_add(&t, from[i], to[i], s->limits, 10);
    }
    thread = cutter_start(&cutter, s, to[3], true, "ROLLBACK");
    assert_ok(s->connection, execute(&t, NULL));
    cutter_finish(&cutter, thread);
    for (int i = 0; i < MOST_COMMANDS; i++) {
        assert_int_equal(ec_outcome_conflicts(t.commands[i].outcome), 0);
        assert_int_equal(t.handled[i], 1);
        assert_int_equal(version_of(s->sql, from[i]), 2);
        assert_int_equal(version_of(s->sql, to[i]), 1);
        assert_int_equal(ec_outcome_event_count(t.commands[i].outcome), 2);
    }
    assert_true(ec_outcome_attempts(t.commands[3].outcome) >= 2);
    transfers_end(&t);
}

static void test_deadline(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    PGconn *holder = PQconnectdb("");
    struct transfers t;

    transfers_begin(&t, s);
    deposit(s->sql, t.c, 10);
    run_sql(holder, "BEGIN");
    deposit(holder, s->b, 1000);
    transfers_add(&t, t.c, t.d, s->limits, 10);
    transfers_add(&t, s->a, s->b, s->limits, 30);
    options.deadline_ms = 400;
    assert_status(s->connection, execute(&t, &options), EC_TIMEOUT);
    assert_command(&t, 0, EC_OK);
    assert_command(&t, 1, EC_TIMEOUT);
    assert_false(ec_outcome_in_doubt(t.commands[1].outcome));
    PQfinish(holder);
    assert_null(s->connection->pg); /* which a late request to cancel could still hit */
    assert_ok(s->connection, transfer_execute(s->connection, &t.streams[1], &t.transfers[1], NULL));
    assert_int_equal(balance_of(s->sql, s->b), 30);
    transfers_end(&t);
}

/* What the server answers to an append is not true before it is committed. */
static void test_failing_commit(void **state)
{
    struct server *s = *state;
    struct transfers t;

    transfers_begin(&t, s);
    deposit(s->sql, t.c, 10);
    run_sql(s->sql,
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN IF NEW.stream_id = '%s' THEN RAISE 'refused'; END IF; RETURN NULL; END$$",
            s->b);
    run_sql(s->sql, "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON eventcore.events"
                    " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()");
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, t.c, t.d, s->limits, 10);
    execute(&t, NULL);
    run_sql(s->sql, "DROP FUNCTION refuse() CASCADE");
    assert_command(&t, 0, EC_SERVER_ERROR);
    assert_string_equal(ec_outcome_message(t.commands[0].outcome), "refused");
    assert_false(ec_outcome_in_doubt(t.commands[0].outcome));
    assert_int_equal(ec_outcome_event_count(t.commands[0].outcome), 0);
    assert_command(&t, 1, EC_OK);
    assert_int_equal(version_of(s->sql, s->b), 0);
    assert_int_equal(version_of(s->sql, t.d), 1);
    transfers_end(&t);
}

/* More than fits into any buffer on the way, in both directions at once. */
enum { LARGE = 200000, LARGE_COUNT = 200 };

static ec_status write_much(ec_context *context)
{
    const size_t size = LARGE;
    char *payload = ec_alloc(context, size);

    if (payload == NULL)
        return EC_NO_MEMORY;
    memset(payload, 'x', size);
    return ec_write(context, transfer_from_account.slot, 0,
                    &(ec_new_event){.type = "LimitSet", .payload = payload, .payload_size = size});
}

static ec_status pass_over(const void *command, void *state, int kind, const ec_event *event)
{
    size_t size;

    (void)command, (void)kind;
    ec_event_payload(event, &size);
    *(size_t *)state += size;
    return EC_OK;
}

static ec_status write_what_was_read(const void *command, const void *state, ec_context *context)
{
    (void)command;
    if (*(const size_t *)state != 0 && *(const size_t *)state != LARGE)
        return EC_FAILED;
    return write_much(context);
}

static void test_large(void **state)
{
    struct server *s = *state;
    static const ec_stream_declaration slots[] = {
        {"stream", EC_MODE_writes, offsetof(transfer_streams, from_account)}};
    static const ec_definition large = {.struct_size = sizeof large,
                                        .name = "large",
                                        .streams = slots,
                                        .stream_count = 1,
                                        .state_size = sizeof(size_t),
                                        .apply = pass_over,
                                        .handle = write_what_was_read};
    static char ids[LARGE_COUNT][64];
    static transfer_streams streams[LARGE_COUNT];
    static ec_command commands[LARGE_COUNT];

    for (int i = 0; i < LARGE_COUNT; i++) {
        unique_id(ids[i], "large");
        streams[i].from_account = ids[i];
        commands[i] = (ec_command){.definition = &large, .streams = &streams[i]};
    }
    for (int version = 1; version <= 2; version++)
        assert_ok(s->connection, ec_execute_pipelined(s->connection, commands, LARGE_COUNT, NULL));
    for (int i = 0; i < LARGE_COUNT; i++) {
        assert_int_equal(ec_event_version(ec_outcome_event(commands[i].outcome, 0)), 2);
        ec_outcome_free(commands[i].outcome);
    }
}

static void test_many_unprepared(void **state)
{
    struct server *s = *state;
    enum { COUNT = 1000 };
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    static char ids[COUNT][64];
    static ec_stream_event deposits[COUNT];
    static transfer_streams streams[COUNT];
    static ec_command commands[COUNT];
    static char to[COUNT][64];
    struct transfer command = {.amount = 1};
    ec_connection *connection;
    PGresult *result;

    for (int i = 0; i < COUNT; i++) {
        unique_id(ids[i], "account");
        unique_id(to[i], "account");
        deposits[i] =
            (ec_stream_event){ids[i], {.type = "MoneyDeposited", .data = "{\"amount\": 2}"}};
        streams[i] = (transfer_streams){ids[i], to[i], s->limits};
        commands[i] = transfer_prepare(&streams[i], &command);
    }
    assert_ok(s->connection, ec_append(s->connection, deposits, COUNT, NULL, 0, NULL));
    options.unprepared = true;
    assert_ok(connection, ec_connect(&connection, NULL, &options));
    assert_ok(connection, ec_execute_pipelined(connection, commands, COUNT, NULL));
    result = PQexec(connection->pg, "SELECT FROM pg_prepared_statements");
    assert_int_equal(PQntuples(result), 0);
    PQclear(result);
    ec_close(connection);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(ec_outcome_attempts(commands[i].outcome), 1);
        assert_string_equal(ec_event_stream_id(ec_outcome_event(commands[i].outcome, 1)), to[i]);
        ec_outcome_free(commands[i].outcome);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_each_its_own_result),
        SERVER_TEST(test_misuse),
        SERVER_TEST(test_race_among_themselves),
        SERVER_TEST(test_lost_replies),
        SERVER_TEST(test_deadline),
        SERVER_TEST(test_failing_commit),
        SERVER_TEST(test_large),
        SERVER_TEST(test_many_unprepared),
    };

    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
