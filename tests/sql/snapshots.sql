-- Snapshots: a cache of states that clients folded.
CREATE EXTENSION eventcore;

SELECT * FROM eventcore.read_snapshot('s', 1, '{a,b}');
SELECT eventcore.save_snapshot('s', 1, '{a,b}', '{3,0}', 7, 'first');
SELECT * FROM eventcore.read_snapshot('s', 1, '{a,b}');

-- What it is found by: the name, the schema version, the streams in their order, the arrangement, the store.
SELECT count(*) FROM eventcore.read_snapshot('S', 1, '{a,b}');
SELECT count(*) FROM eventcore.read_snapshot('s', 2, '{a,b}');
SELECT count(*) FROM eventcore.read_snapshot('s', 1, '{b,a}');
SELECT count(*) FROM eventcore.read_snapshot('s', 1, '{a}');
SELECT count(*) FROM eventcore.read_snapshot('s', 1, '{"a,b"}');
SELECT count(*) FROM eventcore.read_snapshot('s', 1, '{a,b}', '0;1');
SELECT count(*) FROM eventcore.read_snapshot('s', 1, '{a,b}', store => 'other');
SELECT count(*) FROM eventcore.read_snapshot('s', 1, NULL);

-- Only forwards: of the same streams the one of more events is the newer one.
SELECT eventcore.save_snapshot('s', 1, '{a,b}', '{2,0}', 9, 'older');
SELECT eventcore.save_snapshot('s', 1, '{a,b}', '{3,1}', 7, 'newer');
SELECT eventcore.save_snapshot('s', 1, '{a,b}', '{3,1}', 7, 'again');
SELECT * FROM eventcore.read_snapshot('s', 1, '{a,b}');

-- What cannot be one.
SELECT eventcore.save_snapshot('s', 1, '{a,b}', '{3}', 7, '');
SELECT eventcore.save_snapshot('s', 1, '{a,NULL}', '{3,4}', 7, '');
SELECT eventcore.save_snapshot('s', 1, '{a,b}', '{3,NULL}', 7, '');
SELECT eventcore.save_snapshot('s', 1, '{}', '{}', 7, '');
SELECT eventcore.save_snapshot('s', 1, '{a}', '{1}', NULL, '');
SELECT eventcore.save_snapshot('s', 1, '{{a},{b}}', '{{1},{2}}', 1, '');

-- Ids that no index could hold.
SELECT eventcore.save_snapshot('long', 1, array_agg(repeat('x', 200) || n ORDER BY n), array_agg(n ORDER BY n), 7, '')
FROM generate_series(1, 1000) AS n;

SELECT eventcore.save_snapshot('s', 2, '{a}', '{3}', 7, ''), eventcore.save_snapshot('s', 1, '{a}', '{3}', 7, '');
SELECT eventcore.drop_snapshots('s', 2), eventcore.drop_snapshots('s', 2), eventcore.drop_snapshots('s'), eventcore.drop_snapshots('none');
SELECT name, array_length(stream_ids, 1), event_count FROM eventcore.snapshots;

DROP EXTENSION eventcore;
