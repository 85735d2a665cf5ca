/*
 * projection_run.c: take a projection forward along the log.
 *
 * Exactly once. In one transaction a runner locks the projection's row of progress, reads behind
 * its checkpoint, calls the handler, and moves the checkpoint to the last row that it looked at. So
 * what the handler writes and the checkpoint commit together or not at all, and of two runners at
 * once the second finds the row locked and steps aside.
 *
 * Errors. The batch is tried in one subtransaction. If that fails, its events are tried one after
 * the other, each in a subtransaction of its own (an array handler gets arrays of one), so that all
 * before the failing one are done and it is known exactly which one fails. Then on_error decides.
 *
 * A rebuild beside another projection (the live one, which it `replaces`) is a projection like any,
 * except that it never passes the live one's checkpoint. When it has nothing left to read it
 * finishes: in a subtransaction, with the live one's row locked as well, or the gate taken if that
 * runs inline, it goes on to exactly where that stands, calls the swap function, and is gone.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "log_reader.h"
#include "miscadmin.h"
#include "projection_run.h"
#include "recorded_event.h"
#include "role.h"
#include "stream_lock.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

/* What bounds a batch beside its batch_size: rows that a filter drops, and memory. */
#define MOST_ROWS 10000
#define MOST_BYTES (32 * 1024 * 1024)

typedef struct batch {
    ec_projection *projection;
    ec_log_reader reader;
    TupleDesc columns;
    int64 until;
    Datum *events; /* recorded_event */
    int64 *positions;
    int count;
    Size bytes;
    bool is_at_end; /* there is nothing behind it, or nothing up to `until` */
} batch;

/* What a run comes to. */
typedef struct outcome {
    ec_projection_progress *progress;
    int64 handled;
    const char *error; /* the last one, NULL: none */
    bool go_on;
} outcome;

bool ec_projection_read_progress(text *store, const char *name, ec_projection_lock lock,
                                 ec_projection_progress *progress)
{
    static const char *const clauses[] = {"", " FOR UPDATE SKIP LOCKED", " FOR UPDATE"};
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[] = {PointerGetDatum(store), CStringGetTextDatum(name)};
    ec_role before = ec_role_begin_statements();
    char *sql =
        psprintf("SELECT checkpoint, failed, attempts, coalesce(failing_position, 0), "
                 "coalesce(next_attempt_at > clock_timestamp(), false), rebuild_target IS NOT NULL "
                 "FROM eventcore.projection_progress WHERE store = $1 AND name = $2%s",
                 clauses[lock]);
    bool found;

    SPI_execute_with_args(sql, lengthof(types), types, values, NULL, false, 1);
    found = SPI_processed == 1;
    if (found) {
        Datum column[6];
        bool is_null;

        for (int i = 0; i < (int)lengthof(column); i++)
            column[i] =
                SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &is_null);
        *progress = (ec_projection_progress){
            .checkpoint = DatumGetInt64(column[0]),
            .has_failed = DatumGetBool(column[1]),
            .attempts = DatumGetInt32(column[2]),
            .failing_position = DatumGetInt64(column[3]),
            .is_waiting = DatumGetBool(column[4]),
            .is_rebuilding = DatumGetBool(column[5]),
        };
    }
    ec_role_end_statements(&before);
    return found;
}

static void save_progress(const ec_projection *projection, const outcome *result, bool is_at_end)
{
    const ec_projection_progress *progress = result->progress;
    Oid types[] = {TEXTOID, TEXTOID, INT8OID, BOOLOID, INT4OID,
                   BOOLOID, INT8OID, TEXTOID, BOOLOID, INT8OID};
    Datum values[] = {
        PointerGetDatum(projection->store),
        CStringGetTextDatum(projection->name),
        Int64GetDatum(progress->checkpoint),
        BoolGetDatum(progress->has_failed),
        Int32GetDatum(progress->attempts),
        BoolGetDatum(progress->is_waiting),
        Int64GetDatum(progress->failing_position),
        result->error == NULL ? (Datum)0 : CStringGetTextDatum(result->error),
        BoolGetDatum(is_at_end),
        Int64GetDatum(result->handled),
    };
    char nulls[] = {' ', ' ', ' ', ' ', ' ', ' ', ' ', result->error == NULL ? 'n' : ' ', ' ', ' '};
    ec_role before = ec_role_begin_statements();

    SPI_execute_with_args(
        "UPDATE eventcore.projection_progress AS p SET checkpoint = $3, failed = $4, "
        "attempts = $5, next_attempt_at = CASE WHEN $6 THEN clock_timestamp() "
        "+ (SELECT retry_delay FROM eventcore.projections AS d WHERE d.store = $1 AND d.name = $2) "
        "* power(2, least($5 - 1, 20)) END, failing_position = nullif($7, 0), "
        "last_error = coalesce($8, last_error), "
        "last_error_at = CASE WHEN $8 IS NULL THEN last_error_at ELSE clock_timestamp() END, "
        "rebuild_events_done = rebuild_events_done "
        "+ CASE WHEN rebuild_target IS NULL THEN 0 ELSE $10 END, "
        "rebuild_target = CASE WHEN $9 OR $3 >= rebuild_target THEN NULL ELSE rebuild_target END "
        "WHERE store = $1 AND name = $2",
        lengthof(types), types, values, nulls, false, 0);
    ec_role_end_statements(&before);
}

