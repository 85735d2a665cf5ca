-- Competing consumers: subscriptions that acknowledge each event. Positions are what is shown: the
-- stream and version of each event are in the first table.
CREATE EXTENSION eventcore;
SELECT string_agg(format('%s=%s@%s', global_position, stream_id, version), ' ')
FROM eventcore.append(ARRAY[
    eventcore.new_event('a', 'T'), eventcore.new_event('a', 'T'), eventcore.new_event('b', 'T'),
    eventcore.new_event('a', 'Odd'), eventcore.new_event('b', 'T'), eventcore.new_event('a', 'T'),
    eventcore.new_event('c', 'Odd'), eventcore.new_event('d', 'T')]);

CREATE FUNCTION pg_temp.receive(subscription text, max_count int DEFAULT 10, visibility interval DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(format('%s/%s', global_position, attempt), ' ')
    FROM eventcore.receive(subscription, max_count, visibility => visibility)
$$;
CREATE FUNCTION pg_temp.status(name text) RETURNS text LANGUAGE sql AS $$
    SELECT format('frontier %s, in flight %s, waiting %s, parked %s, held streams %s, oldest %s', frontier,
                  in_flight, waiting, parked, held_streams, oldest_position)
    FROM eventcore.delivery_status WHERE subscription = name
$$;
-- The visibility of everything in flight ends.
CREATE FUNCTION pg_temp.expire(name text) RETURNS void LANGUAGE sql AS $$
    UPDATE eventcore.deliveries SET visible_at = clock_timestamp() WHERE subscription = name AND in_flight
$$;

-- Receive, acknowledge, and nothing is left.
SELECT eventcore.create_subscription('all', acknowledge => true, max_attempts => 3);
SELECT stream_id, version, global_position, type, data, payload, recorded_at IS NOT NULL AS recorded, attempt
FROM eventcore.receive('all', 2);
SELECT pg_temp.receive('all', 3) AS next, pg_temp.status('all');
SELECT eventcore.ack('all', 1) AS done, eventcore.ack('all', 1) AS again, eventcore.ack('all', 7) AS not_received,
       eventcore.ack_batch('all', '{2,1,3,99}') AS two_of_four, pg_temp.status('all');
SELECT pg_temp.receive('all') AS rest, pg_temp.receive('all') AS nothing;

-- A receipt: only the latest delivery can be acknowledged, given back, extended or parked with it.
SELECT pg_temp.expire('all'), pg_temp.receive('all', 2) AS redelivered;
SELECT eventcore.ack('all', 4, attempt => 1) AS late_ack, eventcore.nack('all', 4, attempt => 1) AS late_nack,
       eventcore.extend_visibility('all', 4, attempt => 1) AS late_heartbeat,
       eventcore.park('all', 4, 'late', attempt => 1) AS late_park,
       eventcore.ack_batch('all', '{5,4}', '{1,2}') AS one_of_two, pg_temp.status('all');
-- When the visibility ran out but nobody else has it, it can still be acknowledged.
SELECT pg_temp.expire('all'), eventcore.ack('all', 5, attempt => 2) AS in_time_after_all;

-- Given back: at once, after a delay, and for the last time. What is given back is not in flight.
SELECT pg_temp.receive('all') AS second;
SELECT eventcore.nack('all', 6) AS now, eventcore.ack('all', 6) AS not_in_flight,
       eventcore.nack('all', 7, '1 hour', 'not yet') AS later, pg_temp.status('all');
SELECT pg_temp.receive('all') AS third;
SELECT eventcore.nack('all', 6, reason => 'no good') AS exhausted;
SELECT pg_temp.expire('all'), pg_temp.receive('all') AS eight_only, pg_temp.status('all');
-- Nobody acknowledged the last delivery: parked when it would be handed out again.
SELECT pg_temp.expire('all'), pg_temp.receive('all') AS nothing;
SELECT store, subscription, stream_id, version, global_position, type, attempts, reason, parked_at IS NOT NULL AS at
FROM eventcore.parked ORDER BY global_position;
SELECT eventcore.ack('all', 6) AS parked_is_not_in_flight, eventcore.park('all', 6, 'again') AS nor_parked_twice;
UPDATE eventcore.deliveries SET visible_at = clock_timestamp() WHERE global_position = 7;
SELECT pg_temp.receive('all') AS seven;
SELECT eventcore.park('all', 7, 'poison') AS parked, eventcore.ack('all', 7) AS no_more;
-- Replay, with attempts counted anew; discard.
SELECT eventcore.replay_parked('all', '{6,1}') AS one, pg_temp.receive('all') AS six;
SELECT eventcore.discard_parked('all', '{7,6}') AS one, eventcore.replay_parked('all') AS the_other, pg_temp.status('all');
SELECT pg_temp.receive('all') AS eight, eventcore.ack_batch('all', '{6,8}') AS done, pg_temp.status('all');
SELECT eventcore.discard_parked('all') AS nothing, count(*) AS all_done FROM eventcore.deliveries;
-- The last reason that was given says more than that nobody acknowledged.
SELECT eventcore.create_subscription('reasons', acknowledge => true, max_attempts => 2, start => 7);
SELECT pg_temp.receive('reasons'), eventcore.nack('reasons', 8, reason => 'disk full');
SELECT pg_temp.receive('reasons'), pg_temp.expire('reasons');
SELECT pg_temp.receive('reasons') AS nothing;
SELECT attempts, reason FROM eventcore.parked;
SELECT eventcore.drop_subscription('reasons');

-- Visibility: none, extended.
SELECT eventcore.create_subscription('visible', acknowledge => true, types => '{Odd}');
SELECT pg_temp.receive('visible', 1, '0') AS first, pg_temp.receive('visible', 1) AS again, pg_temp.receive('visible', 1) AS other;
SELECT pg_temp.expire('visible'), eventcore.extend_visibility('visible', 4, '1 hour') AS extended,
       eventcore.extend_visibility('visible', 5) AS not_in_flight, pg_temp.receive('visible') AS the_other;
SELECT visible_at > clock_timestamp() + interval '50 minutes' AS an_hour, attempt
FROM eventcore.deliveries WHERE global_position = 4;
-- The frontier passes what does not pass the filter.
SELECT frontier FROM eventcore.delivery_status WHERE subscription = 'visible';

-- What was due first comes first, and within it what is older.
SELECT eventcore.create_subscription('due', acknowledge => true);
SELECT pg_temp.receive('due', 4);
UPDATE eventcore.deliveries SET visible_at = clock_timestamp() - interval '1 s' * CASE global_position WHEN 3 THEN 9 ELSE 1 END
WHERE subscription = 'due';
SELECT pg_temp.receive('due', 1) AS three, pg_temp.receive('due', 5) AS rest_and_new;

-- Keeping order: of each stream the first event that is not done, and no other.
SELECT eventcore.create_subscription('ordered', acknowledge => true, types => '{T}', keep_order => true, max_attempts => 2);
SELECT pg_temp.receive('ordered') AS heads, pg_temp.receive('ordered') AS nothing, pg_temp.status('ordered');
SELECT eventcore.ack('ordered', 1), pg_temp.receive('ordered') AS two;
-- given back or parked, it is still before the others; discarded, no longer
SELECT eventcore.nack('ordered', 2, '1 hour'), pg_temp.receive('ordered') AS nothing;
SELECT eventcore.park('ordered', 2, 'poison'), pg_temp.receive('ordered') AS nothing, pg_temp.status('ordered');
SELECT eventcore.discard_parked('ordered'), pg_temp.receive('ordered') AS six;
SELECT eventcore.park('ordered', 3, 'poison'), eventcore.ack_batch('ordered', '{6,8}'), pg_temp.receive('ordered') AS nothing;
SELECT eventcore.replay_parked('ordered'), pg_temp.receive('ordered') AS three;
SELECT eventcore.ack('ordered', 3), pg_temp.receive('ordered') AS five;
-- A stream that is stuck costs one row and does not stop the others, nor hide them.
SELECT eventcore.park('ordered', 5, 'poison');
SELECT count(*) FROM eventcore.append((SELECT array_agg(eventcore.new_event('b', 'T')) FROM generate_series(1, 2500)));
SELECT stream_id, version FROM eventcore.append('e', 0, 'T', NULL);
SELECT stream_id, attempt FROM eventcore.receive('ordered', 2);
SELECT global_position - held_until AS held, stream_id FROM eventcore.deliveries WHERE subscription = 'ordered' ORDER BY 2;
SELECT eventcore.discard_parked('ordered');
SELECT stream_id, version, attempt FROM eventcore.receive('ordered');
-- More streams than were asked for come soon.
SELECT count(*) FROM eventcore.append((SELECT array_agg(eventcore.new_event(id, 'T')) FROM unnest('{b,b,x,y,z}'::text[]) AS id));
SELECT string_agg(stream_id, ' ') FROM eventcore.receive('ordered', 2);
SELECT string_agg(stream_id, ' ') FROM eventcore.receive('ordered', 2);

-- Reset and drop: what was handed out is forgotten.
SELECT eventcore.reset_subscription('ordered', 4), pg_temp.status('ordered');
SELECT pg_temp.receive('ordered', 4) AS five_six_eight;
SELECT eventcore.drop_subscription('ordered');
SELECT count(*) FROM eventcore.deliveries WHERE subscription = 'ordered';
SELECT pg_temp.status('due');

-- Stores are apart.
SELECT eventcore.create_store('other'), eventcore.create_subscription('due', acknowledge => true, store => 'other');
SELECT global_position > 8 AS later FROM eventcore.append('a', 0, 'T', NULL, store => 'other');
SELECT stream_id, version FROM eventcore.receive('due', store => 'other');
SELECT eventcore.ack('due', min(global_position)) AS not_there,
       eventcore.ack('due', min(global_position), store => 'other') AS there FROM eventcore.read_all(store => 'other');

-- Nothing to wait for; the caller's settings are as before.
SELECT count(*) FROM eventcore.receive('due', store => 'other', wait => '0');
SHOW enable_seqscan;

-- What is refused.
\set SHOW_CONTEXT never
SELECT eventcore.create_subscription('checkpoints');
SELECT eventcore.receive('checkpoints');
SELECT eventcore.receive('nobody');
SELECT eventcore.ack('nobody', 1);
SELECT eventcore.nack('nobody', 1);
SELECT eventcore.park('checkpoints', 1, '');
SELECT eventcore.replay_parked('nobody');
SELECT eventcore.receive('due', 0);
SELECT eventcore.receive('due', visibility => '-1 s');
SELECT eventcore.ack_batch('due', '{1,2}', '{1}');

DROP EXTENSION eventcore;
