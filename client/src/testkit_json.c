/*
 * testkit_json.c: JSON as the server's jsonb takes it, and whether two texts are the same value.
 *
 * As jsonb compares, and unlike json_equal(): 1 is 1.0. Integers beyond 64 bits, which jansson does
 * not have, are compared as doubles; numbers beyond a double are refused.
 */
#include <jansson.h>
#include <string.h>

#include "testkit_store.h"

static bool equal(const json_t *left, const json_t *right)
{
    const char *key;
    json_t *value;

    if (json_is_number(left) && json_is_number(right) && json_typeof(left) != json_typeof(right))
        return json_number_value(left) == json_number_value(right);
    if (json_typeof(left) != json_typeof(right))
        return false;
    if (json_is_array(left)) {
        for (size_t i = 0; i < json_array_size(left) && i < json_array_size(right); i++)
            if (!equal(json_array_get(left, i), json_array_get(right, i)))
                return false;
        return json_array_size(left) == json_array_size(right);
    }
    if (!json_is_object(left))
        return json_equal(left, right);
    json_object_foreach((json_t *)left, key, value)
    {
        const json_t *other = json_object_get(right, key);

        if (other == NULL || !equal(value, other))
            return false;
    }
    return json_object_size(left) == json_object_size(right);
}

json_t *ec_test_json_load(const char *text, json_error_t *problem)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, problem);

    return json != NULL ? json
                        : json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, problem);
}

bool ec_test_json_equal(const char *left, const char *right)
{
    json_t *a, *b;
    bool same;

    if (left == NULL || right == NULL)
        return left == right;
    a = ec_test_json_load(left, NULL);
    b = ec_test_json_load(right, NULL);
    same = a != NULL && b != NULL && equal(a, b);
    json_decref(a);
    json_decref(b);
    return same;
}
