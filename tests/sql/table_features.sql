-- What users put on the table events works as for an INSERT statement.
CREATE EXTENSION eventcore;

-- A column that the user wants to be filled.
ALTER TABLE eventcore.events ALTER metadata SET NOT NULL;
\set VERBOSITY terse
SELECT eventcore.append('n', 0, 'T', '{}');
\set VERBOSITY default
SELECT version FROM eventcore.append('n', 0, 'T', '{}', '{}');
ALTER TABLE eventcore.events ALTER metadata DROP NOT NULL;

-- AFTER triggers: row, statement with transition table, deferred, one that appends.
CREATE TABLE seen (kind text, stream_id text, version bigint);
CREATE FUNCTION see_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES (TG_ARGV[0], NEW.stream_id, NEW.version);
    RETURN NULL;
END $$;
CREATE FUNCTION see_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen SELECT TG_WHEN || ' statement', string_agg(stream_id, ','), count(*) FROM added;
    RETURN NULL;
END $$;
CREATE FUNCTION append_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM eventcore.append('audit', -1, 'Seen', jsonb_build_object('of', NEW.stream_id));
    RETURN NULL;
END $$;
CREATE TRIGGER a_row AFTER INSERT ON eventcore.events FOR EACH ROW EXECUTE FUNCTION see_row('row');
CREATE TRIGGER b_statement AFTER INSERT ON eventcore.events REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION see_statement();
CREATE CONSTRAINT TRIGGER d_deferred AFTER INSERT ON eventcore.events DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION see_row('deferred');
CREATE TRIGGER e_append AFTER INSERT ON eventcore.events FOR EACH ROW
    WHEN (NEW.stream_id <> 'audit') EXECUTE FUNCTION append_more();
BEGIN;
SELECT stream_id, version FROM eventcore.append(
    ARRAY[eventcore.new_event('a', 'T'), eventcore.new_event('b', 'T')],
    ARRAY[eventcore.expect('a', 0), eventcore.expect('b', 0)]);
SELECT * FROM seen;
COMMIT;
SELECT * FROM seen WHERE kind = 'deferred';
SELECT version, data FROM eventcore.read_stream('audit');
DROP TRIGGER a_row ON eventcore.events;
DROP TRIGGER b_statement ON eventcore.events;
DROP TRIGGER d_deferred ON eventcore.events;
DROP TRIGGER e_append ON eventcore.events;

-- A BEFORE INSERT trigger could change what was checked: refused, unless it would not fire.
CREATE TRIGGER change BEFORE INSERT ON eventcore.events FOR EACH ROW EXECUTE FUNCTION see_row();
SELECT eventcore.append('refused', 0, 'T', '{}');
ALTER TABLE eventcore.events DISABLE TRIGGER change;
SELECT version FROM eventcore.append('disabled', 0, 'T', '{}');
ALTER TABLE eventcore.events ENABLE REPLICA TRIGGER change;
SELECT version FROM eventcore.append('disabled', 1, 'T', '{}');
DROP TRIGGER change ON eventcore.events;
CREATE TRIGGER change BEFORE INSERT ON eventcore.events FOR EACH STATEMENT EXECUTE FUNCTION append_more();
SELECT eventcore.append('refused', 0, 'T', '{}');
DROP TRIGGER change ON eventcore.events;

-- Foreign keys, from events and to events.
CREATE TABLE types (name text PRIMARY KEY);
INSERT INTO types VALUES ('T'), ('Seen');
ALTER TABLE eventcore.events ADD CONSTRAINT known_type FOREIGN KEY (type) REFERENCES types;
SELECT eventcore.append(ARRAY[eventcore.new_event('f', 'T'), eventcore.new_event('f', 'Unknown')]);
SELECT version FROM eventcore.append('f', 0, 'T', '{}');
DELETE FROM types WHERE name = 'T';
CREATE TABLE notes (event_id uuid, store text DEFAULT 'default', FOREIGN KEY (store, event_id) REFERENCES eventcore.events (store, event_id));
INSERT INTO notes SELECT event_id FROM eventcore.append('f', 1, 'T', '{}');
DROP TABLE notes;
ALTER TABLE eventcore.events DROP CONSTRAINT known_type;
DROP TABLE types;

