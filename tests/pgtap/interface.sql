-- What the extension consists of: names, shapes, properties and comments.
BEGIN;
SELECT plan(59);

SELECT has_extension('eventcore');
SELECT is(extnamespace::regnamespace::text, 'eventcore', 'in its own schema')
FROM pg_extension WHERE extname = 'eventcore';

SELECT columns_are('eventcore', 'events', ARRAY['store', 'global_position', 'stream_id', 'version',
    'event_id', 'type', 'data', 'payload', 'metadata', 'recorded_at']);
SELECT col_is_pk('eventcore', 'events', ARRAY['store', 'global_position']::name[], 'col_is_pk');
SELECT col_is_unique('eventcore', 'events', ARRAY['store', 'stream_id', 'version']::name[], 'col_is_unique');
SELECT col_is_unique('eventcore', 'events', ARRAY['store', 'event_id']::name[], 'col_is_unique');
SELECT results_eq(
    $$SELECT format('%s %s', attname, collname) COLLATE "default" FROM pg_attribute JOIN pg_collation c ON c.oid = attcollation
      WHERE attrelid = 'eventcore.events'::regclass AND attname IN ('store', 'stream_id') ORDER BY 1$$,
    ARRAY['store C', 'stream_id C'], 'names are compared bytewise');
SELECT results_eq(
    $$SELECT seqcache, seqincrement, seqcycle FROM pg_sequence WHERE seqrelid = 'eventcore.global_position'::regclass$$,
    $$VALUES (1::bigint, 1::bigint, false)$$, 'positions are drawn one at a time');
SELECT is(extconfig::regclass[]::text[], ARRAY['eventcore.stores', 'eventcore.events', 'eventcore.global_position',
    'eventcore.published_horizon',
    'eventcore.subscriptions', 'eventcore.subscription_members',
    'eventcore.deliveries',
    'eventcore.projections', 'eventcore.projection_progress', 'eventcore.parked_projection_events'],
    'pg_dump carries the tables and the sequence')
FROM pg_extension WHERE extname = 'eventcore';

PREPARE shape(text) AS
SELECT format('%s %s', attname, atttypid::regtype) COLLATE "default"
FROM pg_attribute WHERE attrelid = to_regclass('eventcore.' || $1) AND attnum > 0 ORDER BY attnum;
SELECT results_eq($$EXECUTE shape('appended_event')$$, ARRAY[
    'stream_id text', 'version bigint', 'global_position bigint', 'event_id uuid',
    'recorded_at timestamp with time zone'], 'appended_event');
SELECT results_eq($$EXECUTE shape('append_outcome')$$, ARRAY[
    'outcome text', 'stream_id text', 'version bigint', 'global_position bigint', 'event_id uuid',
    'recorded_at timestamp with time zone', 'expected_version bigint', 'actual_version bigint'], 'append_outcome');
SELECT results_eq($$EXECUTE shape('recorded_event')$$, ARRAY[
    'stream_id text', 'version bigint', 'global_position bigint', 'event_id uuid', 'type text', 'data jsonb',
    'payload bytea', 'metadata jsonb', 'recorded_at timestamp with time zone'], 'recorded_event');
SELECT results_eq($$EXECUTE shape('stream_event')$$, ARRAY[
    'stream_id text', 'version bigint', 'global_position bigint', 'event_id uuid', 'type text', 'data jsonb',
    'payload bytea', 'metadata jsonb', 'recorded_at timestamp with time zone', 'stream_version bigint'], 'stream_event');

SELECT function_returns('eventcore', 'append',
    ARRAY['eventcore.new_event[]', 'eventcore.expected_version[]', 'text'], 'setof eventcore.appended_event');
SELECT function_returns('eventcore', 'append',
    ARRAY['text', 'bigint', 'text', 'jsonb', 'jsonb', 'uuid', 'bytea', 'text'], 'setof eventcore.appended_event');
SELECT function_returns('eventcore', 'try_append',
    ARRAY['eventcore.new_event[]', 'eventcore.expected_version[]', 'text'], 'setof eventcore.append_outcome');
SELECT function_returns('eventcore', 'append_columns',
    ARRAY['text[]', 'text[]', 'jsonb[]', 'jsonb[]', 'uuid[]', 'bytea[]', 'text[]', 'bigint[]', 'text'],
    'setof eventcore.appended_event');
