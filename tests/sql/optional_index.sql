-- Optional indexes give the same events as reading on row by row, and look at fewer rows.
CREATE EXTENSION eventcore;

SELECT count(*) FROM eventcore.append(
    (SELECT array_agg(eventcore.new_event(
         CASE n % 5 WHEN 0 THEN 'order-' WHEN 1 THEN 'orders-' ELSE 'cart-' END || n % 50, 'T' || n % 7,
         metadata => CASE WHEN n % 3 = 0 THEN jsonb_build_object('correlation_id', 'c-' || n % 10) END) ORDER BY n)
     FROM generate_series(1, 1000) AS n));
SELECT eventcore.create_store('other');
SELECT count(*) FROM eventcore.append(
    ARRAY[eventcore.new_event('order-5', 'T1', '{}', '{"correlation_id": "c-3"}')], store => 'other');

-- What each filter gives, and which indexes were scanned, how often, for how many rows.
CREATE VIEW given AS
    SELECT filter, count(*), md5(string_agg(position::text, ' ')) AS positions FROM (
        SELECT 'category' AS filter, global_position AS position FROM eventcore.read_category('order', max_count => NULL)
        UNION ALL
        SELECT 'behind', global_position FROM eventcore.read_category('order', 500, 20)
        UNION ALL
        SELECT 'backward', global_position FROM eventcore.read_category('order', 500, 20, backward => true)
        UNION ALL
        SELECT 'types', global_position FROM eventcore.read_all(types => '{T1,T5,T1,T9}', max_count => NULL)
        UNION ALL
        SELECT 'types backward', global_position FROM eventcore.read_all(types => '{T5,T1}', backward => true, after => 77)
        UNION ALL
        SELECT 'correlation', global_position FROM eventcore.read_all(correlation_id => 'c-3', max_count => NULL)
        UNION ALL
        SELECT 'both', global_position FROM eventcore.read_category('order', types => '{T3}', max_count => NULL)
    ) AS events GROUP BY filter;
CREATE FUNCTION look(statement text, OUT index name, OUT scans bigint, OUT rows bigint) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    before jsonb := (SELECT jsonb_object_agg(indexrelid, ARRAY[pg_stat_get_xact_numscans(indexrelid),
                                                              pg_stat_get_xact_tuples_returned(indexrelid)])
                     FROM pg_index WHERE indrelid = 'eventcore.events'::regclass);
BEGIN
    EXECUTE statement;
    RETURN QUERY
        SELECT relname, pg_stat_get_xact_numscans(oid) - (before->oid::text->>0)::bigint,
               pg_stat_get_xact_tuples_returned(oid) - (before->oid::text->>1)::bigint
        FROM pg_index JOIN pg_class ON oid = indexrelid
        WHERE indrelid = 'eventcore.events'::regclass AND pg_stat_get_xact_numscans(oid) <> (before->oid::text->>0)::bigint
        ORDER BY relname COLLATE "C";
END $$;

CREATE TABLE expected AS TABLE given;
SELECT filter, count FROM expected ORDER BY filter COLLATE "C";
SELECT * FROM look($$SELECT eventcore.read_category('order', max_count => NULL)$$);
SELECT * FROM look($$SELECT eventcore.read_all(types => '{T1,T5}', max_count => NULL)$$);
SELECT * FROM look($$SELECT eventcore.read_all(correlation_id => 'c-3', max_count => NULL)$$);

SELECT eventcore.add_index(kind, false) FROM unnest('{category,type,correlation}'::text[]) AS kind;
SELECT eventcore.add_index('type'), eventcore.add_index('type', false);
SELECT * FROM look($$SELECT eventcore.read_category('order', max_count => NULL)$$);
SELECT * FROM look($$SELECT eventcore.read_category('order', 500, 20)$$);
SELECT * FROM look($$SELECT eventcore.read_all(types => '{T1,T5}', max_count => NULL)$$);
SELECT * FROM look($$SELECT eventcore.read_all(correlation_id => 'c-3', max_count => NULL)$$);
SELECT * FROM look($$SELECT eventcore.read_all(prefix => 'order', max_count => NULL)$$);
TABLE given EXCEPT TABLE expected;

-- Appends maintain them, under any role and in any store.
CREATE ROLE regress_appender;
GRANT USAGE ON SCHEMA eventcore TO regress_appender;
GRANT EXECUTE ON FUNCTION eventcore.append(text, bigint, text, jsonb, jsonb, uuid, bytea, text) TO regress_appender;
SET ROLE regress_appender;
SELECT version FROM eventcore.append('order-5', 20, 'T1', '{}', '{"correlation_id": "c-3"}');
RESET ROLE;
SELECT max(global_position) FROM eventcore.read_category('order', max_count => NULL);
SELECT global_position, stream_id FROM eventcore.read_category('order', store => 'other');
SELECT global_position, stream_id FROM eventcore.read_all(types => '{T1}', backward => true, max_count => 1);

-- Concurrently: a worker waits for the calling transaction, and an invalid index is built anew.
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'eventcore.events_by_category'::regclass;
DROP INDEX eventcore.events_by_type;
SELECT eventcore.add_index('category'), eventcore.add_index('type'), eventcore.add_index('type');
DO $$
BEGIN
    FOR i IN 1..600 LOOP
        EXIT WHEN 2 = (SELECT count(*) FROM pg_index JOIN pg_class ON oid = indexrelid
                       WHERE relname IN ('events_by_category', 'events_by_type') AND indisvalid)
            AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE backend_type = 'eventcore index build');
        PERFORM pg_sleep(0.1);
        COMMIT; -- the builds wait for this transaction
    END LOOP;
END $$;
SELECT eventcore.add_index('category'), eventcore.add_index('type');
SELECT * FROM look($$SELECT eventcore.read_category('order', max_count => NULL)$$);
SELECT * FROM look($$SELECT eventcore.read_all(types => '{T1,T5}', max_count => NULL)$$);

SELECT eventcore.add_index('nothing');
SELECT eventcore.add_index(NULL);

DROP VIEW given;
DROP FUNCTION look;
DROP EXTENSION eventcore;
DROP TABLE expected;
DROP OWNED BY regress_appender;
DROP ROLE regress_appender;
