-- Subscriptions: checkpoints, consumer groups, and what they refuse.
\set SHOW_CONTEXT never
CREATE EXTENSION eventcore;
SELECT count(*) FROM eventcore.append(ARRAY[
    eventcore.new_event('account-1', 'Opened'), eventcore.new_event('account-2', 'Opened'),
    eventcore.new_event('order-1', 'Placed'), eventcore.new_event('account-1', 'Closed')]);
CREATE FUNCTION pg_temp.fetched(subscription text, member int DEFAULT 0, max_count bigint DEFAULT 100)
RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(global_position::text, ' ') FROM eventcore.fetch(subscription, member, max_count)
$$;

-- Made once; the same again changes nothing, another is an error.
SELECT eventcore.create_subscription('all'), eventcore.create_subscription('all');
SELECT eventcore.create_subscription('all', types => '{Opened}');
SELECT eventcore.create_subscription('accounts', category => 'account', start => 1);
SELECT eventcore.create_subscription('end', start => eventcore.safe_position());
SELECT eventcore.create_subscription('queue', acknowledge => true);

-- The same events come until the checkpoint is committed.
SELECT pg_temp.fetched('all', max_count => 2) AS first_two, pg_temp.fetched('all') AS again,
       pg_temp.fetched('accounts') AS accounts, pg_temp.fetched('end') AS none,
       pg_temp.fetched('all', max_count => 0) AS none_asked;
SELECT * FROM eventcore.fetch('accounts', max_count => 0);
SELECT eventcore.commit_checkpoint('all', 0, 2) AS two, pg_temp.fetched('all') AS rest;
-- Never backwards, unless it is reset.
SELECT eventcore.commit_checkpoint('all', 0, 1) AS still_two, pg_temp.fetched('all') AS rest;
SELECT eventcore.commit_checkpoint('all', 0, 2) AS two, eventcore.commit_checkpoint('all', 0, 3) AS three;
SELECT eventcore.reset_subscription('all', 1);
SELECT pg_temp.fetched('all', max_count => 1), eventcore.commit_checkpoint('all', 0, 2);
SELECT eventcore.reset_subscription('all');
SELECT checkpoint, delivered FROM eventcore.subscription_members WHERE subscription = 'all';
-- Never beyond what was given.
SELECT eventcore.commit_checkpoint('all', 0, 1);
SELECT pg_temp.fetched('all', max_count => 2);
SELECT eventcore.commit_checkpoint('all', 0, 3);
SELECT eventcore.commit_checkpoint('all', 0, NULL);
SELECT pg_temp.fetched('all', max_count => 1), eventcore.commit_checkpoint('all', 0, 2) AS two;

-- What does not pass the filter is looked at once: the checkpoint moves by itself, but never beyond
-- the last row (positions that were drawn in vain may be drawn again after a crash).
BEGIN;
SELECT count(*) FROM eventcore.append('gone', 0, 'T', NULL);
ROLLBACK;
SELECT eventcore.create_subscription('sparse', types => '{Opened}', start => 2);
SELECT pg_temp.fetched('sparse') AS none;
SELECT checkpoint, delivered FROM eventcore.subscription_members WHERE subscription = 'sparse';

-- Exactly once: events, read model and checkpoint come and go together.
CREATE TABLE balance (opened bigint NOT NULL);
INSERT INTO balance VALUES (0);
SELECT eventcore.create_subscription('balance', types => '{Opened}');
BEGIN;
UPDATE balance SET opened = opened + (SELECT count(*) FROM eventcore.fetch('balance'));
SELECT eventcore.commit_checkpoint('balance', 0, 2);
ROLLBACK;
SELECT opened, checkpoint, delivered FROM balance, eventcore.subscription_members WHERE subscription = 'balance';
BEGIN ISOLATION LEVEL REPEATABLE READ;
UPDATE balance SET opened = opened + (SELECT count(*) FROM eventcore.fetch('balance'));
SELECT eventcore.commit_checkpoint('balance', 0, 2);
COMMIT;
SELECT opened, checkpoint, delivered FROM balance, eventcore.subscription_members WHERE subscription = 'balance';
SELECT pg_temp.fetched('balance') AS none;
-- A transaction that appends gets its own events, and loses them with its checkpoint.
BEGIN;
SELECT count(*) FROM eventcore.append('account-3', 0, 'Opened', NULL);
SELECT count(*) FROM eventcore.fetch('balance');
ROLLBACK;
SELECT checkpoint = delivered AS unmoved FROM eventcore.subscription_members WHERE subscription = 'balance';

-- A group: each stream has one member, and each member its own checkpoint.
SELECT count(*) FROM eventcore.append(ARRAY(
    SELECT eventcore.new_event('s-' || n % 20, 'T') FROM generate_series(1, 100) AS n));
SELECT eventcore.create_subscription('group', category => 's', group_size => 3);
SELECT count(*), count(DISTINCT stream_id), bool_and(members = 1) AS each_by_one_member
FROM (SELECT stream_id, global_position, count(*) OVER (PARTITION BY global_position) AS members
      FROM generate_series(0, 2) AS m, eventcore.fetch('group', m)) AS given;
SELECT count(DISTINCT m) AS members_of_a_stream
FROM generate_series(0, 2) AS m, eventcore.fetch('group', m) AS e GROUP BY stream_id HAVING count(DISTINCT m) > 1;
SELECT member, checkpoint, delivered > 0 AS delivered FROM eventcore.subscription_members
WHERE subscription = 'group' ORDER BY member;

