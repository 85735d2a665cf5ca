/*
 * projection_sql.c: the SQL functions that make, steer and run projections.
 *
 * All of them first lock the projection's row of progress, which waits for the batch that is being
 * run. For an inline one they then take the gate: nobody appends until they have committed, so that
 * no append runs the projection as it was while it is changed to something else. The row before the
 * gate, since a handler that appends waits for the gate with the row in hand.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "horizon.h"
#include "log_reader.h"
#include "miscadmin.h"
#include "projection_run.h"
#include "read.h"
#include "request_sql.h"
#include "role.h"
#include "stream_lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "worker.h"

static void raise_invalid(const char *problem)
{
    ereport(ERROR, (ec_error_code(EC_ERROR_invalid_projection), errmsg("%s", problem),
                    ec_error_detail(EC_ERROR_invalid_projection, "s", "problem", problem),
                    errhint("The comments of create_projection and rebuild_projection say what "
                            "they take.")));
}

static void raise_exists(const char *name)
{
    ereport(ERROR, (ec_error_code(EC_ERROR_projection_exists),
                    errmsg("projection \"%s\" exists already", name),
                    ec_error_detail(EC_ERROR_projection_exists, "s", "projection", name),
                    errhint("Choose another name, or drop it with eventcore.drop_projection().")));
}

static ec_projection *load(text *store, const char *name)
{
    ec_projection *projection = ec_projection_load(store, name);

    if (projection == NULL)
        ereport(ERROR, (ec_error_code(EC_ERROR_projection_not_found),
                        errmsg("projection \"%s\" does not exist", name),
                        ec_error_detail(EC_ERROR_projection_not_found, "s", "projection", name),
                        errhint("eventcore.projection_status shows those that do.")));
    return projection;
}

static void check_owner(const ec_projection *projection)
{
    Oid owner = get_role_oid(projection->owner, true);

    if (OidIsValid(owner) ? !has_privs_of_role(GetUserId(), owner) : !superuser())
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("must be owner of projection \"%s\"", projection->name)));
}

static void take_gate(text *store, bool holds_others)
{
    ec_relations relations = ec_relations_open(store, AccessShareLock);

    ec_stream_lock_take_gate(&relations, holds_others);
    ec_relations_close(&relations);
}

static char *name_argument(FunctionCallInfo fcinfo)
{
    if (PG_ARGISNULL(0))
        raise_invalid("name must not be null");
    return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

/* Lock the projection that the first argument names, and load it. */
static ec_projection *lock_argument(FunctionCallInfo fcinfo, int store_argument,
                                    ec_projection_progress *progress)
{
    text *store = ec_store_argument(fcinfo, store_argument);
    char *name = name_argument(fcinfo);
    ec_projection *projection = load(store, name);

    check_owner(projection);
    ec_projection_refuse_own_call(store, name);
    (void)ec_projection_read_progress(store, name, EC_LOCK, progress);
    projection = load(store, name); /* it may be gone by now, or other */
    if (projection->is_inline)
        take_gate(store, true);
    return projection;
}

static void execute(const ec_projection *projection, const char *sql)
{
    (void)ec_projection_execute(sql, projection->store, projection->name);
}

static void set_checkpoint(const ec_projection *projection, int64 checkpoint)
{
    execute(projection,
            psprintf("UPDATE eventcore.projection_progress SET checkpoint = " INT64_FORMAT
                     " WHERE store = $1 AND name = $2",
                     checkpoint));
}

static void set_paused(const ec_projection *projection, bool is_paused)
{
    execute(projection, psprintf("UPDATE eventcore.projections SET paused = %s "
                                 "WHERE store = $1 AND name = $2",
                                 is_paused ? "true" : "false"));
}

static void clear_failure(const ec_projection *projection)
{
    execute(projection, "UPDATE eventcore.projection_progress SET failed = false, attempts = 0, "
                        "next_attempt_at = NULL, failing_position = NULL, rebuild_target = "
                        "CASE WHEN checkpoint < rebuild_target THEN rebuild_target END "
                        "WHERE store = $1 AND name = $2");
}

