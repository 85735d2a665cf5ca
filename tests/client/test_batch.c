/* test_batch.c: many commands with one read and one append, against a server. */
#include "batch.h"

static ec_status execute(struct transfers *t, const ec_execute_options *options)
{
    return ec_execute_batch(t->server->connection, t->commands, t->count, options);
}

static long long transactions_of(PGconn *sql, const char *one, const char *other)
{
    return run_sql(sql,
                   "SELECT count(DISTINCT xmin::text) FROM eventcore.events"
                   " WHERE stream_id IN ('%s', '%s') AND version > 1",
                   one, other);
}

static void test_independent_commands(void **state)
{
    struct server *s = *state;
    struct transfers t;

    transfers_begin(&t, s);
    deposit(s->sql, t.c, 50);
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, t.c, t.d, s->limits, 51);
    transfers_add(&t, t.c, t.d, s->limits, 20);
    assert_status(s->connection, execute(&t, NULL), EC_REJECTED);
    assert_string_equal(ec_error_message(s->connection),
                        "insufficient_funds: balance 50, requested 51");
    assert_command(&t, 0, EC_OK);
    assert_command(&t, 1, EC_REJECTED);
    assert_command(&t, 2, EC_OK);
    assert_string_equal(ec_outcome_rejection_code(t.commands[1].outcome), "insufficient_funds");
    assert_int_equal(ec_outcome_event_count(t.commands[1].outcome), 0);
    assert_int_equal(ec_outcome_attempts(t.commands[2].outcome), 1);
    assert_int_equal(ec_outcome_event_count(t.commands[2].outcome), 2);
    assert_string_equal(ec_event_stream_id(ec_outcome_event(t.commands[2].outcome, 1)), t.d);
    assert_int_equal(ec_event_version(ec_outcome_event(t.commands[2].outcome, 0)), 2);
    assert_int_equal(balance_of(s->sql, s->b), 30);
    assert_int_equal(balance_of(s->sql, t.d), 20);
    assert_int_equal(transactions_of(s->sql, s->a, t.c), 1);
    transfers_end(&t);
}

/* ------------------------------------------------------------------ commands that depend */

static void test_a_command_sees_earlier_ones(void **state)
{
    struct server *s = *state;
    struct transfers t;

    transfers_begin(&t, s);
    transfers_add(&t, s->a, s->b, s->limits, 60);
    transfers_add(&t, s->b, t.c, s->limits, 50);
    transfers_add(&t, s->a, t.c, s->limits, 41);
    transfers_add(&t, t.c, s->b, s->limits, 50);
    transfers_add(&t, s->b, s->a, s->limits, 60);
    assert_status(s->connection, execute(&t, NULL), EC_REJECTED);
    for (int i = 0; i < 5; i++) {
        assert_command(&t, i, i == 2 ? EC_REJECTED : EC_OK);
        assert_int_equal(t.handled[i], 1);
    }
    assert_string_equal(ec_outcome_rejection_message(t.commands[2].outcome),
                        "balance 40, requested 41");
    assert_int_equal(ec_event_version(ec_outcome_event(t.commands[4].outcome, 0)), 4);
    assert_int_equal(balance_of(s->sql, s->a), 100);
    assert_int_equal(balance_of(s->sql, s->b), 0);
    assert_int_equal(version_of(s->sql, s->b), 4);
    transfers_end(&t);
}

/* Events are folded in global order, those that are pending last, like after the appends. */
static void test_order_of_folding(void **state)
{
    struct server *s = *state;
    struct transfers t;
    char alone[100] = "", first[100] = "", second[100] = "", third[100] = "";
    struct transfer look = {.amount = 1000, .order = alone};

    transfers_begin(&t, s);
    deposit(s->sql, s->b, 1);
    run_sql(s->sql,
            "SELECT 1 FROM eventcore.append('%s', 0, 'LimitSet', '{\"amount\": 500}'::jsonb)",
            s->limits);
    deposit(s->sql, s->a, 1);
    deposit(s->sql, t.c, 10);
    transfers_add(&t, s->a, s->b, s->limits, 5)->order = first;
    transfers_add(&t, t.c, s->a, s->limits, 5)->order = second;
    transfers_add(&t, s->b, s->a, s->limits, 1000)->order = third;
    assert_status(s->connection, execute(&t, NULL), EC_REJECTED);
    assert_string_equal(first, "MMLM");
    assert_string_equal(second, "MLMMM");
    transfer_execute(s->connection, &s->streams, &look, NULL);
    assert_string_equal(third, alone);
    assert_string_equal(third, "MMLMMMM");
    assert_command(&t, 2, EC_REJECTED);
    transfers_end(&t);
}

