-- Small and large.
CREATE EXTENSION eventcore;

-- Events: no content, a byte, a megabyte, too much.
SELECT version FROM eventcore.append('e', 0, 'T', NULL, payload => '');
SELECT version FROM eventcore.append('e', 1, 'T', jsonb_build_object('text', repeat('x', 1048576)));
SHOW eventcore.max_event_size;
SELECT eventcore.append('e', 2, 'T', NULL, payload => decode(repeat('00', 16777217), 'hex'));
SELECT version FROM eventcore.append('e', 2, 'T', NULL, payload => decode(repeat('00', 16777216), 'hex'));
SET eventcore.max_event_size = '1kB';
SELECT eventcore.append('e', 3, 'T', jsonb_build_object('text', repeat('x', 1100)));
SELECT eventcore.append('e', 3, 'T', '{}', metadata => jsonb_build_object('text', repeat('x', 1100)));
SELECT version FROM eventcore.append('e', 3, 'T', NULL, payload => decode(repeat('00', 1024), 'hex'));
SET eventcore.max_event_size = '0';
SET eventcore.max_event_sise = '1MB';
RESET eventcore.max_event_size;
SELECT version, coalesce(length(payload), length(data ->> 'text')) AS size FROM eventcore.read_stream('e');

-- 100,000 events in one append.
SELECT count(*), min(version), max(version) FROM eventcore.append(
    (SELECT array_agg(eventcore.new_event('s', 'T')) FROM generate_series(1, 100000)), ARRAY[eventcore.expect('s', 0)]);
SELECT count(*), count(DISTINCT event_id), bool_and(version = row) AS dense
FROM (SELECT *, row_number() OVER (ORDER BY global_position) AS row FROM eventcore.read_stream('s')) AS s;

-- Appends of one event to 10,000 streams in one transaction, every tenth rolled back to a savepoint.
DO $$
BEGIN
    FOR n IN 1..10000 LOOP
        BEGIN
            PERFORM eventcore.append('n-' || n, 0, 'T', NULL);
            IF n % 10 = 0 THEN
                RAISE EXCEPTION USING ERRCODE = 'TT000';
            END IF;
        EXCEPTION WHEN SQLSTATE 'TT000' THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT count(*) FROM eventcore.stream_versions((SELECT array_agg('n-' || n) FROM generate_series(1, 10000) AS n)) WHERE version = 1;

-- A transaction whose savepoints gave their locks back has not used them up.
BEGIN;
DO $$
BEGIN
    FOR n IN 1..2000 LOOP
        BEGIN
            PERFORM eventcore.append('m-' || n, 0, 'T', NULL);
            RAISE EXCEPTION USING ERRCODE = 'TT000';
        EXCEPTION WHEN SQLSTATE 'TT000' THEN
            NULL;
        END;
    END LOOP;
END $$;
SELECT version FROM eventcore.append('m-1', 0, 'T', NULL);
SELECT mode FROM pg_locks WHERE relation = 'eventcore.append_gate'::regclass;
COMMIT;

-- Large events are written a few at a time.
SELECT count(*) FROM eventcore.append(
    (SELECT array_agg(eventcore.new_event('large', 'T', payload => decode(repeat('0123456789abcdef', 5000 * n), 'hex'))) FROM generate_series(1, 40) AS n));
SELECT bool_and(length(payload) = 40000 * version AND md5(payload) = md5(decode(repeat('0123456789abcdef', 5000 * version::int), 'hex'))) AS same,
       count(*) FROM eventcore.read_stream('large');

-- A few bytes that say many nulls.
SELECT eventcore.append(array_fill(NULL::eventcore.new_event, ARRAY[10000000]));
SELECT eventcore.append_batch(array_fill(NULL::eventcore.new_command, ARRAY[10000000]));

-- A large append can be cancelled, and so can the wait for a stream.
SET statement_timeout = '20ms';
SELECT eventcore.append((SELECT array_agg(eventcore.new_event('c', 'T')) FROM generate_series(1, 300000)));
RESET statement_timeout;
SELECT eventcore.stream_version('c');

DROP EXTENSION eventcore;