/*
 * Give a projection all events that it is behind. The caller holds the gate, and appends that the
 * handler makes do not run it, since it is paused, or not yet inline: they are read like others.
 */
static void catch_up(ec_projection *projection, int64 checkpoint)
{
    set_checkpoint(projection, ec_projection_catch_up(projection, checkpoint, PG_INT64_MAX));
    clear_failure(projection);
}

/* Insert a row of projections, and one of progress, by a statement with these parameters. */
static void insert(const char *sql, int count, Oid *types, Datum *values, const char *nulls,
                   const char *name)
{
    ec_role before = ec_role_begin_statements();

    SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
    if (SPI_processed == 0)
        raise_exists(name);
    ec_role_end_statements(&before);
}

static bool is_one_of(const char *word, const char *first, const char *second, const char *third)
{
    return strcmp(word, first) == 0 || strcmp(word, second) == 0 || strcmp(word, third) == 0;
}

static void check_on_error(const char *on_error)
{
    if (!is_one_of(on_error, "stop", "retry", "park"))
        raise_invalid("on_error must be \"stop\", \"retry\" or \"park\"");
}

/* Arguments of create_projection; those of the filter are as in ec_log_filter. */
enum {
    NAME,
    HANDLER,
    TYPES,
    CATEGORY,
    PREFIX,
    PATTERN,
    CORRELATION_ID,
    MODE,
    BATCH_SIZE,
    ON_ERROR,
    MAX_ATTEMPTS,
    RETRY_DELAY,
    RESET,
    START,
    STORE,
    CREATE_ARGUMENTS
};

