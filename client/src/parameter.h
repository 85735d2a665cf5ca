/* parameter.h: values in PostgreSQL's binary format. */
#ifndef EC_PARAMETER_H
#define EC_PARAMETER_H

#include <string.h>

#include "call.h"

/* Types that this library sends and receives: their OIDs are fixed. */
enum {
    EC_OID_BOOL = 16,
    EC_OID_BYTEA = 17,
    EC_OID_BIGINT = 20,
    EC_OID_INTEGER = 23,
    EC_OID_TEXT = 25,
    EC_OID_UUID = 2950,
    EC_OID_JSONB = 3802,
    EC_OID_TIMESTAMPTZ = 1184,
    EC_OID_BYTEA_ARRAY = 1001,
    EC_OID_INTEGER_ARRAY = 1007,
    EC_OID_TEXT_ARRAY = 1009,
    EC_OID_BIGINT_ARRAY = 1016,
    EC_OID_UUID_ARRAY = 2951,
    EC_OID_JSONB_ARRAY = 3807
};

#define EC_JSONB_VERSION 1 /* the byte in front of the text of a jsonb */

/* A value; NULL bytes are null. */
typedef struct ec_value {
    const void *bytes;
    size_t size;
} ec_value;

static inline ec_value ec_text_value(const char *text)
{
    return (ec_value){text, text == NULL ? 0 : strlen(text)};
}

/* Set a parameter to a text or bytes that outlive the call, a bigint or a boolean. */
ec_status ec_encode_text(ec_call *call, int parameter, const char *text, ec_failure *failure);
ec_status ec_encode_bigint(ec_call *call, int parameter, ec_arena *memory, int64_t number,
                           ec_failure *failure);
ec_status ec_encode_bytes(ec_call *call, int parameter, const void *bytes, size_t size,
                          ec_failure *failure);
ec_status ec_encode_bool(ec_call *call, int parameter, bool value);

/*
 * Set a parameter to a one-dimensional array of `element`s. The values are the elements' bytes as
 * they go on the wire, except that those of jsonb are their text alone.
 */
ec_status ec_encode_array(ec_call *call, int parameter, ec_arena *memory, Oid element,
                          const ec_value *values, size_t count, ec_failure *failure);

/* As ec_encode_array(), for bigint[] and integer[]. */
ec_status ec_encode_bigints(ec_call *call, int parameter, ec_arena *memory, const int64_t *numbers,
                            size_t count, ec_failure *failure);
ec_status ec_encode_integers(ec_call *call, int parameter, ec_arena *memory, const int32_t *numbers,
                             size_t count, ec_failure *failure);

/*
 * Read a bigint[] of one dimension, without nulls, as it comes from the wire. *numbers is in
 * `memory`. EC_PROTOCOL_ERROR if it is anything else.
 */
ec_status ec_decode_bigints(const char *bytes, size_t size, int64_t **numbers, size_t *count,
                            ec_arena *memory, ec_failure *failure);

/* Big-endian numbers, as on the wire. */
static inline char *ec_put_uint32(char *to, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *to++ = (char)(number >> shift);
    return to;
}

static inline char *ec_put_int64(char *to, int64_t number)
{
    ec_put_uint32(to, (uint32_t)((uint64_t)number >> 32));
    return ec_put_uint32(to + 4, (uint32_t)number);
}

static inline int32_t ec_get_int32(const char *from)
{
    uint32_t number = 0;

    for (int i = 0; i < 4; i++)
        number = number << 8 | (uint8_t)from[i];
    return (int32_t)number;
}

static inline int64_t ec_get_int64(const char *from)
{
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number = number << 8 | (uint8_t)from[i];
    return (int64_t)number;
}

#endif
