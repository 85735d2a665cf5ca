/*
 * test_execution_kept.c: what an attempt has read is not read again by the next one, and makes no
 * difference to it; no server.
 */
#include "machine.h"

enum { MOST_EVENTS = 40, STREAMS = 3, MOST_ATTEMPTS = 30 };

static const char *const ids[STREAMS] = {"a", "b", "found"};

struct tally {
    bool discovers; /* "found", as soon as there are two events */
    size_t count;
    int64_t positions[MOST_EVENTS]; /* of the events that the handler decided on */
};

struct folded {
    size_t count;
    int64_t positions[MOST_EVENTS];
};

#define TALLY_EVENTS(list, type) type(list, noted, "Noted")
EC_EVENTS(tallied, TALLY_EVENTS);

#define TALLY_STREAMS(command, stream)                                                             \
    stream(command, writes, first) stream(command, reads_many, others)
EC_RESOLVING_COMMAND(tally, TALLY_STREAMS, tallied, struct tally, struct folded);

static ec_status tally_apply(const struct tally *tally, struct folded *state, tallied_kind kind,
                             const ec_event *event)
{
    long long number;

    (void)tally, (void)kind;
    assert_int_equal(ec_event_unpack(event, "{s:I}", "number", &number), EC_OK);
    assert_int_equal(number, ec_event_position(event));
    assert_true(EC_FROM(event, tally_first) != EC_FROM(event, tally_others));
    state->positions[state->count++] = ec_event_position(event);
    return EC_OK;
}

static ec_status tally_resolve(const struct tally *tally, const struct folded *state,
                               tally_resolution resolution)
{
    return tally->discovers && state->count >= 2
               ? tally_discover_read(resolution, tally_others, ids[2], NULL)
               : EC_OK;
}

static ec_status tally_handle(const struct tally *given, const struct folded *state,
                              tally_context ctx)
{
    struct tally *tally = (struct tally *)(uintptr_t)given;

    tally->count = state->count;
    memcpy(tally->positions, state->positions, sizeof state->positions);
    return tally_record(ctx, tally_first, tallied_noted, "{s:i}", "number", 0);
}

/* ------------------------------------------------------------------ a log that others write */

/* Events stand in the log in one order and become visible in another, but stream by stream. */
struct log {
    int streams[MOST_EVENTS]; /* of each event, by position */
    int visible[STREAMS];
};

static void make_log(struct log *log)
{
    *log = (struct log){.visible = {0}};
    for (int i = 0; i < MOST_EVENTS; i++)
        log->streams[i] = rand() % STREAMS;
}

static int length_of(const struct log *log, int stream)
{
    int length = 0;

    for (int i = 0; i < MOST_EVENTS; i++)
        length += log->streams[i] == stream;
    return length;
}

static void append_some(struct log *log)
{
    for (int i = 0; i < STREAMS; i++) {
        int more = log->visible[i] + rand() % 4;

        log->visible[i] = more < length_of(log, i) ? more : length_of(log, i);
    }
}

/* Answer the read as the server does; count the events in the answer. */
static int answer_read(struct fixture *f, const struct log *log)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);
    const ec_stream_set *streams = &f->execution.streams;
    int version[STREAMS] = {0}, count = 0;
    bool answered[STREAMS] = {false};
    char data[30];

    for (int i = 0; i < MOST_EVENTS; i++) {
        int number = log->streams[i];
        const ec_stream *stream = ec_streams_find(streams, ids[number]);

        version[number]++;
        if (stream == NULL || version[number] > log->visible[number] ||
            version[number] <= stream->version)
            continue;
        snprintf(data, sizeof data, "{\"number\": %d}", i + 1);
        reply_event(result, ids[number], version[number], i + 1, "Noted", data,
                    log->visible[number]);
        answered[number] = true;
        count++;
    }
    for (int i = 0; i < STREAMS; i++)
        if (!answered[i] && ec_streams_find(streams, ids[i]) != NULL)
            reply_stream(result, ids[i], log->visible[i]);
    feed(f, result);
    return count;
}

static void assert_decided_on_all(const struct fixture *f, const struct log *log,
                                  const struct tally *tally)
{
    int version[STREAMS] = {0};
    size_t count = 0;

    for (int i = 0; i < MOST_EVENTS; i++)
        if (version[log->streams[i]]++ < log->visible[log->streams[i]] &&
            ec_streams_find(&f->execution.streams, ids[log->streams[i]]) != NULL) {
            assert_true(count < tally->count);
            assert_int_equal(tally->positions[count++], i + 1);
        }
    assert_int_equal(count, tally->count);
    for (size_t i = 0; i < f->execution.expected_count; i++)
        for (int j = 0; j < STREAMS; j++)
            if (strcmp(f->execution.expected[i].stream_id, ids[j]) == 0)
                assert_int_equal(f->execution.expected[i].version, log->visible[j]);
}

