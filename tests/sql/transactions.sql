-- Appends inside transactions, statements and savepoints.
CREATE EXTENSION eventcore;

-- Two appends in one statement: the second sees the first.
SELECT a.version AS first, b.version AS second
FROM eventcore.append('s', 0, 'T', '{}') AS a, eventcore.append('s', a.version, 'T', '{}') AS b;
SELECT (eventcore.append('s', n + 1, 'T', '{}')).version FROM generate_series(1, 2) AS n;

-- In one transaction, around a rolled-back savepoint: versions stay dense, positions ascend.
BEGIN;
SELECT version, global_position FROM eventcore.append('s', 4, 'Kept', '{}');
SAVEPOINT one;
SELECT version, global_position FROM eventcore.append('s', 5, 'Dropped', '{}');
SELECT version, global_position FROM eventcore.append('t', 0, 'Dropped', '{}');
ROLLBACK TO one;
SELECT version, global_position FROM eventcore.append('s', 5, 'Kept', '{}');
SAVEPOINT two;
SELECT version FROM eventcore.append('s', 5, 'Conflict', '{}');
ROLLBACK TO two;
SELECT outcome, actual_version FROM eventcore.try_append(
    ARRAY[eventcore.new_event('s', 'T')], ARRAY[eventcore.expect('s', 5)]);
SELECT version, type FROM eventcore.read_stream('s', 4);
COMMIT;
SELECT version, global_position, type FROM eventcore.read_stream('s', 4);
SELECT count(*) FROM eventcore.read_stream('t');

-- The whole transaction rolled back: nothing, not even for a stream that was new.
BEGIN;
SELECT version FROM eventcore.append('new', 0, 'T', '{}');
ROLLBACK;
SELECT version FROM eventcore.append('new', 0, 'T', '{}');

-- The ticket goes with a savepoint; the next append takes another.
BEGIN;
SAVEPOINT one;
SELECT version FROM eventcore.append('new', 1, 'T', '{}');
ROLLBACK TO one;
SELECT count(*) AS tickets FROM pg_locks WHERE locktype = 'advisory' AND objsubid >= 16384;
SELECT version FROM eventcore.append('new', 1, 'T', '{}');
SELECT count(*) AS tickets FROM pg_locks WHERE locktype = 'advisory' AND objsubid >= 16384;
COMMIT;

-- Beside the user's own tables; in a loop, in an exception block.
CREATE TABLE orders (id int PRIMARY KEY);
BEGIN;
INSERT INTO orders VALUES (1);
SELECT version FROM eventcore.append('order-1', 0, 'Placed', '{}');
COMMIT;
DO $$
BEGIN
    FOR n IN 1..3 LOOP
        BEGIN
            PERFORM eventcore.append('order-1', n, 'Noted', '{}');
            IF n = 2 THEN
                RAISE EXCEPTION 'back';
            END IF;
        EXCEPTION WHEN raise_exception THEN
            PERFORM eventcore.append('order-1', n, 'Noted again', '{}');
        END;
    END LOOP;
END $$;
SELECT version, type FROM eventcore.read_stream('order-1');
DROP TABLE orders;

-- Where a statement has rows to change.
CREATE TABLE accounts (id text PRIMARY KEY, version bigint);
INSERT INTO accounts SELECT 'acc-' || n FROM generate_series(1, 3) AS n;
UPDATE accounts SET version = (SELECT version FROM eventcore.append(id, 0, 'Opened', NULL));
UPDATE accounts AS a SET version = b.version FROM accounts AS c, eventcore.append(c.id, c.version, 'Noted', NULL) AS b
WHERE a.id = c.id;
SELECT id, accounts.version = eventcore.stream_version(id) AS same FROM accounts ORDER BY id;
INSERT INTO accounts SELECT stream_id, version FROM eventcore.append('acc-4', 0, 'Opened', NULL) RETURNING *;
DROP TABLE accounts;

-- A cursor, a plpgsql loop and a scan that stops early all append once.
BEGIN;
DECLARE c CURSOR FOR SELECT version FROM eventcore.append(ARRAY[eventcore.new_event('cursor', 'T'), eventcore.new_event('cursor', 'T')]);
FETCH 1 FROM c;
COMMIT;
SELECT version FROM eventcore.append(ARRAY[eventcore.new_event('cursor', 'T'), eventcore.new_event('cursor', 'T')]) LIMIT 1;
SELECT eventcore.stream_version('cursor');

-- A prepared transaction holds its streams and the horizon, until it is ended.
BEGIN;
SELECT version, global_position FROM eventcore.append('prepared', 0, 'T', '{}');
PREPARE TRANSACTION 'eventcore test';
SET lock_timeout = '10ms';
SELECT eventcore.append('prepared', 0, 'T', '{}');
RESET lock_timeout;
SELECT max(global_position) AS readable FROM eventcore.read_all() AS e;
SELECT version, global_position FROM eventcore.append('after', 0, 'T', '{}');
SELECT max(global_position) AS readable FROM eventcore.read_all();
SELECT eventcore.safe_position();
COMMIT PREPARED 'eventcore test';
SELECT max(global_position) AS readable FROM eventcore.read_all();
SELECT eventcore.append('prepared', 0, 'T', '{}');

-- Every isolation level.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT version FROM eventcore.append('s', 6, 'T', '{}');
SELECT version FROM eventcore.append('s', 7, 'T', '{}');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT stream_id, stream_version FROM eventcore.read_streams('{s}', '{7}');
SELECT version FROM eventcore.append('s', 8, 'T', '{}');
SELECT stream_id, version, stream_version FROM eventcore.read_streams('{s}', '{7}');
COMMIT;

-- More streams than a transaction has locks for: one append takes the gate.
BEGIN;
SELECT count(*), count(DISTINCT stream_id) FROM eventcore.append(
    (SELECT array_agg(eventcore.new_event('many-' || n, 'T')) FROM generate_series(1, 10000) AS n),
    (SELECT array_agg(eventcore.expect_none('many-' || n)) FROM generate_series(1, 10000) AS n));
SELECT mode FROM pg_locks WHERE relation = 'eventcore.append_gate'::regclass;
SELECT count(*) < 10 AS few_locks FROM pg_locks WHERE locktype = 'advisory';
SELECT version FROM eventcore.append('many-1', 1, 'T', '{}');
COMMIT;

DROP EXTENSION eventcore;