static void append_elsewhere(void *argument)
{
    struct server *s = argument;

    deposit(s->sql, s->b, 1);
    run_sql(s->sql,
            "SELECT 1 FROM eventcore.append('%s', 1, 'MoneyWithdrawn', '{\"amount\": 50}'::jsonb)",
            s->a);
}

/*
 * The second command decides on the first one's deposit. The first one loses, because somebody
 * else deposits too: stream b then is at the very version that the second one saw, though not with
 * the money. If the two were sent apart, the second would be written.
 */
static void test_a_decision_on_events_that_never_were(void **state)
{
    struct server *s = *state;
    struct transfers t;
    struct transfer *first;

    transfers_begin(&t, s);
    first = transfers_add(&t, s->a, s->b, s->limits, 60);
    first->interfere = append_elsewhere;
    first->argument = s;
    transfers_add(&t, s->b, t.c, t.other_limits, 50);
    assert_status(s->connection, execute(&t, NULL), EC_REJECTED);
    assert_command(&t, 0, EC_REJECTED);
    assert_command(&t, 1, EC_REJECTED);
    assert_string_equal(ec_outcome_rejection_message(t.commands[0].outcome),
                        "balance 50, requested 60");
    assert_string_equal(ec_outcome_rejection_message(t.commands[1].outcome),
                        "balance 1, requested 50");
    assert_int_equal(ec_outcome_conflicts(t.commands[1].outcome), 1);
    assert_int_equal(balance_of(s->sql, s->b), 1);
    assert_int_equal(version_of(s->sql, t.c), 0);
    transfers_end(&t);
}

static void deposit_100(void *argument)
{
    struct server *s = argument;

    deposit(s->sql, s->a, 100);
}

/* A rejection for want of money that an earlier command took is void if that command loses. */
static void test_a_rejection_because_of_a_loser(void **state)
{
    struct server *s = *state;
    struct transfers t;
    struct transfer *first;

    transfers_begin(&t, s);
    first = transfers_add(&t, s->a, s->b, s->limits, 60);
    first->interfere = deposit_100;
    first->argument = s;
    transfers_add(&t, s->a, t.c, s->limits, 60);
    assert_ok(s->connection, execute(&t, NULL));
    assert_command(&t, 0, EC_OK);
    assert_command(&t, 1, EC_OK);
    assert_null(ec_outcome_rejection_code(t.commands[1].outcome));
    assert_int_equal(ec_outcome_conflicts(t.commands[1].outcome), 1);
    assert_int_equal(t.handled[1], 2);
    assert_int_equal(balance_of(s->sql, t.c), 60);
    assert_int_equal(balance_of(s->sql, s->a), 80);
    transfers_end(&t);
}

/* As the first one has not happened, the second cannot say that it was too late. */
static void test_a_rejection_after_the_last_attempt(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_ONCE_INIT;
    struct transfers t;
    struct transfer *first;

    transfers_begin(&t, s);
    first = transfers_add(&t, s->a, s->b, s->limits, 60);
    first->interfere = deposit_100;
    first->argument = s;
    transfers_add(&t, s->a, t.c, s->limits, 60);
    assert_status(s->connection, execute(&t, &options), EC_VERSION_CONFLICT);
    assert_int_equal(ec_error_violation_count(s->connection), 1);
    assert_string_equal(ec_error_violation(s->connection, 0)->stream_id, s->a);
    assert_command(&t, 0, EC_VERSION_CONFLICT);
    assert_command(&t, 1, EC_VERSION_CONFLICT);
    assert_null(ec_outcome_rejection_code(t.commands[1].outcome));
    assert_int_equal(version_of(s->sql, s->a), 2);
    transfers_end(&t);
}

/* ------------------------------------------------------------------ groups within one another */

