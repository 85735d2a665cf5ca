/* test_graph.c: a command that discovers streams, locked and not, against a server. */
#include "graph.h"
#include "server.h"

static void add_event(PGconn *sql, const char *stream_id, const char *type, const char *data)
{
    run_sql(sql, "SELECT 1 FROM eventcore.append('%s', -1, '%s', '%s'::jsonb)", stream_id, type,
            data);
}

static void link_streams(PGconn *sql, const char *from, const char *to)
{
    char data[100];

    snprintf(data, sizeof data, "{\"to\": \"%s\"}", to);
    add_event(sql, from, "Linked", data);
}

struct graph {
    char root[64], b[64], c[64];
    struct server *server;
};

static void make_graph(struct graph *graph, struct server *s)
{
    graph->server = s;
    unique_id(graph->root, "root");
    unique_id(graph->b, "b");
    unique_id(graph->c, "c");
    add_event(s->sql, graph->b, "Marked", "{}");
    link_streams(s->sql, graph->root, graph->b);
    link_streams(s->sql, graph->b, graph->c);
}

static ec_status visit_graph(struct graph *graph, struct visit *command, int lock_after)
{
    struct server *s = graph->server;
    visit_streams streams = {.root = graph->root, .visited = EC_NO_IDS, .peeked = EC_NO_IDS};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    options.lock_after = lock_after;
    return visit_execute_with(s->connection, &streams, command, &options, &s->outcome);
}

static void assert_visited(struct graph *graph, size_t index, const char *stream_id,
                           int64_t version)
{
    const ec_event *event = ec_outcome_event(graph->server->outcome, index);

    assert_non_null(event);
    assert_string_equal(ec_event_stream_id(event), stream_id);
    assert_int_equal(ec_event_version(event), version);
}

/* The streams change between the rounds, also while they are locked: the lock is given up. */
static void change_between_rounds(void *argument)
{
    struct graph *graph = argument;

    if (graph->server->handled == 0)
        add_event(graph->server->sql, graph->b, "Marked", "{}");
}

static void test_discovery(void **state)
{
    struct server *s = *state;
    struct graph graph;

    for (int lock_after = -1; lock_after <= 0; lock_after++) {
        struct visit command = {.interfere = change_between_rounds, .argument = &graph};

        make_graph(&graph, s);
        assert_ok(s->connection, visit_graph(&graph, &command, lock_after));
        assert_int_equal(ec_outcome_attempts(s->outcome), 1);
        assert_int_equal(ec_outcome_conflicts(s->outcome), 0);
        assert_string_equal(command.order, "brbb");
        assert_int_equal(command.resolved, 3);
        assert_int_equal(ec_outcome_event_count(s->outcome), 2);
        assert_visited(&graph, 0, graph.b, 4);
        assert_visited(&graph, 1, graph.c, 1);
        assert_idle(s, backend_of(s->connection));
    }
}

/* What was discovered is in the version check: between the last read and the append it changes. */
static ec_status change_what_was_discovered(ec_context *context)
{
    const ec_new_event event = {.type = "Visited"};
    const char *b = ec_stream_id(context, visit_visited.slot, 0);
    PGconn *sql;

    if (ec_stream_version(context, visit_visited.slot, 0) == 2) {
        sql = PQconnectdb("");
        add_event(sql, b, "Marked", "{}");
        PQfinish(sql);
    }
    return ec_write(context, visit_root_slot, 0, &event);
}

static void test_discovered_streams_are_checked(void **state)
{
    struct server *s = *state;
    struct visit command = {.decide = change_what_was_discovered};
    struct graph graph;

    make_graph(&graph, s);
    assert_ok(s->connection, visit_graph(&graph, &command, 3));
    assert_int_equal(command.handled, 2);
    assert_int_equal(ec_outcome_conflicts(s->outcome), 1);
    assert_string_equal(ec_outcome_violation(s->outcome, 0)->stream_id, graph.b);
    assert_int_equal(ec_outcome_violation(s->outcome, 0)->expected, 2);
    assert_int_equal(ec_outcome_violation(s->outcome, 0)->actual, 3);
}

static void test_a_thousand_discovered(void **state)
{
    struct server *s = *state;
    struct visit command = {.resolved = 0};
    struct graph graph;

    make_graph(&graph, s);
    run_sql(s->sql,
            "SELECT count(*) FROM eventcore.append((SELECT array_agg(eventcore.new_event('%s',"
            " 'Linked', jsonb_build_object('to', '%s-' || i))) FROM generate_series(1, 1000) i))",
            graph.root, graph.c);
    for (int lock_after = -1; lock_after <= 0; lock_after++) {
        assert_ok(s->connection, visit_graph(&graph, &command, lock_after));
        assert_int_equal(ec_outcome_event_count(s->outcome), 1002);
        assert_int_equal(ec_outcome_attempts(s->outcome), 1);
        assert_visited(&graph, 1000, ec_event_stream_id(ec_outcome_event(s->outcome, 1000)),
                       2 + lock_after);
    }
    assert_idle(s, backend_of(s->connection));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_discovery),
        SERVER_TEST(test_discovered_streams_are_checked),
        SERVER_TEST(test_a_thousand_discovered),
    };

    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
