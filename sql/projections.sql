-- Projections: read models that the database keeps up to date.

-- What they are. Changed by hand of an administrator only, and rarely: every change has all sessions
-- look again which inline projections there are. Functions and owner are names, not OIDs: they must
-- survive dump, restore and pg_upgrade.
CREATE TABLE eventcore.projections (
    store          text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    handler        text        NOT NULL,
    types          text[],
    category       text,
    prefix         text,
    pattern        text,
    correlation_id text,
    mode           text        NOT NULL,
    batch_size     integer     NOT NULL,
    on_error       text        NOT NULL,
    max_attempts   integer     NOT NULL,
    retry_delay    interval    NOT NULL,
    reset          text,
    start          bigint      NOT NULL,
    replaces       text COLLATE "C",
    swap           text,
    owner          text        NOT NULL,
    search_path    text        NOT NULL,
    paused         boolean     NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (store, name)
);
COMMENT ON TABLE eventcore.projections IS
'What projections there are. Made and changed by the functions for projections.';
COMMENT ON COLUMN eventcore.projections.store IS 'The store whose events it gets.';
COMMENT ON COLUMN eventcore.projections.name IS 'Its name, unique in the store.';
COMMENT ON COLUMN eventcore.projections.handler IS
'The function that gets the events, with schema and argument type.';
COMMENT ON COLUMN eventcore.projections.types IS 'Only events of these types; null: of all.';
COMMENT ON COLUMN eventcore.projections.category IS 'Only streams of this category; null: all.';
COMMENT ON COLUMN eventcore.projections.prefix IS 'Only streams whose id begins so; null: all.';
COMMENT ON COLUMN eventcore.projections.pattern IS 'Only streams whose id is like this; null: all.';
COMMENT ON COLUMN eventcore.projections.correlation_id IS
'Only events with this correlation_id in their metadata; null: all.';
COMMENT ON COLUMN eventcore.projections.mode IS '"async" or "inline".';
COMMENT ON COLUMN eventcore.projections.batch_size IS 'The most events in a transaction.';
COMMENT ON COLUMN eventcore.projections.on_error IS '"stop", "retry" or "park".';
COMMENT ON COLUMN eventcore.projections.max_attempts IS 'How often "retry" tries an event.';
COMMENT ON COLUMN eventcore.projections.retry_delay IS 'Before the first retry; then it doubles.';
COMMENT ON COLUMN eventcore.projections.reset IS
'The function that empties the read model; null: there is none.';
COMMENT ON COLUMN eventcore.projections.start IS 'The position that it began behind.';
COMMENT ON COLUMN eventcore.projections.replaces IS
'Of a rebuild beside another projection: that one.';
COMMENT ON COLUMN eventcore.projections.swap IS
'Of a rebuild beside another projection: the function to call when it has caught up.';
COMMENT ON COLUMN eventcore.projections.owner IS 'The role with whose rights its functions run.';
COMMENT ON COLUMN eventcore.projections.search_path IS
'The search_path of its functions: that of the session that created it.';
COMMENT ON COLUMN eventcore.projections.paused IS 'Whether it stands still on demand.';
COMMENT ON COLUMN eventcore.projections.created_at IS 'When it was created.';

