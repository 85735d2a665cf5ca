/*
 * claim.c: members of a consumer group, claimed by sessions.
 *
 * A claim is an exclusive lock that belongs to the session, not to a transaction: the server gives
 * it back when the session ends, however it ends. Who uses a member without a claim holds the same
 * lock in share mode until the end of the transaction: so several may, taking turns at the member's
 * row, but nobody beside a session that has claimed it, and nobody can claim it meanwhile.
 *
 * Nothing waits here: a member that is not free is left to the one who has it.
 *
 * The lock is of the member's number, whatever the size of the group. A claim thus outlasts a
 * resize, as long as there is such a member.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "errors.h"
#include "fmgr.h"
#include "lock_tag.h"
#include "log_filter.h"
#include "utils/builtins.h"

/* The view eventcore.subscription_status computes the same key, with hashtextextended(). */
static LOCKTAG member_tag(const text *subscription, int member, const text *store)
{
    uint64 seed = hash_bytes_extended((const unsigned char *)VARDATA_ANY(store),
                                      VARSIZE_ANY_EXHDR(store), (uint64)member);

    return ec_lock_tag(hash_bytes_extended((const unsigned char *)VARDATA_ANY(subscription),
                                           VARSIZE_ANY_EXHDR(subscription), seed),
                       EC_LOCK_MEMBER);
}

static bool release(const LOCKTAG *tag)
{
    return LockHeldByMe(tag, ExclusiveLock) && LockRelease(tag, ExclusiveLock, true);
}

/* (subscription text, group_size int, store text) */
PG_FUNCTION_INFO_V1(eventcore_claim);
Datum eventcore_claim(PG_FUNCTION_ARGS)
{
    text *subscription = PG_GETARG_TEXT_PP(0);
    int group_size = PG_GETARG_INT32(1);
    text *store = PG_GETARG_TEXT_PP(2);
    int claimed = -1;

    if (group_size < 1 || group_size > EC_LOG_SLOTS)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("group_size must be between 1 and %d", EC_LOG_SLOTS)));
    /* Of members that a resize has taken away nothing is to remain when it brings them back. */
    for (int member = group_size; member < EC_LOG_SLOTS; member++) {
        LOCKTAG tag = member_tag(subscription, member, store);

        (void)release(&tag);
    }
    for (int member = 0; member < group_size && claimed < 0; member++) {
        LOCKTAG tag = member_tag(subscription, member, store);

        if (LockHeldByMe(&tag, ExclusiveLock))
            claimed = member;
    }
    for (int member = 0; member < group_size && claimed < 0; member++) {
        LOCKTAG tag = member_tag(subscription, member, store);

        if (LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL)
            claimed = member;
    }
    if (claimed < 0)
        PG_RETURN_NULL();
    PG_RETURN_INT32(claimed);
}

/* (subscription text, member int, store text) */
PG_FUNCTION_INFO_V1(eventcore_release_member);
Datum eventcore_release_member(PG_FUNCTION_ARGS)
{
    LOCKTAG tag = member_tag(PG_GETARG_TEXT_PP(0), PG_GETARG_INT32(1), PG_GETARG_TEXT_PP(2));

    PG_RETURN_BOOL(release(&tag));
}

/* (subscription text, member int, store text) */
PG_FUNCTION_INFO_V1(eventcore_use_member);
Datum eventcore_use_member(PG_FUNCTION_ARGS)
{
    text *subscription = PG_GETARG_TEXT_PP(0);
    int member = PG_GETARG_INT32(1);
    LOCKTAG tag = member_tag(subscription, member, PG_GETARG_TEXT_PP(2));

    /* Not both: what a session and a transaction hold together cannot be prepared (2PC). */
    if (!LockHeldByMe(&tag, ExclusiveLock) &&
        LockAcquire(&tag, ShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL) {
        char *name = text_to_cstring(subscription);

        ereport(ERROR, (ec_error_code(EC_ERROR_member_claimed),
                        errmsg("member %d of subscription \"%s\" is claimed by another session",
                               member, name),
                        ec_error_detail(EC_ERROR_member_claimed, "si", "subscription", name,
                                        "member", (int64)member),
                        errhint("Claim a free member with eventcore.claim_member().")));
    }
    PG_RETURN_VOID();
}