SELECT function_returns('eventcore', 'try_append_columns',
    ARRAY['text[]', 'text[]', 'jsonb[]', 'jsonb[]', 'uuid[]', 'bytea[]', 'text[]', 'bigint[]', 'text'],
    'setof eventcore.append_outcome');
SELECT results_eq($$EXECUTE shape('batch_outcome')$$, ARRAY[
    'command integer', 'outcome text', 'stream_id text', 'version bigint', 'global_position bigint',
    'event_id uuid', 'recorded_at timestamp with time zone', 'expected_version bigint',
    'actual_version bigint', 'error_code text', 'error_message text', 'error_detail jsonb'], 'batch_outcome');
SELECT function_returns('eventcore', 'append_batch',
    ARRAY['eventcore.new_command[]', 'text'], 'setof eventcore.batch_outcome');
SELECT function_returns('eventcore', 'append_batch_columns',
    ARRAY['integer[]', 'text[]', 'text[]', 'jsonb[]', 'jsonb[]', 'uuid[]', 'bytea[]', 'integer[]', 'text[]',
          'bigint[]', 'text'], 'setof eventcore.batch_outcome');
SELECT function_returns('eventcore', 'append_json', ARRAY['jsonb', 'jsonb', 'text'], 'setof eventcore.appended_event');
SELECT function_returns('eventcore', 'try_append_json', ARRAY['jsonb', 'jsonb', 'text'], 'setof eventcore.append_outcome');
SELECT function_returns('eventcore', 'lock_streams', ARRAY['text[]', 'text[]', 'text'], 'setof record');
SELECT function_returns('eventcore', 'create_store', ARRAY['text'], 'void');
SELECT has_type('eventcore', 'new_command', 'new_command');
SELECT function_returns('eventcore', 'read_stream',
    ARRAY['text', 'bigint', 'bigint', 'boolean', 'text'], 'setof eventcore.recorded_event');
SELECT function_returns('eventcore', 'read_streams',
    ARRAY['text[]', 'bigint[]', 'text'], 'setof eventcore.stream_event');
SELECT function_returns('eventcore', 'read_all',
    ARRAY['bigint', 'bigint', 'text[]', 'text', 'text', 'text', 'text', 'boolean', 'integer', 'integer', 'text'],
    'setof eventcore.recorded_event');
SELECT function_returns('eventcore', 'read_category',
    ARRAY['text', 'bigint', 'bigint', 'text[]', 'boolean', 'integer', 'integer', 'text'],
    'setof eventcore.recorded_event');
SELECT function_returns('eventcore', 'add_index', ARRAY['text', 'boolean'], 'text');
SELECT function_returns('eventcore', 'stream_version', ARRAY['text', 'text'], 'bigint');
SELECT function_returns('eventcore', 'stream_versions', ARRAY['text[]', 'text'], 'setof record');
SELECT function_returns('eventcore', 'last_position', ARRAY['text'], 'bigint');
SELECT function_returns('eventcore', 'safe_position', ARRAY['text'], 'bigint');

SELECT function_returns('eventcore', 'create_subscription', ARRAY['text', 'text[]', 'text', 'text', 'text', 'text', 'bigint',
    'integer', 'boolean', 'integer', 'interval', 'boolean', 'text'], 'boolean');
SELECT function_returns('eventcore', 'fetch', ARRAY['text', 'integer', 'bigint', 'interval', 'text'], 'setof eventcore.recorded_event');
SELECT function_returns('eventcore', 'commit_checkpoint', ARRAY['text', 'integer', 'bigint', 'text'], 'bigint');
SELECT function_returns('eventcore', 'claim_member', ARRAY['text', 'text'], 'integer');
SELECT function_returns('eventcore', 'release_member', ARRAY['text', 'integer', 'text'], 'boolean');
SELECT function_returns('eventcore', 'resize_subscription', ARRAY['text', 'integer', 'text'], 'void');
SELECT function_returns('eventcore', 'reset_subscription', ARRAY['text', 'bigint', 'text'], 'void');
SELECT results_eq($$EXECUTE shape('subscription_status')$$, ARRAY[
    'store text', 'subscription text', 'kind text', 'member integer', 'group_size integer', 'checkpoint bigint',
    'lag_events bigint', 'lag_seconds numeric', 'claimed_by integer', 'state text', 'last_error text',
    'last_error_at timestamp with time zone'], 'subscription_status');

