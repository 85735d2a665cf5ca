-- The test kit, tested with pgTAP's check_test(): what passes, what fails, and how it tells why.
BEGIN;
SELECT setting || '/extension/eventcore_pgtap.sql' AS kit FROM pg_config WHERE name = 'SHAREDIR' \gset
\i :kit
SET LOCAL client_min_messages = warning; -- DROP SCHEMA names what goes
\i :kit
-- pgTAP may be in any schema, and commands find their own names.
CREATE SCHEMA "a command's";
CREATE FUNCTION "a command's".open(account text) RETURNS void LANGUAGE sql AS $$
    SELECT eventcore.append(account, 0, 'Opened', '{}', '{"user_id": "u", "correlation_id": "c"}')
$$;
CREATE SCHEMA "pgTAP";
DROP EXTENSION pgtap;
CREATE EXTENSION pgtap SCHEMA "pgTAP";
SET LOCAL search_path = "a command's", "pgTAP", eventcore, eventcore_test;
SELECT no_plan();

-- A helper's test, under a description that is known to be handed on.
CREATE FUNCTION "a command's".fails(tap text, name text, diagnosis text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT check_test(tap, false, name, name, diagnosis)
$$;
CREATE FUNCTION "a command's".passes(tap text, name text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT check_test(tap, true, name, name, '')
$$;

-- Before anything is given.
SELECT throws_ok('SELECT then_unchanged()', '55000', 'nothing is given in store "default" yet', 'nothing is given');
SELECT is(given_events(), '# given 0 events', 'the log as it is');
SELECT passes(then_unchanged(), 'appends nothing');
SELECT passes(then_stream_is_empty('a'), 'a is empty');
SELECT is(given_event('a', 'Opened', metadata => '{"user_id": "u"}'), '# given 1 event', 'an event');
SELECT is(given_events(ARRAY[new_event('a', 'Paid', '{"amount": 1, "by": "x"}'), new_event('b', 'Opened'),
                             new_event('b', 'Signed', payload => '\x00')]), '# given 3 events', 'several events');
SELECT passes(then_unchanged(), 'appends nothing');
SELECT is((SELECT array_agg(version || type ORDER BY version) FROM read_stream('a')), '{1Opened,2Paid}', 'given events are appended');

-- Streams.
SELECT passes(then_stream_is('a', ARRAY[event('Opened'), event('Paid', '{"by": "x", "amount": 1.0}')]), 'a is Opened, Paid');
SELECT passes(then_stream_is('a', ARRAY[new_event('a', 'Opened'), new_event('a', 'Paid', '{"by": "x", "amount": 1}')], 'whole'), 'whole');
SELECT passes(then_stream_is('b', ARRAY[event('Opened'), event('Signed', payload => '\x00')]), 'b is Opened, Signed');
SELECT passes(then_stream_is('a', ARRAY[event('Opened'), event('Paid')], partial => true), 'a is Opened, Paid');
SELECT passes(then_stream_is('a', ARRAY[event('Opened'), event('Paid', '{"by": "x"}')], partial => true), 'a is Opened, Paid');
SELECT passes(then_stream_is('a', ARRAY[event('Opened', metadata => '{"user_id": "u"}'),
    event('Paid', '{"amount": 1, "by": "x"}', event_id => (SELECT event_id FROM read_stream('a', 1)))]), 'a is Opened, Paid');
SELECT fails(then_stream_is('a', ARRAY[event('Opened'), event('Paid')]), 'a is Opened, Paid',
'    Events differ at event 2 (have 2, want 2):
        have: a Paid {"by": "x", "amount": 1}
        want: Paid');
SELECT fails(then_stream_is('a', ARRAY[event('Opened'), event('Paid', '{"by": "y"}')], 'partly', true), 'partly',
'    Events differ at event 2 (have 2, want 2):
        have: a Paid {"by": "x", "amount": 1}
        want: Paid {"by": "y"}');
SELECT fails(then_stream_is('a', ARRAY[event('Opened')]), 'a is Opened',
'    Events differ at event 2 (have 2, want 1):
        have: a Paid {"by": "x", "amount": 1}
        want: nothing');
SELECT fails(then_stream_is('b', ARRAY[event('Opened'), event('Signed', payload => '\x01')]), 'b is Opened, Signed',
'    Events differ at event 2 (have 2, want 2):
        have: b Signed \x00
        want: Signed \x01');
SELECT fails(then_stream_is('b', ARRAY[event('Opened'), event('Signed')], partial => true), 'b is Opened, Signed',
'    Events differ at event 2 (have 2, want 2):
        have: b Signed \x00
        want: Signed');
SELECT fails(then_stream_is('b', ARRAY[event('Opened', payload => '\x')]), 'b is Opened',
'    Events differ at event 1 (have 2, want 1):
        have: b Opened {}
        want: Opened \x');
SELECT fails(then_stream_is('b', ARRAY[event('Opened'), event('Signed', '{}', payload => '\x00')]), 'b is Opened, Signed',
'    Events differ at event 2 (have 2, want 2):
        have: b Signed \x00
        want: Signed {} \x00');
SELECT fails(then_stream_is('a', ARRAY[event('Opened', metadata => '{"user_id": "v"}')]), 'a is Opened',
'    Events differ at event 1 (have 2, want 1):
        have: a Opened {} metadata {"user_id": "u"}
        want: Opened metadata {"user_id": "v"}');
SELECT fails(then_stream_is('b', ARRAY[event('Opened', metadata => '{"user_id": "u"}')]), 'b is Opened',
'    Events differ at event 1 (have 2, want 1):
        have: b Opened {}
        want: Opened metadata {"user_id": "u"}');
SELECT check_test(then_stream_is('b', ARRAY[event('Opened', event_id => '00000000-0000-7000-8000-000000000001')]), false,
    'another id', NULL, 'have: b Opened \{\} event_id .*\n        want: Opened event_id 00000000-0000-7000-8000-000000000001$', true);
SELECT fails(then_stream_is('a', ARRAY[new_event('b', 'Opened')]), 'a is Opened to b',
'    Events differ at event 1 (have 2, want 1):
        have: a Opened {}
        want: b Opened');
SELECT fails(then_stream_is_empty('a'), 'a is empty',
'    Events differ at event 1 (have 2, want 0):
        have: a Opened {}
        want: nothing');
SELECT fails(then_stream_is('c', ARRAY[event('Opened')]), 'c is Opened',
'    Events differ at event 1 (have 0, want 1):
        have: nothing
        want: Opened');
SELECT throws_ok('SELECT then_stream_is(''a'', NULL)', '22004', 'the wanted events must not be null', 'no array');
SELECT throws_ok('SELECT then_stream_contains(''a'', NULL)', '22004', 'the wanted events must not be null', 'no array');
SELECT throws_ok('SELECT then_stream_ends_with(''a'', NULL)', '22004', 'the wanted events must not be null', 'no array');
SELECT throws_ok('SELECT then_stream_is_empty(''a'', store => ''x'')', 'VE008', NULL, 'no such store');

SELECT passes(then_stream_ends_with('a', ARRAY[event('Paid', '{"amount": 1, "by": "x"}')]), 'a ends with Paid');
SELECT passes(then_stream_ends_with('a', ARRAY[event('Opened'), event('Paid')], 'both', true), 'both');
SELECT fails(then_stream_ends_with('a', ARRAY[event('Paid')]), 'a ends with Paid',
'    Events differ at event 1 (have 1, want 1):
        have: a Paid {"by": "x", "amount": 1}
        want: Paid');
SELECT fails(then_stream_ends_with('a', ARRAY[event('Opened')]), 'a ends with Opened',
'    Events differ at event 1 (have 1, want 1):
        have: a Paid {"by": "x", "amount": 1}
        want: Opened');
SELECT fails(then_stream_ends_with('b', ARRAY[event('Made'), event('Opened'), event('Signed')]), 'b ends with Made, Opened, Signed',
'    Events differ at event 1 (have 2, want 3):
        have: b Opened {}
        want: Made');

SELECT passes(then_stream_contains('a', ARRAY[event('Opened')]), 'a contains Opened');
SELECT passes(then_stream_contains('b', ARRAY[event('Signed', payload => '\x00')]), 'b contains Signed');
SELECT passes(then_stream_contains('a', '{}'), 'a contains nothing');
SELECT passes(then_stream_contains('a', ARRAY[event('Opened'), event('Paid')], partial => true), 'a contains Opened, Paid');
SELECT fails(then_stream_contains('a', ARRAY[event('Paid'), event('Opened')], partial => true), 'a contains Paid, Opened',
'    Wanted event 2 is missing:
        have: a Opened {}
        have: a Paid {"by": "x", "amount": 1}
        want: Opened');
SELECT fails(then_stream_contains('a', ARRAY[event('Paid')]), 'a contains Paid',
'    Wanted event 1 is missing:
        have: a Opened {}
        have: a Paid {"by": "x", "amount": 1}
        want: Paid');
SELECT fails(then_stream_contains('a', ARRAY[event('Opened', metadata => '{"user_id": "v"}')]), 'a contains Opened',
'    Wanted event 1 is missing:
        have: a Opened {} metadata {"user_id": "u"}
        have: a Paid {"by": "x", "amount": 1}
        want: Opened metadata {"user_id": "v"}');
SELECT fails(then_stream_contains('c', ARRAY[event('Opened')]), 'c contains Opened',
'    Wanted event 1 is missing:
        want: Opened');

SELECT passes(then_stream_version_is('a', 2), 'a is at version 2');
SELECT fails(then_stream_version_is('c', 1, 'made'), 'made',
'        have: 0
        want: 1');
SELECT check_test(then_stream_version_is('a', NULL), false, 'no version');

-- What a command appends.
SELECT open('c');
SELECT passes(then_events(ARRAY[new_event('c', 'Opened')]), 'appends Opened to c');
SELECT passes(then_events(ARRAY[event('Opened', metadata => '{"user_id": "u"}')], 'opened'), 'opened');
SELECT fails(then_unchanged(), 'appends nothing',
'    Events differ at event 1 (have 1, want 0):
        have: c Opened {}
        want: nothing');
SELECT fails(then_events(ARRAY[event('Opened', '{"by": "x"}')]), 'appends Opened',
'    Events differ at event 1 (have 1, want 1):
        have: c Opened {}
        want: Opened {"by": "x"}');
SELECT fails(then_events(ARRAY[new_event('d', 'Opened')]), 'appends Opened to d',
'    Events differ at event 1 (have 1, want 1):
        have: c Opened {}
        want: d Opened');
SELECT open('d');
SELECT passes(then_events(ARRAY[new_event('c', 'Opened'), new_event('d', 'Opened')]), 'appends Opened to c, Opened to d');
SELECT fails(then_events(ARRAY[new_event('d', 'Opened'), new_event('c', 'Opened')], 'in order'), 'in order',
'    Events differ at event 1 (have 2, want 2):
        have: c Opened {}
        want: d Opened');
SELECT fails(then_events(ARRAY[new_event('c', 'Opened')], 'all'), 'all',
'    Events differ at event 2 (have 2, want 1):
        have: d Opened {}
        want: nothing');
SELECT passes(then_unchanged('after a new beginning'), 'after a new beginning') FROM given_events();

-- Each store has a log of its own.
SELECT create_store('other');
SELECT throws_ok($$SELECT then_unchanged(store => 'other')$$, '55000', 'nothing is given in store "other" yet', 'nothing is given there');
SELECT given_event('a', 'Sold', store => 'other');
SELECT open('e');
SELECT passes(then_unchanged(store => 'other'), 'appends nothing');
SELECT passes(then_events(ARRAY[new_event('e', 'Opened')]), 'appends Opened to e');
SELECT passes(then_stream_is('a', ARRAY[event('Sold')], store => 'other'), 'a is Sold');
SELECT passes(then_stream_ends_with('a', ARRAY[event('Sold')], store => 'other'), 'a ends with Sold');
SELECT passes(then_stream_contains('a', ARRAY[event('Sold')], store => 'other'), 'a contains Sold');
SELECT passes(then_stream_version_is('a', 1, store => 'other'), 'a is at version 1');
SELECT passes(then_stream_is_empty('b', store => 'other'), 'b is empty');

-- What is rolled back with a savepoint is not appended, and is not given.
SELECT given_events();
SAVEPOINT before;
SELECT given_event('f', 'Opened');
SELECT open('g');
ROLLBACK TO before;
SELECT passes(then_unchanged(), 'appends nothing');
SELECT open('f');
SELECT passes(then_events(ARRAY[new_event('f', 'Opened')]), 'appends Opened to f');
SELECT append('f', 1, 'Paid', '{"amount": 1}');
SELECT passes(then_events(ARRAY[event('Opened'), event('Paid')], partial => true), 'appends Opened, Paid');
SELECT fails(then_events(ARRAY[event('Opened'), event('Paid')]), 'appends Opened, Paid',
'    Events differ at event 2 (have 2, want 2):
        have: f Paid {"amount": 1}
        want: Paid');

-- Conflicts.
SELECT passes(then_conflict($$SELECT open('a')$$), 'raises a conflict');
SELECT passes(then_conflict($$SELECT open('a')$$, ARRAY[violation('a', 0, 2)]), 'raises a conflict on a expected 0 actual 2');
SELECT passes(then_conflict($$SELECT open('a')$$, ARRAY[violation('a', actual => 2)], 'at 2'), 'at 2');
PREPARE stale AS SELECT append('{}', ARRAY[expect('b', 7), expect('a', 2), expect_exists('a'' %'), expect_none('a')]);
PREPARE "st ale" AS SELECT append('{}', ARRAY[expect('b', 7), expect_exists('a'' %'), expect_none('a')]);
SELECT passes(then_error('stale', 'conflicting_expectation', '{"stream_id": "a"}'), 'raises conflicting_expectation');
SELECT passes(then_conflict('"st ale"', ARRAY[violation('a', 0, 2), violation('a'' %', -2, 0), violation('b', 7, 2)], 'in any order'), 'in any order');
SELECT fails(then_conflict('"st ale"', ARRAY[violation('a'), violation('b')], 'one is missing'), 'one is missing',
'      caught: conflict on a expected 0 actual 2, a'' % expected -2 actual 0, b expected 7 actual 2
      wanted: conflict on a, b');
SELECT fails(then_conflict($$SELECT open('a')$$, ARRAY[violation('a'), violation('b')], 'one too many'), 'one too many',
'      caught: conflict on a expected 0 actual 2
      wanted: conflict on a, b');
SELECT fails(then_conflict($$SELECT open('a')$$, ARRAY[violation('a', actual => 3)], 'at 3'), 'at 3',
'      caught: conflict on a expected 0 actual 2
      wanted: conflict on a actual 3');
SELECT fails(then_conflict($$SELECT open('a')$$, ARRAY[violation('a', expected => 1)], 'based on 1'), 'based on 1',
'      caught: conflict on a expected 0 actual 2
      wanted: conflict on a expected 1');
SELECT fails(then_conflict('SELECT 1'), 'raises a conflict',
'      caught: no error
      wanted: a conflict');
SELECT fails(then_conflict($$SELECT open('')$$), 'raises a conflict',
'      caught: VE004: stream id is empty
              {"error":"invalid_stream_id","stream_id":"","problem":"is empty"}
      wanted: a conflict');

SELECT passes(then_returns_conflict($$SELECT * FROM try_append('{}', ARRAY[expect('a', 1)])$$), 'returns a conflict');
SELECT passes(then_returns_conflict($$SELECT * FROM try_append('{}', ARRAY[expect('b', 0), expect('a', 1)])$$,
    ARRAY[violation('a', 1, 2), violation('b', 0, 2)]), 'returns a conflict on a expected 1 actual 2, b expected 0 actual 2');
SELECT fails(then_returns_conflict($$SELECT * FROM try_append('{}', ARRAY[expect('a', 1)])$$, ARRAY[violation('b')], 'on b'), 'on b',
'      caught: conflict on a expected 1 actual 2
      wanted: conflict on b');
SELECT fails(then_returns_conflict($$SELECT * FROM try_append('{}', ARRAY[expect('a', 2)])$$), 'returns a conflict',
'      caught: outcome "verified"
      wanted: a conflict');
SELECT fails(then_returns_conflict($$SELECT * FROM try_append('{}') LIMIT 0$$), 'returns a conflict',
'      caught: no rows
      wanted: a conflict');
SELECT fails(then_returns_conflict($$SELECT open('a')$$), 'returns a conflict',
'      caught: VE001: version conflict: stream "a" is at version 2
      wanted: a conflict');

-- Other errors.
SELECT passes(then_error($$SELECT open('')$$, 'invalid_stream_id'), 'raises invalid_stream_id');
SELECT fails(then_error($$SELECT open('')$$, 'invalid_stream_id', '{"stream_id": "a"}', 'of a'), 'of a',
'      caught: VE004: stream id is empty
              {"error":"invalid_stream_id","stream_id":"","problem":"is empty"}
      wanted: invalid_stream_id {"stream_id": "a"}');
SELECT fails(then_error($$SELECT open('')$$, 'undeclared_stream'), 'raises undeclared_stream',
'      caught: VE004: stream id is empty
              {"error":"invalid_stream_id","stream_id":"","problem":"is empty"}
      wanted: undeclared_stream');
SELECT fails(then_error('SELECT 1', 'undeclared_stream'), 'raises undeclared_stream',
'      caught: no error
      wanted: undeclared_stream');
SELECT fails(then_error('SELECT 1/0', 'undeclared_stream'), 'raises undeclared_stream',
'      caught: 22012: division by zero
      wanted: undeclared_stream');

CREATE PROCEDURE "a command's".reject(account text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM open(account);
    RAISE EXCEPTION 'no %', account USING DETAIL = '{no json';
END $$;
SELECT given_events();
SELECT passes(then_rejected($$CALL reject('x')$$), 'is rejected');
SELECT passes(then_rejected($$CALL reject('x')$$, 'no x'), 'is rejected: no x');
SELECT passes(then_rejected('SELECT 1/0', code => '22012'), 'is rejected');
SELECT passes(then_unchanged(), 'appends nothing');
SELECT fails(then_rejected($$CALL reject('x')$$, 'no y', description => 'y'), 'y',
'      caught: P0001: no x
              {no json
      wanted: P0001: no y');
SELECT fails(then_rejected($$SELECT open('a')$$, description => 'by itself'), 'by itself',
'      caught: VE001: version conflict: stream "a" is at version 2
              {"error":"version_conflict","violations":[{"stream_id":"a","expected":0,"actual":2}]}
      wanted: P0001');
SELECT fails(then_rejected($$SELECT open('x')$$), 'is rejected',
'      caught: no error
      wanted: P0001');
SELECT passes(then_stream_version_is('x', 1, 'what was not rejected stays'), 'what was not rejected stays');

-- Another session's open append holds read_all() back, but hides nothing here; and is not seen.
CREATE EXTENSION dblink SCHEMA "pgTAP";
SELECT dblink_connect('dbname=' || current_database());
SELECT given_events();
SELECT dblink_exec('BEGIN');
SELECT version FROM dblink($$SELECT version FROM eventcore.append('beside', -1, 'T', NULL)$$) AS append (version bigint);
SELECT open('h');
SELECT passes(then_events(ARRAY[new_event('h', 'Opened')]), 'appends Opened to h');
SELECT dblink_exec('ROLLBACK');
SELECT dblink_disconnect();

-- With no more rights than the command needs, and what looks at the log the right to read it.
CREATE ROLE kit_app;
GRANT USAGE ON SCHEMA eventcore, "a command's", "pgTAP" TO kit_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventcore TO kit_app;
SET LOCAL ROLE kit_app; -- as which check_test() does not run
SELECT given_event('i', 'Made');
SELECT then_stream_is('i', ARRAY[event('Made')]);
SELECT then_conflict($$SELECT open('i')$$, ARRAY[violation('i', 0, 1)]);
SELECT throws_ok('SELECT then_unchanged()', '42501', 'permission denied for table events', 'no right to look at all events');
RESET ROLE;
GRANT SELECT ON eventcore.events TO kit_app;
SET LOCAL ROLE kit_app;
SELECT then_unchanged();
RESET ROLE;

SELECT is_empty(
    $$SELECT oid::regprocedure::text FROM pg_proc
      WHERE pronamespace = 'eventcore_test'::regnamespace AND (obj_description(oid, 'pg_proc') IS NULL OR prosecdef)
      UNION ALL
      SELECT oid::regtype::text FROM pg_type
      WHERE typnamespace = 'eventcore_test'::regnamespace AND typtype = 'c' AND obj_description(oid, 'pg_type') IS NULL$$,
    'everything has a comment, and nothing the rights of its owner');
SELECT * FROM finish();
ROLLBACK;
