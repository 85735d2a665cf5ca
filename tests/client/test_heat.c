/* test_heat.c: what a connection learns from lost races; no server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

#include "heat.h"

enum { PERIOD = 16, LOCK_AFTER = 3 };

/* Execute commands that lose no race; the number of them that are locked from the first try on. */
static int execute(ec_heat *heat, const char *name, int lock_after, int count)
{
    int locked = 0;

    for (int i = 0; i < count; i++) {
        locked += ec_heat_lock_after(heat, name, lock_after) == 0;
        ec_heat_note(heat, name, lock_after, 0);
    }
    return locked;
}

static void test_lost_races_are_counted_in_advance(void **state)
{
    ec_heat heat = {{0}};

    (void)state;
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), 3);
    ec_heat_note(&heat, "transfer", LOCK_AFTER, 1);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), 2);
    ec_heat_note(&heat, "transfer", LOCK_AFTER, 1);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), 1);
    ec_heat_note(&heat, "transfer", LOCK_AFTER, 1);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), 0);
    assert_int_equal(ec_heat_lock_after(&heat, "deposit", LOCK_AFTER), 3);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", 20), 17); /* another one's patience */
}

/* After the first three it takes one lost race in PERIOD executions to stay locked. */
static void test_tries_without_locks_from_time_to_time(void **state)
{
    ec_heat heat = {{0}};

    (void)state;
    ec_heat_note(&heat, "transfer", LOCK_AFTER, LOCK_AFTER);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(execute(&heat, "transfer", LOCK_AFTER, PERIOD - 1), PERIOD - 1);
        assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), 1);
        ec_heat_note(&heat, "transfer", LOCK_AFTER, 1); /* it loses, and is locked */
    }
    /* From now on none loses. */
    assert_int_equal(execute(&heat, "transfer", LOCK_AFTER, 1000), PERIOD - 1);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), LOCK_AFTER);
}

/* One in twenty loses: that is less than locks would cost. */
static void test_rare_losses_do_not_add_up(void **state)
{
    ec_heat heat = {{0}};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        ec_heat_note(&heat, "transfer", LOCK_AFTER, 1);
        assert_int_equal(execute(&heat, "transfer", LOCK_AFTER, 19), 0);
    }
}

/* However many are lost, PERIOD executions later one is tried without locks. */
static void test_heat_is_bounded(void **state)
{
    static const int lock_after[] = {1, 3, 20, 1000};
    ec_heat heat = {{0}};

    (void)state;
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 3000; j++)
            ec_heat_note(&heat, "transfer", lock_after[i], lock_after[i]);
        assert_int_equal(execute(&heat, "transfer", lock_after[i], 1000), PERIOD - 1);
    }
    ec_heat_note(&heat, "transfer", 1000000, 1000000); /* it does not overflow */
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", 1000000), 1000000 - 1000);
}

static void test_always_and_never(void **state)
{
    ec_heat heat = {{0}};

    (void)state;
    ec_heat_note(&heat, "transfer", -1, 100);
    ec_heat_note(&heat, "transfer", 0, 0);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), LOCK_AFTER);
    ec_heat_note(&heat, "transfer", LOCK_AFTER, LOCK_AFTER);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", -1), -1);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", 0), 0);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", LOCK_AFTER), 0);
    assert_int_equal(ec_heat_lock_after(&heat, "transfer", -2), -2); /* not made valid */
}

/* More kinds than there are places: some share one, and all cool down. */
static void test_full_table(void **state)
{
    ec_heat heat = {{0}};
    char name[32];
    int hot = 0;

    (void)state;
    for (int i = 0; i < 10 * EC_HEAT_KINDS; i++) {
        snprintf(name, sizeof name, "kind %d", i);
        hot += ec_heat_lock_after(&heat, name, LOCK_AFTER) == 0;
        ec_heat_note(&heat, name, LOCK_AFTER, LOCK_AFTER);
        assert_int_equal(ec_heat_lock_after(&heat, name, LOCK_AFTER), 0);
    }
    assert_in_range(hot, 9 * EC_HEAT_KINDS, 10 * EC_HEAT_KINDS - 32); /* it is used, all of it */
    for (int i = 0; i < 10 * EC_HEAT_KINDS; i++) {
        snprintf(name, sizeof name, "kind %d", i);
        execute(&heat, name, LOCK_AFTER, LOCK_AFTER * PERIOD);
    }
    for (int i = 0; i < EC_HEAT_KINDS; i++)
        assert_int_equal(heat.kinds[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lost_races_are_counted_in_advance),
        cmocka_unit_test(test_tries_without_locks_from_time_to_time),
        cmocka_unit_test(test_rare_losses_do_not_add_up),
        cmocka_unit_test(test_heat_is_bounded),
        cmocka_unit_test(test_always_and_never),
        cmocka_unit_test(test_full_table),
    };

    return cmocka_run_group_tests_name("heat", tests, NULL, NULL);
}
