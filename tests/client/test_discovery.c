/* test_discovery.c: the state machine of a command that discovers streams; no server. */
#include "graph.h"
#include "machine.h"

struct walk {
    ec_execution execution;
    ec_execute_options options;
    ec_outcome *outcome;
    struct visit command;
    PGresult *reply;
};

static int walk_setup(void **state)
{
    struct walk *w = calloc(1, sizeof *w);

    w->options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    *state = w;
    return ec_outcome_prepare(&w->outcome) == NULL;
}

static int walk_teardown(void **state)
{
    struct walk *w = *state;

    ec_execution_free(&w->execution);
    ec_outcome_free(w->outcome);
    free(w);
    return 0;
}

static void walk_from(struct walk *w, const visit_streams *streams)
{
    ec_execution_free(&w->execution);
    ec_execution_start(&w->execution, &visit_definition, streams, &w->command, &w->options, NULL,
                       w->outcome);
}

static void walk(struct walk *w)
{
    visit_streams streams = {.root = "root", .visited = EC_NO_IDS, .peeked = EC_NO_IDS};

    walk_from(w, &streams);
}

static void begin(struct walk *w)
{
    assert_int_equal(w->execution.step, EC_STEP_READ);
    w->reply = reply_begin(EC_STATEMENT_READ_STREAMS);
}

static void link_event(struct walk *w, const char *from, int64_t version, int64_t position,
                       const char *to, int64_t stream_version)
{
    char data[100];

    snprintf(data, sizeof data, "{\"to\": \"%s\"}", to);
    reply_event(w->reply, from, version, position, "Linked", data, stream_version);
}

static void feed_walk(struct walk *w)
{
    ec_failure failure = {.status = EC_OK};
    ec_events *rows;

    assert_int_equal(ec_rows_decode(&rows, w->reply, statement_of(w->execution.step), &failure),
                     EC_OK);
    ec_execution_rows(&w->execution, rows);
}

static void assert_walk(const struct walk *w, ec_status status, const char *message)
{
    assert_int_equal(w->execution.step, EC_STEP_DONE);
    if (message != NULL)
        assert_string_equal(ec_outcome_message(w->outcome), message);
    assert_int_equal(w->execution.failure.status, status);
}

static int64_t version_in(const struct walk *w, const char *id)
{
    const ec_stream *stream = ec_streams_find(&w->execution.streams, id);

    assert_non_null(stream);
    return stream->version;
}

static void feed_link_to_b(struct walk *w)
{
    begin(w);
    link_event(w, "root", 1, 10, "b", 1);
    feed_walk(w);
    assert_int_equal(w->execution.step, EC_STEP_READ);
}

/* ------------------------------------------------------------------ rounds */

/*
 * What was discovered is read from its beginning, the rest behind what is known; it is folded again
 * in global order, in which the second reply's events stand around those of the first.
 */
static void test_one_round(void **state)
{
    struct walk *w = *state;
    const ec_entry *entries;

    walk(w);
    feed_link_to_b(w);
    assert_int_equal(w->execution.streams.count, 2);
    assert_int_equal(version_in(w, "root"), 1);
    assert_int_equal(version_in(w, "b"), 0);
    assert_int_equal(ec_outcome_attempts(w->outcome), 1);

    begin(w);
    reply_event(w->reply, "b", 1, 5, "Marked", "{}", 3);
    reply_event(w->reply, "b", 2, 8, "Marked", "{}", 3);
    reply_event(w->reply, "b", 3, 11, "Marked", "{}", 3);
    reply_event(w->reply, "root", 2, 12, "Marked", "{}", 2);
    feed_walk(w);
    assert_int_equal(w->execution.step, EC_STEP_APPEND);
    assert_string_equal(w->command.order, "bbrbr"); /* the first fold left nothing behind */
    assert_int_equal(w->command.resolved, 2);
    assert_int_equal(w->command.handled, 1);
    assert_int_equal(((struct links *)w->execution.state)->of_visited, 3);
    entries = w->execution.context.entries;
    assert_int_equal(w->execution.context.entry_count, 1);
    assert_string_equal(entries[0].stream_id, "b");
    assert_string_equal(entries[0].event.data, "{\"place\":0,\"version\":3}");
    assert_int_equal(w->execution.expected_count, 2);
    assert_string_equal(w->execution.expected[0].stream_id, "root");
    assert_int_equal(w->execution.expected[0].version, 2);
    assert_string_equal(w->execution.expected[1].stream_id, "b");
    assert_int_equal(w->execution.expected[1].version, 3);
}

