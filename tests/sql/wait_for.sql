-- Wait for events: what one session alone can show. Others: specs/waiting.spec, t/preload.sh.

CREATE EXTENSION eventcore;

-- Nothing there: false, when the time is over.
SELECT eventcore.wait_for(0, '0');
SELECT clock_timestamp() AS start \gset
SELECT eventcore.wait_for(0, '120 ms');
SELECT clock_timestamp() - :'start' BETWEEN '120 ms' AND '10 s' AS on_time;

-- Something there: true, at once.
SELECT count(*) FROM eventcore.append(ARRAY[
    eventcore.new_event('account-1', 'Opened', metadata => '{"correlation_id": "c"}'),
    eventcore.new_event('account-1', 'Deposited'),
    eventcore.new_event('order_1', 'Opened')]);
SELECT eventcore.wait_for(0, '1 day'), eventcore.wait_for(NULL, '1 day'), eventcore.wait_for(2, '0'), eventcore.wait_for(3, '0');

-- Each filter, against read_all with the same arguments.
SELECT n, eventcore.wait_for(0, '0', f.types, f.category, f.prefix, f.pattern, f.correlation_id, f.member, f.group_size) AS found,
       EXISTS (SELECT FROM eventcore.read_all(0, 1, f.types, f.category, f.prefix, f.pattern, f.correlation_id, false, f.member, f.group_size)) AS readable
FROM (VALUES (1, '{Opened}'::text[], NULL, NULL, NULL, NULL, NULL::int, NULL::int), (2, '{Closed}', NULL, NULL, NULL, NULL, NULL, NULL),
    (3, NULL, 'account', NULL, NULL, NULL, NULL, NULL), (4, NULL, 'order', NULL, NULL, NULL, NULL, NULL),
    (5, NULL, NULL, 'order_', NULL, NULL, NULL, NULL), (6, NULL, NULL, 'order-', NULL, NULL, NULL, NULL),
    (7, NULL, NULL, NULL, '*_?', NULL, NULL, NULL), (8, NULL, NULL, NULL, '*_', NULL, NULL, NULL),
    (9, NULL, NULL, NULL, NULL, 'c', NULL, NULL), (10, NULL, NULL, NULL, NULL, 'd', NULL, NULL),
    (11, NULL, NULL, NULL, NULL, NULL, 0, 1), (12, '{Deposited}', 'account', 'acc', 'a*', NULL, 0, 1),
    (13, '{Deposited}', NULL, NULL, NULL, 'c', NULL, NULL))
    AS f(n, types, category, prefix, pattern, correlation_id, member, group_size) ORDER BY n;
SELECT count(*) FILTER (WHERE eventcore.wait_for(0, '0', '{Deposited}', member => m, group_size => 3)) FROM generate_series(0, 2) AS m;

-- A long stretch that does not match is looked through to its end, whatever the timeout.
SELECT count(*) FROM eventcore.append((SELECT array_agg(eventcore.new_event('noise-' || n % 7, 'Noise')) FROM generate_series(1, 25000) AS n));
SELECT count(*) FROM eventcore.append('account-1', 2, 'Closed', NULL);
SELECT eventcore.wait_for(3, '0', '{Closed}'), eventcore.wait_for(3, '0', '{Other}');

-- Arguments.
SELECT eventcore.wait_for(0, '-1 ms');
SELECT eventcore.wait_for(0, '1 day 1 ms');
SELECT eventcore.wait_for(0, '1 month');
SELECT eventcore.wait_for(0, NULL);
SELECT eventcore.wait_for(-1);
SELECT eventcore.wait_for(1000000);
SELECT eventcore.wait_for(0, types => '{}');
SELECT eventcore.wait_for(0, pattern => '[');
SELECT eventcore.wait_for(0, member => 1);
SELECT eventcore.wait_for(0, store => 'nowhere');
SELECT eventcore.wait_for(0, store => NULL);

-- It ends with the statement.
SET statement_timeout = '100ms';
SELECT eventcore.wait_for(25004);
RESET statement_timeout;

-- A transaction that has appended would wait for itself, unless it has rolled that back.
SELECT eventcore.create_store('other');
BEGIN;
SAVEPOINT s;
SELECT version FROM eventcore.append('order_1', 1, 'Paid', NULL);
SAVEPOINT t;
SELECT eventcore.wait_for(0, '0');
ROLLBACK TO t;
SELECT eventcore.wait_for(0, '0', store => 'other');
SELECT version FROM eventcore.append('order_1', 0, 'Paid', NULL, store => 'other');
SAVEPOINT t;
SELECT eventcore.wait_for(0, '0', store => 'other');
ROLLBACK TO t;
SELECT eventcore.wait_for(0, '0');
ROLLBACK TO s;
SELECT eventcore.wait_for(0, '0'), eventcore.wait_for(0, '0', store => 'other');
COMMIT;
SELECT eventcore.wait_for(25004, '0');

-- It leaves no lock behind, and keeps those that the transaction has.
BEGIN;
SELECT eventcore.wait_for(0, '0');
SELECT count(*) FROM pg_locks WHERE relation = 'eventcore.events'::regclass;
SELECT count(*) FROM eventcore.read_all(0, 1);
SELECT eventcore.wait_for(0, '0');
SELECT mode FROM pg_locks WHERE relation = 'eventcore.events'::regclass;
COMMIT;

DROP EXTENSION eventcore;