static void check_create(FunctionCallInfo fcinfo)
{
    static const char *const required[CREATE_ARGUMENTS] = {
        [NAME] = "name",
        [HANDLER] = "handler",
        [MODE] = "mode",
        [BATCH_SIZE] = "batch_size",
        [ON_ERROR] = "on_error",
        [MAX_ATTEMPTS] = "max_attempts",
        [RETRY_DELAY] = "retry_delay",
        [START] = "start",
    };
    ec_log_filter filter;
    const char *fault;
    text *name;

    for (int i = 0; i < CREATE_ARGUMENTS; i++)
        if (required[i] != NULL && PG_ARGISNULL(i))
            raise_invalid(psprintf("%s must not be null", required[i]));
    name = PG_GETARG_TEXT_PP(NAME);
    fault = ec_request_name_fault(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
    if (fault != NULL)
        raise_invalid(psprintf("the name of a projection %s", fault));
    if (!is_one_of(text_to_cstring(PG_GETARG_TEXT_PP(MODE)), "async", "inline", "inline"))
        raise_invalid("mode must be \"async\" or \"inline\"");
    check_on_error(text_to_cstring(PG_GETARG_TEXT_PP(ON_ERROR)));
    if (PG_GETARG_INT32(BATCH_SIZE) < 1 || PG_GETARG_INT32(BATCH_SIZE) > 100000)
        raise_invalid("batch_size must be between 1 and 100000");
    if (PG_GETARG_INT32(MAX_ATTEMPTS) < 1)
        raise_invalid("max_attempts must be at least 1");
    if (PG_GETARG_INTERVAL_P(RETRY_DELAY)->time < 0 || PG_GETARG_INTERVAL_P(RETRY_DELAY)->day < 0 ||
        PG_GETARG_INTERVAL_P(RETRY_DELAY)->month < 0)
        raise_invalid("retry_delay must not be negative");

    filter = ec_log_filter_arguments(fcinfo, TYPES);
    ec_log_filter_prepare(&filter);
}

/* Raise an error unless there is such a store, and such a position in it. */
static void check_start(text *store, int64 start)
{
    ec_relations relations = ec_relations_open(store, AccessShareLock);
    ec_log_filter all = {0};
    ec_log_reader reader = {.relations = &relations, .filter = &all, .position = start};

    (void)ec_log_read(&reader);
    ec_relations_close(&relations);
}

PG_FUNCTION_INFO_V1(eventcore_create_projection);
Datum eventcore_create_projection(PG_FUNCTION_ARGS)
{
    /* Those of the function, in its order; then paused, owner and search_path. */
    Oid types[CREATE_ARGUMENTS + 3] = {
        TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID,
        TEXTOID, INT4OID, INTERVALOID,  TEXTOID, INT8OID, TEXTOID, BOOLOID, TEXTOID, TEXTOID};
    Datum values[lengthof(types)];
    char nulls[lengthof(types)];
    text *store = ec_store_argument(fcinfo, STORE);
    Oid owner = GetUserId();
    bool is_inline;
    char *name;

    check_create(fcinfo);
    check_start(store, PG_GETARG_INT64(START));
    name = name_argument(fcinfo);
    is_inline = strcmp(text_to_cstring(PG_GETARG_TEXT_PP(MODE)), "inline") == 0;
    memset(nulls, ' ', sizeof(nulls));
    for (int i = 0; i < CREATE_ARGUMENTS; i++) {
        values[i] = PG_GETARG_DATUM(i);
        if (PG_ARGISNULL(i))
            nulls[i] = 'n';
    }
    values[HANDLER] = CStringGetTextDatum(
        ec_projection_find_function(name, PG_GETARG_TEXT_PP(HANDLER), true, owner));
    if (!PG_ARGISNULL(RESET))
        values[RESET] = CStringGetTextDatum(
            ec_projection_find_function(name, PG_GETARG_TEXT_PP(RESET), false, owner));
    values[CREATE_ARGUMENTS] = BoolGetDatum(is_inline); /* until it has caught up */
    values[CREATE_ARGUMENTS + 1] = CStringGetTextDatum(GetUserNameFromId(owner, false));
    values[CREATE_ARGUMENTS + 2] = CStringGetTextDatum(namespace_search_path);
    if (is_inline)
        take_gate(store, false);
    insert("WITH made AS (INSERT INTO eventcore.projections (name, handler, types, category, "
           "prefix, pattern, correlation_id, mode, batch_size, on_error, max_attempts, "
           "retry_delay, reset, start, store, paused, owner, search_path) VALUES ($1, $2, $3, $4, "
           "$5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) "
           "ON CONFLICT (store, name) DO NOTHING RETURNING store, name, start) "
           "INSERT INTO eventcore.projection_progress (store, name, checkpoint) "
           "SELECT store, name, start FROM made",
           lengthof(types), types, values, nulls, name);
    if (is_inline) {
        ec_projection *projection = load(store, name);

        catch_up(projection, projection->start);
        set_paused(projection, false);
    } else
        ec_worker_wake();
    PG_RETURN_VOID();
}

/* (name text, max_events bigint, store text) */
PG_FUNCTION_INFO_V1(eventcore_run_projection);
Datum eventcore_run_projection(PG_FUNCTION_ARGS)
{
    text *store = ec_store_argument(fcinfo, 2);
    char *name = name_argument(fcinfo);
    int64 most = ec_read_max_count(fcinfo, 1);
    ec_projection_progress progress;
    int64 handled = 0;

    (void)load(store, name);
    if (ec_projection_read_progress(store, name, EC_NO_LOCK, &progress) && progress.has_failed)
        ereport(WARNING, (errmsg("projection \"%s\" has stopped at an error", name),
                          errhint("eventcore.projection_status shows it; when it is put right, "
                                  "call eventcore.resume_projection().")));
    while (handled < most && ec_projection_run_batch(store, name, most - handled, &handled))
        CHECK_FOR_INTERRUPTS();
    PG_RETURN_INT64(handled);
}

/* (name text, store text) */
PG_FUNCTION_INFO_V1(eventcore_pause_projection);
Datum eventcore_pause_projection(PG_FUNCTION_ARGS)
{
    ec_projection_progress progress;
    ec_projection *projection = lock_argument(fcinfo, 1, &progress);

    if (projection->is_inline && !projection->is_paused)
        set_checkpoint(projection, ec_projection_end_of_log(projection));
    execute(projection, "UPDATE eventcore.projection_progress SET attempts = 0, "
                        "next_attempt_at = NULL WHERE store = $1 AND name = $2");
    set_paused(projection, true);
    PG_RETURN_VOID();
}

/* (name text, store text) */
PG_FUNCTION_INFO_V1(eventcore_resume_projection);
Datum eventcore_resume_projection(PG_FUNCTION_ARGS)
{
    ec_projection_progress progress;
    ec_projection *projection = lock_argument(fcinfo, 1, &progress);

    if (projection->is_inline && projection->is_paused)
        catch_up(projection, progress.checkpoint);
    clear_failure(projection);
    set_paused(projection, false);
    ec_worker_wake();
    PG_RETURN_VOID();
}

static char *rebuild_name(const char *name)
{
    return psprintf("%s:rebuild", name);
}

/* (name text, store text) */
PG_FUNCTION_INFO_V1(eventcore_drop_projection);
Datum eventcore_drop_projection(PG_FUNCTION_ARGS)
{
    ec_projection_progress progress;
    ec_projection *projection = lock_argument(fcinfo, 1, &progress);
    ec_projection *rebuild = ec_projection_load(projection->store, rebuild_name(projection->name));

    ec_projection_forget(projection->store, projection->name);
    if (rebuild != NULL && rebuild->replaces != NULL)
        ec_projection_forget(rebuild->store, rebuild->name);
    PG_RETURN_VOID();
}

/* (name text, mode text, store text) */
PG_FUNCTION_INFO_V1(eventcore_set_projection_mode);
Datum eventcore_set_projection_mode(PG_FUNCTION_ARGS)
{
    ec_projection_progress progress;
    ec_projection *projection = lock_argument(fcinfo, 2, &progress);
    char *mode = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));
    bool is_inline = strcmp(mode, "inline") == 0;

    if (!is_one_of(mode, "async", "inline", "inline"))
        raise_invalid("mode must be \"async\" or \"inline\"");
    if (is_inline && projection->replaces != NULL)
        raise_invalid("a rebuild beside another projection cannot be inline");
    if (is_inline == projection->is_inline)
        PG_RETURN_VOID();
    if (is_inline)
        take_gate(projection->store, true);
    if (is_inline && !projection->is_paused)
        catch_up(projection, progress.checkpoint);
    else if (!is_inline && !projection->is_paused)
        set_checkpoint(projection, ec_projection_end_of_log(projection));
    execute(projection, psprintf("UPDATE eventcore.projections SET mode = '%s' "
                                 "WHERE store = $1 AND name = $2",
                                 mode));
    ec_worker_wake();
    PG_RETURN_VOID();
}