static void start_tally(struct fixture *f, struct tally *tally)
{
    tally_streams streams = {.first = "a", .others = {(const char *const[]){"b"}, 1}};

    ec_execution_free(&f->execution);
    assert_non_null(ec_outcome_prepare(&f->outcome));
    ec_execution_start(&f->execution, &tally_definition, &streams, tally, &f->options, NULL,
                       f->outcome);
}

static int64_t known(const struct fixture *f, const char *id)
{
    return ec_streams_find(&f->execution.streams, id)->version;
}

static void lose(struct fixture *f, const struct log *log, int how)
{
    PGresult *result = reply_begin(EC_STATEMENT_TRY_APPEND);

    assert_int_equal(f->execution.step, EC_STEP_APPEND);
    if (how == 0) {
        reply_conflict(result, "a", log->visible[0], log->visible[0] + 1);
        feed(f, result);
    } else {
        PQclear(result);
        feed_failure(f, EC_SERVER_ERROR, how == 1 ? "40001" : "53200", false);
    }
    resume(f);
}

/* ------------------------------------------------------------------ tests */

/* Each decision is that of somebody who reads everything, however the attempts before it ended. */
static void test_decides_as_if_all_were_read(void **state)
{
    struct fixture *f = *state;
    int kept = 0;

    srand(1);
    f->options.max_attempts = MOST_ATTEMPTS + 1;
    for (int round = 0; round < 500; round++) {
        struct tally tally = {.discovers = round % 2};
        struct log log;

        make_log(&log);
        f->options.lock_after = rand() % 5 - 1;
        start_tally(f, &tally);
        for (int attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
            if (rand() % 8 == 0) { /* also before anything is read */
                feed_failure(f, EC_SERVER_ERROR, rand() % 2 == 0 ? "40P01" : "53200", false);
                resume(f);
                continue;
            }
            kept += known(f, "a") > 0;
            do {
                append_some(&log);
                answer_read(f, &log);
            } while (f->execution.step == EC_STEP_READ);
            assert_decided_on_all(f, &log, &tally);
            lose(f, &log, rand() % 3);
        }
    }
    assert_in_range(kept, 1000, 500 * MOST_ATTEMPTS);
}

/* Whoever lost a race asks for what is new; up to a number of replies, and then for everything. */
static void test_reads_only_what_is_new(void **state)
{
    struct fixture *f = *state;
    struct tally tally = {.discovers = false};
    struct log log = {.streams = {0}, .visible = {5, 0, 0}};

    f->options.lock_after = 3;
    f->options.max_attempts = 100;
    start_tally(f, &tally);
    assert_int_equal(answer_read(f, &log), 5);
    for (int i = 1; i < 25; i++) {
        lose(f, &log, i % 2);
        assert_int_equal(known(f, "a"), i % 11 == 0 ? 0 : 4 + i);
        log.visible[0]++;
        assert_int_equal(answer_read(f, &log), i % 11 == 0 ? 5 + i : 1);
        assert_decided_on_all(f, &log, &tally);
    }
}

static void assert_reads_everything(struct fixture *f, const struct log *log)
{
    assert_int_equal(f->execution.step, EC_STEP_READ);
    assert_int_equal(known(f, "a"), 0);
    assert_int_equal(answer_read(f, log), log->visible[0]);
}

/* The server may be another one: it need not have all that the one before had. */
static void test_reads_everything_from_another_server(void **state)
{
    struct fixture *f = *state;
    struct tally tally = {.discovers = false};
    struct log log = {.streams = {0}, .visible = {5, 0, 0}};
    PGresult *result;

    start_tally(f, &tally);
    answer_read(f, &log);
    lose(f, &log, 0);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    assert_reads_everything(f, &log);
    feed_failure(f, EC_CONNECTION_LOST, "", true);
    resume(f);
    lose(f, &log, 0); /* the repeated append */
    assert_reads_everything(f, &log);

    result = reply_begin(EC_STATEMENT_TRY_APPEND);
    reply_conflict(result, "a", 5, 3);
    feed(f, result);
    resume(f);
    log.visible[0] = 3;
    assert_reads_everything(f, &log);
}

/* Where replies do not last. */
static void test_reads_everything_if_told_so(void **state)
{
    struct fixture *f = *state;
    struct tally tally = {.discovers = false};
    struct log log = {.streams = {0}, .visible = {5, 0, 0}};

    start_tally(f, &tally);
    f->execution.fleeting = true;
    answer_read(f, &log);
    for (int i = 0; i < 3; i++) {
        lose(f, &log, 0);
        assert_reads_everything(f, &log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decides_as_if_all_were_read),
        TEST(test_reads_only_what_is_new),
        TEST(test_reads_everything_from_another_server),
        TEST(test_reads_everything_if_told_so),
    };

    return cmocka_run_group_tests_name("kept replies", tests, NULL, NULL);
}
