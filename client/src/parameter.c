/*
 * parameter.c: encoding parameters.
 *
 * An array on the wire: dimensions, a flag for nulls, the element type; a length and a lower bound
 * for each dimension; then each element as its length and bytes, a null as the length -1.
 */
#include "parameter.h"

#include <limits.h>

#define ARRAY_HEADER_SIZE 20
#define BIGINT_ELEMENT_SIZE 12
#define EMPTY_ARRAY_SIZE 12 /* no dimension, so no length and lower bound */

static ec_status out_of_memory(ec_failure *failure)
{
    return ec_fail(failure, EC_NO_MEMORY, "out of memory for the parameters of a statement");
}

static ec_status too_large(ec_failure *failure)
{
    return ec_fail(failure, EC_INVALID_ARGUMENT, "a parameter is larger than 2 GB");
}

static void set_parameter(ec_call *call, int parameter, const char *bytes, size_t size)
{
    call->values[parameter] = bytes;
    call->lengths[parameter] = (int)size;
}

ec_status ec_encode_text(ec_call *call, int parameter, const char *text, ec_failure *failure)
{
    ec_value value = ec_text_value(text);

    if (value.size > INT_MAX)
        return too_large(failure);
    set_parameter(call, parameter, text, value.size);
    return EC_OK;
}

ec_status ec_encode_bytes(ec_call *call, int parameter, const void *bytes, size_t size,
                          ec_failure *failure)
{
    if (size > INT_MAX)
        return too_large(failure);
    set_parameter(call, parameter, bytes, size);
    return EC_OK;
}

ec_status ec_encode_bigint(ec_call *call, int parameter, ec_arena *memory, int64_t number,
                           ec_failure *failure)
{
    char *bytes = ec_arena_alloc(memory, 8);

    if (bytes == NULL)
        return out_of_memory(failure);
    ec_put_int64(bytes, number);
    set_parameter(call, parameter, bytes, 8);
    return EC_OK;
}

ec_status ec_encode_bool(ec_call *call, int parameter, bool value)
{
    set_parameter(call, parameter, value ? "\1" : "\0", 1);
    return EC_OK;
}

/* The size on the wire, or 0 if it is beyond what the protocol can carry. */
static size_t array_size(Oid element, const ec_value *values, size_t count)
{
    size_t size = ARRAY_HEADER_SIZE;

    if (count == 0)
        return EMPTY_ARRAY_SIZE;
    for (size_t i = 0; i < count; i++) {
        size_t added = values[i].bytes == NULL ? 0 : values[i].size + (element == EC_OID_JSONB);

        if (values[i].size >= INT_MAX || added > (size_t)INT_MAX - 4 - size)
            return 0;
        size += 4 + added;
    }
    return size;
}

ec_status ec_encode_array(ec_call *call, int parameter, ec_arena *memory, Oid element,
                          const ec_value *values, size_t count, ec_failure *failure)
{
    const uint32_t extra = element == EC_OID_JSONB;
    size_t size = array_size(element, values, count);
    bool has_null = false;
    char *bytes, *to;

    if (size == 0)
        return too_large(failure);
    bytes = ec_arena_alloc(memory, size);
    if (bytes == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < count; i++)
        has_null |= values[i].bytes == NULL;
    to = ec_put_uint32(bytes, count > 0);
    to = ec_put_uint32(to, has_null);
    to = ec_put_uint32(to, element);
    if (count > 0) {
        to = ec_put_uint32(to, (uint32_t)count);
        to = ec_put_uint32(to, 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i].bytes == NULL) {
            to = ec_put_uint32(to, UINT32_MAX);
            continue;
        }
        to = ec_put_uint32(to, (uint32_t)values[i].size + extra);
        if (extra)
            *to++ = EC_JSONB_VERSION;
        memcpy(to, values[i].bytes, values[i].size);
        to += values[i].size;
    }
    set_parameter(call, parameter, bytes, size);
    return EC_OK;
}

ec_status ec_encode_bigints(ec_call *call, int parameter, ec_arena *memory, const int64_t *numbers,
                            size_t count, ec_failure *failure)
{
    ec_value *values = ec_arena_array(memory, count, sizeof *values);
    char *bytes = ec_arena_array(memory, count, 8);

    if (values == NULL || bytes == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < count; i++) {
        values[i] = (ec_value){bytes + 8 * i, 8};
        ec_put_int64(bytes + 8 * i, numbers[i]);
    }
    return ec_encode_array(call, parameter, memory, EC_OID_BIGINT, values, count, failure);
}

ec_status ec_encode_integers(ec_call *call, int parameter, ec_arena *memory, const int32_t *numbers,
                             size_t count, ec_failure *failure)
{
    ec_value *values = ec_arena_array(memory, count, sizeof *values);
    char *bytes = ec_arena_array(memory, count, 4);

    if (values == NULL || bytes == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < count; i++) {
        values[i] = (ec_value){bytes + 4 * i, 4};
        ec_put_uint32(bytes + 4 * i, (uint32_t)numbers[i]);
    }
    return ec_encode_array(call, parameter, memory, EC_OID_INTEGER, values, count, failure);
}

/* Whether the array is one-dimensional, without nulls, of bigint, and of just this size. */
static bool is_bigints(const char *bytes, size_t size)
{
    return size >= ARRAY_HEADER_SIZE && ec_get_int32(bytes) == 1 && ec_get_int32(bytes + 4) == 0 &&
           ec_get_int32(bytes + 8) == EC_OID_BIGINT &&
           (size - ARRAY_HEADER_SIZE) % BIGINT_ELEMENT_SIZE == 0 &&
           (int64_t)((size - ARRAY_HEADER_SIZE) / BIGINT_ELEMENT_SIZE) == ec_get_int32(bytes + 12);
}

ec_status ec_decode_bigints(const char *bytes, size_t size, int64_t **numbers, size_t *count,
                            ec_arena *memory, ec_failure *failure)
{
    if (!is_bigints(bytes, size))
        return ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply has a malformed array");
    *count = (size - ARRAY_HEADER_SIZE) / BIGINT_ELEMENT_SIZE;
    *numbers = ec_arena_array(memory, *count, sizeof **numbers);
    if (*numbers == NULL)
        return ec_fail(failure, EC_NO_MEMORY, "out of memory for a reply");
    for (size_t i = 0; i < *count; i++) {
        const char *element = bytes + ARRAY_HEADER_SIZE + i * BIGINT_ELEMENT_SIZE;

        if (ec_get_int32(element) != 8)
            return ec_fail(failure, EC_PROTOCOL_ERROR, "the server's reply has a malformed array");
        (*numbers)[i] = ec_get_int64(element + 4);
    }
    return EC_OK;
}