SELECT function_returns('eventcore', 'receive', ARRAY['text', 'integer', 'interval', 'interval', 'text'], 'setof eventcore.received_event');
SELECT function_returns('eventcore', 'ack', ARRAY['text', 'bigint', 'integer', 'text'], 'boolean');
SELECT function_returns('eventcore', 'ack_batch', ARRAY['text', 'bigint[]', 'integer[]', 'text'], 'bigint');
SELECT function_returns('eventcore', 'nack', ARRAY['text', 'bigint', 'interval', 'text', 'integer', 'text'], 'boolean');
SELECT function_returns('eventcore', 'replay_parked', ARRAY['text', 'bigint[]', 'text'], 'bigint');
SELECT function_returns('eventcore', 'discard_parked', ARRAY['text', 'bigint[]', 'text'], 'bigint');
SELECT results_eq($$EXECUTE shape('delivery_status')$$, ARRAY[
    'store text', 'subscription text', 'frontier bigint', 'in_flight bigint', 'waiting bigint', 'parked bigint',
    'held_streams bigint', 'oldest_position bigint', 'oldest_age interval'], 'delivery_status');

SELECT columns_are('eventcore', 'snapshots', ARRAY['store', 'name', 'schema_version', 'streams', 'stream_ids',
    'arrangement', 'versions', 'event_count', 'last_position', 'state', 'saved_at']);
SELECT function_returns('eventcore', 'save_snapshot',
    ARRAY['text', 'integer', 'text[]', 'bigint[]', 'bigint', 'bytea', 'text', 'text'], 'boolean');
SELECT function_returns('eventcore', 'read_snapshot', ARRAY['text', 'integer', 'text[]', 'text', 'text'], 'setof record');
SELECT function_returns('eventcore', 'drop_snapshots', ARRAY['text', 'integer', 'text'], 'bigint');

SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = prolang
      WHERE pronamespace = 'eventcore'::regnamespace AND lanname = 'plpgsql'
        AND (proconfig @> '{"search_path=pg_catalog, pg_temp"}') IS NOT TRUE$$,
    'the names in plpgsql functions cannot be changed by a search_path');
SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = prolang
      WHERE pronamespace = 'eventcore'::regnamespace AND lanname = 'c' AND prorettype <> 'trigger'::regtype
        AND proname NOT IN ('category', 'correlation_id')
        AND (provolatile <> 'v' OR proparallel <> 'u')$$,
    'what looks at the store is volatile and parallel unsafe');
SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = prolang
      WHERE pronamespace = 'eventcore'::regnamespace AND lanname = 'sql'
        AND (provolatile <> 'i' OR prosqlbody IS NULL)$$,
    'builders are immutable, and their bodies cannot be changed by a search_path');
SELECT is_empty(
    $$SELECT oid::regprocedure::text FROM pg_proc
      WHERE pronamespace = 'eventcore'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL
      UNION ALL
      SELECT oid::regtype::text FROM pg_type
      WHERE typnamespace = 'eventcore'::regnamespace AND typtype = 'c' AND typrelid IN
            (SELECT oid FROM pg_class WHERE relkind = 'c') AND obj_description(oid, 'pg_type') IS NULL
      UNION ALL
      SELECT oid::regclass::text FROM pg_class
      WHERE relnamespace = 'eventcore'::regnamespace AND relkind IN ('r', 'S', 'v')
        AND obj_description(oid, 'pg_class') IS NULL
      UNION ALL
      SELECT attrelid::regclass || '.' || attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
      WHERE relnamespace = 'eventcore'::regnamespace AND relkind = 'r' AND attnum > 0
        AND col_description(attrelid, attnum) IS NULL$$,
    'everything has a comment');
SELECT is_empty(
    $$SELECT tgname FROM pg_trigger
      WHERE tgrelid = 'eventcore.events'::regclass AND NOT tgisinternal AND tgenabled <> 'A'$$,
    'the guards fire in replica mode too');

SELECT * FROM finish();
ROLLBACK;
