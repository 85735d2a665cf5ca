/*
 * test_iterator.c: reading on in chunks: the same events as in one read, whatever happens between.
 *
 * Each test has a store of its own, so that nothing else stands in its log.
 */
#include <malloc.h>

#include "server.h"

struct fixture {
    ec_connection *connection;
    PGconn *sql;
    ec_iterator *iterator;
    char store[64];
};

static int setup(void **state)
{
    ec_connect_options options = EC_CONNECT_OPTIONS_INIT;
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    f->sql = PQconnectdb("options='-c client_min_messages=warning'");
    run_sql(f->sql, "CREATE EXTENSION IF NOT EXISTS eventcore");
    unique_id(f->store, "store");
    run_sql(f->sql, "SELECT eventcore.create_store('%s')", f->store);
    options.store = f->store;
    assert_ok(f->connection, ec_connect(&f->connection, NULL, &options));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ec_close(f->connection);
    ec_iterator_free(f->iterator); /* which may outlive its connection */
    PQfinish(f->sql);
    free(f);
    return 0;
}

#define ITERATOR_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void append(PGconn *sql, const struct fixture *f, const char *stream_id)
{
    run_sql(sql, "SELECT version FROM eventcore.append('%s', -1, 'T', '{}', store => '%s')",
            stream_id, f->store);
}

/* Streams of three categories, events of three types, some correlated: `count` in all. */
static void append_mixture(struct fixture *f, int count)
{
    run_sql(
        f->sql,
        "SELECT count(version) FROM generate_series(1, %d) AS i,"
        " eventcore.append((ARRAY['account', 'order', 'order_line'])[1 + i %% 3] || '-' || i %% 7,"
        " -1, (ARRAY['A', 'B', 'C'])[1 + i %% 4 %% 3], '{}',"
        " CASE i %% 5 WHEN 0 THEN '{\"correlation_id\": \"c\"}'::jsonb END, store => '%s')",
        count, f->store);
}

static void iterate_log(struct fixture *f, const ec_log_options *options)
{
    ec_iterator_free(f->iterator);
    assert_ok(f->connection, ec_iterate_log(f->connection, options, &f->iterator));
}

static void iterate_stream(struct fixture *f, const char *stream_id, const ec_read_options *options)
{
    ec_iterator_free(f->iterator);
    assert_ok(f->connection, ec_iterate_stream(f->connection, stream_id, options, &f->iterator));
}

static const ec_event *next(struct fixture *f)
{
    const ec_event *event;

    assert_ok(f->connection, ec_iterator_next(f->iterator, &event));
    return event;
}

/* All that the iterator gives, as SQL prints it. */
static void assert_gives(struct fixture *f, const char *expected)
{
    char found[5000] = "";
    const ec_event *event;

    for (size_t used = 0; (event = next(f)) != NULL;)
        used += (size_t)snprintf(found + used, sizeof found - used, "%s/%lld@%lld ",
                                 ec_event_stream_id(event), (long long)ec_event_version(event),
                                 (long long)ec_event_position(event));
    assert_string_equal(found, expected);
}

/* As assert_gives(), for the rows of a function of SQL. */
static void assert_gives_as(struct fixture *f, const char *function, const char *arguments,
                            bool not_empty)
{
    char query[1000];
    PGresult *result;

    snprintf(query, sizeof query,
             "SELECT coalesce(string_agg(format('%%s/%%s@%%s ', stream_id, version,"
             " global_position), '' ORDER BY number), '')"
             " FROM eventcore.%s(%s%sstore => '%s') WITH ORDINALITY AS e(stream_id, version,"
             " global_position, event_id, type, data, payload, metadata, recorded_at, number)",
             function, arguments, *arguments == '\0' ? "" : ", ", f->store);
    result = PQexec(f->sql, query);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(f->sql));
    assert_int_equal(*PQgetvalue(result, 0, 0) != '\0', not_empty);
    assert_gives(f, PQgetvalue(result, 0, 0));
    PQclear(result);
}

