/* test_retry.c: what is retried and after how long; options structs of other versions. */
#include "bank.h"
#include "event_id.h"
#include "options.h"
#include "retry.h"

static const ec_execute_options defaults = EC_EXECUTE_OPTIONS_INIT;

static void test_backoff_bounds(void **state)
{
    static const int64_t bounds_us[] = {1000,  2000,   4000,   8000,   16000, 32000,
                                        64000, 128000, 250000, 250000, 250000};

    (void)state;
    for (int retry = 1; retry <= 11; retry++) {
        int64_t bound = bounds_us[retry - 1], smallest = INT64_MAX, largest = 0;

        assert_int_equal(ec_backoff_us(&defaults, retry, 0), 0);
        assert_int_equal(ec_backoff_us(&defaults, retry, (uint64_t)bound), bound);
        for (int i = 0; i < 2000; i++) {
            uint64_t random;
            int64_t pause;

            assert_true(ec_random(&random, sizeof random));
            pause = ec_backoff_us(&defaults, retry, random);
            assert_in_range(pause, 0, bound);
            smallest = pause < smallest ? pause : smallest;
            largest = pause > largest ? pause : largest;
        }
        /* Full jitter: the whole range is used. Each fails once in 10^40 runs. */
        assert_in_range(smallest, 0, bound / 20);
        assert_in_range(largest, bound - bound / 20, bound);
    }
}

static void test_backoff_extremes(void **state)
{
    ec_execute_options none = defaults, huge = defaults;

    (void)state;
    none.backoff_base_ms = 0;
    assert_int_equal(ec_backoff_us(&none, 100, UINT64_MAX), 0);
    huge.backoff_base_ms = huge.backoff_cap_ms = INT64_MAX;
    assert_true(ec_backoff_us(&huge, 1000000, UINT64_MAX / 2 - 1) >= 0);
    assert_in_range(ec_backoff_us(&defaults, INT32_MAX, UINT64_MAX), 0, 250000);
}

static void test_jitter(void **state)
{
    ec_execute_options some = defaults, none = defaults;

    (void)state;
    none.jitter_percent = 0;
    some.jitter_percent = 25;
    assert_int_equal(ec_backoff_us(&none, 3, 0), 4000);
    assert_int_equal(ec_backoff_us(&none, 3, UINT64_MAX), 4000);
    assert_int_equal(ec_backoff_us(&some, 3, 0), 3000);
    assert_int_equal(ec_backoff_us(&some, 3, 1000), 4000);
    assert_int_equal(ec_backoff_us(&some, 3, 1001), 3000);
}

static void test_retriable(void **state)
{
    static const struct {
        ec_status status;
        const char *sqlstate;
        bool retriable;
    } cases[] = {{EC_VERSION_CONFLICT, "", true},
                 {EC_CONNECTION_LOST, "", true},
                 {EC_SERVER_ERROR, "40001", true},
                 {EC_SERVER_ERROR, "40P01", true},
                 {EC_SERVER_ERROR, "53200", true},
                 {EC_SERVER_ERROR, "57014", false},
                 {EC_SERVER_ERROR, "42883", false},
                 {EC_TIMEOUT, "", false},
                 {EC_REJECTED, "", false},
                 {EC_INVALID_EVENT, "VE005", false},
                 {EC_DUPLICATE_EVENT_ID, "VE006", false}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ec_failure failure = {.status = cases[i].status};

        strcpy(failure.sqlstate, cases[i].sqlstate);
        assert_int_equal(ec_is_retriable(&failure), cases[i].retriable);
    }
}

static void test_statuses(void **state)
{
    (void)state;
    assert_int_equal(ec_status_from_sqlstate("VE001"), EC_VERSION_CONFLICT);
    assert_int_equal(ec_status_from_sqlstate("VE013"), EC_RELATION_MISMATCH);
    assert_int_equal(ec_status_from_sqlstate("40001"), EC_SERVER_ERROR);
    assert_int_equal(ec_status_from_sqlstate("57P01"), EC_CONNECTION_LOST);
    assert_int_equal(ec_status_from_sqlstate("57P03"), EC_CONNECTION_LOST);
    assert_int_equal(ec_status_from_sqlstate("08006"), EC_CONNECTION_LOST);
    assert_int_equal(ec_status_from_sqlstate("08P01"), EC_SERVER_ERROR);
    assert_int_equal(ec_status_from_sqlstate("XX000"), EC_SERVER_ERROR);
    assert_string_equal(ec_status_name(EC_OK), "ok");
    assert_string_equal(ec_status_name(EC_VERSION_CONFLICT), "version_conflict");
    assert_string_equal(ec_status_name((ec_status)9999), "unknown_status");
    assert_string_equal(ec_status_description(EC_TIMEOUT), "the deadline has passed");
}

static void test_options_of_other_versions(void **state)
{
    /* As an older header had them, without the last fields. */
    struct {
        size_t struct_size;
        int max_attempts;
        int64_t backoff_base_ms;
    } older = {sizeof older, 3, 7};
    struct {
        ec_execute_options known;
        int64_t unknown;
    } newer = {EC_EXECUTE_OPTIONS_INIT, 1};
    ec_execute_options options = defaults, unset = {.struct_size = 0};

    (void)state;
    assert_true(ec_options_take(&options, sizeof options, &older));
    assert_int_equal(options.max_attempts, 3);
    assert_int_equal(options.backoff_base_ms, 7);
    assert_int_equal(options.backoff_cap_ms, 250);

    newer.known.struct_size = sizeof newer;
    newer.known.deadline_ms = 9;
    options = defaults;
    assert_true(ec_options_take(&options, sizeof options, &newer));
    assert_int_equal(options.deadline_ms, 9);

    assert_false(ec_options_take(&options, sizeof options, &unset));
    assert_true(ec_options_take(&options, sizeof options, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff_bounds), cmocka_unit_test(test_backoff_extremes),
        cmocka_unit_test(test_jitter),         cmocka_unit_test(test_retriable),
        cmocka_unit_test(test_statuses),       cmocka_unit_test(test_options_of_other_versions),
    };

    return cmocka_run_group_tests_name("retry", tests, NULL, NULL);
}
