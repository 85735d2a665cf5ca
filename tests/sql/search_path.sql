-- Objects of the same names elsewhere, found first by a hostile search_path, change nothing.
CREATE EXTENSION eventcore;

CREATE SCHEMA evil;
CREATE FUNCTION evil.fail() RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'evil'; END$$;
CREATE TABLE evil.events (LIKE eventcore.events);
CREATE TABLE evil.stores (name text PRIMARY KEY, created_at timestamptz);
INSERT INTO evil.stores VALUES ('evil');
CREATE TABLE evil.append_gate ();
CREATE SEQUENCE evil.global_position START 1000000;
CREATE TYPE evil.new_event AS (a int);
CREATE TYPE evil.expected_version AS (a int);
CREATE FUNCTION evil.nextval(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT evil.fail(); SELECT 1::bigint';
CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE sql AS 'SELECT evil.fail(); SELECT NULL::timestamptz';
CREATE FUNCTION evil.texteq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT evil.fail(); SELECT true';
CREATE FUNCTION evil.int8lt(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT evil.fail(); SELECT true';
CREATE OPERATOR evil.= (FUNCTION = evil.texteq, LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR evil.< (FUNCTION = evil.int8lt, LEFTARG = bigint, RIGHTARG = bigint);
CREATE TEMP TABLE events (LIKE eventcore.events);

SET search_path = pg_temp, evil, public, pg_catalog;
SELECT stream_id, version, global_position FROM eventcore.append(
    ARRAY[eventcore.new_event('a', 'T'), eventcore.new_event('b', 'T')],
    ARRAY[eventcore.expect_none('a'), eventcore.expect('b', 0)]);
SELECT outcome, version FROM eventcore.try_append_columns('{a}', '{T}', NULL, expected_streams => '{a}', expected_versions => '{1}');
SELECT command, outcome, version FROM eventcore.append_batch(
    ARRAY[eventcore.new_command(ARRAY[eventcore.new_event('a', 'T')], ARRAY[eventcore.expect('a', 2)])]);
SELECT version FROM eventcore.append_json('[{"stream_id": "a", "type": "T"}]', '{"a": 3}');
SELECT stream_id, version, stream_version FROM eventcore.read_streams('{a,b}');
SELECT count(*) FROM eventcore.read_all();
SELECT eventcore.append('a', 4, 'T', NULL, store => 'evil');
SELECT eventcore.create_store('good');
SELECT * FROM eventcore.lock_streams('{a}');
SELECT count(*) FROM evil.events;
RESET search_path;

DROP EXTENSION eventcore;
\set VERBOSITY terse
SET client_min_messages = error;
DROP SCHEMA evil CASCADE;
