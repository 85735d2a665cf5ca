/* test_snapshots.c: where a command starts from a snapshot, where not, and what it leaves. */
#include "machine.h"
#include "server.h"
#include "tally.h"

/* ------------------------------------------------------------------ in the machine */

static struct tally command;
static char folded[200];

static int tally_setup(void **state)
{
    tally_saved = tally_loaded = 0;
    tally_load_status = tally_save_status = EC_OK;
    command = (struct tally){.amount = 5, .folded = folded};
    folded[0] = '\0';
    if (setup(state) != 0)
        return -1;
    ((struct fixture *)*state)->options.snapshots = &tally_snapshots;
    return 0;
}

#define MACHINE_TEST(name) cmocka_unit_test_setup_teardown(name, tally_setup, teardown)

static void begin_with(struct fixture *f, const ec_definition *definition)
{
    tally_streams streams = {.target = "t", .base = "b", .others = EC_NO_IDS};

    ec_execution_start(&f->execution, definition, &streams, &command, &f->options, NULL,
                       f->outcome);
}

static void begin(struct fixture *f)
{
    begin_with(f, &tally_definition);
}

/* What would be sent now. */
static ec_call sent(const struct fixture *f, ec_statement statement, ec_arena *memory)
{
    ec_failure failure = {.status = EC_OK};
    ec_round_trip trip;

    assert_int_equal(ec_execution_encode(&f->execution, &trip, memory, &failure), EC_OK);
    assert_int_equal(trip.calls[trip.count - 1].statement, statement);
    return trip.calls[trip.count - 1];
}

static void assert_sends(const struct fixture *f, ec_statement statement)
{
    ec_arena memory = {NULL};

    sent(f, statement, &memory);
    ec_arena_free(&memory);
}

static void feed_as(struct fixture *f, PGresult *result, ec_statement statement)
{
    ec_failure failure = {.status = EC_OK};
    ec_events *rows;

    assert_sends(f, statement);
    assert_int_equal(ec_rows_decode(&rows, result, statement, &failure), EC_OK);
    ec_execution_rows(&f->execution, rows);
}

static void add(PGresult *result, const char *stream, int64_t version, int64_t position,
                int64_t last)
{
    char data[40];

    snprintf(data, sizeof data, "{\"amount\": %d}", (int)position);
    reply_event(result, stream, version, position, "Counted", data, last);
}

#define STATE "{\"count\":7,\"hash\":1,\"last\":\"noted\"}"

static const int64_t versions[] = {4, 3};

/* Behind the snapshot: one event of each stream, from these positions on. */
static PGresult *with_snapshot(int64_t position, const int64_t *at, int count, const char *state)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_SNAPSHOT);

    add(result, "t", 5, position, 5);
    add(result, "b", 4, position + 1, 4);
    reply_snapshot(result, 10, at, count, state);
    return result;
}

static void feed_whole(struct fixture *f)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);

    for (int i = 1; i <= 4; i++)
        add(result, "t", i, i, 4);
    reply_stream(result, "b", 0);
    assert_int_equal(f->execution.step, EC_STEP_READ);
    feed_as(f, result, EC_STATEMENT_READ_STREAMS);
}

static void feed_appended_event(struct fixture *f, int64_t version)
{
    PGresult *result = reply_begin(EC_STATEMENT_TRY_APPEND);

    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    reply_appended(result, "appended", "t", version, 100, &f->execution.context.entries[0].id);
    feed_as(f, result, EC_STATEMENT_TRY_APPEND);
}

static void test_starts_from_a_snapshot(void **state)
{
    struct fixture *f = *state;

    begin(f);
    feed_as(f, with_snapshot(11, versions, 2, STATE), EC_STATEMENT_READ_SNAPSHOT);
    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    assert_int_equal(f->execution.expected[0].version, 5);
    assert_int_equal(f->execution.expected[1].version, 4);
    assert_memory_equal(folded, "9 ", 2);
    assert_non_null(strstr(folded, "noted"));
    feed_appended_event(f, 6);
    assert_done(f, EC_OK); /* two events are not enough to save */
    assert_int_equal(ec_outcome_folded(f->outcome), 2);
    assert_string_equal(ec_outcome_snapshot_problem(f->outcome), "");
    assert_int_equal(tally_loaded, 1);
    assert_int_equal(tally_saved, 0);
}