/* ------------------------------------------------------------------ what is read */

static void test_filters(void **state)
{
    static const char *const types[] = {"A", "C"};
    const struct {
        const char *sql;
        ec_log_options options;
        bool gives_nothing;
    } cases[] = {
        {"max_count => NULL", {.chunk_size = 1000}, false},
        {"types => ARRAY['A', 'C']", {.types = types, .type_count = 2}, false},
        {"category => 'order'", {.category = "order"}, false},
        {"category => 'nothing'", {.category = "nothing"}, true},
        {"prefix => 'order'", {.prefix = "order"}, false},
        {"pattern => '*r*-[!2-5]'", {.pattern = "*r*-[!2-5]"}, false},
        {"correlation_id => 'c'", {.correlation_id = "c"}, false},
        {"backward => true", {.backward = true}, false},
        {"member => 0, group_size => 3", {.member = 0, .group_size = 3}, false},
        {"member => 2, group_size => 3", {.member = 2, .group_size = 3}, false},
        {"max_count => 8, types => ARRAY['A'], prefix => 'order', backward => true",
         {.max_count = 8, .types = types, .type_count = 1, .prefix = "order", .backward = true},
         false},
        {"types => ARRAY['A', 'C'], category => 'order', prefix => 'order-', pattern => '*-?',"
         " correlation_id => 'c', member => 1, group_size => 2",
         {.types = types,
          .type_count = 2,
          .category = "order",
          .prefix = "order-",
          .pattern = "*-?",
          .correlation_id = "c",
          .member = 1,
          .group_size = 2},
         false},
    };
    struct fixture *f = *state;

    append_mixture(f, 120);
    iterate_log(f, NULL);
    assert_gives_as(f, "read_all", "", true);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_log_options options = cases[i].options;

        options.struct_size = sizeof options;
        if (options.chunk_size == 0)
            options.chunk_size = 3;
        iterate_log(f, &options);
        assert_gives_as(f, "read_all", cases[i].sql, !cases[i].gives_nothing);
    }
}

/* Whether the last chunk is full or not, and the limit inside of one or between two. */
static void test_chunks(void **state)
{
    enum { EVENTS = 7, SIZES = EVENTS + 2, CASES = SIZES * SIZES * 4 };
    struct fixture *f = *state;
    long long middle;

    for (int i = 0; i < EVENTS; i++)
        append(f->sql, f, "a-1");
    middle = run_sql(f->sql,
                     "SELECT global_position FROM eventcore.events"
                     " WHERE store = '%s' AND version = 4",
                     f->store);
    for (int i = 0; i < CASES; i++) {
        bool from_middle = i % 2 == 1, backward = i / 2 % 2 == 1;
        int chunk_size = 1 + i / 4 % SIZES, max_count = i / 4 / SIZES;
        ec_log_options log = {.struct_size = sizeof log,
                              .after = from_middle ? middle : 0,
                              .max_count = max_count,
                              .backward = backward,
                              .chunk_size = chunk_size};
        ec_read_options stream = {.struct_size = sizeof stream,
                                  .after_version = from_middle ? 4 : 0,
                                  .max_count = max_count,
                                  .backward = backward,
                                  .chunk_size = chunk_size};
        char arguments[100];

        snprintf(arguments, sizeof arguments,
                 "nullif(%lld, 0), max_count => nullif(%d, 0), backward => %s",
                 (long long)log.after, max_count, backward ? "true" : "false");
        iterate_log(f, &log);
        assert_gives_as(f, "read_all", arguments, true);
        snprintf(arguments, sizeof arguments,
                 "'a-1', nullif(%d, 0), max_count => nullif(%d, 0), backward => %s",
                 from_middle ? 4 : 0, max_count, backward ? "true" : "false");
        iterate_stream(f, "a-1", &stream);
        assert_gives_as(f, "read_stream", arguments, true);
    }
}