/* Four commands on lists of streams: the first and the last form a group around the others'. */
static void test_groups_within_one_another(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_ONCE_INIT;
    char ids[8][64];
    const char *p = ids[0], *q = ids[1], *y = ids[2], *z = ids[3];
    const char *const written[4][2] = {{y, NULL}, {p, z}, {z, NULL}, {y, q}};
    const char *const read[4][1] = {{p}, {NULL}, {q}, {NULL}};
    const size_t written_count[4] = {1, 2, 1, 2}, read_count[4] = {1, 0, 1, 0};
    restock_streams streams[4];
    struct restock restocks[4];
    ec_command commands[4];

    for (int i = 0; i < 8; i++)
        unique_id(ids[i], "stream");
    for (int i = 0; i < 4; i++) {
        streams[i] = (restock_streams){.ledger = ids[4 + i],
                                       .products = {written[i], written_count[i]},
                                       .catalogue = {read[i], read_count[i]}};
        restocks[i] = (struct restock){written_count[i]};
        commands[i] = restock_prepare(&streams[i], &restocks[i]);
    }
    assert_ok(s->connection, ec_execute_batch(s->connection, commands, 4, &options));
    assert_int_equal(version_of(s->sql, y), 2);
    assert_int_equal(version_of(s->sql, z), 2);
    assert_int_equal(version_of(s->sql, p), 1);
    assert_int_equal(version_of(s->sql, q), 1);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ec_outcome_attempts(commands[i].outcome), 1);
        ec_outcome_free(commands[i].outcome);
    }
}

/* ------------------------------------------------------------------ conflicts */

static void set_limit_20(void *argument)
{
    struct server *s = argument;

    run_sql(s->sql,
            "SELECT 1 FROM eventcore.append('%s', 0, 'LimitSet', '{\"amount\": 20}'::jsonb)",
            s->limits);
}

/* Only the loser is executed again, and for a change of a stream that it only reads. */
static void test_only_losers_again(void **state)
{
    struct server *s = *state;
    struct transfers t;
    struct transfer *first;

    transfers_begin(&t, s);
    deposit(s->sql, t.c, 100);
    first = transfers_add(&t, s->a, s->b, s->limits, 30);
    first->interfere = set_limit_20;
    first->argument = s;
    transfers_add(&t, t.c, t.d, t.other_limits, 30);
    assert_status(s->connection, execute(&t, NULL), EC_REJECTED);
    assert_command(&t, 0, EC_REJECTED);
    assert_command(&t, 1, EC_OK);
    assert_string_equal(ec_outcome_rejection_code(t.commands[0].outcome), "above_limit");
    assert_int_equal(ec_outcome_violation_count(t.commands[0].outcome), 1);
    assert_string_equal(ec_outcome_violation(t.commands[0].outcome, 0)->stream_id, s->limits);
    assert_int_equal(t.handled[0], 2);
    assert_int_equal(t.handled[1], 1);
    assert_int_equal(version_of(s->sql, s->a), 1);
    transfers_end(&t);
}

/* Somebody else is always faster, until each command is executed by itself. */
static void deposit_once_more(void *argument)
{
    struct transfers *t = argument;

    if (++t->interferences < 3)
        t->handled[0] = 0; /* so that it is called again */
    deposit(t->server->sql, t->server->a, 1);
}

static void test_alone_after_lost_rounds(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    struct transfers t;
    struct transfer *first;

    transfers_begin(&t, s);
    first = transfers_add(&t, s->a, s->b, s->limits, 60);
    first->interfere = deposit_once_more;
    first->argument = &t;
    transfers_add(&t, s->a, t.c, s->limits, 60);
    options.lock_after = 3;
    assert_status(s->connection, execute(&t, &options), EC_REJECTED);
    assert_int_equal(t.interferences, 3);
    assert_command(&t, 0, EC_OK);
    assert_command(&t, 1, EC_REJECTED);
    assert_int_equal(ec_outcome_conflicts(t.commands[0].outcome), 3);
    assert_int_equal(ec_outcome_attempts(t.commands[0].outcome), 4);
    assert_int_equal(ec_outcome_attempts(t.commands[1].outcome), 4);
    assert_int_equal(transactions_of(s->sql, s->b, t.c), 0);
    assert_int_equal(balance_of(s->sql, s->b), 60);
    transfers_end(&t);
}

/* ------------------------------------------------------------------ errors */