static void test_nothing_behind_the_snapshot(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_READ_SNAPSHOT);

    begin(f);
    reply_stream(result, "t", 4);
    reply_stream(result, "b", 3);
    reply_snapshot(result, 10, versions, 2, STATE);
    feed_as(f, result, EC_STATEMENT_READ_SNAPSHOT);
    assert_string_equal(folded, "7 1 noted");
    assert_int_equal(f->execution.expected[0].version, 4);
}

static void test_snapshots_that_do_not_fit(void **state)
{
    static const int64_t higher[] = {4, 5}, three[] = {4, 3, 0};
    static const struct {
        int64_t position;
        const int64_t *versions;
        int count;
        const char *state;
        ec_status load;
        const char *problem;
    } cases[] = {
        {10, versions, 2, STATE, EC_OK, "an event behind the snapshot stands before one in it"},
        {11, higher, 2, STATE, EC_OK, "a stream is at a lower version than in the snapshot"},
        {11, three, 3, STATE, EC_OK, "the snapshot is of another number of streams"},
        {11, versions, 1, STATE, EC_OK, "the snapshot is of another number of streams"},
        {11, versions, 2, "{\"count\":", EC_OK, "unexpected token near end of file"},
        {11, versions, 2, "{\"count\":1}", EC_OK, "Object item not found: hash"},
        {11, versions, 2, STATE, EC_FAILED, "a callback failed for a reason of its own"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tally_load_status = cases[i].load;
        begin(f);
        feed_as(f,
                with_snapshot(cases[i].position, cases[i].versions, cases[i].count, cases[i].state),
                EC_STATEMENT_READ_SNAPSHOT);
        feed_whole(f);
        assert_string_equal(ec_outcome_snapshot_problem(f->outcome), cases[i].problem);
        assert_memory_equal(folded, "4 ", 2);
        assert_int_equal(ec_outcome_attempts(f->outcome), 1);
        assert_int_equal(f->execution.expected[0].version, 4);
        assert_int_equal(f->execution.expected[1].version, 0);
        feed_appended_event(f, 5);
        assert_int_equal(f->execution.step, EC_STEP_SAVE); /* a better one */
        assert_int_equal(f->execution.last_position, 4);
        ec_execution_rows(&f->execution, NULL);
        assert_done(f, EC_OK);
        ec_execution_free(&f->execution);
        ec_outcome_prepare(&f->outcome);
    }
}

/* ------------------------------------------------------------------ saving */

static void assert_array(const ec_call *call, int parameter, const int64_t *expected, size_t count)
{
    ec_arena memory = {NULL};
    ec_failure failure = {.status = EC_OK};
    int64_t *numbers;
    size_t found;

    assert_int_equal(ec_decode_bigints(call->values[parameter], (size_t)call->lengths[parameter],
                                       &numbers, &found, &memory, &failure),
                     EC_OK);
    assert_int_equal(found, count);
    assert_memory_equal(numbers, expected, count * sizeof *expected);
    ec_arena_free(&memory);
}

/* The state as it was read, at the versions and the position it was read at. */
static void test_saves_what_was_read(void **state)
{
    static const int64_t read[] = {4, 0};
    struct fixture *f = *state;
    ec_arena memory = {NULL};
    ec_call call;
    PGresult *result = reply_begin(EC_STATEMENT_READ_SNAPSHOT);

    begin(f);
    for (int i = 1; i <= 4; i++)
        add(result, "t", i, i * 2, 4);
    reply_stream(result, "b", 0);
    feed_as(f, result, EC_STATEMENT_READ_SNAPSHOT);
    assert_int_equal(tally_saved, 0); /* not before the commit */
    feed_appended_event(f, 5);
    assert_int_equal(f->execution.step, EC_STEP_SAVE);
    assert_int_equal(ec_outcome_status(f->outcome), EC_OK);
    assert_int_equal(ec_outcome_event_count(f->outcome), 1);
    call = sent(f, EC_STATEMENT_SAVE_SNAPSHOT, &memory);
    assert_string_equal(call.values[2], "tally");
    assert_int_equal(ec_get_int64(call.values[3]), 1);
    assert_string_equal(call.values[4], "0;1;");
    assert_array(&call, 5, read, 2);
    assert_int_equal(ec_get_int64(call.values[6]), 8);
    assert_memory_equal(call.values[7], "{\"count\":4,", 11);
    ec_arena_free(&memory);
    ec_execution_rows(&f->execution, NULL);
    assert_done(f, EC_OK);
}

static void feed_first_read(struct fixture *f, int count)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_SNAPSHOT);

    begin(f);
    for (int i = 1; i <= count; i++)
        add(result, "t", i, i, count);
    if (count == 0)
        reply_stream(result, "t", 0);
    reply_stream(result, "b", 0);
    feed_as(f, result, EC_STATEMENT_READ_SNAPSHOT);
}

