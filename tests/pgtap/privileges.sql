-- EXECUTE on the functions is all that a role needs; PUBLIC has nothing.
BEGIN;
SELECT plan(14);

CREATE ROLE eventcore_test_nobody;
CREATE ROLE eventcore_test_app;
GRANT USAGE ON SCHEMA eventcore TO eventcore_test_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventcore TO eventcore_test_app;

SELECT set_eq(
    $$SELECT proname FROM pg_proc WHERE pronamespace = 'eventcore'::regnamespace
        AND has_function_privilege('eventcore_test_nobody', oid, 'EXECUTE')$$,
    ARRAY['category', 'correlation_id']::name[], 'PUBLIC can execute nothing but what indexes compute');
SELECT is_empty(
    $$SELECT oid::regclass FROM pg_class WHERE relnamespace = 'eventcore'::regnamespace AND relkind IN ('r', 'S')
        AND (has_table_privilege('eventcore_test_nobody', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
             OR has_table_privilege('eventcore_test_app', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER'))$$,
    'neither role has a right on a table');
SELECT ok(NOT has_schema_privilege('eventcore_test_nobody', 'eventcore', 'USAGE'), 'PUBLIC cannot look into the schema');

SET LOCAL ROLE eventcore_test_app;
SELECT results_eq($$SELECT stream_id, version FROM eventcore.append(
        ARRAY[eventcore.new_event('p', 'T'), eventcore.new_event('q', 'T', '{"n": 1}')],
        ARRAY[eventcore.expect_none('p'), eventcore.expect('q', 0)])$$,
    $$VALUES ('p', 1::bigint), ('q', 1)$$, 'append');
SELECT results_eq($$SELECT outcome FROM eventcore.try_append_columns('{p}', '{T}', NULL, expected_streams => '{p}', expected_versions => '{1}')$$,
    ARRAY['appended'], 'try_append_columns');
SELECT results_eq($$SELECT stream_id, data, stream_version FROM eventcore.read_streams('{q}')$$,
    $$VALUES ('q', '{"n": 1}'::jsonb, 1::bigint)$$, 'read_streams');
SELECT results_eq($$SELECT version FROM eventcore.read_stream('p')$$, ARRAY[1, 2]::bigint[], 'read_stream');
SELECT is(count(*), 3::bigint, 'read_all') FROM eventcore.read_all() WHERE stream_id IN ('p', 'q');
SELECT is(eventcore.last_position(), eventcore.safe_position(), 'positions');
SELECT throws_ok('SELECT * FROM eventcore.events', '42501', NULL, 'the table is out of reach');
SELECT throws_ok($$INSERT INTO eventcore.events (store) VALUES ('x')$$, '42501', NULL, 'also for INSERT');
SELECT throws_ok($$SELECT nextval('eventcore.global_position')$$, '42501', NULL, 'and the sequence');

SET LOCAL ROLE eventcore_test_nobody;
SELECT throws_ok($$SELECT eventcore.append('p', -1, 'T', NULL)$$, '42501', NULL, 'PUBLIC cannot append');
SELECT throws_ok($$SELECT eventcore.read_stream('p')$$, '42501', NULL, 'PUBLIC cannot read');

RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