-- Status. The age is that of the oldest event that is not done.
SELECT subscription, kind, member, group_size, checkpoint, lag_events, lag_seconds > 0 AS is_behind, claimed_by, state
FROM eventcore.subscription_status WHERE subscription IN ('sparse', 'all', 'queue') ORDER BY subscription;
SELECT sum(lag_events) FROM eventcore.subscription_status WHERE subscription = 'group';
SELECT eventcore.report_error('all', 'cannot parse'), eventcore.report_error('queue', 'down');
SELECT subscription, state, last_error, now() - last_error_at < '1 min' AS now
FROM eventcore.subscription_status WHERE last_error IS NOT NULL ORDER BY subscription;
SELECT count(*) > 0 AS given FROM eventcore.fetch('all', max_count => 1);
SELECT eventcore.commit_checkpoint('all', 0, 3);
SELECT state, last_error FROM eventcore.subscription_status WHERE subscription = 'all';
-- Far behind, it is told too large rather than too small: what does not pass counts as well.
SELECT count(*) FROM eventcore.append(ARRAY(SELECT eventcore.new_event('many', 'Many') FROM generate_series(1, 12000)));
SELECT eventcore.create_subscription('many', types => '{Many}'), eventcore.create_subscription('none', types => '{None}');
SELECT subscription, lag_events BETWEEN exact AND exact + 12105 AS is_bound, lag_seconds > 0 AS is_behind
FROM eventcore.subscription_status, (VALUES ('many', 12000), ('none', 0)) AS e (name, exact)
WHERE subscription = name ORDER BY 1;
SELECT pg_temp.fetched('none') AS nothing;
SELECT lag_events, lag_seconds, state FROM eventcore.subscription_status WHERE subscription = 'none';

-- Claims belong to the session.
SELECT eventcore.claim_member('group') AS first, eventcore.claim_member('group') AS the_same;
BEGIN;
SELECT eventcore.claim_member('all');
ROLLBACK;
SELECT subscription, member FROM eventcore.subscription_status WHERE claimed_by = pg_backend_pid() ORDER BY 1;
BEGIN;
SELECT count(*) > 0 AS given FROM eventcore.fetch('group', 0, 1);
PREPARE TRANSACTION 'claimed';
COMMIT PREPARED 'claimed';
SELECT eventcore.release_member('group', 0), eventcore.release_member('group', 0) AS again;
DISCARD ALL;
SELECT count(*) FROM eventcore.subscription_status WHERE claimed_by IS NOT NULL;
-- One that a resize takes away is given back; one that stays is kept.
SELECT eventcore.resize_subscription('group', 1);
SELECT eventcore.claim_member('group');
SELECT eventcore.resize_subscription('group', 4);
SELECT eventcore.claim_member('group') AS still;
SELECT eventcore.release_member('group', 0);

-- After a resize a checkpoint of before is not one of now.
SELECT eventcore.create_subscription('resized', category => 's', group_size => 2);
SELECT max(global_position) AS fetched FROM eventcore.fetch('resized', 1, 10) \gset
SELECT eventcore.resize_subscription('resized', 3);
SELECT eventcore.commit_checkpoint('resized', 1, :fetched) AS beyond;
SELECT eventcore.resize_subscription('resized', 1);
SELECT eventcore.fetch('resized', 1);
SELECT generation, floors FROM eventcore.subscriptions WHERE name = 'resized';

-- What is refused.
SELECT eventcore.create_subscription('');
SELECT eventcore.create_subscription(NULL);
SELECT eventcore.create_subscription(repeat('x', 256));
SELECT eventcore.create_subscription('x', pattern => 'a[');
SELECT eventcore.create_subscription('x', category => 'a-b');
SELECT eventcore.create_subscription('x', start => -1);
SELECT eventcore.create_subscription('x', start => 1000000);
SELECT eventcore.create_subscription('x', group_size => 1025);
SELECT eventcore.create_subscription('x', group_size => 2, acknowledge => true);
SELECT eventcore.create_subscription('x', max_attempts => 0);
SELECT eventcore.create_subscription('x', store => 'nowhere');
SELECT eventcore.fetch('x');
SELECT eventcore.fetch('queue');
SELECT eventcore.fetch('all', 1);
SELECT eventcore.fetch('all', -1);
SELECT eventcore.fetch('all', NULL);
SELECT eventcore.fetch('all', max_count => -1);
SELECT eventcore.fetch('all', store => 'nowhere');
SELECT eventcore.commit_checkpoint('x', 0, 1);
SELECT eventcore.reset_subscription('all', 1000000);
SELECT eventcore.resize_subscription('all', 0);
SELECT eventcore.resize_subscription('queue', 2);
SELECT eventcore.claim_member('queue');
SELECT eventcore.drop_subscription('x');
SELECT eventcore.report_error('x', 'e');
SELECT eventcore.drop_subscription('group'), eventcore.drop_subscription('queue');
SELECT count(*) FROM eventcore.subscription_members WHERE subscription = 'group';

-- Another store, with the same name.
SELECT eventcore.create_store('other');
SELECT eventcore.create_subscription('all', store => 'other');
SELECT count(*) FROM eventcore.append('a', 0, 'T', NULL, store => 'other');
SELECT stream_id FROM eventcore.fetch('all', store => 'other');

DROP EXTENSION eventcore;
DROP TABLE balance;
