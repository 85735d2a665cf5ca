-- EXECUTE on the functions is all that a role needs; PUBLIC has nothing.
BEGIN;
SELECT plan(31);

CREATE ROLE eventcore_test_nobody;
CREATE ROLE eventcore_test_app;
CREATE ROLE eventcore_test_watcher;
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

SELECT lives_ok($$SELECT eventcore.create_subscription('follower', prefix => 'p', group_size => 2)$$, 'create_subscription');
SELECT results_eq($$SELECT version FROM generate_series(0, 1) AS m, eventcore.fetch('follower', m)$$, ARRAY[1, 2]::bigint[], 'fetch');
SELECT is(min(eventcore.commit_checkpoint('follower', m, 0)), 0::bigint, 'commit_checkpoint') FROM generate_series(0, 1) AS m;
SELECT results_eq($$SELECT eventcore.claim_member('follower'), eventcore.release_member('follower', 0)$$, $$VALUES (0, true)$$, 'claims');
SELECT lives_ok($$SELECT eventcore.resize_subscription('follower', 1), eventcore.reset_subscription('follower'),
    eventcore.report_error('follower', 'e'), eventcore.drop_subscription('follower'), eventcore.create_subscription('follower')$$,
    'resize, reset, report, drop');
SELECT lives_ok($$SELECT eventcore.create_subscription('queue', prefix => 'p', acknowledge => true, keep_order => true)$$, 'create a queue');
SELECT results_eq($$SELECT version, attempt FROM eventcore.receive('queue')$$, $$VALUES (1::bigint, 1)$$, 'receive');
SELECT results_eq($$SELECT eventcore.ack('queue', min(global_position)), eventcore.discard_parked('queue') FROM eventcore.read_stream('p')$$,
    $$VALUES (true, 0::bigint)$$, 'ack, which releases the next one, and discard_parked');
SELECT throws_ok($$SELECT eventcore.release_held(NULL), * FROM eventcore.deliveries$$, '42501', NULL, 'deliveries are out of reach');
SELECT throws_ok('SELECT * FROM eventcore.subscription_status', '42501', NULL, 'the status is not for everybody');
SELECT throws_ok($$SELECT eventcore.move_checkpoint('follower', 0, 1, 'default')$$, '42501', NULL, 'nor what the functions share');
SELECT results_eq($$SELECT eventcore.save_snapshot('s', 1, '{p,q}', '{2,1}', 3, '\x00'), r.versions, eventcore.drop_snapshots('t')
    FROM eventcore.read_snapshot('s', 1, '{q,p}') AS r RIGHT JOIN (VALUES (1)) AS v ON true$$,
    $$VALUES (true, NULL::bigint[], 0::bigint)$$, 'save_snapshot, read_snapshot, drop_snapshots');
SELECT results_eq($$SELECT * FROM eventcore.read_snapshot('s', 1, '{p,q}')$$,
    $$VALUES ('{2,1}'::bigint[], 3::bigint, '\x00'::bytea)$$, 'read_snapshot');
SELECT throws_ok('SELECT * FROM eventcore.snapshots', '42501', NULL, 'the table of snapshots is out of reach');
SELECT throws_ok($$UPDATE eventcore.subscription_members SET checkpoint = 0$$, '42501', NULL, 'and checkpoints are out of reach');

-- A role that watches needs the view, and the one function in it.
RESET ROLE;
GRANT USAGE ON SCHEMA eventcore TO eventcore_test_watcher;
GRANT SELECT ON eventcore.subscription_status TO eventcore_test_watcher;
GRANT EXECUTE ON FUNCTION eventcore.backlog TO eventcore_test_watcher;
SET LOCAL ROLE eventcore_test_watcher;
SELECT results_eq($$SELECT state FROM eventcore.subscription_status WHERE subscription = 'follower'$$, ARRAY['behind'], 'status');
SELECT throws_ok($$SELECT eventcore.fetch('follower')$$, '42501', NULL, 'and nothing else');

SET LOCAL ROLE eventcore_test_nobody;
SELECT throws_ok($$SELECT eventcore.append('p', -1, 'T', NULL)$$, '42501', NULL, 'PUBLIC cannot append');
SELECT throws_ok($$SELECT eventcore.read_stream('p')$$, '42501', NULL, 'PUBLIC cannot read');

RESET ROLE;
SELECT * FROM finish();
ROLLBACK;
