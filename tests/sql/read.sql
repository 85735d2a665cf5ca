-- Reading streams and the log.
CREATE EXTENSION eventcore;

SELECT count(*) FROM eventcore.append(
    (SELECT array_agg(eventcore.new_event('s-' || n % 3, 'T' || n, jsonb_build_object('n', n)) ORDER BY n)
     FROM generate_series(1, 9) AS n));

-- One stream: forward and backward, after, limit.
SELECT version, global_position, type, data FROM eventcore.read_stream('s-0');
SELECT version FROM eventcore.read_stream('s-0', 1);
SELECT version FROM eventcore.read_stream('s-0', 1, 1);
SELECT version FROM eventcore.read_stream('s-0', max_count => 0);
SELECT version FROM eventcore.read_stream('s-0', 3);
SELECT version FROM eventcore.read_stream('s-0', backward => true);
SELECT version FROM eventcore.read_stream('s-0', 3, backward => true);
SELECT version FROM eventcore.read_stream('s-0', 1, backward => true);
SELECT version FROM eventcore.read_stream('s-0', max_count => 1, backward => true);
SELECT version FROM eventcore.read_stream('missing');

-- Several streams: by global position, each with its version; nothing to give is a row, last.
SELECT stream_id, version, global_position, type, stream_version
FROM eventcore.read_streams('{s-1,missing,s-0,s-1}');
SELECT stream_id, version, global_position, stream_version
FROM eventcore.read_streams('{s-1,s-0,s-2,missing}', '{2,NULL,3,5}');
SELECT count(*) FROM eventcore.read_streams('{}');
SELECT eventcore.stream_version('s-2'), eventcore.stream_version('missing');
SELECT * FROM eventcore.stream_versions('{s-2,missing,s-0,s-2}');
SELECT count(*) FROM eventcore.stream_versions('{}');

-- The log.
SELECT global_position, stream_id, version FROM eventcore.read_all(max_count => 4);
SELECT global_position, stream_id, version FROM eventcore.read_all(7);
SELECT count(*) FROM eventcore.read_all(9);
SELECT eventcore.last_position(), eventcore.safe_position();

-- A gap that a rolled-back append leaves is passed.
BEGIN;
SELECT stream_id, version, global_position FROM eventcore.append('gap', 0, 'T', '{}');
SELECT eventcore.safe_position() AS own_event_is_no_obstacle, eventcore.last_position();
SELECT global_position FROM eventcore.read_all(8);
ROLLBACK;
SELECT stream_id, version, global_position FROM eventcore.append('gap', 0, 'T', '{}');
SELECT global_position FROM eventcore.read_all(8);
SELECT eventcore.last_position(), eventcore.safe_position();

-- More than fits into work_mem, in order.
SET work_mem = '64kB';
SELECT count(*) FROM eventcore.append(
    (SELECT array_agg(eventcore.new_event('big-' || n % 2, 'T', jsonb_build_object('text', repeat('x', 100))))
     FROM generate_series(1, 4000) AS n));
SELECT count(*), bool_and(global_position > previous) AS in_order
FROM (SELECT global_position, lag(global_position, 1, 0::bigint) OVER () AS previous
      FROM eventcore.read_streams('{big-1,big-0}')) AS events;
RESET work_mem;

-- Large values come back whole.
SELECT version FROM eventcore.append('large', 0, 'T', jsonb_build_object('text', repeat('ab', 500000)));
SELECT version FROM eventcore.append('large', 1, 'T', NULL, payload => decode(repeat('00ff', 500000), 'hex'));
SELECT version, length(data ->> 'text') AS text, length(payload) AS bytes,
       md5(payload) = md5(decode(repeat('00ff', 500000), 'hex')) AS same
FROM eventcore.read_stream('large');

DROP EXTENSION eventcore;