static void park(const ec_projection *projection, int64 position, const char *error)
{
    Oid types[] = {TEXTOID, TEXTOID, INT8OID, TEXTOID};
    Datum values[] = {PointerGetDatum(projection->store), CStringGetTextDatum(projection->name),
                      Int64GetDatum(position), CStringGetTextDatum(error)};
    ec_role before = ec_role_begin_statements();

    SPI_execute_with_args(
        "INSERT INTO eventcore.parked_projection_events (store, name, global_position, error) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (store, name, global_position) "
        "DO UPDATE SET error = excluded.error, parked_at = excluded.parked_at",
        lengthof(types), types, values, NULL, false, 0);
    ec_role_end_statements(&before);
}

static void receive(ec_event_scan *scan, void *context)
{
    batch *b = context;
    int64 position = DatumGetInt64(ec_event_scan_value(scan, EC_GLOBAL_POSITION, NULL));

    if (position > b->until) {
        b->reader.max_count = 0; /* stops the reader */
        return;
    }
    b->positions[b->count] = position;
    b->events[b->count] = ec_recorded_event(scan, b->columns);
    b->bytes += VARSIZE(DatumGetPointer(b->events[b->count]));
    b->count++;
    if (b->bytes > MOST_BYTES) {
        b->reader.max_count = 0;
        b->is_at_end = false;
    }
}

/* Read the next batch behind `after`, into the current memory context. */
static void read_batch(batch *b, ec_projection *projection, const ec_log_filter *filter,
                       int64 after, int64 until, int64 most)
{
    ec_relations relations = ec_relations_open(projection->store, AccessShareLock);

    most = Min(most, projection->batch_size);
    *b = (batch){
        .projection = projection,
        .reader = {.relations = &relations,
                   .filter = filter,
                   .position = after,
                   .max_count = most,
                   .max_scanned = Max(MOST_ROWS, projection->batch_size),
                   .receive = receive,
                   .context = b},
        .columns = ec_recorded_event_columns(),
        .until = until,
        .events = palloc(most * sizeof(Datum)),
        .positions = palloc(most * sizeof(int64)),
        .is_at_end = true,
    };
    (void)ec_log_read(&b->reader);
    b->is_at_end &= b->count < most && b->reader.max_scanned > 0;
    if (b->reader.position >= until) {
        b->reader.position = until;
        b->is_at_end = true;
    }
    ec_relations_close(&relations);
}

int64 ec_projection_end_of_log(const ec_projection *projection)
{
    ec_relations relations = ec_relations_open(projection->store, AccessShareLock);
    int64 position = ec_last_position(&relations);

    ec_relations_close(&relations);
    return position;
}

/*
 * To PG_INT64_MAX means with the gate in hand. A transaction that ends gives its locks back one
 * after the other, the gate perhaps before its ticket: for a moment what it has appended is visible
 * and not yet settled. Nobody would read it later, so wait until it is.
 */
int64 ec_projection_catch_up(ec_projection *projection, int64 checkpoint, int64 until)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext memory = AllocSetContextCreate(caller, "eventcore batch", ALLOCSET_DEFAULT_SIZES);
    batch b = {.is_at_end = checkpoint >= until};

    MemoryContextSwitchTo(memory);
    while (!b.is_at_end) {
        CHECK_FOR_INTERRUPTS();
        MemoryContextReset(memory);
        read_batch(&b, projection, &projection->filter, checkpoint, until, PG_INT64_MAX);
        checkpoint = b.reader.position;
        if (b.count > 0)
            ec_projection_handle(projection, b.events, b.count);
        if (b.is_at_end && until == PG_INT64_MAX &&
            checkpoint < ec_projection_end_of_log(projection)) {
            b.is_at_end = false;
            pg_usleep(1000);
        }
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(memory);
    return checkpoint;
}

