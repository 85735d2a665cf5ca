-- An append finds versions on the pages of the index by itself (extension/version_probe.c). Here
-- its answers for all streams, and for many that do not exist, are compared with those of an index
-- scan and with the table, while the index takes every form that it can have without a concurrent
-- change.
CREATE EXTENSION eventcore;
-- Ids that are prefixes of others, of 255 characters, of bytes above 127, and so long that the
-- index compresses them; some several times, in a random order.
CREATE FUNCTION ids(count int) RETURNS text[] LANGUAGE sql AS $$
    SELECT array_agg(id ORDER BY md5(id || n)) FROM (
        SELECT 'account-' || md5(n::text) AS id, n % 4 AS most FROM generate_series(1, count) AS n
        UNION SELECT left(repeat(md5(n::text), 8), 255), 1 FROM generate_series(1, count / 8) AS n
        UNION SELECT left('ÿ' || n || repeat('é', 255), 255), 2 FROM generate_series(1, 9) AS n
        UNION SELECT left('日' || n || repeat('本', 255), 255), 2 FROM generate_series(1, 9) AS n
        UNION SELECT p || s, 2 FROM unnest('{a,aa,a-,a-1,a-10,ab,A,é,éa,ÿ,日本,😀}'::text[]) AS p,
                                    unnest('{"",-,0,-0,z,é}'::text[]) AS s) AS streams,
        generate_series(0, most) AS n
$$;
CREATE TABLE name AS SELECT DISTINCT unnest(ids(800) || '{b,long,longer}') AS stream_id;

CREATE PROCEDURE append(store text, ids text[]) LANGUAGE sql AS $$
    SELECT count(*) FROM eventcore.append_columns(
        ids, array_fill('T'::text, ARRAY[cardinality(ids)]),
        array_fill('{}'::jsonb, ARRAY[cardinality(ids)]), store => append.store)
$$;

-- Probes are asked by an expectation that never holds: each stream's version comes back.
CREATE PROCEDURE compare(what text) LANGUAGE plpgsql AS $$
DECLARE
    place text;
    names text[];
    asked bigint := 0;
    wrong text[] := '{}';
BEGIN
    FOR place, names IN
        SELECT s.name, array_agg(n.stream_id)
        FROM eventcore.stores AS s,
             (SELECT stream_id, row_number() OVER () / 400 AS part
              FROM (SELECT stream_id FROM name
                    UNION SELECT left(stream_id, 254) || '!' FROM name
                    UNION SELECT left(stream_id, -1) FROM name WHERE length(stream_id) > 1
                    UNION VALUES ('!'), ('0'), ('~~'), (repeat('ÿ', 255))) AS every) AS n
        GROUP BY s.name, n.part
    LOOP
        asked := asked + cardinality(names);
        wrong := wrong || ARRAY(
            SELECT format('%s/%s: %s, scan %s, table %s', place, left(stream_id, 40),
                          probe.actual_version, scan.version, stored.version)
            FROM eventcore.try_append_columns('{}', '{}', '{}', expected_streams => names,
                     expected_versions => array_fill(1000000::bigint, ARRAY[cardinality(names)]),
                     store => place) AS probe
            FULL JOIN eventcore.stream_versions(names, place) AS scan USING (stream_id)
            LEFT JOIN (SELECT stream_id, max(version) AS version FROM eventcore.events
                       WHERE store = place GROUP BY stream_id) AS stored USING (stream_id)
            WHERE probe.actual_version IS DISTINCT FROM coalesce(stored.version, 0)
               OR probe.actual_version IS DISTINCT FROM scan.version);
        COMMIT; -- gives the locks back
    END LOOP;
    RAISE NOTICE '%: %, wrong: %', what,
        CASE WHEN asked > 10000 THEN 'many asked' ELSE asked || ' asked' END,
        array_to_string(cardinality(wrong)::text || wrong[1:5], '; ');
END $$;

SELECT pg_relation_size('eventcore.events_version'); -- empty: there is only the meta page
CALL compare('empty');
CALL append('default', '{b}');
CALL compare('one event');

-- Several rows a version, that no one may remove yet: lists of rows in the index. What stands in
-- the place of a row's address is no block of this small table.
CALL append('default', ids(100));
ALTER TABLE eventcore.events DISABLE TRIGGER USER;
BEGIN;
SELECT pg_current_xact_id() IS NOT NULL AS has_begun;
PREPARE TRANSACTION 'version_probe';
UPDATE eventcore.events SET type = 'U';
UPDATE eventcore.events SET type = 'V';
UPDATE eventcore.events SET type = 'W';
CALL compare('updated');
COMMIT PREPARED 'version_probe';
ALTER TABLE eventcore.events ENABLE TRIGGER USER;

SELECT eventcore.create_store(name) FROM unnest('{a,def,defaults,z}'::text[]) AS name;
CALL append('a', '{a,b,b-1}');
CALL append('def', '{a,b,b-1}');
CALL append('z', '{a,b,b-1}');
CALL compare('several stores');
CALL append('default', ids(800));
CALL append('a', ids(100));
CALL append('defaults', ids(800));
CALL append('z', ids(100));
SELECT pg_relation_size('eventcore.events_version') > 100 * 8192 AS is_deep;
CALL compare('many streams');

-- What was rolled back leaves entries on top of streams, some marked as dead, some of a version
-- that is appended once more.
BEGIN;
CALL append('default', ids(600));
CALL append('defaults', ids(10));
ROLLBACK;
CALL compare('rolled back');
CALL append('default', ids(300));
CALL compare('appended again');
VACUUM eventcore.events;
CALL compare('vacuumed');

-- A stream over several pages, of which those with its upper versions come to be empty: its last
-- version is at the end of the page left of the one where a search arrives.
CALL append('a', array_fill('long'::text, ARRAY[500]));
CALL append('a', array_fill('longer'::text, ARRAY[3]));
BEGIN;
CALL append('a', array_fill('long'::text, ARRAY[2000]));
CALL append('def', ids(600));
ROLLBACK;
CALL compare('to be emptied');
VACUUM eventcore.events;
CALL compare('emptied');
VACUUM eventcore.events; -- uses deleted pages again
CALL append('def', ids(600));
CALL compare('filled again');

-- What cannot be, but for a superuser.
ALTER TABLE eventcore.events DISABLE TRIGGER USER;
DELETE FROM eventcore.events AS e WHERE version > 1 AND stream_id LIKE 'account-%1_';
CALL compare('deleted');
VACUUM eventcore.events;
CALL compare('deleted and vacuumed');
ALTER TABLE eventcore.events ENABLE TRIGGER USER;

ALTER INDEX eventcore.events_version SET (fillfactor = 10, deduplicate_items = off);
REINDEX INDEX eventcore.events_version;
CALL compare('thin pages');
CALL append('default', ids(300));
CALL compare('thin pages filled');

SET default_transaction_isolation = 'serializable';
CALL compare('serializable');
RESET default_transaction_isolation;

-- In any other order of stream ids there is no index on versions.
ALTER TABLE eventcore.events DROP CONSTRAINT events_version;
CREATE UNIQUE INDEX ON eventcore.events (store, stream_id COLLATE "POSIX", version);
SELECT eventcore.append('a', 1, 'T', '{}');

DROP EXTENSION eventcore;
