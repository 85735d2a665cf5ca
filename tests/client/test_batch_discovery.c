/* test_batch_discovery.c: batches of commands that discover streams, against a server. */
#include "batch.h"
#include "graph.h"

/* Two visits; the first one's root is linked to x, and the second one's as a test says. */
struct visits {
    struct server *server;
    char r[64], s[64], x[64], ledger[64];
    visit_streams streams[2];
    struct visit visits[2];
    ec_command commands[2];
};

static void append(PGconn *sql, const char *stream_id, const char *type, const char *data)
{
    run_sql(sql, "SELECT version FROM eventcore.append('%s', -1, '%s', '%s'::jsonb)", stream_id,
            type, data);
}

static void append_link(PGconn *sql, const char *from, const char *to)
{
    char data[200];

    snprintf(data, sizeof data, "{\"to\": \"%s\"}", to);
    append(sql, from, "Linked", data);
}

static void visits_begin(struct visits *v, struct server *server)
{
    *v = (struct visits){.server = server};
    unique_id(v->r, "r");
    unique_id(v->s, "s");
    unique_id(v->x, "x");
    unique_id(v->ledger, "ledger");
    for (int i = 0; i < 2; i++) {
        v->streams[i] = (visit_streams){
            .root = i == 0 ? v->r : v->s, .visited = EC_NO_IDS, .peeked = EC_NO_IDS};
        v->commands[i] = visit_prepare(&v->streams[i], &v->visits[i]);
    }
    append_link(server->sql, v->r, v->x);
}

static void visits_end(struct visits *v)
{
    for (int i = 0; i < 2; i++)
        ec_outcome_free(v->commands[i].outcome);
}

#define assert_visit(v, i, expected_attempts)                                                      \
    do {                                                                                           \
        if ((v)->commands[i].status != EC_OK)                                                      \
            print_error("command %d: %s\n", i, ec_outcome_message((v)->commands[i].outcome));      \
        assert_int_equal((v)->commands[i].status, EC_OK);                                          \
        assert_int_equal(ec_outcome_attempts((v)->commands[i].outcome), expected_attempts);        \
    } while (0)

/* Both discover x: they are read together again, and the second sees what the first writes. */
static void test_the_same_stream(void **state)
{
    struct server *s = *state;
    struct visits v;

    visits_begin(&v, s);
    append_link(s->sql, v.s, v.x);
    assert_ok(s->connection, ec_execute_batch(s->connection, v.commands, 2, NULL));
    assert_visit(&v, 0, 1);
    assert_visit(&v, 1, 1);
    assert_string_equal(v.visits[1].order, "sx");
    assert_string_equal(ec_event_data(ec_outcome_event(v.commands[1].outcome, 0)),
                        "{\"place\":0,\"version\":1}");
    assert_int_equal(ec_event_version(ec_outcome_event(v.commands[1].outcome, 0)), 2);
    assert_int_equal(version_of(s->sql, v.x), 2);
    visits_end(&v);
}

static ec_status discover_nothing(ec_context *context)
{
    (void)context;
    return EC_OK;
}

static ec_status write_to_the_log(ec_context *context)
{
    return ec_record(context, visit_log.slot, 0, "Marked", NULL);
}

/* The first only marks r, which the second follows. */
static void mark_r_and_follow_it(struct visits *v)
{
    v->streams[0] =
        (visit_streams){.root = v->ledger, .visited = EC_NO_IDS, .peeked = EC_NO_IDS, .log = v->r};
    v->visits[0].resolve = discover_nothing;
    v->visits[0].decide = write_to_the_log;
    v->streams[1].root = v->r;
}

/* What is pending stands behind everything in the log, also behind what was discovered. */
static void test_order_of_what_is_pending(void **state)
{
    struct server *s = *state;
    struct visits v;

    visits_begin(&v, s);
    append(s->sql, v.x, "Marked", "{}");
    mark_r_and_follow_it(&v);
    assert_ok(s->connection, ec_execute_batch(s->connection, v.commands, 2, NULL));
    assert_visit(&v, 0, 1);
    assert_visit(&v, 1, 1);
    assert_string_equal(v.visits[1].order, "rxr");
    visits_end(&v);
}

static void mark_x(void *argument)
{
    struct visits *v = argument;

    append(v->server->sql, v->x, "Marked", "{}");
}

