/* test_resolver.c: what a resolver, and a handler behind it, may and may not do; no server. */
#include "walk.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WALK_TEST(test_errors_of_the_resolver),
        WALK_TEST(test_discovery_outside_the_resolver),
        WALK_TEST(test_versions_of_what_is_discovered),
        WALK_TEST(test_optional_streams),
    };

    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