/* Do something in a subtransaction; returns its error, or NULL. A cancellation is raised. */
static ErrorData *attempt(void (*step)(void *argument), void *argument)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    ErrorData *volatile error = NULL;

    BeginInternalSubTransaction(NULL);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        step(argument);
        ReleaseCurrentSubTransaction();
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    if (error != NULL && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
        ReThrowError(error);
    return error;
}

typedef struct range {
    batch *batch;
    int first;
    int count;
} range;

static void handle(void *argument)
{
    const range *r = argument;

    ec_projection_handle(r->batch->projection, r->batch->events + r->first, r->count);
}

static ErrorData *try_events(batch *b, int first, int count)
{
    return attempt(handle, &(range){b, first, count});
}

static void warn(const ec_projection *projection, int64 position, const char *what,
                 const ErrorData *error)
{
    ereport(WARNING, (errmsg("projection \"%s\" %s: %s", projection->name, what, error->message),
                      errdetail("Position " INT64_FORMAT ", SQLSTATE %s.", position,
                                unpack_sql_state(error->sqlerrcode)),
                      error->context == NULL ? 0 : errcontext("%s", error->context)));
}

/* Event `i` of a batch has failed: what now? Returns whether to go on behind it. */
static bool decide(const batch *b, int i, const ErrorData *error, outcome *result)
{
    const ec_projection *projection = b->projection;
    ec_projection_progress *progress = result->progress;
    int64 position = b->positions[i];
    int attempts = 1;

    /* It may have met locks that this transaction holds for the events before it. */
    if (ec_projection_is_transient(error) && i > 0) {
        result->go_on = true;
        return false;
    }
    result->error = error->message;
    if (progress->failing_position == position)
        attempts += progress->attempts;
    if (projection->on_error == EC_ON_ERROR_PARK && !ec_projection_is_unusable(error) &&
        (!ec_projection_is_transient(error) || attempts >= projection->max_attempts)) {
        park(projection, position, error->message);
        warn(projection, position, "has parked an event", error);
        return true;
    }
    progress->failing_position = position;
    progress->attempts = attempts;
    progress->is_waiting =
        (projection->on_error == EC_ON_ERROR_RETRY || ec_projection_is_transient(error)) &&
        !ec_projection_is_unusable(error) && attempts < projection->max_attempts;
    progress->has_failed = !progress->is_waiting;
    warn(projection, position, progress->has_failed ? "has stopped" : "will try an event again",
         error);
    return false;
}

static void pass(ec_projection_progress *progress, int64 checkpoint)
{
    progress->checkpoint = checkpoint;
    progress->failing_position = 0;
    progress->attempts = 0;
}

/* The batch has failed: its events one after the other, up to one that cannot be passed. */
static void handle_one_by_one(batch *b, ErrorData *error, outcome *result)
{
    bool is_known = b->count == 1 || ec_projection_is_unusable(error);

    for (int i = 0; i < b->count; i++) {
        if (!is_known)
            error = try_events(b, i, 1);
        if (error == NULL)
            result->handled++;
        else if (!decide(b, i, error, result))
            return;
        pass(result->progress, b->positions[i]);
    }
    pass(result->progress, b->reader.position);
    result->go_on = !b->is_at_end;
}

static void handle_batch(batch *b, outcome *result)
{
    ErrorData *error = b->count == 0 ? NULL : try_events(b, 0, b->count);

    if (error == NULL) {
        result->handled += b->count;
        result->go_on = !b->is_at_end;
        pass(result->progress, b->reader.position);
    } else
        handle_one_by_one(b, error, result);
}

bool ec_projection_replay(ec_projection *projection, int64 position)
{
    ec_log_filter all = {0};
    ErrorData *error = NULL;
    batch b;

    read_batch(&b, projection, &all, position - 1, position, 1);
    if (b.count > 0)
        error = try_events(&b, 0, 1);
    if (error != NULL) {
        park(projection, position, error->message);
        warn(projection, position, "has failed again", error);
        return false;
    }
    ec_projection_execute(
        psprintf("DELETE FROM eventcore.parked_projection_events "
                 "WHERE store = $1 AND name = $2 AND global_position = " INT64_FORMAT,
                 position),
        projection->store, projection->name);
    return b.count > 0;
}