-- Check constraints, and indexes of any kind.
ALTER TABLE eventcore.events ADD CONSTRAINT positive CHECK ((data ->> 'amount')::int > 0);
\set VERBOSITY terse
SELECT eventcore.append('c', 0, 'T', '{"amount": 0}');
\set VERBOSITY default
SELECT version FROM eventcore.append('c', 0, 'T', '{"amount": 1}');
ALTER TABLE eventcore.events DROP CONSTRAINT positive;
CREATE INDEX by_type ON eventcore.events (lower(type)) INCLUDE (version) WHERE type LIKE 'I%';
CREATE INDEX by_data ON eventcore.events USING gin (data);
CREATE UNIQUE INDEX one_email ON eventcore.events ((data ->> 'email'));
ALTER TABLE eventcore.events ADD CONSTRAINT one_name EXCLUDE USING hash ((data ->> 'name') WITH =);
SELECT version FROM eventcore.append('i', 0, 'Indexed', '{"email": "e", "name": "n"}');
SELECT eventcore.append('i', 1, 'Indexed', '{"email": "e"}', event_id => '00000000-0000-7000-8000-000000000001');
SELECT eventcore.append('i', 1, 'Indexed', '{"name": "n"}');
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT version FROM eventcore.events WHERE lower(type) = 'indexed' AND type LIKE 'I%';
SELECT version FROM eventcore.events WHERE lower(type) = 'indexed' AND type LIKE 'I%';
SELECT stream_id FROM eventcore.events WHERE data @> '{"name": "n"}';
RESET enable_seqscan;
ALTER TABLE eventcore.events DROP CONSTRAINT one_name;
DROP INDEX eventcore.by_type, eventcore.by_data, eventcore.one_email;

-- A unique constraint that is checked at the end of the transaction.
ALTER TABLE eventcore.events ADD CONSTRAINT one_payload UNIQUE (payload) DEFERRABLE INITIALLY DEFERRED;
BEGIN;
SELECT version FROM eventcore.append('d', 0, 'T', NULL, payload => '\x01');
SELECT version FROM eventcore.append('d', 1, 'T', NULL, payload => '\x01');
COMMIT;
SELECT eventcore.stream_version('d');
SELECT version FROM eventcore.append('d', 0, 'T', NULL, payload => '\x01');
ALTER TABLE eventcore.events DROP CONSTRAINT one_payload;

-- Indexes that look like ours and are not: with other columns, or another order.
CREATE UNIQUE INDEX covering_version ON eventcore.events (store, stream_id, version) INCLUDE (type, data);
CREATE UNIQUE INDEX covering_position ON eventcore.events (store, global_position) INCLUDE (type);
CREATE UNIQUE INDEX covering_id ON eventcore.events (store, event_id) INCLUDE (type);
CREATE UNIQUE INDEX backward_version ON eventcore.events (store, stream_id, version DESC);
CREATE UNIQUE INDEX backward_position ON eventcore.events (store, global_position DESC);
CREATE UNIQUE INDEX other_order ON eventcore.events (store COLLATE "POSIX", stream_id text_pattern_ops, version);
CREATE UNIQUE INDEX late ON eventcore.events (store, stream_id, version) WHERE version > 0;
REINDEX TABLE CONCURRENTLY eventcore.events; -- now ours are the younger ones
SELECT version FROM eventcore.append(ARRAY[eventcore.new_event('o', 'T'), eventcore.new_event('o', 'T'), eventcore.new_event('o', 'T')]);
SELECT eventcore.stream_version('o');
SELECT version FROM eventcore.append('o', 3, 'T', '{}');
SELECT version FROM eventcore.read_stream('o');
SELECT bool_and(global_position > previous) FROM
    (SELECT global_position, lag(global_position, 1, 0::bigint) OVER () AS previous FROM eventcore.read_all()) AS log;
