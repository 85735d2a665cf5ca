-- The SQLSTATE and the JSON DETAIL of every error.
BEGIN;
SELECT plan(42);

-- What a statement fails with: SQLSTATE, DETAIL as jsonb, and whether there is a HINT.
CREATE FUNCTION pg_temp.failure(statement text, OUT state text, OUT detail jsonb, OUT has_hint boolean)
LANGUAGE plpgsql AS $$
DECLARE
    text_detail text;
    hint text;
BEGIN
    EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, text_detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    detail := text_detail;
    has_hint := hint <> '';
END $$;
CREATE FUNCTION pg_temp.fails(statement text, wanted_state text, wanted_detail jsonb, description text)
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT is(f::text, ROW(wanted_state, wanted_detail, true)::text, description)
    FROM pg_temp.failure(statement) AS f
$$;
SELECT count(*) FROM eventcore.append(ARRAY[
    eventcore.new_event('a', 'T'), eventcore.new_event('a', 'T'),
    eventcore.new_event('b', 'T', event_id => '00000000-0000-7000-8000-000000000001')]);

SELECT pg_temp.fails($$SELECT eventcore.append('a', 1, 'T', NULL)$$, 'VE001',
    '{"error": "version_conflict", "violations": [{"stream_id": "a", "expected": 1, "actual": 2}]}', 'conflict');
SELECT pg_temp.fails(
    $$SELECT eventcore.append('{}', ARRAY[eventcore.expect('b "\', 7), eventcore.expect_none('a'), eventcore.expect('b', 1), eventcore.expect_exists('c')])$$,
    'VE001', '{"error": "version_conflict", "violations": [{"stream_id": "b \"\\", "expected": 7, "actual": 0},
        {"stream_id": "a", "expected": 0, "actual": 2}, {"stream_id": "c", "expected": -2, "actual": 0}]}',
    'conflicts, in the order given');
SELECT pg_temp.fails($$SELECT eventcore.append(ARRAY[eventcore.new_event('b', 'T'), eventcore.new_event('a', 'T')], ARRAY[eventcore.expect('b', 1)])$$,
    'VE002', '{"error": "undeclared_stream", "stream_id": "a", "event": 2}', 'undeclared stream');
SELECT pg_temp.fails($$SELECT eventcore.append('{}', ARRAY[eventcore.expect('a', 2), eventcore.expect('a', 1)])$$,
    'VE003', '{"error": "conflicting_expectation", "stream_id": "a", "expected": 2, "also_expected": 1}', 'contradiction');
SELECT pg_temp.fails(format('SELECT eventcore.append(%L, 0, %L, NULL)', id, 'T'), 'VE004',
    jsonb_build_object('error', 'invalid_stream_id', 'stream_id', left(id, 255), 'problem', problem), 'stream id ' || problem)
FROM (VALUES ('', 'is empty'), (' a', 'begins with white space'), (U&'a\2003', 'ends with white space'),
    (E'a\x01b', 'contains a control character'), (repeat('a', 256), 'is longer than 255 characters')) AS ids (id, problem);
SELECT pg_temp.fails($$SELECT eventcore.stream_version(NULL)$$, 'VE004',
    '{"error": "invalid_stream_id", "problem": "is null"}', 'null stream id');
SELECT pg_temp.fails(format('SELECT eventcore.append(ARRAY[%s])', event), 'VE005',
    jsonb_build_object('error', 'invalid_event', 'event', 1, 'problem', problem), 'event ' || problem)
FROM (VALUES ($$eventcore.new_event('a', NULL)$$, 'has no type'), ($$eventcore.new_event('a', '')$$, 'has an empty type'),
    ($$eventcore.new_event(NULL, 'T')$$, 'has no stream id'), ($$NULL::eventcore.new_event$$, 'has no stream id'),
    ($$eventcore.new_event('a', 'T', '{}', payload => '')$$, 'has both data and payload')) AS events (event, problem);
SELECT pg_temp.fails($$SELECT eventcore.append_columns('{a,b}', '{T}', NULL)$$, 'VE005',
    '{"error": "invalid_event", "problem": "the arrays of events differ in length"}', 'arrays of different length');
SELECT pg_temp.fails($$SELECT eventcore.append('b', -1, 'U', NULL, event_id => '00000000-0000-7000-8000-000000000001')$$,
    'VE006', '{"error": "duplicate_event_id", "event_id": "00000000-0000-7000-8000-000000000001", "problem": "belongs to an event of another type"}',
    'known id of another event');
SELECT pg_temp.fails($$SELECT eventcore.append(ARRAY[eventcore.new_event('a', 'T'), eventcore.new_event('b', 'T', event_id => '00000000-0000-7000-8000-000000000001')])$$,
    'VE006', '{"error": "duplicate_event_id", "known": ["00000000-0000-7000-8000-000000000001"]}', 'partly known ids');
SELECT pg_temp.fails($$SELECT eventcore.append('a', NULL, 'T', NULL)$$, 'VE007',
    '{"error": "invalid_expected_version", "expectation": 1, "expected": null}', 'null expected version');
SELECT pg_temp.fails($$SELECT eventcore.append('a', -3, 'T', NULL)$$, 'VE007',
    '{"error": "invalid_expected_version", "expectation": 1, "expected": -3}', 'no such expected version');
SELECT pg_temp.fails($$SELECT eventcore.append_columns('{}', '{}', NULL, expected_streams => '{a}', expected_versions => '{1,2}')$$, 'VE007',
    '{"error": "invalid_expected_version", "problem": "the arrays of expectations differ in length"}', 'expectations of different length');
SELECT pg_temp.fails(format('SELECT eventcore.%s', call), 'VE008', '{"error": "store_not_found", "store": "x"}', call)
FROM (VALUES ($$append('a', 2, 'T', NULL, store => 'x')$$), ($$read_all(store => 'x')$$), ($$safe_position('x')$$)) AS calls (call);
SELECT pg_temp.fails(
    format('SELECT eventcore.read_all(%s)', last_value + 1), 'VE009',
    jsonb_build_object('error', 'position_beyond_log', 'after', last_value + 1, 'last_drawn', last_value), 'position beyond the log')
FROM eventcore.global_position;
SELECT pg_temp.fails($$UPDATE eventcore.events SET type = 'U'$$, 'VE011',
    '{"error": "append_only", "operation": "UPDATE"}', 'update');

SELECT pg_temp.fails($$SELECT eventcore.create_store('default')$$, 'VE014',
    '{"error": "store_exists", "store": "default"}', 'store exists');
SELECT pg_temp.fails($$SELECT eventcore.create_store(' "')$$, 'VE015',
    '{"error": "invalid_store_name", "problem": "begins with white space"}', 'invalid store name');
SELECT pg_temp.fails($$SELECT eventcore.create_store(NULL)$$, 'VE015',
    '{"error": "invalid_store_name", "problem": "is null"}', 'null store name');
SELECT pg_temp.fails($$SELECT eventcore.lock_streams('{x}'); SELECT eventcore.append('y', 0, 'T', NULL)$$, 'VE002',
    '{"error": "undeclared_stream", "stream_id": "y"}', 'append outside of the locked set');

-- As in a database that receives its events by logical replication.
INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) VALUES (1, 'eventcore.events'::regclass, 'r');
SELECT pg_temp.fails($$SELECT eventcore.read_all()$$, 'VE020', '{"error": "horizon_not_published", "store": "default",
    "problem": "does not arrive here together with the events"}', 'the horizon is not replicated');