-- How far they are: one small row each, changed in every batch, in place (HOT: no index has a changing
-- column, and the page has room). Its lock is the right to run the projection.
CREATE TABLE eventcore.projection_progress (
    store               text COLLATE "C" NOT NULL,
    name                text COLLATE "C" NOT NULL,
    checkpoint          bigint  NOT NULL,
    failed              boolean NOT NULL DEFAULT false,
    attempts            integer NOT NULL DEFAULT 0,
    next_attempt_at     timestamptz,
    failing_position    bigint,
    last_error          text,
    last_error_at       timestamptz,
    rebuild_target      bigint,
    rebuild_started_at  timestamptz,
    rebuild_events_done bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (store, name)
) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);
COMMENT ON TABLE eventcore.projection_progress IS
'How far projections are. See eventcore.projection_status.';
COMMENT ON COLUMN eventcore.projection_progress.store IS 'The store.';
COMMENT ON COLUMN eventcore.projection_progress.name IS 'The projection.';
COMMENT ON COLUMN eventcore.projection_progress.checkpoint IS
'The position up to which it is done; not kept while it runs inline.';
COMMENT ON COLUMN eventcore.projection_progress.failed IS 'Whether it has stopped at an error.';
COMMENT ON COLUMN eventcore.projection_progress.attempts IS
'How often the event at failing_position has failed.';
COMMENT ON COLUMN eventcore.projection_progress.next_attempt_at IS
'When it is tried again; null: at once.';
COMMENT ON COLUMN eventcore.projection_progress.failing_position IS
'The event that it cannot pass; null: none.';
COMMENT ON COLUMN eventcore.projection_progress.last_error IS
'What its last error said, which may be over.';
COMMENT ON COLUMN eventcore.projection_progress.last_error_at IS 'When that was.';
COMMENT ON COLUMN eventcore.projection_progress.rebuild_target IS
'The position that a rebuild in progress has to reach; null: none.';
COMMENT ON COLUMN eventcore.projection_progress.rebuild_started_at IS 'When the last rebuild began.';
COMMENT ON COLUMN eventcore.projection_progress.rebuild_events_done IS
'How many events the last rebuild has handled so far.';

CREATE TABLE eventcore.parked_projection_events (
    store           text COLLATE "C" NOT NULL,
    name            text COLLATE "C" NOT NULL,
    global_position bigint NOT NULL,
    error           text   NOT NULL,
    parked_at       timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (store, name, global_position)
);
COMMENT ON TABLE eventcore.parked_projection_events IS
'Events that projections with on_error "park" have failed to handle and gone past.';
COMMENT ON COLUMN eventcore.parked_projection_events.store IS 'The store.';
COMMENT ON COLUMN eventcore.parked_projection_events.name IS 'The projection.';
COMMENT ON COLUMN eventcore.parked_projection_events.global_position IS 'The event.';
COMMENT ON COLUMN eventcore.parked_projection_events.error IS 'What the handler said.';
COMMENT ON COLUMN eventcore.parked_projection_events.parked_at IS 'When that was.';

SELECT pg_catalog.pg_extension_config_dump('eventcore.projections', '');
SELECT pg_catalog.pg_extension_config_dump('eventcore.projection_progress', '');
SELECT pg_catalog.pg_extension_config_dump('eventcore.parked_projection_events', '');

CREATE FUNCTION eventcore.projections_changed() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'eventcore_projections_changed';
COMMENT ON FUNCTION eventcore.projections_changed() IS
'Trigger function: have all sessions look again which inline projections there are.';
CREATE TRIGGER projections_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE
    ON eventcore.projections FOR EACH STATEMENT EXECUTE FUNCTION eventcore.projections_changed();
ALTER TABLE eventcore.projections ENABLE ALWAYS TRIGGER projections_changed;
COMMENT ON TRIGGER projections_changed ON eventcore.projections IS
'So that no session appends without a new inline projection, however its row came here.';

