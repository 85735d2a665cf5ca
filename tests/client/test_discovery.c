/* test_discovery.c: the state machine of a command that discovers streams; no server. */
#include "walk.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WALK_TEST(test_one_round),          WALK_TEST(test_places_are_stable),
        WALK_TEST(test_rounds_are_limited), WALK_TEST(test_attempts_start_from_the_given_ids),
        WALK_TEST(test_thousands),          WALK_TEST(test_impossible_replies),
    };

    return cmocka_run_group_tests_name("discovery", tests, NULL, NULL);
}
