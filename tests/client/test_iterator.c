/* test_iterator.c: reading in chunks: the same events as in one read. */
#include <malloc.h>

#include "iterator_fixture.h"

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
        ITERATOR_TEST(test_wrong_options),
        ITERATOR_TEST(test_options_are_copied),
        ITERATOR_TEST(test_constant_memory),
    };

    return cmocka_run_group_tests_name("iterator", tests, NULL, NULL);
}