/* Places given by the caller and by earlier rounds stay; an id in two slots is read once. */
static void test_places_are_stable(void **state)
{
    static const char *const visited[] = {"z", "b"}, *const peeked[] = {"c"};
    struct walk *w = *state;
    visit_streams streams = {
        .root = "root", .visited = {visited, 2}, .peeked = {peeked, 1}, .hint = "d"};
    const ec_entry *entries;

    walk_from(w, &streams);
    assert_int_equal(w->execution.streams.count, 5);
    begin(w);
    link_event(w, "root", 1, 1, "c", 3);
    link_event(w, "root", 2, 2, "b", 3);
    link_event(w, "root", 3, 3, "a", 3);
    reply_event(w->reply, "d", 1, 4, "Linked", "{\"to\": \"z\", \"only_read\": true}", 1);
    reply_stream(w->reply, "z", 7);
    reply_stream(w->reply, "b", 0);
    reply_stream(w->reply, "c", 0);
    feed_walk(w);
    assert_int_equal(w->execution.streams.count, 6); /* only "a" is new */
    assert_true(ec_streams_find(&w->execution.streams, "c")->written);
    assert_true(ec_streams_find(&w->execution.streams, "z")->written);
    assert_false(ec_streams_find(&w->execution.streams, "d")->written);

    begin(w);
    link_event(w, "a", 1, 5, "e", 1);
    reply_stream(w->reply, "root", 3);
    reply_stream(w->reply, "z", 7);
    reply_stream(w->reply, "b", 0);
    reply_stream(w->reply, "c", 0);
    reply_stream(w->reply, "d", 1);
    feed_walk(w);

    begin(w);
    reply_stream(w->reply, "e", 9);
    reply_stream(w->reply, "a", 1);
    reply_stream(w->reply, "root", 3);
    reply_stream(w->reply, "z", 7);
    reply_stream(w->reply, "b", 0);
    reply_stream(w->reply, "c", 0);
    reply_stream(w->reply, "d", 1);
    feed_walk(w);
    assert_int_equal(w->execution.step, EC_STEP_APPEND);
    entries = w->execution.context.entries;
    assert_int_equal(w->execution.context.entry_count, 5);
    assert_string_equal(entries[0].stream_id, "z");
    assert_string_equal(entries[0].event.data, "{\"place\":0,\"version\":7}");
    assert_string_equal(entries[1].stream_id, "b");
    assert_string_equal(entries[2].stream_id, "c");
    assert_string_equal(entries[3].stream_id, "a");
    assert_string_equal(entries[3].event.data, "{\"place\":3,\"version\":1}");
    assert_string_equal(entries[4].stream_id, "e");
    assert_string_equal(entries[4].event.data, "{\"place\":4,\"version\":9}");
}

/* A chain: each round finds the next link. The last one leads on, or does not. */
static void follow_chain(struct walk *w, int rounds)
{
    char from[16] = "root", to[16];

    walk(w);
    for (int round = 0; round < rounds; round++) {
        begin(w);
        snprintf(to, sizeof to, "n-%d", round);
        for (size_t i = 0; i < w->execution.streams.count; i++) {
            const ec_stream *stream = &w->execution.streams.streams[i];

            if (strcmp(stream->id, from) == 0)
                link_event(w, from, 1, round + 1, to, 1);
        }
        for (size_t i = 0; i < w->execution.streams.count; i++) {
            const ec_stream *stream = &w->execution.streams.streams[i];

            if (strcmp(stream->id, from) != 0)
                reply_stream(w->reply, stream->id, stream->version);
        }
        feed_walk(w);
        strcpy(from, to);
    }
}

