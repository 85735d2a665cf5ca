-- An append repeated with the same event ids returns the first result and writes nothing.
CREATE EXTENSION eventcore;
\set one '''00000000-0000-7000-8000-000000000001'''
\set two '''00000000-0000-7000-8000-000000000002'''
\set three '''00000000-0000-7000-8000-000000000003'''

CREATE TEMP TABLE first AS
SELECT * FROM eventcore.append(
    ARRAY[eventcore.new_event('a', 'T', '{"n": 1.0}', event_id => :two),
          eventcore.new_event('b', 'T', payload => '\x01', event_id => :one)],
    ARRAY[eventcore.expect('a', 0), eventcore.expect('b', 0)]);
SELECT stream_id, version, global_position, event_id FROM first;

-- Whole: also when the streams have moved on, with other expectations, with other metadata.
SELECT stream_id, version FROM eventcore.append('a', 1, 'Later', '{}');
SELECT outcome, again.*::text = first.*::text AS same
FROM eventcore.try_append(
    ARRAY[eventcore.new_event('a', 'T', '{"n": 1.0}', event_id => :two, metadata => '{"try": 2}'),
          eventcore.new_event('b', 'T', payload => '\x01', event_id => :one)],
    ARRAY[eventcore.expect('a', 0), eventcore.expect('b', 7)]) AS tried
JOIN first USING (event_id)
CROSS JOIN LATERAL (SELECT tried.stream_id, tried.version, tried.global_position, tried.event_id, tried.recorded_at) AS again;
SELECT stream_id, version, global_position, event_id FROM eventcore.append_columns(
    '{b}', '{T}', NULL, NULL, ARRAY[:one]::uuid[], '{"\\x01"}');
SELECT count(*) FROM eventcore.read_all();

-- Partly known, another stream, type or content, twice in one call: errors.
SELECT eventcore.append(ARRAY[eventcore.new_event('a', 'T', '{"n": 1}', event_id => :two),
                              eventcore.new_event('a', 'T', event_id => :three)]);
SELECT eventcore.append(ARRAY[eventcore.new_event('a', 'T', '{"n": 1}', event_id => :two),
                              eventcore.new_event('a', 'T')]);
SELECT eventcore.append('c', -1, 'T', '{"n": 1}', event_id => :two);
SELECT eventcore.append('a', -1, 'U', '{"n": 1}', event_id => :two);
SELECT eventcore.append('a', -1, 'T', '{"n": 2}', event_id => :two);
SELECT eventcore.append('a', -1, 'T', NULL, payload => '\x01', event_id => :two);
SELECT eventcore.append('b', -1, 'T', NULL, payload => '\x02', event_id => :one);
SELECT eventcore.append(ARRAY[eventcore.new_event('a', 'T', event_id => :three),
                              eventcore.new_event('b', 'T', event_id => :three)]);
SELECT count(*) FROM eventcore.read_all();

DROP EXTENSION eventcore;
