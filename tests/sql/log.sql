-- Reading the global log with filters. All ids are data: only *, ?, [ and ] mean anything, and only
-- in a pattern.
CREATE EXTENSION eventcore;
SELECT count(*) FROM eventcore.append(ARRAY[
    eventcore.new_event('account-1', 'Opened', metadata => '{"correlation_id": "c-1"}'),
    eventcore.new_event('account-2', 'Opened', metadata => '{"correlation_id": 7}'),
    eventcore.new_event('account-1', 'Deposited', metadata => '{"correlation_id": "c-2"}'),
    eventcore.new_event('accounts-1', 'Opened'),
    eventcore.new_event('account', 'Noted'),
    eventcore.new_event('a%b_c\d-1', 'Odd'),
    eventcore.new_event('aXbYc\d-1', 'Odd'),
    eventcore.new_event('a*b-1', 'Odd', metadata => '{"correlation_id": "c-1"}'),
    eventcore.new_event('größe-ä', 'Odd'),
    eventcore.new_event('größe-ß', 'Odd'),
    eventcore.new_event('account-1', 'Closed', metadata => '["correlation_id"]')]);

CREATE FUNCTION pg_temp.read(
    types text[] DEFAULT NULL, category text DEFAULT NULL, prefix text DEFAULT NULL,
    pattern text DEFAULT NULL, correlation_id text DEFAULT NULL, after bigint DEFAULT NULL,
    max_count bigint DEFAULT NULL, backward boolean DEFAULT false) RETURNS text
LANGUAGE sql AS $$
    SELECT string_agg(global_position::text, ' ')
    FROM eventcore.read_all(after, max_count, types, category, prefix, pattern, correlation_id,
                            backward)
$$;

SELECT pg_temp.read(types => '{Opened}') AS opened,
       pg_temp.read(types => '{Closed,Opened,Closed}') AS opened_or_closed,
       pg_temp.read(types => '{open%}') AS none;
SELECT pg_temp.read(category => 'account') AS account,
       pg_temp.read(category => 'accounts') AS accounts,
       pg_temp.read(category => 'a%b_c\d') AS odd,
       pg_temp.read(category => '') AS none;
SELECT pg_temp.read(prefix => 'account-1') AS account_1,
       pg_temp.read(prefix => 'a%') AS percent,
       pg_temp.read(prefix => '') AS every_one,
       pg_temp.read(prefix => 'a*') AS star;
SELECT pg_temp.read(pattern => 'account-?') AS question,
       pg_temp.read(pattern => '*-1') AS star,
       pg_temp.read(pattern => 'account-[2-9]') AS range,
       pg_temp.read(pattern => 'account-[!2-9]') AS other_range,
       pg_temp.read(pattern => 'a%b_c\d-1') AS data,
       pg_temp.read(pattern => 'a[*]b-1') AS class_of_star;
SELECT pg_temp.read(pattern => 'größe-?') AS letter,
       pg_temp.read(pattern => 'gr??e-[ß]') AS letters,
       pg_temp.read(pattern => 'gr??e-[!ß]') AS not_this_letter,
       pg_temp.read(pattern => 'account') AS whole,
       pg_temp.read(pattern => 'ACCOUNT*') AS none,
       pg_temp.read(pattern => '') AS nothing;
SELECT pg_temp.read(pattern => 'accoun[]t]') AS bracket_first,
       pg_temp.read(pattern => 'account-[-1]') AS dash_first,
       pg_temp.read(pattern => 'account-[1-]') AS dash_last,
       pg_temp.read(pattern => 'a[^%]b*') AS caret_is_data,
       pg_temp.read(pattern => 'a[\%]b*') AS backslash_is_data,
       pg_temp.read(pattern => 'accoun[[:alpha:]]') AS no_classes,
       pg_temp.read(pattern => '(account|x)-1') AS no_regexp;
SELECT pg_temp.read(correlation_id => 'c-1') AS c_1, pg_temp.read(correlation_id => '7') AS none;

-- Together, behind a position, with a limit, and backward.
SELECT pg_temp.read('{Opened,Odd}', prefix => 'a', pattern => '*-1') AS both,
       pg_temp.read('{Opened,Odd}', prefix => 'a', pattern => '*-1', after => 1) AS behind_1,
       pg_temp.read('{Opened,Odd}', prefix => 'a', pattern => '*-1', after => 1, max_count => 2) AS two,
       pg_temp.read('{Opened}', max_count => 0) AS none;
SELECT pg_temp.read('{Opened}', backward => true) AS down,
       pg_temp.read('{Opened}', backward => true, after => 4) AS down_from_4,
       pg_temp.read(backward => true, max_count => 2) AS last_two,
       pg_temp.read(backward => true, after => 1) AS none,
       pg_temp.read(backward => true, after => 0) AS none_either;
SELECT string_agg(global_position::text, ' ') FROM eventcore.read_category('account', 1, 2, backward => false);
SELECT string_agg(global_position::text, ' ') FROM eventcore.read_category('account', types => '{Opened}', backward => true);

-- Every stream belongs to one member, all its events to the same. The hash never changes.
SELECT m AS member, string_agg(DISTINCT stream_id, ' ' ORDER BY stream_id)
FROM generate_series(0, 2) AS m, eventcore.read_all(member => m, group_size => 3) GROUP BY m ORDER BY m;
SELECT string_agg(global_position::text, ' ' ORDER BY global_position)
FROM generate_series(0, 4) AS m, eventcore.read_all(member => m, group_size => 5);
SELECT string_agg(global_position::text, ' ') FROM eventcore.read_category('account', member => 0, group_size => 1);

-- What is wrong with a filter is said.
SELECT eventcore.read_all(pattern => 'a[b');
SELECT eventcore.read_all(pattern => 'a[z-a]');
SELECT eventcore.read_all(types => '{}');
SELECT eventcore.read_all(types => '{NULL}');
SELECT eventcore.read_all(types => '{{a},{b}}');
SELECT eventcore.read_all(category => 'a-b');
SELECT eventcore.read_all(member => 3, group_size => 3);
SELECT eventcore.read_all(member => -1, group_size => 3);
SELECT eventcore.read_all(member => 0);
SELECT eventcore.read_all(group_size => 2);
SELECT eventcore.read_all(member => 0, group_size => 1025);
SELECT eventcore.read_category(NULL);
SELECT eventcore.read_all(backward => true, after => 100000000);

DROP EXTENSION eventcore;
