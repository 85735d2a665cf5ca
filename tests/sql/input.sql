-- Bad input is told clearly, and writes nothing.
CREATE EXTENSION eventcore;
\set new_event 'eventcore.new_event'

-- Stream ids
SELECT eventcore.append(ARRAY[:new_event('', 'T')]);
SELECT eventcore.append(ARRAY[:new_event(' a', 'T')]);
SELECT eventcore.append(ARRAY[:new_event('a ', 'T')]);
SELECT eventcore.append(ARRAY[:new_event(U&'a\00a0', 'T')]);
SELECT eventcore.append(ARRAY[:new_event(U&'\3000a', 'T')]);
SELECT eventcore.append(ARRAY[:new_event(E'a\tb', 'T')]);
SELECT eventcore.append(ARRAY[:new_event(U&'a\0085b', 'T')]);
SELECT eventcore.append(ARRAY[:new_event(repeat('x', 256), 'T')]);
SELECT eventcore.append(ARRAY[:new_event(repeat('x', 10000000), 'T')]);
SELECT eventcore.append('a', 0, 'T', '{}', store => NULL);
SELECT eventcore.append(NULL, 0, 'T', '{}');
SELECT eventcore.append(ARRAY[:new_event(NULL, 'T')]);
SELECT eventcore.append('{}', ARRAY[eventcore.expect(NULL, 0)]);
SELECT eventcore.append('{}', ARRAY[eventcore.expect('a ', 0)]);
SELECT version FROM eventcore.append(ARRAY[:new_event(repeat(U&'\20ac', 255), 'T')]);
SELECT version FROM eventcore.append(ARRAY[:new_event('a b %_\*?[]"''', 'T')]);

-- Types and content
SELECT eventcore.append(ARRAY[:new_event('a', 'T'), :new_event('a', NULL)]);
SELECT eventcore.append(ARRAY[:new_event('a', '')]);
SELECT eventcore.append(ARRAY[:new_event('a', repeat('x', 256))]);
SELECT eventcore.append(ARRAY[:new_event('a', 'T', '{}', payload => '\x00')]);
SELECT eventcore.append(ARRAY[:new_event('a', 'T'), NULL]);
SELECT version FROM eventcore.append(ARRAY[:new_event('types', repeat(U&'\20ac', 255))]);

-- Expectations
SELECT eventcore.append(ARRAY[:new_event('a', 'T')], ARRAY[eventcore.expect('a', NULL)]);
SELECT eventcore.append(ARRAY[:new_event('a', 'T')], ARRAY[eventcore.expect('a', -3)]);
SELECT eventcore.append('a', NULL, 'T', '{}');
SELECT eventcore.append(ARRAY[:new_event('a', 'T')], NULL);
SELECT eventcore.append(ARRAY[:new_event('a', 'T')], ARRAY[eventcore.expect('a', 0), NULL]);
SELECT eventcore.append(ARRAY[:new_event('a', 'T')], ARRAY[eventcore.expect('a', 0), eventcore.expect_any('a')]);
SELECT eventcore.append(ARRAY[:new_event('b', 'T'), :new_event('a', 'T')], ARRAY[eventcore.expect('b', 0)]);
SELECT eventcore.append(ARRAY[:new_event('b', 'T')], '{}');

-- Arrays
SELECT eventcore.append(NULL);
SELECT eventcore.append(ARRAY[ARRAY[:new_event('a', 'T')], ARRAY[:new_event('a', 'T')]]);
SELECT eventcore.append_columns('{a,b}', '{T}', NULL);
SELECT eventcore.append_columns('{a}', '{T}', '{}');
SELECT eventcore.append_columns(NULL, '{T}', NULL);
SELECT eventcore.append_columns('{a}', NULL, NULL);
SELECT eventcore.append_columns('{a}', '{T}', NULL, event_ids => '{}');
SELECT eventcore.append_columns('{{a}}', '{{T}}', NULL);
SELECT eventcore.append_columns('{a}', '{T}', NULL, expected_streams => '{a}', expected_versions => '{}');
SELECT eventcore.append_columns('{a}', '{T}', NULL, expected_streams => NULL);
SELECT eventcore.append_columns('{a}', '{T}', NULL, expected_versions => NULL);

-- Stores
SELECT eventcore.append('a', 0, 'T', '{}', store => 'defautl');
SELECT eventcore.read_all(store => 'nowhere');
SELECT eventcore.stream_version('a', store => 'nowhere');

-- Reading
SELECT eventcore.read_stream(NULL);
SELECT eventcore.read_stream(' ');
SELECT eventcore.read_stream('a', max_count => -1);
SELECT eventcore.read_streams(NULL);
SELECT eventcore.read_streams('{a,NULL}');
SELECT eventcore.read_streams('{{a,b}}');
SELECT eventcore.read_streams('{a}', '{1,2}');
SELECT eventcore.read_streams('{a,a}', '{1,2}');
SELECT eventcore.stream_versions('{a,""}');
SELECT eventcore.read_all(-1);
SELECT eventcore.read_all(1000000);
SELECT eventcore.read_all(max_count => -1);

-- Nothing of all that was written.
SELECT count(*) FROM eventcore.read_all();
SELECT count(*) FROM eventcore.read_stream('a');

-- Where nothing can be written
BEGIN READ ONLY;
SELECT eventcore.append('a', 0, 'T', '{}');
ROLLBACK;
BEGIN READ ONLY;
SELECT count(*) FROM eventcore.read_all();
COMMIT;
SELECT eventcore.refuse_change();
ALTER EXTENSION eventcore SET SCHEMA public;
CREATE EXTENSION eventcore;

DROP EXTENSION eventcore;
SELECT eventcore.append('a', 0, 'T', '{}');