/* Of a command that knows its streams, and one that discovers them, the first one decides first. */
static void visit_and_mark(struct server *s, struct visits *v, int attempts_of_mark)
{
    v->streams[1] =
        (visit_streams){.root = v->ledger, .visited = EC_NO_IDS, .peeked = EC_NO_IDS, .log = v->x};
    assert_ok(s->connection, ec_execute_batch(s->connection, v->commands, 2, NULL));
    assert_visit(v, 0, 1);
    assert_visit(v, 1, attempts_of_mark);
}

static void test_behind_what_is_known(void **state)
{
    struct server *s = *state;
    struct visits v;

    visits_begin(&v, s);
    visit_and_mark(s, &v, 1);
    assert_string_equal(v.visits[0].order, "rx");
    assert_int_equal(ec_event_version(ec_outcome_event(v.commands[1].outcome, 0)), 1);
    assert_int_equal(ec_event_version(ec_outcome_event(v.commands[0].outcome, 0)), 2);
    visits_end(&v);
}

/* Between the reads somebody else appends to x: what was pending there will not be. */
static void test_appended_between_the_reads(void **state)
{
    struct server *s = *state;
    struct visits v;

    visits_begin(&v, s);
    v.visits[0].interfere = mark_x;
    v.visits[0].argument = &v;
    visit_and_mark(s, &v, 2);
    assert_string_equal(v.visits[0].order, "rx");
    assert_int_equal(ec_event_version(ec_outcome_event(v.commands[0].outcome, 0)), 2);
    assert_int_equal(ec_event_version(ec_outcome_event(v.commands[1].outcome, 0)), 3);
    visits_end(&v);
}

static void mark_r(void *argument)
{
    struct visits *v = argument;

    append(v->server->sql, v->r, "Marked", "{}");
}

/* The second has folded what the first was to write, when the next read shows that it will not. */
static void test_folded_what_will_not_be(void **state)
{
    struct server *s = *state;
    struct visits v;

    visits_begin(&v, s);
    mark_r_and_follow_it(&v);
    v.visits[1].interfere = mark_r;
    v.visits[1].argument = &v;
    assert_ok(s->connection, ec_execute_batch(s->connection, v.commands, 2, NULL));
    assert_visit(&v, 0, 2);
    assert_visit(&v, 1, 2);
    assert_string_equal(v.visits[1].order, "rrr");
    assert_int_equal(version_of(s->sql, v.r), 3);
    assert_int_equal(version_of(s->sql, v.x), 1);
    visits_end(&v);
}

static void test_cancelled(void **state)
{
    struct server *s = *state;
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    struct visits v;

    visits_begin(&v, s);
    assert_int_equal(ec_cancellation_new(&options.cancellation), EC_OK);
    ec_cancel(options.cancellation);
    assert_status(s->connection, ec_execute_batch(s->connection, v.commands, 2, &options),
                  EC_CANCELLED);
    assert_status(s->connection, ec_execute_pipelined(s->connection, v.commands, 2, &options),
                  EC_CANCELLED);
    assert_int_equal(v.commands[1].status, EC_CANCELLED);
    assert_int_equal(version_of(s->sql, v.x), 0);
    ec_cancellation_free(options.cancellation);
    visits_end(&v);
}

static void test_pipelined(void **state)
{
    struct server *s = *state;
    struct visits v;
    char y[64];

    visits_begin(&v, s);
    unique_id(y, "y");
    append_link(s->sql, v.s, y);
    assert_ok(s->connection, ec_execute_pipelined(s->connection, v.commands, 2, NULL));
    assert_visit(&v, 0, 1);
    assert_visit(&v, 1, 1);
    assert_int_equal(version_of(s->sql, v.x), 1);
    assert_int_equal(version_of(s->sql, y), 1);
    visits_end(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_the_same_stream),
        SERVER_TEST(test_order_of_what_is_pending),
        SERVER_TEST(test_behind_what_is_known),
        SERVER_TEST(test_appended_between_the_reads),
        SERVER_TEST(test_folded_what_will_not_be),
        SERVER_TEST(test_cancelled),
        SERVER_TEST(test_pipelined),
    };

    return cmocka_run_group_tests_name("batch_discovery", tests, NULL, NULL);
}