static void test_rounds_are_limited(void **state)
{
    struct walk *w = *state;

    follow_chain(w, EC_MAX_DISCOVERY_ROUNDS);
    begin(w);
    for (size_t i = 0; i < w->execution.streams.count; i++)
        reply_stream(w->reply, w->execution.streams.streams[i].id,
                     w->execution.streams.streams[i].version);
    feed_walk(w);
    assert_int_equal(w->execution.step, EC_STEP_APPEND);
    assert_int_equal(w->execution.context.entry_count, EC_MAX_DISCOVERY_ROUNDS);

    w->command = (struct visit){.resolved = 0};
    follow_chain(w, EC_MAX_DISCOVERY_ROUNDS + 1);
    assert_walk(w, EC_FAILED, "visit: its resolver still adds streams after 10 rounds");
    assert_int_equal(w->command.handled, 0);
}

static void test_attempts_start_from_the_given_ids(void **state)
{
    struct walk *w = *state;

    walk(w);
    feed_link_to_b(w);
    begin(w);
    reply_stream(w->reply, "root", 1);
    reply_stream(w->reply, "b", 4);
    feed_walk(w);
    assert_int_equal(w->execution.step, EC_STEP_APPEND);
    w->reply = reply_begin(EC_STATEMENT_TRY_APPEND);
    reply_conflict(w->reply, "b", 4, 5);
    feed_walk(w);
    assert_int_equal(w->execution.step, EC_STEP_SLEEP);
    ec_execution_resume(&w->execution);

    assert_int_equal(w->execution.streams.count, 1);
    assert_int_equal(version_in(w, "root"), 0);
    begin(w);
    reply_stream(w->reply, "root", 0);
    feed_walk(w);
    assert_walk(w, EC_OK, "");
    assert_int_equal(ec_outcome_event_count(w->outcome), 0);
}

static ec_status discover_thousands(ec_context *context)
{
    char id[20];
    size_t index;

    for (int i = 0; i < 20000; i++) {
        snprintf(id, sizeof id, "n-%d", i % 10000);
        assert_int_equal(ec_discover(context, visit_visited.slot, id, &index), EC_OK);
        assert_int_equal(index, i % 10000);
    }
    assert_int_equal(ec_stream_count(context, visit_visited.slot), 10000);
    return EC_OK;
}

static void test_thousands(void **state)
{
    struct walk *w = *state;

    w->command.resolve = discover_thousands;
    walk(w);
    for (int round = 0; round < 2; round++) {
        begin(w);
        for (size_t i = 0; i < w->execution.streams.count; i++)
            reply_stream(w->reply, w->execution.streams.streams[i].id, 1);
        feed_walk(w);
    }
    assert_int_equal(w->execution.step, EC_STEP_APPEND);
    assert_int_equal(w->execution.expected_count, 10001);
    assert_string_equal(w->execution.context.entries[9999].stream_id, "n-9999");
    assert_int_equal(version_in(w, "n-5000"), 1);
    assert_null(ec_streams_find(&w->execution.streams, "n-10000"));
}

/* ------------------------------------------------------------------ replies that cannot be */

static void assert_impossible(struct walk *w, const char *message)
{
    feed_walk(w);
    assert_walk(w, EC_PROTOCOL_ERROR, message);
    assert_int_equal(w->command.handled, 0);
}

