-- Many commands in one call, each with an outcome of its own.
CREATE EXTENSION eventcore;
\set e 'eventcore.new_event'
\set c 'eventcore.new_command'

SELECT count(*) FROM eventcore.append('limits', 0, 'LimitSet', NULL);
CREATE FUNCTION pg_temp.outcomes(commands eventcore.new_command[])
RETURNS TABLE (command int, outcome text, stream_id text, version bigint, global_position bigint,
               expected bigint, actual bigint, error_code text, error_message text, error_detail jsonb)
LANGUAGE sql AS $$
    SELECT b.command, b.outcome, b.stream_id, b.version, b.global_position, expected_version, actual_version,
           b.error_code, b.error_message, b.error_detail
    FROM eventcore.append_batch(commands) AS b
$$;

-- Later commands see earlier ones; a conflict and every kind of invalid input disturb nobody.
SELECT command, outcome, stream_id, version, global_position, expected, actual, error_code
FROM pg_temp.outcomes(ARRAY[
    :c(ARRAY[:e('a', 'T'), :e('b', 'T'), :e('a', 'T')], ARRAY[eventcore.expect('a', 0), eventcore.expect('b', 0)]),
    :c(ARRAY[:e('a', 'T')], ARRAY[eventcore.expect('a', 2), eventcore.expect('limits', 1)]),
    :c(ARRAY[:e('a', 'T')], ARRAY[eventcore.expect('a', 2), eventcore.expect('b', 0), eventcore.expect('limits', 1)]),
    :c(ARRAY[:e('', 'T')]),
    :c(ARRAY[:e('b', 'T'), :e('b', NULL)]),
    :c(ARRAY[:e('b', 'T'), :e('a', 'T')], ARRAY[eventcore.expect('b', 1)]),
    :c(ARRAY[:e('b', 'T')], ARRAY[eventcore.expect('b', 1), eventcore.expect('b', 2)]),
    :c(ARRAY[:e('b', 'T')], ARRAY[eventcore.expect('b', NULL)]),
    :c('{}', ARRAY[eventcore.expect('a', 3)]),
    :c('{}', ARRAY[eventcore.expect('a', 2)]),
    :c('{}', '{}'),
    :c(ARRAY[:e('b', 'T')], ARRAY[eventcore.expect('b', 1)])]);
SELECT command, error_message, error_detail FROM pg_temp.outcomes(ARRAY[
    :c(ARRAY[:e('', 'T')]),
    :c(ARRAY[:e('b', 'T'), :e('b', NULL)]),
    :c(ARRAY[:e('b', 'T'), :e('a', 'T')], ARRAY[eventcore.expect('b', 1)]),
    :c(ARRAY[:e('b', 'T')], ARRAY[eventcore.expect('b', 1), eventcore.expect('b', 2)]),
    :c(ARRAY[:e('b', 'T')], ARRAY[eventcore.expect('b', NULL)]),
    :c(ARRAY[NULL::eventcore.new_event])]);
SELECT stream_id, version, type, global_position FROM eventcore.read_all();

-- Ids: repeats of what is stored, and of earlier commands of the same batch.
\set one '''00000000-0000-7000-8000-000000000001'''
\set two '''00000000-0000-7000-8000-000000000002'''
\set three '''00000000-0000-7000-8000-000000000003'''
SELECT count(*) FROM eventcore.append('r', 0, 'T', '{"n": 1}', event_id => :one);
SELECT command, outcome, stream_id, version, global_position, actual, error_code, error_message
FROM pg_temp.outcomes(ARRAY[
    :c(ARRAY[:e('r', 'T', '{"n": 1}', event_id => :one)], ARRAY[eventcore.expect('r', 0)]),
    :c(ARRAY[:e('r', 'T', '{"n": 2}', event_id => :two)], ARRAY[eventcore.expect('r', 7)]),
    :c(ARRAY[:e('r', 'T', '{"n": 2}', event_id => :two)], ARRAY[eventcore.expect('r', 1)]),
    :c(ARRAY[:e('r', 'T', '{"n": 2}', event_id => :two)], ARRAY[eventcore.expect('r', 1)]),
    :c(ARRAY[:e('r', 'T', '{"n": 3}', event_id => :two)]),
    :c(ARRAY[:e('q', 'T', '{"n": 2}', event_id => :two)]),
    :c(ARRAY[:e('r', 'T', '{"n": 2}', event_id => :two), :e('r', 'T')]),
    :c(ARRAY[:e('r', 'T', event_id => :three), :e('r', 'T', event_id => :three)]),
    :c(ARRAY[:e('r', 'T', event_id => :three)], ARRAY[eventcore.expect('r', 2)])]);
SELECT version, data, event_id FROM eventcore.read_stream('r');

-- Columns, with commands in any order; a number that is left out has nothing to do.
SELECT command, outcome, stream_id, version, expected_version, actual_version FROM eventcore.append_batch_columns(
    '{4,1,1,2}', '{y,x,y,x}', '{D,A,B,C}', ARRAY['{"n": 4}', '{"n": 1}', NULL, '{"n": 3}']::jsonb[],
    payloads => ARRAY[NULL, NULL, '\x02', NULL]::bytea[],
    expected_commands => '{2,4,1,1,4}', expected_streams => '{x,y,x,y,limits}', expected_versions => '{0,1,0,0,1}');
SELECT stream_id, version, type, data, payload FROM eventcore.read_streams('{x,y}');
SELECT count(*) FROM eventcore.append_batch('{}');
SELECT count(*) FROM eventcore.append_batch_columns('{}', '{}', '{}', NULL);

-- What concerns the whole call is an error.
SELECT eventcore.append_batch(NULL);
SELECT eventcore.append_batch(ARRAY[:c(ARRAY[:e('a', 'T')]), NULL]);
SELECT eventcore.append_batch(ARRAY[:c(ARRAY[:e('a', 'T')], NULL)]);
SELECT eventcore.append_batch('{}', store => 'nowhere');
SELECT eventcore.append_batch_columns('{0}', '{a}', '{T}', NULL);
SELECT eventcore.append_batch_columns('{NULL}', '{a}', '{T}', NULL);
SELECT eventcore.append_batch_columns('{2000000000}', '{a}', '{T}', NULL);
SELECT eventcore.append_batch_columns('{1,2}', '{a}', '{T}', NULL);
SELECT eventcore.append_batch_columns('{1}', '{a}', '{T}', NULL, expected_commands => '{1}');

-- A thousand transfers.
SELECT outcome, count(*) FROM eventcore.append_batch(
    (SELECT array_agg(:c(ARRAY[:e('account-' || n % 100, 'Withdrawn'), :e('account-' || (n + 1) % 100, 'Deposited')],
                         ARRAY[eventcore.expect('account-' || n % 100, n / 100 * 2 + (n % 100 > 0)::int),
                               eventcore.expect('account-' || (n + 1) % 100, n / 100 * 2 + (n % 100 = 99)::int)]) ORDER BY n)
     FROM generate_series(0, 999) AS n)) GROUP BY outcome;
SELECT min(version), max(version), count(*) FROM eventcore.stream_versions((SELECT array_agg('account-' || n) FROM generate_series(0, 99) AS n));

DROP FUNCTION pg_temp.outcomes(eventcore.new_command[]);
DROP EXTENSION eventcore;
