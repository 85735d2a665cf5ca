/*
 * event_id.c: identities for events that come without one.
 *
 * Layout (RFC 9562, 5.7): 48 bits of Unix milliseconds, version, 12 bits, variant, 62 bits. The 12
 * bits carry the fraction of the millisecond (6.2, method 3), raised by one where the clock has not
 * moved on since the last id of this backend, so that ids ascend. The rest is random, from the
 * server's generator, seeded once in each backend from the system's: ids must not collide, they
 * need not be hard to guess.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "event_id.h"
#include "port/pg_bswap.h"

void ec_event_id_make(pg_uuid_t *id, TimestampTz now)
{
    static pg_prng_state random;
    static bool seeded = false;
    static uint64 last_tick = 0;
    uint64 micros = (uint64)(now + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);
    uint64 tick = micros / 1000 << 12 | (micros % 1000 << 12) / 1000;
    uint64 high, low;

    if (!seeded && !(seeded = pg_prng_strong_seed(&random)))
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
                        errmsg("could not seed the generator of event ids")));

    tick = Max(tick, last_tick + 1);
    last_tick = tick;
    high = pg_hton64((tick >> 12 << 16) | 0x7000 | (tick & 0xfff));
    low = pg_hton64((pg_prng_uint64(&random) >> 2) | UINT64CONST(0x8000000000000000));
    memcpy(id->data, &high, 8);
    memcpy(id->data + 8, &low, 8);
}
