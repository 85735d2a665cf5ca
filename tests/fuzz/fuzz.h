/*
 * fuzz.h: values from the fuzzer's bytes.
 *
 * A target takes them one after the other; behind the last byte all are zero. Numbers and names are
 * mostly those that matter, so that what does not fail at once gets far.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

typedef struct {
    const uint8_t *bytes;
    size_t left;
} input;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What must hold, also without assertions. */
#define require(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static UNUSED uint8_t take_byte(input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->bytes++;
}

static UNUSED size_t take_below(input *in, size_t limit)
{
    return take_byte(in) % limit;
}

static UNUSED int64_t take_number(input *in)
{
    static const int64_t extremes[] = {INT64_MAX, INT64_MIN, INT64_MAX - 1, INT32_MAX, -1, -2};
    uint8_t byte = take_byte(in);

    return byte < 250 ? byte % 8 : extremes[byte - 250];
}

/* Text that is to be freed. Length first, so that the bytes may be anything. */
static UNUSED char *take_text(input *in)
{
    size_t length = take_byte(in);
    char *text;

    if (length > in->left)
        length = in->left;
    text = malloc(length + 1);
    memcpy(text, in->bytes, length);
    text[length] = '\0';
    in->bytes += length;
    in->left -= length;
    return text;
}

/* All that is left, as text that is to be freed. */
static UNUSED char *take_rest(input *in)
{
    char *text = malloc(in->left + 1);

    memcpy(text, in->bytes, in->left);
    text[in->left] = '\0';
    in->left = 0;
    return text;
}

#endif
