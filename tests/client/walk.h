/* walk.h: the state machine of a command that discovers streams, under test without a server. */
#ifndef WALK_H
#define WALK_H

#include "graph.h"
#include "machine.h"

struct walk {
    ec_execution execution;
    ec_execute_options options;
    ec_outcome *outcome;
    struct visit command;
    PGresult *reply;
};

static inline int walk_setup(void **state)
{
    struct walk *w = calloc(1, sizeof *w);

    w->options = (ec_execute_options)EC_EXECUTE_OPTIONS_INIT;
    *state = w;
    return ec_outcome_prepare(&w->outcome) == NULL;
}

static inline int walk_teardown(void **state)
{
    struct walk *w = *state;

    ec_execution_free(&w->execution);
    ec_outcome_free(w->outcome);
    free(w);
    return 0;
}

static inline void walk_from(struct walk *w, const visit_streams *streams)
{
    ec_execution_free(&w->execution);
    ec_execution_start(&w->execution, &visit_definition, streams, &w->command, &w->options, NULL,
                       w->outcome);
}

static inline void walk(struct walk *w)
{
    visit_streams streams = {.root = "root", .visited = EC_NO_IDS, .peeked = EC_NO_IDS};

    walk_from(w, &streams);
}

static inline void begin(struct walk *w)
{
    assert_int_equal(w->execution.step, EC_STEP_READ);
    w->reply = reply_begin(EC_STATEMENT_READ_STREAMS);
}

static inline void link_event(struct walk *w, const char *from, int64_t version, int64_t position,
                              const char *to, int64_t stream_version)
{
    char data[100];

    snprintf(data, sizeof data, "{\"to\": \"%s\"}", to);
    reply_event(w->reply, from, version, position, "Linked", data, stream_version);
}

static inline void feed_walk(struct walk *w)
{
    ec_failure failure = {.status = EC_OK};
    ec_events *rows;

    assert_int_equal(ec_rows_decode(&rows, w->reply, statement_of(w->execution.step), &failure),
                     EC_OK);
    ec_execution_rows(&w->execution, rows);
}

static inline void assert_walk(const struct walk *w, ec_status status, const char *message)
{
    assert_int_equal(w->execution.step, EC_STEP_DONE);
    if (message != NULL)
        assert_string_equal(ec_outcome_message(w->outcome), message);
    assert_int_equal(w->execution.failure.status, status);
}

static inline int64_t version_in(const struct walk *w, const char *id)
{
    const ec_stream *stream = ec_streams_find(&w->execution.streams, id);

    assert_non_null(stream);
    return stream->version;
}

#define WALK_TEST(name) cmocka_unit_test_setup_teardown(name, walk_setup, walk_teardown)

#endif