static ec_status write_bad_type(ec_context *context)
{
    char type[400];

    memset(type, 'x', sizeof type - 1);
    type[sizeof type - 1] = '\0';
    return ec_write(context, transfer_from_account.slot, 0, &(ec_new_event){.type = type});
}

static ec_status write_bad_json(ec_context *context)
{
    return ec_write(context, transfer_from_account.slot, 0,
                    &(ec_new_event){.type = "MoneyDeposited", .data = "{\"amount\": "});
}

/* A refused command disturbs nobody, neither by itself nor in a group with others. */
static void test_refused_commands(void **state)
{
    struct server *s = *state;
    struct transfers t;

    transfers_begin(&t, s);
    deposit(s->sql, t.c, 50);
    transfers_add(&t, t.c, t.d, s->limits, 1)->decide = write_bad_type;
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, s->b, s->a, s->limits, 10)->decide = write_bad_type;
    transfers_add(&t, s->b, s->a, s->limits, 10);
    assert_status(s->connection, execute(&t, NULL), EC_INVALID_EVENT);
    assert_string_equal(ec_error_sqlstate(s->connection), "VE005");
    assert_non_null(strstr(ec_error_detail(s->connection), "\"invalid_event\""));
    assert_command(&t, 0, EC_INVALID_EVENT);
    assert_command(&t, 1, EC_OK);
    assert_command(&t, 2, EC_INVALID_EVENT);
    assert_command(&t, 3, EC_OK);
    assert_int_equal(ec_outcome_attempts(t.commands[1].outcome), 1);
    assert_int_equal(ec_outcome_attempts(t.commands[2].outcome), 1);
    assert_int_equal(balance_of(s->sql, s->b), 20);
    assert_int_equal(version_of(s->sql, t.c), 1);
    transfers_end(&t);
}

/* An error of the whole read, or of the whole append, is given to the command that is to blame. */
static void test_errors_of_the_whole_call(void **state)
{
    struct server *s = *state;
    struct transfers t;

    transfers_begin(&t, s);
    transfers_add(&t, " leading space", s->b, s->limits, 1);
    transfers_add(&t, s->a, s->b, s->limits, 30);
    assert_status(s->connection, execute(&t, NULL), EC_INVALID_STREAM_ID);
    assert_command(&t, 0, EC_INVALID_STREAM_ID);
    assert_command(&t, 1, EC_OK);
    t.streams[0].from_account = s->a;
    t.transfers[0].decide = write_bad_json;
    assert_status(s->connection, execute(&t, NULL), EC_SERVER_ERROR);
    assert_string_equal(ec_error_sqlstate(s->connection), "22P02");
    assert_command(&t, 0, EC_SERVER_ERROR);
    assert_command(&t, 1, EC_OK);
    assert_int_equal(balance_of(s->sql, s->b), 60);
    transfers_end(&t);
}

static ec_status fail_to_decide(ec_context *context)
{
    (void)context;
    return EC_FAILED;
}

static void test_misuse(void **state)
{
    struct server *s = *state;
    ec_execute_options unset = {.struct_size = 0}, options = EC_EXECUTE_OPTIONS_INIT;
    struct transfers t;

    transfers_begin(&t, s);
    assert_ok(s->connection, ec_execute_batch(s->connection, NULL, 0, NULL));
    assert_status(s->connection, ec_execute_batch(s->connection, NULL, 1, NULL),
                  EC_INVALID_ARGUMENT);
    for (int i = 0; i < 5; i++)
        transfers_add(&t, s->a, s->b, s->limits, 10);
    t.commands[0].definition = NULL;
    t.commands[1].streams = NULL;
    t.streams[2].limits = NULL;
    t.transfers[3].decide = fail_to_decide;
    assert_status(s->connection, execute(&t, NULL), EC_INVALID_ARGUMENT);
    assert_command(&t, 0, EC_INVALID_ARGUMENT);
    assert_command(&t, 1, EC_INVALID_ARGUMENT);
    assert_command(&t, 2, EC_UNBOUND_STREAM);
    assert_command(&t, 3, EC_FAILED);
    assert_command(&t, 4, EC_OK);
    assert_int_equal(balance_of(s->sql, s->b), 10);
    assert_status(s->connection, execute(&t, &unset), EC_INVALID_ARGUMENT);
    assert_command(&t, 4, EC_INVALID_ARGUMENT);
    options.max_attempts = 0;
    assert_status(s->connection, execute(&t, &options), EC_INVALID_ARGUMENT);
    assert_command(&t, 4, EC_INVALID_ARGUMENT);
    assert_int_equal(balance_of(s->sql, s->b), 10);
    transfers_end(&t);
}

