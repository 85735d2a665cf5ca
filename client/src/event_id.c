/*
 * event_id.c: UUIDs of version 7 (RFC 9562): 48 bits of milliseconds, then random bits; and the ids
 * of new streams, which are made of them.
 *
 * They grow with time, so that the index over them grows at one end. Every random bit comes from
 * the system: a generator in the process would have to be seeded anew after each fork.
 */
#include "event_id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

bool ec_random(void *bytes, size_t size)
{
    char *next = bytes;

    while (size > 0) {
        ssize_t got = getrandom(next, size, 0);

        if (got < 0 && errno != EINTR)
            return false;
        if (got > 0) {
            next += got;
            size -= (size_t)got;
        }
    }
    return true;
}

ec_status ec_uuid_new(ec_uuid *uuid)
{
    struct timespec now;
    uint64_t milliseconds;

    if (!ec_random(uuid->bytes, sizeof uuid->bytes))
        return EC_FAILED;
    clock_gettime(CLOCK_REALTIME, &now);
    milliseconds = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    for (int i = 0; i < 6; i++)
        uuid->bytes[i] = (uint8_t)(milliseconds >> (40 - 8 * i));
    uuid->bytes[6] = (uint8_t)(0x70 | (uuid->bytes[6] & 0x0f));
    uuid->bytes[8] = (uint8_t)(0x80 | (uuid->bytes[8] & 0x3f));
    return EC_OK;
}

void ec_uuid_format(const ec_uuid *uuid, char text[EC_UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[uuid->bytes[i] >> 4];
        *text++ = digits[uuid->bytes[i] & 0x0f];
    }
    *text = '\0';
}

ec_status ec_stream_id_new(const char *category, char *id, size_t size)
{
    char text[EC_UUID_TEXT_SIZE];
    ec_uuid uuid;
    ec_status status;

    if (size > 0)
        *id = '\0';
    if (size < strlen(category) + 1 + sizeof text)
        return EC_INVALID_ARGUMENT;
    status = ec_uuid_new(&uuid);
    if (status != EC_OK)
        return status;
    ec_uuid_format(&uuid, text);
    snprintf(id, size, "%s-%s", category, text);
    return EC_OK;
}