static void test_when_it_is_saved(void **state)
{
    struct fixture *f = *state;

    command.amount = 0;
    feed_first_read(f, 2);
    assert_done(f, EC_OK); /* too few events */
    ec_execution_free(&f->execution);
    feed_first_read(f, 3); /* nothing is appended */
    assert_int_equal(f->execution.step, EC_STEP_SAVE);
    ec_execution_rows(&f->execution, NULL);
    assert_done(f, EC_OK);
    ec_execution_free(&f->execution);
    command.rejects = true;
    feed_first_read(f, 3);
    assert_int_equal(f->execution.step, EC_STEP_SAVE);
    ec_execution_rows(&f->execution, NULL);
    assert_done(f, EC_REJECTED);
    assert_string_equal(ec_outcome_rejection_code(f->outcome), "rejected");
}

static void test_when_it_is_not_saved(void **state)
{
    struct fixture *f = *state;

    feed_first_read(f, 3);
    feed_failure(f, EC_SERVER_ERROR, "XX000", false);
    assert_done(f, EC_SERVER_ERROR);
    ec_execution_free(&f->execution);
    tally_save_status = EC_FAILED;
    feed_first_read(f, 3);
    feed_appended_event(f, 4);
    assert_done(f, EC_OK);
    assert_string_equal(ec_outcome_snapshot_problem(f->outcome),
                        "a callback failed for a reason of its own");
}

/* What goes wrong in saving does not concern the command. */
static void test_saving_fails(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 2; i++) {
        feed_first_read(f, 3);
        feed_appended_event(f, 4);
        feed_failure(f, i == 0 ? EC_CONNECTION_LOST : EC_TIMEOUT, "", true);
        assert_done(f, EC_OK);
        assert_int_equal(ec_outcome_attempts(f->outcome), 1);
        assert_false(ec_outcome_in_doubt(f->outcome));
        assert_string_equal(ec_outcome_snapshot_problem(f->outcome), "made to fail");
        ec_execution_free(&f->execution);
        ec_outcome_prepare(&f->outcome);
    }
}

/* After a conflict the next try starts from the snapshot again. */
static void test_conflict(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_TRY_APPEND);

    begin(f);
    feed_as(f, with_snapshot(11, versions, 2, STATE), EC_STATEMENT_READ_SNAPSHOT);
    reply_conflict(result, "t", 5, 6);
    feed_as(f, result, EC_STATEMENT_TRY_APPEND);
    resume(f);
    feed_as(f, with_snapshot(11, versions, 2, STATE), EC_STATEMENT_READ_SNAPSHOT);
    feed_appended_event(f, 6);
    assert_done(f, EC_OK);
    assert_int_equal(tally_loaded, 2);
    assert_int_equal(ec_outcome_folded(f->outcome), 2);
}

/* ------------------------------------------------------------------ discovery, locks, mistakes */

/* What is discovered may have events between those in the snapshot. */
static void test_discovery(void **state)
{
    struct fixture *f = *state;
    PGresult *result;

    command.discover = "d";
    begin(f);
    feed_as(f, with_snapshot(11, versions, 2, STATE), EC_STATEMENT_READ_SNAPSHOT);
    assert_int_equal(f->execution.step, EC_STEP_READ);
    result = reply_begin(EC_STATEMENT_READ_STREAMS);
    add(result, "t", 1, 1, 1);
    add(result, "d", 1, 2, 2);
    add(result, "d", 2, 3, 2);
    reply_stream(result, "b", 0);
    feed_as(f, result, EC_STATEMENT_READ_STREAMS);
    assert_memory_equal(folded, "3 ", 2);
    feed_appended_event(f, 2);
    assert_done(f, EC_OK); /* and is not in the next one's key */
    assert_int_equal(tally_saved, 0);
}

static void test_discovery_without_a_snapshot(void **state)
{
    struct fixture *f = *state;
    PGresult *result;

    command.discover = "d";
    feed_first_read(f, 4);
    assert_int_equal(f->execution.step, EC_STEP_READ);
    result = reply_begin(EC_STATEMENT_READ_STREAMS); /* only what is behind */
    add(result, "d", 1, 5, 1);
    reply_stream(result, "t", 4);
    reply_stream(result, "b", 0);
    feed_as(f, result, EC_STATEMENT_READ_STREAMS);
    assert_memory_equal(folded, "5 ", 2);
    feed_appended_event(f, 5);
    assert_done(f, EC_OK);
    assert_int_equal(tally_saved, 0);
}