/* A rebuild that has nothing left to read. */
typedef struct rebuild {
    ec_projection *projection;
    int64 checkpoint;
    bool is_finished;
} rebuild;

static ec_projection *live_projection(const ec_projection *projection)
{
    ec_projection *live = ec_projection_load(projection->store, projection->replaces);

    if (live == NULL) /* drop_projection drops both */
        elog(ERROR, "projection \"%s\" does not exist", projection->replaces);
    return live;
}

/* How far a rebuild may go: to where the live projection is. */
static int64 limit(const ec_projection *projection)
{
    ec_projection_progress progress;
    ec_projection *live;

    if (projection->replaces == NULL)
        return PG_INT64_MAX;
    live = live_projection(projection);
    if ((live->is_inline && !live->is_paused) ||
        !ec_projection_read_progress(projection->store, live->name, EC_NO_LOCK, &progress))
        return PG_INT64_MAX;
    return progress.checkpoint;
}

static void finish_rebuild(void *argument)
{
    rebuild *r = argument;
    ec_projection *projection = r->projection;
    ec_projection_progress live;
    ec_projection *live_one;
    int64 until;

    if (!ec_projection_read_progress(projection->store, projection->replaces, EC_LOCK_OR_SKIP,
                                     &live))
        return; /* it is being run: later */
    live_one = live_projection(projection);
    until = live.checkpoint;
    if (live_one->is_inline && !live_one->is_paused) {
        ec_relations relations = ec_relations_open(projection->store, AccessShareLock);

        ec_stream_lock_take_gate(&relations, true);
        ec_relations_close(&relations);
        until = PG_INT64_MAX;
    }
    if (r->checkpoint > until)
        return; /* the live one is being rebuilt itself */
    (void)ec_projection_catch_up(projection, r->checkpoint, until);
    ec_projection_call(projection, projection->swap);
    ec_projection_forget(projection->store, projection->name);
    /* The rebuild has handled these too. */
    ec_projection_execute("DELETE FROM eventcore.parked_projection_events "
                          "WHERE store = $1 AND name = $2",
                          projection->store, projection->replaces);
    r->is_finished = true;
}

static bool try_to_finish(ec_projection *projection, outcome *result)
{
    rebuild r = {projection, result->progress->checkpoint, false};
    ErrorData *error = attempt(finish_rebuild, &r);

    if (error != NULL && !ec_projection_is_transient(error)) {
        result->error = error->message;
        result->progress->has_failed = true;
        warn(projection, r.checkpoint, "has stopped", error);
    }
    return r.is_finished;
}

bool ec_projection_run_batch(text *store, const char *name, int64 most, int64 *handled)
{
    MemoryContext caller = CurrentMemoryContext;
    MemoryContext memory = AllocSetContextCreate(caller, "eventcore batch", ALLOCSET_DEFAULT_SIZES);
    ec_projection_progress progress;
    outcome result = {.progress = &progress};
    ec_projection *projection = NULL;
    batch b;

    ec_projection_refuse_own_call(store, name);
    MemoryContextSwitchTo(memory);
    /* What the projection is, only with the lock: who pauses or changes it holds that. */
    if (ec_projection_read_progress(store, name, EC_LOCK_OR_SKIP, &progress))
        projection = ec_projection_load(store, name);
    if (projection != NULL && !projection->is_inline && !projection->is_paused &&
        !progress.has_failed && !progress.is_waiting) {
        int64 checkpoint = progress.checkpoint;
        int64 until;
        bool was_plain = progress.attempts == 0 && !progress.is_rebuilding;

        until = limit(projection);
        read_batch(&b, projection, &projection->filter, checkpoint, Max(until, checkpoint), most);
        handle_batch(&b, &result);
        if (projection->replaces == NULL || result.go_on || progress.has_failed ||
            !try_to_finish(projection, &result))
            if (!was_plain || progress.checkpoint != checkpoint || result.error != NULL)
                save_progress(projection, &result,
                              b.is_at_end && progress.checkpoint == b.reader.position);
        *handled += result.handled;
    }
    MemoryContextSwitchTo(caller);
    MemoryContextDelete(memory);
    return result.go_on;
}
