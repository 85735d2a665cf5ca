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

CREATE FUNCTION eventcore.last_position(store text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_last_position';
COMMENT ON FUNCTION eventcore.last_position(text) IS
'The global position of the last event that is visible, 0 if there is none. Events below it may still be uncommitted.';

CREATE FUNCTION eventcore.safe_position(store text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_safe_position';
COMMENT ON FUNCTION eventcore.safe_position(text) IS
'How far the log is settled: up to here read_all() can give events now. On a standby: what is published. To measure lag by, not to read by: a query with WHERE global_position <= safe_position() uses a snapshot that is older than this value, and skips events.
Errors: horizon_not_published (VE020).';
