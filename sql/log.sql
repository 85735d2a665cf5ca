-- Read the global log.

CREATE FUNCTION eventcore.category(stream_id text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eventcore_category';
COMMENT ON FUNCTION eventcore.category(text) IS
'The category of a stream: what stands before the first "-" of its id, or all of it.';

CREATE FUNCTION eventcore.correlation_id(metadata jsonb) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'eventcore_correlation_id';
COMMENT ON FUNCTION eventcore.correlation_id(jsonb) IS
'The correlation_id in the metadata of an event, null if it has none or it is not a string.';

CREATE FUNCTION eventcore.read_all(
    after          bigint  DEFAULT NULL,
    max_count      bigint  DEFAULT 1000,
    types          text[]  DEFAULT NULL,
    category       text    DEFAULT NULL,
    prefix         text    DEFAULT NULL,
    pattern        text    DEFAULT NULL,
    correlation_id text    DEFAULT NULL,
    backward       boolean DEFAULT false,
    member         integer DEFAULT NULL,
    group_size     integer DEFAULT NULL,
    store          text    DEFAULT 'default'
) RETURNS SETOF eventcore.recorded_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_read_all';
COMMENT ON FUNCTION eventcore.read_all(
    bigint, bigint, text[], text, text, text, text, boolean, integer, integer, text) IS
'Read the events of a store in their global order, as far as the log is settled: whoever goes on after the global_position of the last row that it was given sees every event once, however transactions commit.
after: the global_position to begin behind (exclusive); null: the beginning, or, backward, the end. max_count: at most so many events, of those that pass the filters; null: all. backward: newest first, so that "behind" means older.
Filters, all of which must hold: types: one of these event types. category: of the stream (what stands before the first "-"). prefix: of the stream id, literally. pattern: of the stream id as a glob: * any characters, ? one, [a-z] one of these, [!x] none of these; nothing else is special. correlation_id: in the metadata. member and group_size: streams are shared out by a hash of their ids over members 0 to group_size - 1 (at most 1024).
A filter reads on from "after" row by row; see add_index() for those that one can have an index.
On a standby, and where events arrive by logical replication: up to what publish_horizon() has published on the server where the log is written. A reader that stands behind that, since it comes from there, is given nothing yet.
Errors: position_beyond_log (VE009) if no such position was ever drawn: the log was restored, or lost its tail; invalid_filter (VE016); horizon_not_published (VE020).';

CREATE FUNCTION eventcore.read_category(
    category   text,
    after      bigint  DEFAULT NULL,
    max_count  bigint  DEFAULT 1000,
    types      text[]  DEFAULT NULL,
    backward   boolean DEFAULT false,
    member     integer DEFAULT NULL,
    group_size integer DEFAULT NULL,
    store      text    DEFAULT 'default'
) RETURNS SETOF eventcore.recorded_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_read_category';
COMMENT ON FUNCTION eventcore.read_category(
    text, bigint, bigint, text[], boolean, integer, integer, text) IS
'As eventcore.read_all(): the events of the streams of one category, such as "account" for account-1 and account-2.';

CREATE FUNCTION eventcore.add_index(kind text, concurrently boolean DEFAULT true) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_add_index';
COMMENT ON FUNCTION eventcore.add_index(text, boolean) IS
'Make an index that readers with a filter use from then on, at the cost of one more index entry an event. A filter without one reads on row by row.
kind: category, type or correlation: the filter category, types (at most 8) or correlation_id. concurrently: a background worker builds it while appends go on, once this transaction has ended; false: at once, while appends wait. The index is that of all stores. pg_dump does not carry it.
Returns "building", "created", or "exists" if there is one that is ready. A build that failed says so in the server''s log; call it again then.';

CREATE FUNCTION eventcore.last_position(store text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_last_position';
COMMENT ON FUNCTION eventcore.last_position(text) IS
'The global position of the last event that is visible, 0 if there is none. Events below it may still be uncommitted.';

CREATE FUNCTION eventcore.safe_position(store text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_safe_position';
COMMENT ON FUNCTION eventcore.safe_position(text) IS
'How far the log is settled: up to here read_all() can give events now. On a standby: what is published. To measure lag by, not to read by: a query with WHERE global_position <= safe_position() uses a snapshot that is older than this value, and skips events.
Errors: horizon_not_published (VE020).';

CREATE FUNCTION eventcore.wait_for(
    after          bigint,
    timeout        interval DEFAULT '1 minute',
    types          text[]   DEFAULT NULL,
    category       text     DEFAULT NULL,
    prefix         text     DEFAULT NULL,
    pattern        text     DEFAULT NULL,
    correlation_id text     DEFAULT NULL,
    member         integer  DEFAULT NULL,
    group_size     integer  DEFAULT NULL,
    store          text     DEFAULT 'default'
) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_wait_for';
COMMENT ON FUNCTION eventcore.wait_for(
    bigint, interval, text[], text, text, text, text, integer, integer, text) IS
'Wait until read_all() with these arguments would give an event, and return true; or return false when the timeout has passed. With shared_preload_libraries = ''eventcore'' it is woken by the commit; without, and on a standby, it looks again and again, up to ten times a second. What COMMIT PREPARED makes readable is found within a second.
after: the global_position to look behind (exclusive); null: the beginning. timeout: 0 to 1 day; 0 looks once. The others are those of read_all().
It holds no lock while it waits. But the statement that calls it keeps its snapshot, as any long statement, and so holds back VACUUM: wait for minutes rather than hours, in a transaction of its own.
Errors: own_append_open (VE017) in a transaction that has appended to this store; position_beyond_log (VE009); invalid_filter (VE016); relation_mismatch (VE013) if the extension is dropped meanwhile; 22023 if the timeout is out of range.';
