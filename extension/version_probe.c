/*
 * version_probe.c: the version of a stream, straight from a page of the index.
 *
 * An append must know the last version of each of its streams: in the index on (store, stream_id,
 * version) that is the last entry not above (store, stream, infinity). An index scan finds it too
 * (event_scan.c), but compares names through the function manager, and sets up much that a single
 * entry does not need: that was a sixth of a small append. Names in collation "C" are in the order
 * of their bytes. So this file compares them with memcmp and walks down the B-tree itself, by the
 * server's functions that find and lock its pages. Whatever it is not sure of it leaves to the
 * index scan, which is always right.
 *
 * What there is to know of the B-tree (Lehman and Yao's; see the README of nbtree). A page holds
 * entries in ascending order. All but the rightmost of a level have a *high key*: everything on the
 * page is at or below it, everything to the right is above. An inner page holds *pivots*, each with
 * the page below it, for what is at or above the pivot and below the next. A pivot keeps only as
 * many columns as it needs to tell its two sides apart; the ones that were cut off count as minus
 * infinity. What is sought here has infinity for a version. So a pivot with the same store and
 * stream, or with these as far as they go, is below it in any case: versions need no comparison.
 *
 * No lock is held from one page to the next, so a page may have split, or been emptied and deleted,
 * before its pointer has been followed. Both move keys only to the right, and the search follows:
 * while the page is dead, or its high key not above what is sought, it goes to the right sibling.
 * (Nor can the page have become another one: the snapshot keeps a deleted page from being used
 * again. A split that is not known above yet is nothing special: the sibling is there.)
 *
 * But the answer does not rest on the way. It rests on the leaf alone, which is share-locked: a
 * leaf that is alive has all of the index between any of its entries and its high key. So if it has
 * an entry not above what is sought, and its high key, if any, is above, then the last such entry
 * is the last one of the whole index. (If all are above, it may be on the page to the left: that
 * is left to the scan, unless no page is there.) Then either
 * - it is of another stream. Then this one has no entry, thus no event: version 0.
 * - or it is this stream's last. If the snapshot sees the row that it points to, its version, which
 *   no update in place can have changed, is the stream's: all others of the stream are below. If
 *   the row cannot be seen, it was rolled back, say, and which entry is next is left to the scan.
 *
 * Rows that the snapshot sees are in the index since before it was taken, and no VACUUM removes
 * them. So what holds on the leaf at that instant is what the snapshot says, whatever others do;
 * even the lock on the stream is not needed for that, only for the answer to stay true.
 *
 * The leaf is let go before the row is visited. Then VACUUM may remove a dead entry and its row,
 * and somebody else's new row get the same place. Its transaction was not over when the snapshot
 * was taken, since the place was not free by then: it cannot be seen, and the scan decides. Plain
 * index scans let go for the same reason. They do not if rows are to be judged without a visit (by
 * the visibility map) or entries to be marked as dead; neither is done here.
 *
 * SERIALIZABLE uses the scan, which takes the predicate locks.
 */
#include "postgres.h"

#include "access/nbtree.h"
#include "access/tableam.h"
#include "access/tupmacs.h"
#include "access/xact.h"
#include "compat.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/rel.h"
#include "version_probe.h"

/*
 * Whether pivots are as described above: they are since version 4 of the B-tree, but pg_upgrade
 * keeps older ones. All else about the index was checked when it was found (relations.c).
 */
static bool cuts_pivots(Relation index)
{
    bool cuts, ignored;

    _bt_metaversion(index, &cuts, &ignored);
    return cuts;
}

static ec_name name_of(const text *name)
{
    return (ec_name){VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)};
}

void ec_version_probe_begin(ec_version_probe *probe, const ec_relations *relations,
                            Snapshot snapshot)
{
    *probe = (ec_version_probe){
        .relations = relations,
        .snapshot = snapshot,
        .store = name_of(relations->store),
        .scan_always = IsolationIsSerializable() || !cuts_pivots(relations->by_version),
    };
}

/* Compare the column at *place with a name, and step over it. */
static int compare_name(ec_version_probe *probe, char **place, const ec_name *name)
{
    char *value = (char *)att_align_pointer((uintptr_t)*place, TYPALIGN_INT, -1, *place);
    int length, order;

    *place = value + VARSIZE_ANY(value);
    if (VARATT_IS_COMPRESSED(value)) {
        probe->met_oddity = true;
        return 0;
    }
    length = VARSIZE_ANY_EXHDR(value);
    order = memcmp(VARDATA_ANY(value), name->bytes, Min(length, name->length));
    return order != 0 ? order : length - name->length;
}

static IndexTuple entry_at(Page page, OffsetNumber offset)
{
    return (IndexTuple)PageGetItem(page, PageGetItemId(page, offset));
}

/*
 * Compare an entry with (store, stream, infinity): positive if it is above, negative if below; 0 if
 * it is of that stream, and so below as well.
 */
