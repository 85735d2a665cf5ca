-- Lock, read, decide, append.
CREATE EXTENSION eventcore;
SELECT count(*) FROM eventcore.append('a', 0, 'T', NULL);

BEGIN;
SELECT * FROM eventcore.lock_streams('{b,a,b}', '{limits,a}');
SELECT stream_id, version FROM eventcore.append(
    ARRAY[eventcore.new_event('a', 'T'), eventcore.new_event('b', 'T')],
    ARRAY[eventcore.expect('a', 1), eventcore.expect('b', 0), eventcore.expect('limits', 0)]);
SELECT version FROM eventcore.append('a', 2, 'T', NULL);
-- Outside of the set, or writing what was locked for reading:
SAVEPOINT s;
SELECT eventcore.append('c', 0, 'T', NULL);
ROLLBACK TO s;
SELECT eventcore.append('limits', 0, 'T', NULL);
ROLLBACK TO s;
SELECT eventcore.append('{}', ARRAY[eventcore.expect('c', 0)]);
ROLLBACK TO s;
SELECT outcome FROM eventcore.try_append('{}', ARRAY[eventcore.expect('limits', 0)]);
SELECT eventcore.lock_streams('{c}');
ROLLBACK TO s;
SELECT * FROM eventcore.lock_streams('{b}', '{limits}');
COMMIT;

-- The set ends with its savepoint and with its transaction.
BEGIN;
SAVEPOINT s;
SELECT * FROM eventcore.lock_streams('{a}');
ROLLBACK TO s;
SELECT version FROM eventcore.append('c', 0, 'T', NULL);
COMMIT;
SELECT version FROM eventcore.append('b', 1, 'T', NULL);

-- Behind an append of the same transaction.
BEGIN;
SELECT version FROM eventcore.append('a', 3, 'T', NULL);
SELECT * FROM eventcore.lock_streams('{a,b,c}');
SELECT version FROM eventcore.append('c', 1, 'T', NULL);
COMMIT;


SELECT eventcore.lock_streams(NULL);
SELECT eventcore.lock_streams('{a}', NULL);
SELECT eventcore.lock_streams('{a,NULL}');
SELECT eventcore.lock_streams('{" a"}');
SELECT eventcore.lock_streams('{a}', store => 'nowhere');
SELECT count(*) FROM eventcore.lock_streams('{}');
BEGIN READ ONLY;
SELECT eventcore.lock_streams('{a}');
ROLLBACK;

DROP EXTENSION eventcore;