SELECT pg_temp.fails($$SELECT eventcore.publish_horizon()$$, 'VE021', '{"error": "log_is_replica"}', 'publishing on a subscriber');
INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) VALUES (1, 'eventcore.published_horizon'::regclass, 'r');
SELECT pg_temp.fails($$SELECT eventcore.safe_position()$$, 'VE020', '{"error": "horizon_not_published", "store": "default",
    "problem": "is not published"}', 'the horizon is not published');
DELETE FROM pg_subscription_rel WHERE srsubid = 1;

SELECT eventcore.create_subscription('s', group_size => 2);
SELECT pg_temp.fails($$SELECT eventcore.fetch('x')$$, 'VE023',
    '{"error": "subscription_not_found", "subscription": "x", "store": "default"}', 'no such subscription');
SELECT pg_temp.fails($$SELECT eventcore.create_subscription('s', group_size => 3)$$, 'VE024',
    '{"error": "subscription_exists", "subscription": "s"}', 'another subscription of that name');
SELECT pg_temp.fails($$SELECT eventcore.resize_subscription('s', 0)$$, 'VE025',
    '{"error": "invalid_subscription", "subscription": "s", "problem": "group_size must be between 1 and 1024"}', 'impossible size');
SELECT pg_temp.fails($$SELECT eventcore.fetch('s', 2)$$, 'VE026',
    '{"error": "member_not_found", "subscription": "s", "member": 2, "group_size": 2}', 'no such member');
SELECT pg_temp.fails($$SELECT eventcore.commit_checkpoint('s', 0, 1)$$, 'VE028',
    '{"error": "not_delivered", "subscription": "s", "member": 0, "position": 1, "delivered": 0}', 'beyond what was delivered');
-- Another session claims a member, which needs none of the rows that only this transaction can see.
CREATE EXTENSION dblink;
SELECT dblink_connect('dbname=' || current_database());
SELECT member FROM dblink($$SELECT eventcore.claim('s', 2, 'default')$$) AS claim (member int);
SELECT pg_temp.fails($$SELECT eventcore.fetch('s', 0)$$, 'VE027',
    '{"error": "member_claimed", "subscription": "s", "member": 0}', 'claimed by another session');
SELECT dblink_disconnect();

-- 10, 12 and 13, last because they break what the others need.
SELECT pg_temp.fails($$SELECT setval('eventcore.global_position', 1); SELECT eventcore.append('a', 2, 'T', NULL)$$, 'VE010',
    jsonb_build_object('error', 'position_regressed', 'drawn', 2, 'expected_above', last_value), 'the sequence went back')
FROM eventcore.global_position;
CREATE FUNCTION pg_temp.nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER change BEFORE INSERT ON eventcore.events FOR EACH ROW EXECUTE FUNCTION pg_temp.nothing();
SELECT pg_temp.fails($$SELECT eventcore.append('a', 2, 'T', NULL)$$, 'VE012',
    '{"error": "unsupported_trigger", "trigger": "change"}', 'BEFORE INSERT row trigger');

DROP TRIGGER change ON eventcore.events;
ALTER TABLE eventcore.events ADD COLUMN extra int;
SELECT pg_temp.fails($$SELECT eventcore.append('a', 2, 'T', NULL)$$, 'VE013',
    '{"error": "relation_mismatch", "relation": "events"}', 'altered table');

SELECT * FROM finish();
ROLLBACK;