SELECT eventcore.last_position() = max(global_position) FROM eventcore.events;
SET enable_seqscan = off;
SELECT array_agg(version) FROM (SELECT version FROM eventcore.events WHERE store = 'default' AND stream_id = 'o' ORDER BY version DESC) AS s;
RESET enable_seqscan;
DROP INDEX eventcore.covering_version, eventcore.covering_position, eventcore.covering_id,
    eventcore.backward_version, eventcore.backward_position, eventcore.other_order, eventcore.late;

-- Reindexed or renamed indexes are found again.
REINDEX TABLE CONCURRENTLY eventcore.events;
ALTER INDEX eventcore.events_version RENAME TO renamed;
SELECT version FROM eventcore.append('i', 1, 'T', '{}');
ALTER INDEX eventcore.renamed RENAME TO events_version;

-- Logical decoding.
SELECT 'started' FROM pg_create_logical_replication_slot('eventcore_test', 'test_decoding');
SELECT version FROM eventcore.append(
    ARRAY[eventcore.new_event('decoded', 'T', '{"n": 1}'), eventcore.new_event('decoded', 'T', '{"n": 2}')]);
SELECT regexp_replace(regexp_replace(data, 'event_id\S+ \S+', 'event_id'), ' recorded_at.*', '') AS change
FROM pg_logical_slot_get_changes('eventcore_test', NULL, NULL) WHERE data LIKE 'table eventcore.events%';
SELECT 'stopped' FROM pg_drop_replication_slot('eventcore_test');

-- An altered or missing relation is an error, and crashes nothing.
BEGIN;
ALTER TABLE eventcore.events ADD COLUMN extra int;
SAVEPOINT s;
SELECT eventcore.append('i', 2, 'T', '{}');
ROLLBACK TO s;
SELECT eventcore.read_stream('i');
ROLLBACK;
BEGIN;
ALTER TABLE eventcore.events DROP CONSTRAINT events_version;
SELECT eventcore.append('i', 2, 'T', '{}');
ROLLBACK;
BEGIN;
ALTER SCHEMA eventcore RENAME TO renamed;
SELECT renamed.stream_version('i');
ROLLBACK;

BEGIN;
CREATE TABLE p (LIKE eventcore.events) PARTITION BY LIST (store);
ALTER TABLE p ATTACH PARTITION eventcore.events FOR VALUES IN ('default');
SELECT eventcore.append('i', 2, 'T', '{}');
ROLLBACK;
BEGIN;
ALTER TABLE eventcore.stores ADD COLUMN note text;
SELECT eventcore.create_store('y');
ROLLBACK;
BEGIN;
ALTER TYPE eventcore.appended_event ADD ATTRIBUTE extra int;
SELECT * FROM eventcore.append('i', 2, 'T', '{}');
ROLLBACK;
BEGIN;
ALTER TYPE eventcore.recorded_event DROP ATTRIBUTE data;
SELECT * FROM eventcore.read_stream('i');
ROLLBACK;
BEGIN;
ALTER SEQUENCE eventcore.global_position RENAME TO away;
CREATE TABLE eventcore.global_position (last_value bigint);
SELECT eventcore.append('i', 2, 'T', '{}');
ROLLBACK;

-- A trigger on stores.
CREATE FUNCTION see_store() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen VALUES ('store', NEW.name);
    RETURN NULL;
END $$;
CREATE TRIGGER seen AFTER INSERT ON eventcore.stores FOR EACH ROW EXECUTE FUNCTION see_store();
SELECT eventcore.create_store('seen');
SELECT * FROM seen WHERE kind = 'store';

-- A sequence that went back is noticed before anything is written.
SELECT setval('eventcore.global_position', 1);
SELECT eventcore.append('i', 2, 'T', '{}');
\c -
SELECT eventcore.append('i', 2, 'T', '{}');
SELECT setval('eventcore.global_position', (SELECT max(global_position) FROM eventcore.events)) > 1 AS right;
\c -
SELECT version FROM eventcore.append('i', 2, 'T', '{}');

DROP EXTENSION eventcore;
DROP TABLE seen;
DROP FUNCTION see_store(), see_row(), see_statement(), append_more();