/* What one event carries, and what is unpacked from it, until the next call. */
static void test_event(void **state)
{
    struct fixture *f = *state;
    const ec_event *event;
    ec_metadata metadata;
    long long n;

    run_sql(
        f->sql,
        "SELECT count(version) FROM generate_series(1, 3) AS n, eventcore.append('a-1', -1, 'N',"
        " jsonb_build_object('n', n), jsonb_build_object('user_id', 'u' || n), store => '%s')",
        f->store);
    iterate_stream(f, "a-1", NULL);
    for (int i = 1; i <= 3; i++) {
        event = next(f);
        assert_string_equal(ec_event_type(event), "N");
        assert_int_equal(ec_event_unpack(event, "{s:I}", "n", &n), EC_OK);
        assert_int_equal(n, i);
        assert_int_equal(ec_event_read_metadata(event, &metadata), EC_OK);
        assert_int_equal(metadata.user_id[1], '0' + i);
        assert_non_null(ec_event_alloc(event, 10));
    }
    assert_null(next(f));
}

/* ------------------------------------------------------------------ going on */

static void test_end_is_followed_by_more(void **state)
{
    ec_log_options options = EC_LOG_OPTIONS_INIT;
    struct fixture *f = *state;

    options.chunk_size = 2;
    iterate_log(f, &options);
    assert_null(next(f));
    for (int i = 1; i <= 5; i++) { /* chunks that are full, and that are not */
        for (int j = 0; j < i; j++)
            append(f->sql, f, "a-1");
        for (int j = 0; j < i; j++)
            assert_int_equal(ec_event_version(next(f)), i * (i - 1) / 2 + j + 1);
        assert_null(next(f));
    }
}

static void test_end_that_stays(void **state)
{
    ec_read_options options = EC_READ_OPTIONS_INIT;
    struct fixture *f = *state;

    append(f->sql, f, "a-1");
    append(f->sql, f, "a-1");
    for (int i = 0; i < 2; i++) {
        options.backward = i == 0;
        options.max_count = i == 0 ? 0 : 2;
        iterate_stream(f, "a-1", &options);
        assert_int_equal(ec_event_version(next(f)), i == 0 ? 2 : 1);
        assert_int_equal(ec_event_version(next(f)), i == 0 ? 1 : 2);
        for (int j = 0; j < 3; j++) {
            assert_null(next(f));
            append(f->sql, f, "a-1");
        }
    }
}

/* An append that is still open holds back what was committed behind it. */
static void test_open_append_is_not_skipped(void **state)
{
    struct fixture *f = *state;
    PGconn *slow = PQconnectdb("");

    append(f->sql, f, "first-1");
    iterate_log(f, NULL);
    run_sql(slow, "BEGIN");
    append(slow, f, "slow-1");
    append(f->sql, f, "fast-1");
    assert_string_equal(ec_event_stream_id(next(f)), "first-1");
    for (int i = 0; i < 3; i++)
        assert_null(next(f));
    run_sql(slow, "COMMIT");
    assert_string_equal(ec_event_stream_id(next(f)), "slow-1");
    assert_string_equal(ec_event_stream_id(next(f)), "fast-1");
    assert_null(next(f));
    PQfinish(slow);
}

static void test_lost_connection(void **state)
{
    ec_log_options log = EC_LOG_OPTIONS_INIT;
    ec_read_options stream = EC_READ_OPTIONS_INIT;
    struct fixture *f = *state;

    for (int i = 0; i < 10; i++)
        append(f->sql, f, "a-1");
    log.chunk_size = stream.chunk_size = 3;
    for (int way = 0; way < 4; way++) {
        bool backward = way / 2 == 1;

        log.backward = stream.backward = backward;
        if (way % 2 == 0)
            iterate_log(f, &log);
        else
            iterate_stream(f, "a-1", &stream);
        for (int i = 1; i <= 10; i++) {
            assert_int_equal(ec_event_version(next(f)), backward ? 11 - i : i);
            run_sql(f->sql,
                    "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
                    " WHERE pid = %d",
                    backend_of(f->connection));
        }
        assert_null(next(f));
        assert_int_equal(ec_error_status(f->connection), EC_OK);
    }
}

