-- Whatever the sizes of a group, and however far its members are: every event is done once, those of
-- a stream in order. Members work at random, in whole or in part, or fetch and forget; in between
-- events are appended and the group is resized, sometimes twice in a row.
CREATE EXTENSION eventcore;
CREATE TABLE done (number bigserial PRIMARY KEY, stream_id text, version bigint);
CREATE TABLE seen (size int, had_floors boolean);
SELECT eventcore.create_subscription('group', types => '{Wanted}', group_size => 3);

-- Have a member fetch, do the first of the events, and commit its checkpoint so far.
CREATE FUNCTION work(member int, max_count bigint, fraction float) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    events eventcore.recorded_event[] := ARRAY(SELECT e FROM eventcore.fetch('group', member, max_count) AS e);
    count  int := floor(cardinality(events) * fraction);
BEGIN
    INSERT INTO done (stream_id, version) SELECT stream_id, version FROM unnest(events[1:count]);
    IF count > 0 THEN
        PERFORM eventcore.commit_checkpoint('group', member, events[count].global_position);
    END IF;
    RETURN cardinality(events);
END $$;

DO $$
DECLARE
    size int := 3;
BEGIN
    PERFORM setseed(0.4);
    FOR turn IN 1..1000 LOOP
        CASE floor(random() * 10)
        WHEN 0 THEN
            PERFORM eventcore.append(ARRAY(
                SELECT eventcore.new_event('s-' || floor(random() * 60),
                                           CASE WHEN random() < 0.8 THEN 'Wanted' ELSE 'Other' END)
                FROM generate_series(1, 30)));
        WHEN 1 THEN
            size := 1 + floor(random() * 12);
            PERFORM eventcore.resize_subscription('group', size);
            INSERT INTO seen SELECT size, floors IS NOT NULL FROM eventcore.subscriptions;
        ELSE
            PERFORM work(floor(random() * size)::int, 1 + floor(random() * 20)::int,
                         (ARRAY[0, 0.5, 1, 1])[1 + floor(random() * 4)]);
        END CASE;
    END LOOP;
    FOR member IN 0..size - 1 LOOP
        WHILE work(member, 50, 1) > 0 LOOP
        END LOOP;
    END LOOP;
END $$;

SELECT count(*) > 50 AS resizes, count(*) FILTER (WHERE had_floors) > 30 AS with_floors FROM seen;
SELECT count(*) > 1000 AS many, count(*) = (SELECT count(*) FROM done) AS as_many_as_done
FROM eventcore.read_all(max_count => NULL, types => '{Wanted}');
SELECT 'not done', stream_id, version FROM eventcore.read_all(max_count => NULL, types => '{Wanted}')
EXCEPT SELECT 'not done', stream_id, version FROM done;
SELECT 'done twice', stream_id, version FROM done GROUP BY stream_id, version HAVING count(*) > 1;
SELECT 'out of order', stream_id, version
FROM (SELECT *, lag(version) OVER (PARTITION BY stream_id ORDER BY number) AS before FROM done) AS d
WHERE version <= before;
-- Everybody has passed the floors: they are forgotten.
SELECT floors FROM eventcore.subscriptions;

DROP EXTENSION eventcore;
DROP FUNCTION work;
DROP TABLE done, seen;
