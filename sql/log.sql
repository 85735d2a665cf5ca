-- Read the global log.

CREATE FUNCTION eventcore.read_all(
    after     bigint DEFAULT 0,
    max_count bigint DEFAULT 1000,
    store     text   DEFAULT 'default'
) RETURNS SETOF eventcore.recorded_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_read_all';
COMMENT ON FUNCTION eventcore.read_all(bigint, bigint, text) IS
'Read the events of a store in their global order, as far as the log is settled: whoever goes on after the global_position of the last row that it was given sees every event once, however transactions commit.
after: the global_position to begin behind (exclusive), 0 for the beginning. max_count: at most so many events; null: all.
Errors: position_beyond_log (VE009) if no such position was ever drawn: the log was restored, or lost its tail.';

CREATE FUNCTION eventcore.last_position(store text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_last_position';
COMMENT ON FUNCTION eventcore.last_position(text) IS
'The global position of the last event that is visible, 0 if there is none. Events below it may still be uncommitted.';

CREATE FUNCTION eventcore.safe_position(store text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_safe_position';
COMMENT ON FUNCTION eventcore.safe_position(text) IS
'How far the log is settled: up to here read_all() can give events now. To measure lag by, not to read by: a query with WHERE global_position <= safe_position() uses a snapshot that is older than this value, and skips events.';