/* The table is locked by somebody when the second chunk is wanted. */
static void test_failure_can_be_retried(void **state)
{
    ec_log_options options = EC_LOG_OPTIONS_INIT;
    struct fixture *f = *state;
    PGconn *other = PQconnectdb("");
    const ec_event *event;

    for (int i = 0; i < 3; i++)
        append(f->sql, f, "a-1");
    options.chunk_size = 1;
    f->connection->options.timeout_ms = 200;
    iterate_log(f, &options);
    assert_int_equal(ec_event_version(next(f)), 1);
    run_sql(other, "BEGIN; LOCK TABLE eventcore.events IN ACCESS EXCLUSIVE MODE");
    for (int i = 0; i < 2; i++) {
        assert_status(f->connection, ec_iterator_next(f->iterator, &event), EC_TIMEOUT);
        assert_null(event);
        assert_int_equal(ec_error_status(f->connection), EC_TIMEOUT);
    }
    run_sql(other, "ROLLBACK");
    PQfinish(other);
    f->connection->options.timeout_ms = 0;
    assert_int_equal(ec_event_version(next(f)), 2);
    assert_int_equal(ec_event_version(next(f)), 3);
    assert_null(next(f));
}

/* The connection is free for other calls, and other iterators, between two events. */
static void test_shared_connection(void **state)
{
    ec_read_options options = EC_READ_OPTIONS_INIT;
    struct fixture *f = *state;
    ec_iterator *log = NULL;
    const ec_event *event;
    ec_events *events;

    append_mixture(f, 20);
    append(f->sql, f, "a-1");
    append(f->sql, f, "a-1");
    options.chunk_size = 1;
    assert_ok(f->connection, ec_iterate_log(f->connection, NULL, &log));
    iterate_stream(f, "a-1", &options);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(ec_event_version(next(f)), i);
        assert_status(f->connection, ec_read_all(f->connection, INT64_MAX, 1, &events),
                      EC_POSITION_BEYOND_LOG);
        assert_ok(f->connection, ec_iterator_next(log, &event));
        assert_non_null(event);
        assert_int_equal(ec_error_status(f->connection), EC_OK);
    }
    assert_null(next(f));
    ec_iterator_free(log);
}

/* ------------------------------------------------------------------ misuse */

static void test_wrong_options(void **state)
{
    static const char *const no_types[] = {NULL};
    static const struct {
        ec_log_options options;
        ec_status status;
    } wrong[] = {
        {{.category = "a-b", .chunk_size = 1}, EC_INVALID_FILTER},
        {{.pattern = "[a", .chunk_size = 1}, EC_INVALID_FILTER},
        {{.types = no_types, .chunk_size = 1}, EC_INVALID_FILTER},
        {{.member = 1, .chunk_size = 1}, EC_INVALID_FILTER},
        {{.member = 3, .group_size = 3, .chunk_size = 1}, EC_INVALID_FILTER},
        {{.after = INT64_MAX / 2, .chunk_size = 1}, EC_POSITION_BEYOND_LOG},
        {{.after = -1, .chunk_size = 1}, EC_INVALID_ARGUMENT},
        {{.max_count = -1, .chunk_size = 1}, EC_INVALID_ARGUMENT},
        {{.type_count = 1, .chunk_size = 1}, EC_INVALID_ARGUMENT},
        {{.chunk_size = 0}, EC_INVALID_ARGUMENT},
    };
    const ec_log_options uninitialised = {.chunk_size = 1};
    ec_read_options stream = EC_READ_OPTIONS_INIT;
    struct fixture *f = *state;
    const ec_event *event;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ec_log_options options = wrong[i].options;
        ec_status status;

        options.struct_size = sizeof options;
        status = ec_iterate_log(f->connection, &options, &f->iterator);
        if (wrong[i].status == EC_INVALID_ARGUMENT) {
            assert_null(f->iterator);
        } else {
            assert_ok(f->connection, status);
            status = ec_iterator_next(f->iterator, &event);
            assert_null(event);
        }
        assert_status(f->connection, status, wrong[i].status);
        assert_int_equal(ec_error_status(f->connection), wrong[i].status);
        assert_true(*ec_error_message(f->connection) != '\0');
        ec_iterator_free(f->iterator);
        f->iterator = NULL;
    }
    assert_int_equal(ec_iterate_log(f->connection, &uninitialised, &f->iterator),
                     EC_INVALID_ARGUMENT);
    assert_int_equal(ec_iterate_stream(f->connection, NULL, NULL, &f->iterator),
                     EC_INVALID_ARGUMENT);
    stream.chunk_size = 0;
    assert_int_equal(ec_iterate_stream(f->connection, "a-1", &stream, &f->iterator),
                     EC_INVALID_ARGUMENT);
    assert_ok(f->connection, ec_iterate_stream(f->connection, "", NULL, &f->iterator));
    assert_status(f->connection, ec_iterator_next(f->iterator, &event), EC_INVALID_STREAM_ID);
}

