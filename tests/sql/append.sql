-- The forms of append, and what they return.
\set VERBOSITY terse
CREATE EXTENSION eventcore;

-- Several streams in one call; versions and positions in the order given, also a, b, a.
SELECT stream_id, version, global_position, event_id IS NOT NULL AS has_id,
       recorded_at BETWEEN now() AND clock_timestamp() AS recorded_now
FROM eventcore.append(
    ARRAY[eventcore.new_event('account-a', 'Opened', '{"owner": "alice"}'),
          eventcore.new_event('account-b', 'Opened'),
          eventcore.new_event('account-a', 'MoneyDeposited', '{"amount": 100}')],
    ARRAY[eventcore.expect_none('account-a'), eventcore.expect('account-b', 0)]);

-- What the caller passes is what is stored.
SELECT stream_id, version, nullif(event_id, '00000000-0000-7000-8000-000000000001') IS NULL AS given,
       type, data, payload, metadata
FROM eventcore.append(
    ARRAY[eventcore.new_event('account-b', 'Sealed', payload => '\x00ff', metadata => '{"user_id": "u"}',
                              event_id => '00000000-0000-7000-8000-000000000001'),
          eventcore.new_event('account-b', 'Sealed', payload => '')],
    ARRAY[eventcore.expect_exists('account-b')]) AS appended
JOIN eventcore.read_stream('account-b') USING (stream_id, version, event_id);

-- No expectation at all; any version; one event; columns; named arguments; untyped parameters.
SELECT stream_id, version FROM eventcore.append(ARRAY[eventcore.new_event('free', 'T')]);
SELECT stream_id, version FROM eventcore.append(
    ARRAY[eventcore.new_event('free', 'T')], ARRAY[eventcore.expect_any('free')]);
SELECT stream_id, version FROM eventcore.append('free', 2, 'T', '{"n": 3}');
SELECT stream_id, version FROM eventcore.append(
    stream_id => 'free', expected_version => 3, type => 'T', data => NULL, payload => '\x01');
PREPARE untyped AS SELECT stream_id, version FROM eventcore.append($1, $2, $3, $4);
EXECUTE untyped('free', 4, 'T', '{}');
PREPARE untyped_array AS SELECT stream_id, version FROM eventcore.append($1, $2);
EXECUTE untyped_array(ARRAY[eventcore.new_event('free', 'T')], ARRAY[eventcore.expect('free', 5)]);
SELECT stream_id, version FROM eventcore.append_columns(
    '{free,new,free}', '{T,T,T}', ARRAY['{"n": 7}', NULL, '{"n": 8}']::jsonb[],
    payloads => ARRAY[NULL, '\x02', NULL]::bytea[],
    expected_streams => '{free,new,account-a}', expected_versions => '{6,0,2}');
SELECT version, type, data, payload FROM eventcore.read_stream('free', 2) ORDER BY version;
SELECT version, data, payload FROM eventcore.read_stream('new');

-- A null stream with version -1 is every stream that is not named; named ones are still checked.
SELECT stream_id, version FROM eventcore.append(
    ARRAY[eventcore.new_event('other', 'T')], ARRAY[eventcore.expect('free', 8), (NULL, -1)]::eventcore.expected_version[]);

-- A stream may be expected twice at the same version.
SELECT stream_id, version FROM eventcore.append(
    ARRAY[eventcore.new_event('other', 'T')],
    ARRAY[eventcore.expect('other', 1), eventcore.expect('free', 8), eventcore.expect('other', 1)]);

-- Conflicts: all of them, in the order given, written or only read, whatever was expected.
\set VERBOSITY default
SELECT eventcore.append(
    ARRAY[eventcore.new_event('free', 'T'), eventcore.new_event('other', 'T')],
    ARRAY[eventcore.expect('new', 3), eventcore.expect('free', 8), eventcore.expect_none('other'),
          eventcore.expect_exists('missing'), eventcore.expect_any('account-a')]);
SELECT eventcore.append('free', 7, 'T', '{}');
SELECT eventcore.append_columns('{}', '{}', '{}', expected_streams => '{free}', expected_versions => '{9}');
\set VERBOSITY terse
SELECT eventcore.stream_versions('{free,other}');

-- The same as rows.
SELECT outcome, stream_id, version, global_position IS NOT NULL AS has_position,
       expected_version, actual_version
FROM eventcore.try_append(ARRAY[eventcore.new_event('free', 'T')], ARRAY[eventcore.expect('free', 8)]);
SELECT * FROM eventcore.try_append(
    ARRAY[eventcore.new_event('free', 'T')],
    ARRAY[eventcore.expect('free', 8), eventcore.expect_exists('missing'), eventcore.expect('new', 1)]);
SELECT * FROM eventcore.try_append('{}', ARRAY[eventcore.expect('free', 9), eventcore.expect_none('missing')]);
SELECT * FROM eventcore.try_append('{}');
SELECT outcome, stream_id, version FROM eventcore.try_append_columns(
    '{free}', '{T}', NULL, expected_streams => '{free}', expected_versions => '{9}');
SELECT * FROM eventcore.try_append_columns(
    '{free}', '{T}', NULL, expected_streams => '{free}', expected_versions => '{9}');
SELECT count(*) AS no_rows FROM eventcore.append('{}', ARRAY[eventcore.expect('free', 10)]);

-- In a select list, in a function with an exception block.
SELECT (eventcore.append('list', -1, 'T', '{}')).version FROM generate_series(1, 3);
DO $$
BEGIN
    PERFORM eventcore.append('list', 1, 'T', '{}');
EXCEPTION WHEN SQLSTATE 'VE001' THEN
    PERFORM eventcore.append('list', 3, 'Handled', '{}');
END $$;
SELECT version, type FROM eventcore.read_stream('list', 2);

-- Server-made ids ascend and are of version 7, also within one millisecond.
SELECT count(*) AS appended FROM eventcore.append(
    (SELECT array_agg(eventcore.new_event('ids', 'T')) FROM generate_series(1, 2500)));
SELECT bool_and(event_id > previous) AS ascending,
       bool_and(substr(event_id::text, 15, 1) = '7' AND substr(event_id::text, 20, 1) IN ('8', '9', 'a', 'b')) AS version_7
FROM (SELECT event_id, lag(event_id, 1, '00000000-0000-0000-0000-000000000000') OVER (ORDER BY version) AS previous
      FROM eventcore.read_stream('ids')) AS ids;
SELECT count(*), min(version), max(version), count(DISTINCT global_position) FROM eventcore.read_stream('ids');

DROP EXTENSION eventcore;