static void test_impossible_replies(void **state)
{
    struct walk *w = *state;

    walk(w);
    feed_link_to_b(w);
    begin(w);
    reply_stream(w->reply, "b", 0);
    reply_stream(w->reply, "root", 0);
    assert_impossible(w, "the server's reply has a stream at a lower version than before");

    walk(w);
    feed_link_to_b(w);
    begin(w);
    link_event(w, "root", 1, 10, "b", 1);
    reply_stream(w->reply, "b", 0);
    assert_impossible(
        w, "the server's reply has an event that was not asked for, or beyond its stream");

    walk(w);
    begin(w);
    link_event(w, "root", 1, 10, "b", 2);
    link_event(w, "root", 2, 11, "b", 3);
    assert_impossible(w, "the server's reply has a stream at two versions");

    walk(w);
    feed_link_to_b(w);
    begin(w);
    reply_stream(w->reply, "b", 0);
    assert_impossible(w, "the server's reply leaves out a stream");
}

/* ------------------------------------------------------------------ resolvers */

static ec_status reject_in_resolver(ec_context *context)
{
    return ec_reject(context, EC_FORBIDDEN, "not_yours", "root %d", 1);
}

static ec_status fail_in_resolver(ec_context *context)
{
    ec_discover(context, visit_visited.slot, "b", NULL);
    return EC_FAILED;
}

static ec_status discover_for_a_stream(ec_context *context)
{
    ec_discover(context, visit_root_slot, "b", NULL);
    return EC_OK;
}

static ec_status discover_for_an_optional(ec_context *context)
{
    ec_discover(context, visit_log_slot, "b", NULL);
    return EC_OK;
}

static ec_status discover_beyond(ec_context *context)
{
    ec_discover(context, 77, "b", NULL);
    return EC_OK;
}

static ec_status discover_nothing(ec_context *context)
{
    ec_discover(context, visit_visited.slot, NULL, NULL);
    return ec_discover(context, visit_visited.slot, "b", NULL);
}

static ec_status write_in_resolver(ec_context *context)
{
    const ec_new_event event = {.type = "Marked"};

    ec_write(context, visit_root_slot, 0, &event);
    return EC_OK;
}

static void test_errors_of_the_resolver(void **state)
{
    static const struct {
        ec_status (*resolve)(ec_context *context);
        ec_status status;
        const char *message;
    } cases[] = {
        {reject_in_resolver, EC_FORBIDDEN, "not_yours: root 1"},
        {fail_in_resolver, EC_FAILED,
         "visit: its resolver failed: a callback failed for a reason of its own"},
        {discover_for_a_stream, EC_INVALID_ARGUMENT,
         "a stream is discovered for a list: slot 0 is none"},
        {discover_for_an_optional, EC_INVALID_ARGUMENT,
         "a stream is discovered for a list: slot 3 is none"},
        {discover_beyond, EC_INVALID_ARGUMENT,
         "a stream is discovered for a list: slot 77 is none"},
        {discover_nothing, EC_INVALID_ARGUMENT,
         "a stream discovered for the list \"visited\" has no id"},
        {write_in_resolver, EC_INVALID_ARGUMENT,
         "events are written from `handle`, not from `resolve`"},
    };
    struct walk *w = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        w->command.resolve = cases[i].resolve;
        walk(w);
        begin(w);
        reply_stream(w->reply, "root", 0);
        feed_walk(w);
        assert_walk(w, cases[i].status, cases[i].message);
        assert_int_equal(w->command.handled, 0);
    }
    w->command.resolve = reject_in_resolver;
    walk(w);
    begin(w);
    reply_stream(w->reply, "root", 0);
    feed_walk(w);
    assert_string_equal(ec_outcome_rejection_code(w->outcome), "not_yours");
}

static ec_status discover_in_handler(ec_context *context)
{
    ec_discover(context, visit_visited.slot, "b", NULL);
    return EC_OK;
}

static void test_discovery_outside_the_resolver(void **state)
{
    struct walk *w = *state;

    w->command.decide = discover_in_handler;
    walk(w);
    begin(w);
    reply_stream(w->reply, "root", 0);
    feed_walk(w);
    assert_walk(w, EC_INVALID_ARGUMENT, "streams are discovered from `resolve` alone");
}