static ec_status write_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

/* What is only verified is not written, but checked; without `verify`, it is not even that. */
static void test_verify(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_ONCE_INIT;
    struct transfers t;

    transfers_begin(&t, s);
    for (int i = 0; i < 2; i++) {
        struct transfer *transfer = transfers_add(&t, i == 0 ? s->a : t.c, s->b, s->limits, 1);

        transfer->decide = write_nothing;
        if (i == 0) {
            transfer->interfere = deposit_100;
            transfer->argument = s;
        }
    }
    options.verify = true;
    assert_status(s->connection, execute(&t, &options), EC_VERSION_CONFLICT);
    assert_command(&t, 0, EC_VERSION_CONFLICT);
    assert_command(&t, 1, EC_OK);
    t.handled[0] = 0;
    assert_ok(s->connection, execute(&t, NULL));
    assert_int_equal(ec_outcome_attempts(t.commands[0].outcome), 1);
    transfers_end(&t);
}

/* ------------------------------------------------------------------ lost connections */

/* The append is done, and its reply lost: the same is sent again, and nothing is decided anew. */
static void test_lost_reply(void **state)
{
    struct server *s = *state;
    struct transfers t;
    struct cutter cutter;
    pthread_t thread;

    transfers_begin(&t, s);
    assert_ok(s->connection, ec_execute_batch(s->connection, NULL, 0, NULL));
    thread = cutter_start(&cutter, s, s->b, true, "ROLLBACK");
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, s->b, t.c, s->limits, 10);
    transfers_add(&t, s->b, t.d, s->limits, 21);
    assert_status(s->connection, execute(&t, NULL), EC_REJECTED);
    cutter_finish(&cutter, thread);
    assert_command(&t, 0, EC_OK);
    assert_command(&t, 1, EC_OK);
    assert_command(&t, 2, EC_REJECTED);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(t.handled[i], 1);
        assert_int_equal(ec_outcome_conflicts(t.commands[i].outcome), 0);
    }
    assert_true(ec_outcome_attempts(t.commands[0].outcome) >= 2);
    assert_int_equal(ec_outcome_event_count(t.commands[1].outcome), 2);
    assert_int_equal(balance_of(s->sql, s->a), 70);
    assert_int_equal(balance_of(s->sql, s->b), 20);
    assert_int_equal(balance_of(s->sql, t.c), 10);
    transfers_end(&t);
}

/* The append was not done, and somebody else was first: decided anew, also what was rejected. */
static void test_lost_connection_and_race(void **state)
{
    struct server *s = *state;
    struct transfers t;
    struct cutter cutter;
    pthread_t thread;

    transfers_begin(&t, s);
    thread = cutter_start(&cutter, s, s->b, false, "COMMIT");
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, s->b, t.c, s->limits, 10);
    transfers_add(&t, s->b, t.d, s->limits, 21);
    assert_ok(s->connection, execute(&t, NULL));
    cutter_finish(&cutter, thread);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(t.handled[i], 2);
        assert_int_equal(ec_outcome_conflicts(t.commands[i].outcome), 1);
    }
    assert_int_equal(balance_of(s->sql, s->b), 1000 + 30 - 10 - 21);
    transfers_end(&t);
}

/* With no attempt left, what may have been done is in doubt, and what depended on it unknown. */
static void test_lost_reply_of_the_last_attempt(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_ONCE_INIT;
    struct transfers t;
    struct cutter cutter;
    pthread_t thread;

    transfers_begin(&t, s);
    thread = cutter_start(&cutter, s, s->b, true, "ROLLBACK");
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, s->b, t.c, s->limits, 31);
    assert_status(s->connection, execute(&t, &options), EC_CONNECTION_LOST);
    cutter_finish(&cutter, thread);
    assert_command(&t, 0, EC_CONNECTION_LOST);
    assert_command(&t, 1, EC_CONNECTION_LOST);
    assert_true(ec_outcome_in_doubt(t.commands[0].outcome));
    assert_false(ec_outcome_in_doubt(t.commands[1].outcome));
    assert_null(ec_outcome_rejection_code(t.commands[1].outcome));
    transfers_end(&t);
}