/* The program may forget its filters at once. */
static void test_options_are_copied(void **state)
{
    struct fixture *f = *state;
    char category[] = "order", type[] = "A", id[] = "order-1";
    const char *types[] = {type};
    ec_log_options options = EC_LOG_OPTIONS_INIT;

    append_mixture(f, 60);
    options.category = category;
    options.types = types;
    options.type_count = 1;
    iterate_log(f, &options);
    memset(category, 'x', sizeof category - 1);
    memset(type, 'x', sizeof type - 1);
    types[0] = NULL;
    assert_gives_as(f, "read_all", "category => 'order', types => ARRAY['A']", true);
    iterate_stream(f, id, NULL);
    memset(id, 'x', sizeof id - 1);
    assert_gives_as(f, "read_stream", "'order-1'", true);
}

/* ------------------------------------------------------------------ memory */

/* What is allocated between two chunks does not depend on how many there were. */
static void test_constant_memory(void **state)
{
    enum { EVENTS = 40000, CHUNK = 200 };
    ec_log_options options = EC_LOG_OPTIONS_INIT;
    struct fixture *f = *state;
    size_t first = 0, most = 0;
    long long n;

    run_sql(
        f->sql,
        "SELECT count(a) FROM (SELECT array_agg(eventcore.new_event('s-' || i %% 100, 'T',"
        " jsonb_build_object('n', i)) ORDER BY i) AS events FROM generate_series(100001,"
        " 100000 + %d) AS i GROUP BY i / 1000) AS e, eventcore.append(events, store => '%s') AS a",
        EVENTS, f->store);
    options.chunk_size = CHUNK;
    iterate_log(f, &options);
    for (int i = 0; i < EVENTS; i++) {
        const ec_event *event = next(f);

        assert_int_equal(ec_event_unpack(event, "{s:I}", "n", &n), EC_OK);
        if (i % CHUNK == CHUNK - 1) {
            struct mallinfo2 memory = mallinfo2();
            size_t used = memory.uordblks + memory.hblkhd;

            if (i / CHUNK == 3) /* buffers have their size */
                first = used;
            most = used > most ? used : most;
        }
    }
    assert_null(next(f));
    assert_true(most <= first + first / 10); /* both 0 under some sanitizers */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ITERATOR_TEST(test_filters),
        ITERATOR_TEST(test_chunks),
        ITERATOR_TEST(test_event),
        ITERATOR_TEST(test_end_is_followed_by_more),
        ITERATOR_TEST(test_end_that_stays),
        ITERATOR_TEST(test_open_append_is_not_skipped),
        ITERATOR_TEST(test_lost_connection),
        ITERATOR_TEST(test_failure_can_be_retried),
        ITERATOR_TEST(test_shared_connection),
        ITERATOR_TEST(test_wrong_options),
        ITERATOR_TEST(test_options_are_copied),
        ITERATOR_TEST(test_constant_memory),
    };

    return cmocka_run_group_tests_name("iterator", tests, NULL, NULL);
}