static int compare(ec_version_probe *probe, IndexTuple entry)
{
    int columns = BTreeTupleGetNAtts(entry, probe->relations->by_version);
    char *place = (char *)entry + IndexInfoFindDataOffset(entry->t_info);
    int order;

    if (IndexTupleHasNulls(entry))
        probe->met_oddity = true;
    if (columns < 1 || probe->met_oddity)
        return -1;
    order = compare_name(probe, &place, &probe->store);
    if (order != 0)
        return order;
    return columns < 2 ? -1 : compare_name(probe, &place, &probe->stream);
}

/* The first entry of a page, of those from `low` on, that is above what is sought. */
static OffsetNumber first_above(ec_version_probe *probe, Page page, OffsetNumber low)
{
    OffsetNumber high = PageGetMaxOffsetNumber(page) + 1;

    while (low < high) {
        OffsetNumber middle = low + (high - low) / 2;

        if (compare(probe, entry_at(page, middle)) > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Find and lock the leaf whose high key is the first above what is sought, if there is one. */
static Buffer lock_leaf(ec_version_probe *probe)
{
    Relation index = probe->relations->by_version;
    Buffer buffer = ec_bt_getroot(index, probe->relations->events);

    while (BufferIsValid(buffer)) {
        Page page = BufferGetPage(buffer);
        BTPageOpaque opaque = BTPageGetOpaque(page);
        BlockNumber next;

        if (P_IGNORE(opaque) ||
            (!P_RIGHTMOST(opaque) && compare(probe, entry_at(page, P_HIKEY)) <= 0))
            next = opaque->btpo_next;
        else if (P_ISLEAF(opaque))
            return buffer;
        else { /* The first pivot of a page is below everything, whatever is in it. */
            OffsetNumber above = first_above(probe, page, P_FIRSTDATAKEY(opaque) + 1);

            next = BTreeTupleGetDownLink(entry_at(page, above - 1));
        }
        if (probe->met_oddity || next == P_NONE) {
            _bt_relbuf(index, buffer);
            return InvalidBuffer;
        }
        buffer = _bt_relandgetbuf(index, buffer, next, BT_READ);
    }
    return InvalidBuffer;
}

static bool is_visible(ec_version_probe *probe, ItemPointer row)
{
    bool again = false;

    if (probe->fetch == NULL) {
        probe->fetch = table_index_fetch_begin(probe->relations->events);
        probe->slot = table_slot_create(probe->relations->events, NULL);
    }
    return table_index_fetch_tuple(probe->fetch, row, probe->snapshot, probe->slot, &again, NULL);
}

/* Find the version; false if that is left to the scan. */
static bool find_version(ec_version_probe *probe, int64 *version)
{
    Relation index = probe->relations->by_version;
    Buffer leaf = lock_leaf(probe);
    bool is_sure, exists = false;
    ItemPointerData row;
    OffsetNumber first, last;
    Page page;

    if (!BufferIsValid(leaf))
        return false;
    page = BufferGetPage(leaf);
    first = P_FIRSTDATAKEY(BTPageGetOpaque(page));
    last = first_above(probe, page, first) - 1;
    *version = 0;
    if (last < first)
        is_sure = P_LEFTMOST(BTPageGetOpaque(page));
    else {
        IndexTuple entry = entry_at(page, last);

        exists = compare(probe, entry) == 0;
        is_sure = !exists || !BTreeTupleIsPosting(entry); /* a list of rows: which one? */
        if (exists && is_sure) {
            bool is_null;

            row = entry->t_tid;
            *version = DatumGetInt64(index_getattr(entry, 3, RelationGetDescr(index), &is_null));
        }
    }
    is_sure = is_sure && !probe->met_oddity;
    _bt_relbuf(index, leaf);
    if (exists && is_sure)
        is_sure = is_visible(probe, &row);
    if (is_sure)
        pgstat_count_index_scan(index);
    return is_sure;
}

int64 ec_version_probe_stream(ec_version_probe *probe, Datum stream_id)
{
    int64 version;

    CHECK_FOR_INTERRUPTS();
    probe->stream = name_of(DatumGetTextPP(stream_id));
    probe->met_oddity = false;
    if (!probe->scan_always && find_version(probe, &version))
        return version;

    if (!probe->scan_has_begun)
        ec_event_scan_streams(&probe->scan, probe->relations, probe->snapshot);
    probe->scan_has_begun = true;
    return ec_event_scan_stream_version(&probe->scan, stream_id);
}

void ec_version_probe_end(ec_version_probe *probe)
{
    if (probe->fetch != NULL) {
        table_index_fetch_end(probe->fetch);
        ExecDropSingleTupleTableSlot(probe->slot);
    }
    if (probe->scan_has_begun)
        ec_event_scan_end(&probe->scan);
}