static void test_deadline(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    PGconn *holder = PQconnectdb("");
    struct transfers t;

    transfers_begin(&t, s);
    run_sql(holder, "BEGIN");
    deposit(holder, s->b, 1000);
    transfers_add(&t, s->a, s->b, s->limits, 30);
    transfers_add(&t, s->a, t.c, s->limits, 71);
    options.deadline_ms = 300;
    assert_status(s->connection, execute(&t, &options), EC_TIMEOUT);
    assert_command(&t, 0, EC_TIMEOUT);
    assert_command(&t, 1, EC_TIMEOUT);
    PQfinish(holder);
    assert_ok(s->connection, ec_execute_batch(s->connection, t.commands, 1, NULL));
    assert_int_equal(balance_of(s->sql, s->b), 30);
    transfers_end(&t);
}

/* ------------------------------------------------------------------ many */

/* Money goes round: every command depends on the one before, or is one of many strangers. */
static void execute_many(struct server *s, size_t count, size_t account_count, bool round)
{
    char(*ids)[64] = calloc(account_count, sizeof *ids);
    transfer_streams *streams = calloc(count, sizeof *streams);
    ec_stream_event *deposits = calloc(account_count, sizeof *deposits);
    ec_command *commands = calloc(count, sizeof *commands);
    struct transfer command = {.amount = 1};
    size_t deposit_count = 0;

    assert_true(ids != NULL && streams != NULL && deposits != NULL && commands != NULL);
    for (size_t i = 0; i < account_count; i++)
        unique_id(ids[i], "account");
    for (size_t i = 0; i < account_count; i += round ? account_count : 2)
        deposits[deposit_count++] =
            (ec_stream_event){ids[i], {.type = "MoneyDeposited", .data = "{\"amount\": 1}"}};
    assert_ok(s->connection, ec_append(s->connection, deposits, deposit_count, NULL, 0, NULL));
    for (size_t i = 0; i < count; i++) {
        size_t from = round ? i % account_count : 2 * i, to = (from + 1) % account_count;

        streams[i] = (transfer_streams){ids[from], ids[to], s->limits};
        commands[i] = transfer_prepare(&streams[i], &command);
    }
    assert_ok(s->connection, ec_execute_batch(s->connection, commands, count, NULL));
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ec_outcome_event_count(commands[i].outcome), 2);
        assert_string_equal(ec_event_stream_id(ec_outcome_event(commands[i].outcome, 1)),
                            streams[i].to_account);
        ec_outcome_free(commands[i].outcome);
    }
    for (size_t i = 0; i < account_count && !round; i += 1000)
        assert_int_equal(balance_of(s->sql, ids[i + 1]), 1);
    free(ids);
    free(deposits);
    free(streams);
    free(commands);
}

static void test_many_strangers(void **state)
{
    execute_many(*state, 10000, 20000, false);
}

static void test_many_dependents(void **state)
{
    execute_many(*state, 2000, 200, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_independent_commands),
        SERVER_TEST(test_a_command_sees_earlier_ones),
        SERVER_TEST(test_order_of_folding),
        SERVER_TEST(test_a_decision_on_events_that_never_were),
        SERVER_TEST(test_a_rejection_because_of_a_loser),
        SERVER_TEST(test_a_rejection_after_the_last_attempt),
        SERVER_TEST(test_groups_within_one_another),
        SERVER_TEST(test_only_losers_again),
        SERVER_TEST(test_alone_after_lost_rounds),
        SERVER_TEST(test_refused_commands),
        SERVER_TEST(test_errors_of_the_whole_call),
        SERVER_TEST(test_misuse),
        SERVER_TEST(test_verify),
        SERVER_TEST(test_lost_reply),
        SERVER_TEST(test_lost_connection_and_race),
        SERVER_TEST(test_lost_reply_of_the_last_attempt),
        SERVER_TEST(test_deadline),
        SERVER_TEST(test_many_strangers),
        SERVER_TEST(test_many_dependents),
    };

    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