/* (name text, on_error text, store text) */
PG_FUNCTION_INFO_V1(eventcore_set_projection_on_error);
Datum eventcore_set_projection_on_error(PG_FUNCTION_ARGS)
{
    ec_projection_progress progress;
    ec_projection *projection = lock_argument(fcinfo, 2, &progress);
    const char *on_error = PG_ARGISNULL(1) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(1));

    check_on_error(on_error);
    execute(projection, psprintf("UPDATE eventcore.projections SET on_error = '%s' "
                                 "WHERE store = $1 AND name = $2",
                                 on_error));
    PG_RETURN_VOID();
}

static int64 safe_position(text *store)
{
    ec_relations relations = ec_relations_open(store, AccessShareLock);
    int64 position = ec_horizon_safe_position(&relations);

    ec_relations_close(&relations);
    return position;
}

static void rebuild_in_place(ec_projection *projection)
{
    bool runs_inline = projection->is_inline && !projection->is_paused;

    if (projection->reset == NULL)
        raise_invalid("it has no reset function, so its read model would be given every event "
                      "once more");
    if (runs_inline)
        set_paused(projection, true);
    ec_projection_call(projection, projection->reset);
    execute(projection, "DELETE FROM eventcore.parked_projection_events "
                        "WHERE store = $1 AND name = $2");
    execute(projection,
            psprintf("UPDATE eventcore.projection_progress SET checkpoint = " INT64_FORMAT
                     ", failed = false, attempts = 0, next_attempt_at = NULL, "
                     "failing_position = NULL, rebuild_target = " INT64_FORMAT
                     ", rebuild_started_at = clock_timestamp(), rebuild_events_done = 0 "
                     "WHERE store = $1 AND name = $2",
                     projection->start, safe_position(projection->store)));
    if (runs_inline) {
        catch_up(projection, projection->start);
        set_paused(projection, false);
    }
}

