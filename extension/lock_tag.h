/*
 * lock_tag.h: the tags of our locks.
 *
 * All are of the advisory class, which the server knows how to keep through PREPARE and crash, with
 * a fourth field that no SQL function can make: SQL's advisory locks have 1 and 2 there, those of
 * Citus less than 100.
 */
#ifndef EVENTCORE_LOCK_TAG_H
#define EVENTCORE_LOCK_TAG_H

#include "miscadmin.h"
#include "storage/lock.h"

enum {
    EC_LOCK_STREAM = 0x2001,     /* key: the hash of a stream; see stream_lock.c */
    EC_LOCK_LISTING = 0x2002,    /* one lister of tickets at a time; see horizon.c */
    EC_LOCK_CLOSED_SET = 0x2003, /* lock_streams was called; see stream_lock.c */
    EC_LOCK_MEMBER = 0x2004,     /* key: the hash of a member of a subscription; see claim.c */
    EC_LOCK_TICKET = 0x4000      /* | 14 bits of the store's hash; key: a position; see horizon.c */
};

static inline LOCKTAG ec_lock_tag(uint64 key, uint16 class)
{
    return (LOCKTAG){
        .locktag_field1 = MyDatabaseId,
        .locktag_field2 = (uint32)(key >> 32),
        .locktag_field3 = (uint32)key,
        .locktag_field4 = class,
        .locktag_type = LOCKTAG_ADVISORY,
        .locktag_lockmethodid = USER_LOCKMETHOD,
    };
}

/* Whether a tag is one of ours of a class, in this database. */
static inline bool ec_lock_tag_is(const LOCKTAG *tag, uint16 class)
{
    return tag->locktag_type == LOCKTAG_ADVISORY && tag->locktag_field4 == class &&
           tag->locktag_field1 == MyDatabaseId;
}

static inline uint64 ec_lock_tag_key(const LOCKTAG *tag)
{
    return (uint64)tag->locktag_field2 << 32 | tag->locktag_field3;
}

#endif