static void assert_trip(const struct fixture *f, const ec_statement *expected, size_t count)
{
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    ec_round_trip trip;

    assert_int_equal(ec_execution_encode(&f->execution, &trip, &memory, &failure), EC_OK);
    assert_int_equal(trip.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(trip.calls[i].statement, expected[i]);
    ec_arena_free(&memory);
}

/* A locked attempt that reads anew locks anew, and one that saves is not in its transaction. */
static void test_locked(void **state)
{
    static const ec_statement first[] = {EC_STATEMENT_BEGIN, EC_STATEMENT_LOCK_STREAMS,
                                         EC_STATEMENT_READ_SNAPSHOT};
    static const ec_statement second[] = {EC_STATEMENT_ROLLBACK, EC_STATEMENT_BEGIN,
                                          EC_STATEMENT_LOCK_STREAMS, EC_STATEMENT_READ_STREAMS};
    static const ec_statement save[] = {EC_STATEMENT_ROLLBACK, EC_STATEMENT_SAVE_SNAPSHOT};
    struct fixture *f = *state;

    f->options.lock_after = 0;
    command.amount = 0;
    begin(f);
    assert_trip(f, first, 3);
    feed_as(f, with_snapshot(1, versions, 2, STATE), EC_STATEMENT_READ_SNAPSHOT);
    assert_trip(f, second, 4);
    feed_whole(f);
    assert_int_equal(f->execution.step, EC_STEP_SAVE);
    assert_trip(f, save, 2);
}

static void test_snapshots_of_something_else(void **state)
{
    struct fixture *f = *state;
    ec_snapshots snapshots = tally_snapshots;

    f->options.snapshots = &snapshots;
    snapshots.state_size++;
    begin(f);
    assert_done(f, EC_INVALID_ARGUMENT);
    assert_message(f, "the snapshots tally are of a state of 25 bytes, that of tally has 24");
    ec_execution_free(&f->execution);
    snapshots = tally_snapshots;
    snapshots.every = 0;
    begin(f);
    assert_done(f, EC_INVALID_ARGUMENT);
    ec_execution_free(&f->execution);
    snapshots = tally_snapshots;
    snapshots.deserialise = NULL;
    begin(f);
    assert_done(f, EC_INVALID_ARGUMENT);
    assert_message(f, "the snapshots of tally are not initialised");
}

/* Who plays which part belongs to what a snapshot is of. */
static void test_arrangements(void **state)
{
    static const char *const two[] = {"x", "t"};
    static const struct {
        tally_streams streams;
        const char *arrangement;
    } cases[] = {
        {{"t", "b", EC_NO_IDS}, "0;1;"}, {{"t", NULL, EC_NO_IDS}, "0;;"},
        {{"t", "t", EC_NO_IDS}, "0;0;"}, {{"t", "b", {two, 2}}, "0;1;2,0"},
        {{"t", NULL, {two, 1}}, "0;;1"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_arena memory = {NULL};

        ec_execution_start(&f->execution, &tally_definition, &cases[i].streams, &command,
                           &f->options, NULL, f->outcome);
        assert_string_equal(sent(f, EC_STATEMENT_READ_SNAPSHOT, &memory).values[4],
                            cases[i].arrangement);
        ec_arena_free(&memory);
        ec_execution_free(&f->execution);
    }
}

/* ------------------------------------------------------------------ what the server may answer */

static void test_malformed_snapshots(void **state)
{
    static const struct {
        int column;
        const char *bytes;
        int size;
    } cases[] = {
        {2, "1234567", 7},
        {11, "", 0},
        {11, NULL, 0},
        {11, "\0\0\0\1\0\0\0\0\0\0\0\24\0\0\0\1\0\0\0\1", 20},
        {11, "\0\0\0\1\0\0\0\0\0\0\0\24\0\0\0\1\0\0\0\1\0\0\0\7\0\0\0\0\0\0\0\0", 32},
        {11, "\0\0\0\1\0\0\0\0\0\0\0\27\0\0\0\1\0\0\0\1\0\0\0\10\0\0\0\0\0\0\0\0", 32},
        {11, "\0\0\0\2\0\0\0\0\0\0\0\24\0\0\0\1\0\0\0\1\0\0\0\10\0\0\0\0\0\0\0\0", 32},
        {11, "\0\0\0\1\0\0\0\1\0\0\0\24\0\0\0\1\0\0\0\1\0\0\0\10\0\0\0\0\0\0\0\0", 32},
        {11, "\0\0\0\1\0\0\0\0\0\0\0\24\377\377\377\377\0\0\0\1\0\0\0\10\0\0\0\0\0\0\0\0", 32},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_failure failure = {.status = EC_OK};
        PGresult *result = with_snapshot(11, versions, 2, STATE);
        ec_events *rows;

        reply_bytes(result, 2, cases[i].column, cases[i].bytes, cases[i].size);
        assert_int_equal(ec_rows_decode(&rows, result, EC_STATEMENT_READ_SNAPSHOT, &failure),
                         EC_PROTOCOL_ERROR);
        ec_failure_clear(&failure);
    }
}

/* ------------------------------------------------------------------ with a server */

struct tally_server {
    struct server *server;
    tally_streams streams;
    ec_execute_options options;
};

static struct tally_server on(struct server *s)
{
    struct tally_server t = {.server = s,
                             .streams = {.target = s->b, .base = NULL, .others = EC_NO_IDS},
                             .options = EC_EXECUTE_OPTIONS_INIT};

    tally_saved = tally_loaded = 0;
    tally_load_status = tally_save_status = EC_OK;
    command = (struct tally){.amount = 5, .folded = folded};
    t.options.snapshots = &tally_snapshots;
    return t;
}

static void execute(struct tally_server *t)
{
    struct server *s = t->server;

    assert_ok(s->connection,
              tally_execute_with(s->connection, &t->streams, &command, &t->options, &s->outcome));
    assert_string_equal(ec_outcome_snapshot_problem(s->outcome), "");
}

static long long saved_version(const struct server *s, const char *stream_id)
{
    return run_sql(s->sql,
                   "SELECT coalesce(max(versions[1]), 0) FROM eventcore.snapshots"
                   " WHERE stream_ids[1] = '%s'",
                   stream_id);
}

static void test_with_a_server(void **state)
{
    struct server *s = *state;
    struct tally_server t = on(s);

    for (int i = 0; i < 10; i++)
        execute(&t);
    assert_int_equal(version_of(s->sql, s->b), 10);
    assert_int_equal(saved_version(s, s->b), 9); /* at 3, 6 and 9 events read */
    assert_int_equal(tally_saved, 3);
    assert_int_equal(tally_loaded, 6);
    execute(&t);
    assert_int_equal(ec_outcome_folded(s->outcome), 1);
    assert_memory_equal(folded, "10 ", 3);
    t.options.lock_after = 0;
    for (int i = 0; i < 3; i++)
        execute(&t);
    assert_int_equal(saved_version(s, s->b), 12);
    command.amount = 0; /* in a transaction that is rolled back */
    for (int i = 0; i < 3; i++)
        deposit(s->sql, s->a, 1); /* another stream is another snapshot */
    execute(&t);
    assert_int_equal(saved_version(s, s->b), 12);
    assert_int_equal(saved_version(s, s->a), 0);
}

static void test_locked_without_events(void **state)
{
    struct server *s = *state;
    struct tally_server t = on(s);

    for (int i = 0; i < 4; i++)
        run_sql(s->sql,
                "SELECT version FROM eventcore.append('%s', -1, 'Counted', '{\"amount\": 1}')",
                s->b);
    command.amount = 0;
    t.options.lock_after = 0;
    execute(&t);
    assert_int_equal(saved_version(s, s->b), 4);
}

/* The same streams in other places, and another schema version, are another state. */
static void test_other_places(void **state)
{
    struct server *s = *state;
    struct tally_server t = on(s);
    ec_snapshots second = tally_snapshots;
    const char *others[] = {s->limits};

    t.streams.base = s->limits;
    for (int i = 0; i < 4; i++)
        execute(&t);
    t.streams.base = NULL;
    t.streams.others = (ec_ids){others, 1};
    execute(&t);
    assert_int_equal(tally_loaded, 0);
    assert_int_equal(ec_outcome_folded(s->outcome), 4);
    second.schema_version = 2;
    t.options.snapshots = &second;
    execute(&t);
    assert_int_equal(tally_loaded, 0);
    t.options.snapshots = &tally_snapshots;
    execute(&t);
    assert_int_equal(tally_loaded, 1);
    assert_int_equal(run_sql(s->sql,
                             "SELECT count(*) FROM eventcore.snapshots WHERE stream_ids[1] = '%s'",
                             s->b),
                     3);
}

/* An event that becomes visible late, before others that are in the snapshot. */
static void test_late_event(void **state)
{
    struct server *s = *state;
    struct tally_server t = on(s);
    PGconn *late = PQconnectdb("");

#define COUNT(sql, stream)                                                                         \
    run_sql(sql, "SELECT version FROM eventcore.append('%s', -1, 'Counted', '{\"amount\": 7}')",   \
            stream)
    t.streams.base = s->limits;
    command.amount = 0; /* an append would wait for the late one */
    run_sql(late, "BEGIN");
    COUNT(late, s->limits);
    for (int i = 0; i < 3; i++)
        COUNT(s->sql, s->b);
    execute(&t);
    assert_int_equal(saved_version(s, s->b), 3);
    run_sql(late, "COMMIT");
    PQfinish(late);
    assert_ok(s->connection,
              tally_execute_with(s->connection, &t.streams, &command, &t.options, &s->outcome));
    assert_string_equal(ec_outcome_snapshot_problem(s->outcome),
                        "an event behind the snapshot stands before one in it");
    assert_int_equal(ec_outcome_attempts(s->outcome), 1);
    assert_int_equal(ec_outcome_folded(s->outcome), 4);
    COUNT(s->sql, s->b);
    execute(&t); /* what was saved then stands for it, too */
    assert_int_equal(ec_outcome_folded(s->outcome), 1);
    assert_memory_equal(folded, "5 ", 2);
}

/* An older snapshot does not replace a newer one. */
static void test_never_backwards(void **state)
{
    struct server *s = *state;

#define SAVE(versions, state)                                                                      \
    run_sql(s->sql,                                                                                \
            "SELECT eventcore.save_snapshot('n', 1, '{%s,%s}', '{" versions "}', 9, '" state       \
            "')::int",                                                                             \
            s->a, s->b)
#define STATE_IS(expected)                                                                         \
    assert_int_equal(run_sql(s->sql,                                                               \
                             "SELECT (state = '" expected "')::int"                                \
                             " FROM eventcore.read_snapshot('n', 1, '{%s,%s}')",                   \
                             s->a, s->b),                                                          \
                     1)
    assert_int_equal(SAVE("3,4", "first"), 1);
    assert_int_equal(SAVE("3,3", "older"), 0);
    STATE_IS("first");
    assert_int_equal(SAVE("3,4", "again"), 1);
    STATE_IS("again");
    assert_int_equal(SAVE("3,5", "newer"), 1);
    STATE_IS("newer");
}

/* Whoever may not save is not held up by that. */
static void test_saving_is_refused(void **state)
{
    struct server *s = *state;
    struct tally_server t = on(s);

    for (int i = 0; i < 3; i++)
        execute(&t);
    run_sql(s->sql, "ALTER FUNCTION eventcore.save_snapshot RENAME TO gone");
    assert_ok(s->connection,
              tally_execute_with(s->connection, &t.streams, &command, &t.options, &s->outcome));
    run_sql(s->sql, "ALTER FUNCTION eventcore.gone RENAME TO save_snapshot");
    assert_non_null(strstr(ec_outcome_snapshot_problem(s->outcome), "does not exist"));
    assert_int_equal(ec_error_status(s->connection), EC_OK);
    assert_int_equal(version_of(s->sql, s->b), 4);
    execute(&t);
    assert_int_equal(saved_version(s, s->b), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MACHINE_TEST(test_starts_from_a_snapshot),
        MACHINE_TEST(test_nothing_behind_the_snapshot),
        MACHINE_TEST(test_snapshots_that_do_not_fit),
        MACHINE_TEST(test_saves_what_was_read),
        MACHINE_TEST(test_when_it_is_saved),
        MACHINE_TEST(test_when_it_is_not_saved),
        MACHINE_TEST(test_saving_fails),
        MACHINE_TEST(test_conflict),
        MACHINE_TEST(test_discovery),
        MACHINE_TEST(test_discovery_without_a_snapshot),
        MACHINE_TEST(test_locked),
        MACHINE_TEST(test_snapshots_of_something_else),
        MACHINE_TEST(test_arrangements),
        cmocka_unit_test(test_malformed_snapshots),
        SERVER_TEST(test_with_a_server),
        SERVER_TEST(test_locked_without_events),
        SERVER_TEST(test_other_places),
        SERVER_TEST(test_late_event),
        SERVER_TEST(test_never_backwards),
        SERVER_TEST(test_saving_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