static void rebuild_beside(const ec_projection *projection, text *beside, text *swap)
{
    Oid owner = get_role_oid(projection->owner, false);
    char *name = rebuild_name(projection->name);
    char *handler = ec_projection_find_function(name, beside, true, owner);
    char *function = ec_projection_find_function(name, swap, false, owner);
    Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID};
    Datum values[] = {
        PointerGetDatum(projection->store), CStringGetTextDatum(projection->name),
        CStringGetTextDatum(name),          CStringGetTextDatum(handler),
        CStringGetTextDatum(function),      Int64GetDatum(safe_position(projection->store))};

    if (projection->replaces != NULL)
        raise_invalid("this is a rebuild beside another projection itself");
    insert("WITH made AS (INSERT INTO eventcore.projections (store, name, handler, types, "
           "category, prefix, pattern, correlation_id, mode, batch_size, on_error, max_attempts, "
           "retry_delay, start, replaces, swap, owner, search_path) "
           "SELECT store, $3, $4, types, category, prefix, pattern, correlation_id, 'async', "
           "batch_size, 'stop', max_attempts, retry_delay, start, name, $5, owner, search_path "
           "FROM eventcore.projections WHERE store = $1 AND name = $2 "
           "ON CONFLICT (store, name) DO NOTHING RETURNING store, name, start) "
           "INSERT INTO eventcore.projection_progress (store, name, checkpoint, rebuild_target, "
           "rebuild_started_at) SELECT store, name, start, $6, clock_timestamp() FROM made",
           lengthof(types), types, values, NULL, name);
}

/* (name text, beside text, swap text, store text) */
PG_FUNCTION_INFO_V1(eventcore_rebuild_projection);
Datum eventcore_rebuild_projection(PG_FUNCTION_ARGS)
{
    ec_projection_progress progress;
    ec_projection *projection;

    if (PG_ARGISNULL(1) != PG_ARGISNULL(2))
        raise_invalid("beside and swap go together");
    if (PG_ARGISNULL(1)) {
        projection = lock_argument(fcinfo, 3, &progress);
        rebuild_in_place(projection);
    } else { /* concerns nobody who appends: needs no lock */
        projection = load(ec_store_argument(fcinfo, 3), name_argument(fcinfo));
        check_owner(projection);
        rebuild_beside(projection, PG_GETARG_TEXT_PP(1), PG_GETARG_TEXT_PP(2));
    }
    ec_worker_wake();
    PG_RETURN_VOID();
}

/* (name text, global_position bigint, store text) */
PG_FUNCTION_INFO_V1(eventcore_replay_parked_projection);
Datum eventcore_replay_parked_projection(PG_FUNCTION_ARGS)
{
    MemoryContext caller = CurrentMemoryContext;
    ec_projection_progress progress;
    ec_projection *projection = lock_argument(fcinfo, 2, &progress);
    Oid types[] = {TEXTOID, TEXTOID, INT8OID};
    Datum values[] = {PointerGetDatum(projection->store), CStringGetTextDatum(projection->name),
                      PG_ARGISNULL(1) ? (Datum)0 : PG_GETARG_DATUM(1)};
    ec_role before = ec_role_begin_statements();
    int64 *positions;
    int64 handled = 0;
    int count;

    SPI_execute_with_args("SELECT global_position FROM eventcore.parked_projection_events "
                          "WHERE store = $1 AND name = $2 AND global_position = "
                          "coalesce($3, global_position) ORDER BY global_position",
                          lengthof(types), types, values, PG_ARGISNULL(1) ? "  n" : NULL, false, 0);
    count = SPI_processed;
    positions = MemoryContextAllocHuge(caller, Max(count, 1) * sizeof(int64));
    for (int i = 0; i < count; i++) {
        bool is_null;

        positions[i] =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
    }
    ec_role_end_statements(&before);
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        handled += ec_projection_replay(projection, positions[i]);
    }
    PG_RETURN_INT64(handled);
}
