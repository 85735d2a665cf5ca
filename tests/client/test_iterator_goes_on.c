/* test_iterator_goes_on.c: an iterator goes on, whatever happens between two chunks. */
#include "iterator_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ITERATOR_TEST(test_end_is_followed_by_more),    ITERATOR_TEST(test_end_that_stays),
        ITERATOR_TEST(test_open_append_is_not_skipped), ITERATOR_TEST(test_lost_connection),
        ITERATOR_TEST(test_failure_can_be_retried),     ITERATOR_TEST(test_shared_connection),
    };

    return cmocka_run_group_tests_name("iterator_goes_on", tests, NULL, NULL);
}