static ec_status look_at_what_is_new(ec_context *context)
{
    size_t index = 7;

    assert_false(ec_stream_find(context, visit_visited.slot, "b", &index));
    if (ec_stream_count(context, visit_peeked.slot) == 0) {
        ec_discover(context, visit_peeked.slot, "b", &index);
        assert_int_equal(index, 0);
        assert_int_equal(ec_stream_version(context, visit_peeked.slot, 0), -1);
    } else
        assert_int_equal(ec_stream_version(context, visit_peeked.slot, 0), 5);
    assert_true(ec_stream_find(context, visit_peeked.slot, "b", NULL));
    assert_string_equal(ec_stream_id(context, visit_peeked.slot, 0), "b");
    assert_int_equal(ec_stream_version(context, visit_root_slot, 0), 3);
    return EC_OK;
}

static void test_versions_of_what_is_discovered(void **state)
{
    struct walk *w = *state;

    w->command.resolve = look_at_what_is_new;
    walk(w);
    begin(w);
    reply_stream(w->reply, "root", 3);
    feed_walk(w);
    begin(w);
    reply_stream(w->reply, "root", 3);
    reply_stream(w->reply, "b", 5);
    feed_walk(w);
    assert_walk(w, EC_OK, "");
}

/* ------------------------------------------------------------------ optional streams */

static ec_status write_to_the_log(ec_context *context)
{
    const ec_new_event event = {.type = "Marked"};

    ec_write(context, visit_log_slot, 0, &event);
    return EC_OK;
}

static ec_status write_to_the_hint(ec_context *context)
{
    const ec_new_event event = {.type = "Marked"};

    ec_write(context, visit_hint_slot, 0, &event);
    return EC_OK;
}

static void test_optional_streams(void **state)
{
    struct walk *w = *state;
    visit_streams streams = {
        .root = "root", .visited = EC_NO_IDS, .peeked = EC_NO_IDS, .log = "log", .hint = "hint"};

    walk_from(w, &streams);
    assert_int_equal(w->execution.streams.count, 3);
    begin(w);
    reply_stream(w->reply, "root", 0);
    reply_stream(w->reply, "log", 2);
    reply_stream(w->reply, "hint", 3);
    feed_walk(w);
    assert_int_equal(w->execution.step, EC_STEP_APPEND);
    assert_int_equal(w->execution.context.entry_count, 1);
    assert_string_equal(w->execution.context.entries[0].stream_id, "log");
    assert_int_equal(w->execution.expected_count, 3); /* the hint is checked too */

    w->command.decide = write_to_the_hint;
    walk_from(w, &streams);
    begin(w);
    reply_stream(w->reply, "root", 0);
    reply_stream(w->reply, "log", 2);
    reply_stream(w->reply, "hint", 3);
    feed_walk(w);
    assert_walk(w, EC_UNDECLARED_STREAM,
                "\"hint\" is declared as only read, so it cannot be written");

    w->command.decide = write_to_the_log;
    walk(w);
    assert_int_equal(w->execution.streams.count, 1);
    begin(w);
    reply_stream(w->reply, "root", 0);
    feed_walk(w);
    assert_walk(w, EC_UNBOUND_STREAM,
                "the optional stream \"log\" has no id, so it cannot be written");
}

#define WALK_TEST(name) cmocka_unit_test_setup_teardown(name, walk_setup, walk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WALK_TEST(test_one_round),
        WALK_TEST(test_places_are_stable),
        WALK_TEST(test_rounds_are_limited),
        WALK_TEST(test_attempts_start_from_the_given_ids),
        WALK_TEST(test_thousands),
        WALK_TEST(test_impossible_replies),
        WALK_TEST(test_errors_of_the_resolver),
        WALK_TEST(test_discovery_outside_the_resolver),
        WALK_TEST(test_versions_of_what_is_discovered),
        WALK_TEST(test_optional_streams),
    };

    return cmocka_run_group_tests_name("discovery", tests, NULL, NULL);
}