CREATE FUNCTION eventcore.create_projection(
    name           text,
    handler        text,
    types          text[]   DEFAULT NULL,
    category       text     DEFAULT NULL,
    prefix         text     DEFAULT NULL,
    pattern        text     DEFAULT NULL,
    correlation_id text     DEFAULT NULL,
    mode           text     DEFAULT 'async',
    batch_size     integer  DEFAULT 500,
    on_error       text     DEFAULT 'stop',
    max_attempts   integer  DEFAULT 5,
    retry_delay    interval DEFAULT '1 second',
    reset          text     DEFAULT NULL,
    start          bigint   DEFAULT 0,
    store          text     DEFAULT 'default'
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_create_projection';
COMMENT ON FUNCTION eventcore.create_projection(
    text, text, text[], text, text, text, text, text, integer, text, integer, interval, text, bigint,
    text) IS
'Have the database keep a read model: call a function with every event of the log, in order, exactly once.
name: 1 to 255 characters, unique in the store. handler: a function that takes one eventcore.recorded_event, or an array of them (set-based, which is faster); what it returns is ignored. Named with or without argument types, looked up with the current search_path; the caller needs EXECUTE. types, category, prefix, pattern, correlation_id: as for eventcore.read_all(). start: events behind this position (exclusive); 0: all.
mode "async": eventcore.run_projection(), or a background worker where the library is preloaded, calls it in batches of at most batch_size events, each a transaction of its own in which its checkpoint moves too. mode "inline": it is called within every append, before that returns: what a transaction appends and what the read model says of it commit together, an error of the handler fails the append, and the handler''s time is the appender''s. An array handler gets what one append wrote. Creating an inline projection waits until no append is open, and runs it over all events that exist.
Async, an event that fails on_error "stop": stops the projection before it, until resume_projection(); "retry": is tried max_attempts times in all, after retry_delay, then twice that, and so on, and then stops it; "park": is set aside in eventcore.parked_projection_events, for replay_parked_projection(). Deadlocks and serialization failures (SQLSTATE 40...) are retried in any case.
The functions run with the rights of the role that creates the projection, and with its present search_path, as a security-restricted operation: they can use neither temporary tables nor deferred constraints. reset: a function without arguments that empties the read model, for rebuild_projection().
Errors: invalid_projection (VE035), projection_exists (VE036), projection_unusable (VE038), invalid_filter (VE016), store_not_found (VE008), position_beyond_log (VE009).';

CREATE FUNCTION eventcore.run_projection(
    name       text,
    max_events bigint DEFAULT NULL,
    store      text   DEFAULT 'default'
) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_run_projection';
COMMENT ON FUNCTION eventcore.run_projection(text, bigint, text) IS
'Run an async projection in the current transaction, as its owner, to the end of what is settled, or over max_events events: for a scheduler, or where no background worker runs. Call it for some thousands at a time, and commit: many changes of one row in one transaction are slow.
Returns how many events the handler has handled. That is 0 if somebody else runs it at the moment, or it is paused, failed, waiting for a retry, or inline. Errors of the handler do not fail the call, but are dealt with as on_error says, with a warning.
Errors: projection_not_found (VE037), position_beyond_log (VE009).';

CREATE FUNCTION eventcore.pause_projection(name text, store text DEFAULT 'default') RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_pause_projection';
COMMENT ON FUNCTION eventcore.pause_projection(text, text) IS
'Let a projection stand still until resume_projection(). Waits for the batch that is being run, or, if it is inline, until no append is open. Only its owner, members of that role and superusers may.
Errors: projection_not_found (VE037); 40001 if it is inline and waiting for open appends could deadlock: run the transaction again.';

CREATE FUNCTION eventcore.resume_projection(name text, store text DEFAULT 'default') RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_resume_projection';
COMMENT ON FUNCTION eventcore.resume_projection(text, text) IS
'Let a projection go on that is paused, has failed, or is waiting for a retry: at once, with all its attempts. An inline one first gets the events that it has missed. As pause_projection() otherwise.';

CREATE FUNCTION eventcore.drop_projection(name text, store text DEFAULT 'default') RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_drop_projection';
COMMENT ON FUNCTION eventcore.drop_projection(text, text) IS
'Forget a projection, its parked events, and a rebuild beside it. Its read model stays. As pause_projection() otherwise.';

CREATE FUNCTION eventcore.set_projection_mode(
    name  text,
    mode  text,
    store text DEFAULT 'default'
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_set_projection_mode';
COMMENT ON FUNCTION eventcore.set_projection_mode(text, text, text) IS
'Let a projection be "async" or "inline" from now on. One that becomes inline first gets the events that it is behind, while nobody else can append: let it catch up before. As pause_projection() otherwise.';

CREATE FUNCTION eventcore.set_projection_on_error(
    name     text,
    on_error text,
    store    text DEFAULT 'default'
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_set_projection_on_error';
COMMENT ON FUNCTION eventcore.set_projection_on_error(text, text, text) IS
'Let a projection "stop", "retry" or "park" from now on when its handler fails. To get past a single event: "park", resume_projection(), and when that event is parked "stop" again. As pause_projection() otherwise.';

CREATE FUNCTION eventcore.rebuild_projection(
    name   text,
    beside text DEFAULT NULL,
    swap   text DEFAULT NULL,
    store  text DEFAULT 'default'
) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_rebuild_projection';
COMMENT ON FUNCTION eventcore.rebuild_projection(text, text, text, text) IS
'Build a read model again, from the position that the projection began behind.
Without beside: calls the projection''s reset function, which it must have, forgets its parked events, and begins again; the read model is incomplete until eventcore.projection_status says "running" again. An inline one is rebuilt at once, while nobody else can append.
With beside: another handler, which writes elsewhere, is run over all events as async projection "<name>:rebuild", while the projection goes on as before. As soon as it is exactly where the projection is, the function swap() (without arguments) is called, which renames tables and gives the handler of the projection its new body (the projection goes on calling that one), and "<name>:rebuild" is gone, all in one transaction. drop_projection(''<name>:rebuild'') gives it up.
As pause_projection() otherwise; also invalid_projection (VE035), projection_exists (VE036), projection_unusable (VE038).';

CREATE FUNCTION eventcore.replay_parked_projection(
    name            text,
    global_position bigint DEFAULT NULL,
    store           text   DEFAULT 'default'
) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_replay_parked_projection';
COMMENT ON FUNCTION eventcore.replay_parked_projection(text, bigint, text) IS
'Give parked events to the handler of a projection again, in order: the one at global_position, or all of them. What fails again stays parked, with the new error. To discard one instead, delete it from eventcore.parked_projection_events.
Returns how many were handled. Only the owner, members of that role and superusers may. Errors: projection_not_found (VE037).';

CREATE VIEW eventcore.projection_status AS
SELECT
    d.store,
    d.name AS projection,
    d.mode,
    CASE
        WHEN d.paused THEN 'paused'
        WHEN p.failed THEN 'failed'
        WHEN p.next_attempt_at IS NOT NULL THEN 'retrying'
        WHEN p.rebuild_target IS NOT NULL THEN 'rebuilding'
        ELSE 'running'
    END AS state,
    d.owner,
    d.handler,
    CASE WHEN live.is_inline THEN NULL ELSE p.checkpoint END AS checkpoint,
    CASE WHEN live.is_inline THEN 0 ELSE (
        SELECT pg_catalog.count(*) FROM eventcore.events AS e
        WHERE e.store = d.store AND e.global_position > p.checkpoint) END AS lag_events,
    CASE WHEN live.is_inline THEN 0 ELSE pg_catalog.round(coalesce((
        SELECT extract(epoch FROM pg_catalog.clock_timestamp() - e.recorded_at)
        FROM eventcore.events AS e
        WHERE e.store = d.store AND e.global_position > p.checkpoint
        ORDER BY e.global_position LIMIT 1), 0), 3) END AS lag_seconds,
    (SELECT pg_catalog.count(*) FROM eventcore.parked_projection_events AS parked
     WHERE parked.store = d.store AND parked.name = d.name) AS parked_events,
    p.attempts,
    p.next_attempt_at,
    p.failing_position,
    p.last_error,
    p.last_error_at,
    d.replaces AS rebuild_of,
    p.rebuild_started_at,
    p.rebuild_events_done,
    done.percent AS rebuild_percent,
    CASE WHEN done.percent > 0 THEN
        p.rebuild_started_at
        + (pg_catalog.clock_timestamp() - p.rebuild_started_at) * (100 / done.percent::float8)
    END AS estimated_end
FROM eventcore.projections AS d
JOIN eventcore.projection_progress AS p ON p.store = d.store AND p.name = d.name
CROSS JOIN LATERAL (SELECT d.mode = 'inline' AND NOT d.paused AS is_inline) AS live
CROSS JOIN LATERAL (SELECT CASE WHEN p.rebuild_target IS NOT NULL THEN pg_catalog.round(
    100.0 * (p.checkpoint - d.start) / greatest(p.rebuild_target - d.start, 1), 1)
    END AS percent) AS done;
COMMENT ON VIEW eventcore.projection_status IS
'How projections are doing, one row each. state: "running", "rebuilding", "retrying" (waiting for next_attempt_at), "failed" (stopped at failing_position, which last_error is about; resume_projection() tries again), "paused". lag_events: events of the store behind the checkpoint, whether its filters pass them or not; lag_seconds: how long the first of them has been waiting. checkpoint is null, and the lag 0, while it runs inline. rebuild_percent, of the way to where the log ended when the rebuild began, and estimated_end are null when none is in progress. rebuild_of: this is a rebuild beside that projection. last_error may be over.';
