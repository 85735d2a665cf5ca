-- Stores are isolated in versions, ids and horizon.
CREATE EXTENSION eventcore;
SELECT eventcore.create_store('other');
SELECT eventcore.create_store(U&'t\00e9nant 1');

SELECT store, version FROM (VALUES ('default'), ('other'), (U&'t\00e9nant 1')) AS stores (store),
    LATERAL eventcore.append('s', 0, 'T', NULL, event_id => '00000000-0000-7000-8000-000000000001', store => store);
SELECT version, event_id FROM eventcore.append('s', 0, 'T', NULL, event_id => '00000000-0000-7000-8000-000000000001', store => 'other');
SELECT outcome, actual_version FROM eventcore.try_append('{}', ARRAY[eventcore.expect('s', 2)], 'other');
SELECT version FROM eventcore.append_json('[{"stream_id": "s", "type": "T"}]', '{"s": 1}', 'other');
SELECT command, outcome, version FROM eventcore.append_batch(ARRAY[eventcore.new_command(ARRAY[eventcore.new_event('s', 'T')], ARRAY[eventcore.expect('s', 2)])], 'other');
SELECT outcome FROM eventcore.try_append_columns('{s}', '{T}', NULL, expected_streams => '{s}', expected_versions => '{3}', store => 'other');
SELECT eventcore.stream_version('s'), eventcore.stream_version('s', 'other'), eventcore.stream_versions('{s}', 'other');
SELECT global_position, version FROM eventcore.read_all(store => 'other');
SELECT global_position, version FROM eventcore.read_all();
SELECT version FROM eventcore.read_stream('s', store => 'other');
SELECT stream_version FROM eventcore.read_streams('{s}', '{3}', 'other');
SELECT eventcore.last_position(), eventcore.last_position('other');
SELECT * FROM eventcore.lock_streams('{s}', store => 'other');

-- A prepared append in one store holds back the readers of that store only.
BEGIN;
SELECT version FROM eventcore.append('s', 1, 'Open', NULL);
PREPARE TRANSACTION 'eventcore stores';
SELECT version FROM eventcore.append('s', 4, 'T', NULL, store => 'other');
SELECT version FROM eventcore.append('t', 0, 'T', NULL);
SELECT max(global_position) FROM eventcore.read_all(store => 'other');
SELECT max(global_position) FROM eventcore.read_all();
ROLLBACK PREPARED 'eventcore stores';
SELECT max(global_position) FROM eventcore.read_all();

-- Both stores in one transaction.
BEGIN;
SELECT version FROM eventcore.append('s', 1, 'T', NULL);
SELECT version FROM eventcore.append('s', 5, 'T', NULL, store => 'other');
COMMIT;

SELECT eventcore.create_store('other');
SELECT eventcore.create_store('default');
SELECT eventcore.create_store('');
SELECT eventcore.create_store(' x');
SELECT eventcore.create_store(E'x\n');
SELECT eventcore.create_store(NULL);
SELECT eventcore.append('s', 0, 'T', NULL, store => 'Other');
SELECT eventcore.append('s', 0, 'T', NULL, store => '');
-- In one statement.
SELECT eventcore.create_store('twice') FROM generate_series(1, 2);
SELECT version FROM eventcore.create_store('at once'), eventcore.append('s', 0, 'T', NULL, store => 'at once');
-- A store that was rolled back does not exist.
BEGIN;
SELECT eventcore.create_store('passing');
SELECT version FROM eventcore.append('s', 0, 'T', NULL, store => 'passing');
ROLLBACK;
SELECT eventcore.append('s', 0, 'T', NULL, store => 'passing');
SELECT name FROM eventcore.stores ORDER BY 1;

DROP EXTENSION eventcore;
