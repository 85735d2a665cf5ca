/*
 * log_reader.c: follow the global log of a store.
 *
 * A reader is given what stands behind its position and is settled (horizon.c). Most of the time it
 * follows closely and finds positions that continue without a gap: then nothing can be missing, and
 * the tickets need not be looked at. At the first gap it finds out how far the log is settled,
 * takes a newer snapshot, and goes on from where it stands.
 *
 * Events below the position that a reader stands on are never looked at again, so a reader must
 * never be given a position that is not settled, and never stand behind the last row that it looked
 * at: after a crash, positions that were drawn and never committed are drawn again.
 *
 * Where the log is written elsewhere, on a standby, the horizon that is published is the bound, and
 * the only one: to go on without a gap would be right as well, but "up to here" would then depend
 * on who else appends. A reader may come from another server and stand beyond this horizon: it
 * waits.
 *
 * A filter is applied row by row, unless it asks for a category, types or a correlation id and has
 * an optional index for them (optional_index.c): then only such rows are looked at, and the
 * tickets always, for an index of some rows has gaps everywhere. Several types are several scans,
 * merged by position.
 */
#include "postgres.h"

#include "errors.h"
#include "horizon.h"
#include "log_reader.h"
#include "optional_index.h"
#include "published_horizon.h"
#include "utils/snapmgr.h"

/* Beyond this, reading on and filtering is as good as merging. */
#define MOST_SCANS 8

typedef struct source {
    ec_event_scan scan;
    int64 position; /* of its current event */
    bool is_at_end;
} source;

/* Where the rows come from: one scan of the log, or some of an optional index. */
typedef struct sources {
    Relation index; /* NULL: the log itself */
    const Datum *keys;
    int count;
    ScanDirection direction;
    source source[MOST_SCANS];
} sources;

/* How far positions were drawn is known only where the log is written. */
static void check_position(const ec_relations *relations, int64 position, bool is_elsewhere)
{
    int64 last_drawn = ec_horizon_last_drawn(relations);

    if ((position > last_drawn && !is_elsewhere) || position < 0)
        ereport(
            ERROR,
            (ec_error_code(EC_ERROR_position_beyond_log),
             errmsg("there is no position " INT64_FORMAT " in the log", position),
             ec_error_detail(EC_ERROR_position_beyond_log, "ii", "after", position, "last_drawn",
                             last_drawn),
             errhint("The log is shorter than the reader remembers: the database was restored, or "
                     "lost its tail. Reset the reader to a position that exists; 0 is the "
                     "beginning.")));
}

static sources choose_sources(const ec_log_reader *reader)
{
    const ec_log_filter *filter = reader->filter;
    const ec_relations *relations = reader->relations;
    sources s = {.count = 1,
                 .direction = reader->backward ? BackwardScanDirection : ForwardScanDirection};

    if (relations->index_count == 3)
        return s; /* ours: there is no other */
    if (filter->correlation_id != NULL &&
        (s.index = ec_optional_index(relations, EC_INDEX_CORRELATION)) != NULL)
        s.keys = (const Datum *)&filter->correlation_id;
    else if (filter->type_count > 0 && filter->type_count <= MOST_SCANS &&
             (s.index = ec_optional_index(relations, EC_INDEX_TYPE)) != NULL) {
        s.keys = filter->types;
        s.count = filter->type_count;
    } else if (filter->category != NULL &&
               (s.index = ec_optional_index(relations, EC_INDEX_CATEGORY)) != NULL)
        s.keys = (const Datum *)&filter->category;
    return s;
}

static void step(source *source)
{
    source->is_at_end = !ec_event_scan_next(&source->scan);
    if (!source->is_at_end)
        source->position =
            DatumGetInt64(ec_event_scan_value(&source->scan, EC_GLOBAL_POSITION, NULL));
}

static void open_sources(sources *s, const ec_relations *relations, int64 after)
{
    for (int i = 0; i < s->count; i++) {
        ec_event_scan *scan = &s->source[i].scan;

        if (s->index == NULL) {
            ec_event_scan_log(scan, relations, GetActiveSnapshot());
            ec_event_scan_seek_position(scan, after, s->direction);
        } else {
            ec_event_scan_index(scan, relations, s->index, GetActiveSnapshot());
            ec_event_scan_seek_stream(scan, s->keys[i], after, s->direction);
        }
        step(&s->source[i]);
    }
}

/* The source whose event is next, or NULL behind the last. */
static source *next_source(sources *s)
{
    source *next = NULL;

    for (int i = 0; i < s->count; i++) {
        source *candidate = &s->source[i];

        if (!candidate->is_at_end && (next == NULL || (ScanDirectionIsForward(s->direction)
                                                           ? candidate->position < next->position
                                                           : candidate->position > next->position)))
            next = candidate;
    }
    return next;
}

static void close_sources(sources *s)
{
    for (int i = 0; i < s->count; i++)
        ec_event_scan_end(&s->source[i].scan);
}

/*
 * Give events behind the reader's position up to `until`, or, if that is negative, as long as their
 * positions follow on without a gap. Needs an active snapshot. Returns whether it stopped at a gap.
 */
static bool scan(ec_log_reader *reader, sources *s, int64 until, int64 *given)
{
    source *source = NULL;
    bool gap = false;

    open_sources(s, reader->relations, reader->position);
    while (*given < reader->max_count && reader->max_scanned > 0) {
        if (source != NULL)
            step(source);
        source = next_source(s);
        if (source == NULL)
            break;
        if (until < 0 ? source->position != reader->position + 1
                      : !reader->backward && source->position > until) {
            gap = true;
            break;
        }
        reader->position = source->position;
        reader->max_scanned--;
        if (ec_log_filter_passes(reader->filter, &source->scan)) {
            reader->receive(&source->scan, reader->context);
            (*given)++;
        }
    }
    close_sources(s);
    return gap;
}

int64 ec_log_read(ec_log_reader *reader)
{
    bool is_elsewhere = ec_published_horizon_is_needed(reader->relations);
    sources s = choose_sources(reader);
    int64 given = 0;
    bool gap = true;
    int64 until;

    if (!reader->backward || reader->position != PG_INT64_MAX)
        check_position(reader->relations, reader->position, is_elsewhere);
    if (s.index == NULL && !reader->backward && !is_elsewhere) {
        PushActiveSnapshot(GetLatestSnapshot());
        gap = scan(reader, &s, -1, &given);
        PopActiveSnapshot();
    }
    if (gap) {
        until = ec_horizon_push_snapshot(reader->relations);
        if (reader->backward)
            reader->position = Min(reader->position, until + 1);
        (void)scan(reader, &s, until, &given);
        PopActiveSnapshot();
    }
    return given;
}
