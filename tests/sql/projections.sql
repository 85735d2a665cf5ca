-- Projections: read models that the database keeps, each event once.
CREATE EXTENSION eventcore;
CREATE SCHEMA bank;
SET search_path = bank, public;
SET client_min_messages = warning;
CREATE TABLE balance (account text PRIMARY KEY, amount bigint NOT NULL, last bigint NOT NULL);

-- Sets on purpose what was there before plus the amount: an event handled twice, or out of order,
-- shows.
CREATE FUNCTION apply(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF e.type = 'Bad' THEN RAISE EXCEPTION 'bad event %', e.data->>'n'; END IF;
    INSERT INTO balance VALUES (e.stream_id, (e.data->>'n')::bigint, e.global_position)
    ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount, last = excluded.last
    WHERE balance.last < excluded.last;
    IF NOT FOUND THEN RAISE EXCEPTION 'out of order'; END IF;
END $$;
-- The same over a set.
CREATE FUNCTION apply_all(events eventcore.recorded_event[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO balance
    SELECT stream_id, sum((data->>'n')::bigint), max(global_position) FROM unnest(events) GROUP BY stream_id
    ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount, last = excluded.last
$$;
CREATE FUNCTION empty() RETURNS void LANGUAGE sql AS 'DELETE FROM balance';
-- What the log says.
CREATE FUNCTION differs() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT coalesce(b.account, f.account) || ': ' || coalesce(b.amount::text, 'none') || ' <> ' || coalesce(f.amount::text, 'none')
    FROM balance b FULL JOIN (SELECT stream_id AS account, sum((data->>'n')::bigint) AS amount
                              FROM eventcore.read_all(max_count => NULL) WHERE type = 'T' GROUP BY 1) f USING (account)
    WHERE b.amount IS DISTINCT FROM f.amount ORDER BY 1
$$;
CREATE FUNCTION deposit(stream_id text, n bigint, type text DEFAULT 'T') RETURNS bigint LANGUAGE sql AS $$
    SELECT global_position FROM eventcore.append(stream_id, -1, type, jsonb_build_object('n', n))
$$;
CREATE VIEW status AS
SELECT projection, mode, state, checkpoint, lag_events AS lag, attempts, failing_position AS failing, last_error
FROM eventcore.projection_status ORDER BY projection;

SELECT count(deposit('account-' || i % 3, i)) FROM generate_series(1, 20) AS i;

-- Async, in batches, to the end; then nothing more.
SELECT eventcore.create_projection('balance', 'apply', category => 'account', batch_size => 7, reset => 'empty');
SELECT * FROM status;
SELECT eventcore.run_projection('balance', 5);
SELECT checkpoint FROM status;
SELECT eventcore.run_projection('balance'), eventcore.run_projection('balance');
SELECT * FROM differs();
SELECT projection, owner, handler, state, checkpoint, lag_events, lag_seconds FROM eventcore.projection_status;
-- Its filter: what does not pass is looked at and gone past.
SELECT deposit('other-1', 1);
SELECT eventcore.run_projection('balance');
SELECT checkpoint FROM status;
-- With the transaction: both or nothing.
SELECT deposit('account-1', 2);
BEGIN;
SELECT deposit('account-1', 1);
SELECT eventcore.run_projection('balance');
SELECT * FROM differs() WHERE differs NOT LIKE 'other%';
ROLLBACK;
SELECT checkpoint FROM status;
SELECT eventcore.run_projection('balance');
SELECT checkpoint FROM status;
SELECT * FROM differs() WHERE differs NOT LIKE 'other%';

-- An error stops it before the event that fails, with all before that done.
SELECT deposit('account-1', 100), deposit('account-2', 7, 'Bad'), deposit('account-2', 100);
SELECT eventcore.run_projection('balance');
SELECT * FROM status;
SELECT amount - (SELECT 2 + sum(i) FROM generate_series(1, 20) AS i WHERE i % 3 = 1) AS hundred FROM balance WHERE account = 'account-1';
SELECT eventcore.run_projection('balance');
SELECT eventcore.resume_projection('balance'); -- tries again
SELECT eventcore.run_projection('balance');
-- Put right, it goes on.
CREATE OR REPLACE FUNCTION apply(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF e.type = 'Bad' AND e.data->>'n' = '8' THEN RAISE EXCEPTION 'bad event %', e.data->>'n'; END IF;
    IF e.type = 'Bad' THEN RETURN; END IF;
    INSERT INTO balance VALUES (e.stream_id, (e.data->>'n')::bigint, e.global_position)
    ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount, last = excluded.last
    WHERE balance.last < excluded.last;
    IF NOT FOUND THEN RAISE EXCEPTION 'out of order'; END IF;
END $$;
SELECT eventcore.resume_projection('balance');
SELECT eventcore.run_projection('balance');
SELECT * FROM status;
SELECT * FROM differs() WHERE differs NOT LIKE 'other%';

-- Paused.
SELECT eventcore.pause_projection('balance');
SELECT deposit('account-1', 1), eventcore.run_projection('balance');
SELECT state, lag FROM status;
SELECT eventcore.resume_projection('balance');
SELECT eventcore.run_projection('balance');

-- Rebuilt in place.
SELECT eventcore.rebuild_projection('balance');
SELECT count(*) FROM balance;
SELECT eventcore.run_projection('balance', 10);
SELECT state, checkpoint, rebuild_events_done, rebuild_percent, estimated_end > rebuild_started_at AS estimated
FROM eventcore.projection_status;
SELECT eventcore.run_projection('balance');
SELECT state, rebuild_events_done, rebuild_percent, estimated_end FROM eventcore.projection_status;
SELECT * FROM differs() WHERE differs NOT LIKE 'other%';
SELECT eventcore.drop_projection('balance');
SELECT count(*) FROM status;

-- Set-based; and the same events give the same.
TRUNCATE balance;
SELECT eventcore.create_projection('balance', 'apply_all', types => '{T}', batch_size => 7, start => 1);
SELECT eventcore.run_projection('balance');
SELECT * FROM differs();
SELECT handler FROM eventcore.projection_status;
SELECT eventcore.drop_projection('balance');

-- Retry: waits, twice as long each time, then stops.
CREATE TABLE tries (n bigint);
CREATE FUNCTION fail(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'never'; END $$;
SELECT eventcore.create_projection('fails', 'fail', on_error => 'retry', max_attempts => 3, retry_delay => '1 hour');
SELECT eventcore.run_projection('fails');
SELECT state, attempts, failing_position, last_error, round(extract(epoch FROM next_attempt_at - last_error_at) / 3600) AS hours
FROM eventcore.projection_status;
SELECT eventcore.run_projection('fails') AS not_yet;
UPDATE eventcore.projection_progress SET next_attempt_at = now();
SELECT eventcore.run_projection('fails');
SELECT state, attempts, round(extract(epoch FROM next_attempt_at - last_error_at) / 3600) AS hours
FROM eventcore.projection_status;
UPDATE eventcore.projection_progress SET next_attempt_at = now();
SELECT eventcore.run_projection('fails');
SELECT state, attempts, failing_position, next_attempt_at FROM eventcore.projection_status;
SELECT eventcore.drop_projection('fails');

-- A deadlock or serialization failure is retried whatever on_error says.
CREATE FUNCTION conflict(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN IF e.global_position = 3 THEN RAISE EXCEPTION 'again' USING ERRCODE = '40P01'; END IF; END $$;
SELECT eventcore.create_projection('conflicts', 'conflict');
SELECT eventcore.run_projection('conflicts');
SELECT state, checkpoint, attempts FROM eventcore.projection_status;
SELECT eventcore.drop_projection('conflicts');

-- Park and go on; replay.
TRUNCATE balance;
SELECT deposit('account-1', 8, 'Bad'), deposit('account-1', 5);
SELECT eventcore.create_projection('balance', 'apply', on_error => 'park');
SELECT eventcore.run_projection('balance');
SELECT state, lag_events, parked_events, last_error FROM eventcore.projection_status;
SELECT store, name, global_position, error FROM eventcore.parked_projection_events;
SELECT * FROM differs();
SELECT eventcore.replay_parked_projection('balance') AS still_fails;
CREATE OR REPLACE FUNCTION apply(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO balance VALUES (e.stream_id || e.type, 1, 1);
END $$;
SELECT eventcore.replay_parked_projection('balance', 1) AS not_that_one;
SELECT eventcore.replay_parked_projection('balance') AS one, eventcore.replay_parked_projection('balance') AS no_more;
SELECT account FROM balance WHERE account LIKE '%Bad';
SELECT eventcore.drop_projection('balance');
DROP FUNCTION apply;

-- Inline: at once, in the same transaction, also of all there was before.
TRUNCATE balance;
DELETE FROM balance;
CREATE TABLE handled (projection text, global_position bigint, type text, n serial);
SELECT eventcore.create_projection('balance', 'apply_all', types => '{T}', mode => 'inline', batch_size => 3, reset => 'empty');
SELECT * FROM differs();
SELECT * FROM status;
SELECT deposit('account-9', 1);
SELECT * FROM differs();
BEGIN;
SELECT deposit('account-9', 1);
SELECT amount FROM balance WHERE account = 'account-9';
SAVEPOINT s;
SELECT deposit('account-9', 1);
SELECT amount FROM balance WHERE account = 'account-9';
ROLLBACK TO s;
SELECT deposit('account-9', 1);
SELECT amount FROM balance WHERE account = 'account-9';
COMMIT;
SELECT * FROM differs();
-- Repeated: not again. A batch: only the commands that do not conflict.
SELECT outcome FROM eventcore.try_append(ARRAY[eventcore.new_event('account-9', 'T', '{"n": 10}', event_id => '00000000-0000-0000-0000-000000000001')]);
SELECT outcome FROM eventcore.try_append(ARRAY[eventcore.new_event('account-9', 'T', '{"n": 10}', event_id => '00000000-0000-0000-0000-000000000001')]);
SELECT amount FROM balance WHERE account = 'account-9';
SELECT command, outcome FROM eventcore.append_batch(ARRAY[
    eventcore.new_command(ARRAY[eventcore.new_event('account-9', 'T', '{"n": 100}')]),
    eventcore.new_command(ARRAY[eventcore.new_event('account-9', 'T', '{"n": 1000}')], ARRAY[eventcore.expect('account-9', 1)]),
    eventcore.new_command(ARRAY[eventcore.new_event('account-9', 'Other')]),
    eventcore.new_command(ARRAY[eventcore.new_event('account-8', 'T', '{"n": 10000}')], ARRAY[eventcore.expect_none('account-8')])]);
SELECT * FROM differs();
-- Paused, it is behind, and catches up.
SELECT eventcore.pause_projection('balance');
SELECT deposit('account-9', 1);
SELECT * FROM differs();
SELECT state, lag FROM status;
SELECT eventcore.resume_projection('balance');
SELECT * FROM differs();
-- The other mode and back.
SELECT eventcore.set_projection_mode('balance', 'async');
SELECT deposit('account-9', 1);
SELECT * FROM differs();
SELECT mode, state, lag FROM status;
SELECT eventcore.run_projection('balance');
SELECT deposit('account-9', 1);
SELECT eventcore.set_projection_mode('balance', 'inline');
SELECT deposit('account-9', 1), eventcore.run_projection('balance') AS not_async;
SELECT * FROM differs();
-- Rebuilt, within the call.
UPDATE balance SET amount = 0;
SELECT eventcore.rebuild_projection('balance');
SELECT * FROM differs();
-- An error fails the append, and says whose it is.
\set VERBOSITY default
SELECT deposit('account-9', NULL);
\set VERBOSITY terse
SELECT eventcore.drop_projection('balance');
SELECT deposit('account-7', 1);
SELECT * FROM differs();

-- A handler that appends: every projection gets events in the order of their positions, also what
-- was appended in reaction, but not what was rolled back.
CREATE FUNCTION react(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO handled VALUES ('react', e.global_position, e.type);
    BEGIN
        PERFORM deposit('reaction', 0, 'RolledBack');
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    PERFORM deposit('reaction', 1, 'Reaction');
END $$;
CREATE FUNCTION note(e eventcore.recorded_event) RETURNS void LANGUAGE sql AS $$
    INSERT INTO handled VALUES ('note', e.global_position, e.type)
$$;
SELECT eventcore.create_projection('a reacts', 'react', prefix => 'order', mode => 'inline', start => eventcore.last_position());
SELECT eventcore.create_projection('b notes', 'note', mode => 'inline', start => eventcore.last_position());
SELECT count(*) FROM eventcore.append(ARRAY[eventcore.new_event('order-1', 'Placed'), eventcore.new_event('order-2', 'Placed')]);
SELECT projection, type, global_position = max(global_position) OVER (PARTITION BY projection ORDER BY n) AS in_order FROM handled ORDER BY n;
-- One that reacts to itself comes to an end.
CREATE FUNCTION react_on(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN PERFORM deposit('circle', 1); END $$;
SELECT eventcore.create_projection('c circle', 'react_on', prefix => 'circle', mode => 'inline');
SELECT deposit('circle', 1);
SELECT eventcore.drop_projection(projection) FROM status;

-- Rebuilt beside: the live one goes on, and the other takes its place at exactly its checkpoint.
TRUNCATE balance;
SELECT eventcore.create_projection('balance', 'apply_all', types => '{T}', batch_size => 7);
SELECT eventcore.run_projection('balance') > 0 AS ran;
CREATE TABLE balance_new (account text PRIMARY KEY, amount bigint NOT NULL, last bigint NOT NULL, events bigint NOT NULL);
CREATE FUNCTION apply_new(events eventcore.recorded_event[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO balance_new
    SELECT stream_id, sum((data->>'n')::bigint), max(global_position), count(*) FROM unnest(events) GROUP BY stream_id
    ON CONFLICT (account) DO UPDATE SET amount = balance_new.amount + excluded.amount, last = excluded.last, events = balance_new.events + excluded.events
$$;
CREATE FUNCTION swap() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DROP TABLE balance;
    ALTER TABLE balance_new RENAME TO balance;
    CREATE OR REPLACE FUNCTION apply_all(events eventcore.recorded_event[]) RETURNS void LANGUAGE sql AS $f$
        INSERT INTO balance
        SELECT stream_id, sum((data->>'n')::bigint), max(global_position), count(*) FROM unnest(events) GROUP BY stream_id
        ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount, last = excluded.last, events = balance.events + excluded.events
    $f$;
END $$;
SELECT eventcore.rebuild_projection('balance', 'apply_new', 'swap');
SELECT deposit('account-1', 1); -- the live one is not there yet
SELECT eventcore.run_projection('balance:rebuild', 10);
SELECT projection, state, rebuild_of, rebuild_events_done, lag_events FROM eventcore.projection_status ORDER BY 1;
SELECT eventcore.run_projection('balance:rebuild') > 0 AS ran;
SELECT projection, state FROM eventcore.projection_status;
SELECT * FROM differs();
SELECT eventcore.run_projection('balance') AS the_one_behind;
SELECT * FROM differs();
SELECT sum(events) = (SELECT count(*) FROM eventcore.events WHERE type = 'T') AS all_events FROM balance;
-- Beside an inline one, which is not behind; a swap that fails stops it, and it is tried again.
SELECT eventcore.set_projection_mode('balance', 'inline');
CREATE TABLE balance_new (LIKE balance INCLUDING ALL);
SELECT eventcore.rebuild_projection('balance', 'apply_new', 'swap');
SELECT eventcore.rebuild_projection('balance', 'apply_new', 'swap');
SELECT eventcore.rebuild_projection('balance:rebuild', 'apply_new', 'swap');
SELECT eventcore.set_projection_mode('balance:rebuild', 'inline');
CREATE VIEW in_the_way AS SELECT * FROM balance;
SELECT eventcore.run_projection('balance:rebuild') > 0 AS ran;
SELECT projection, mode, state, last_error FROM eventcore.projection_status ORDER BY 1;
SELECT deposit('account-1', 1);
SELECT * FROM differs();
DROP VIEW in_the_way;
SELECT eventcore.resume_projection('balance:rebuild');
SELECT eventcore.run_projection('balance:rebuild');
SELECT deposit('account-1', 1);
SELECT projection, mode, state FROM eventcore.projection_status;
SELECT * FROM differs();
-- Given up with the one that it is beside.
CREATE TABLE balance_new (LIKE balance INCLUDING ALL);
SELECT eventcore.rebuild_projection('balance', 'apply_new', 'swap');
SELECT eventcore.drop_projection('balance');
SELECT count(*) FROM eventcore.projection_status;

-- What cannot be.
CREATE FUNCTION two(a eventcore.recorded_event, b int) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION note(events eventcore.recorded_event[]) RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION many(e eventcore.recorded_event) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
SELECT eventcore.create_projection('x', 'nowhere');
SELECT eventcore.create_projection('x', 'note');
SELECT eventcore.create_projection('x', 'two(eventcore.recorded_event, int)');
SELECT eventcore.create_projection('x', 'many');
SELECT eventcore.create_projection('x', 'note(eventcore.recorded_event)', reset => 'two(eventcore.recorded_event, int)');
SELECT eventcore.create_projection('x', 'fail', mode => 'later');
SELECT eventcore.create_projection('x', 'fail', on_error => 'ignore');
SELECT eventcore.create_projection('x', 'fail', batch_size => 0);
SELECT eventcore.create_projection('x', 'fail', retry_delay => '-1 s');
SELECT eventcore.create_projection('x', 'fail', category => 'a-b');
SELECT eventcore.create_projection('x', 'fail', start => 1000000);
SELECT eventcore.create_projection('x', 'fail', store => 'none');
SELECT eventcore.create_projection(' x', 'fail');
SELECT eventcore.create_projection(NULL, 'fail');
SELECT eventcore.create_projection('x', 'note(recorded_event[])');
SELECT eventcore.create_projection('x', 'note(eventcore.recorded_event[])');
SELECT eventcore.create_projection('x', 'fail');
SELECT eventcore.run_projection('y');
SELECT eventcore.run_projection('x', store => 'none');
SELECT eventcore.set_projection_mode('x', 'later');
SELECT eventcore.rebuild_projection('x', 'fail');
-- A handler that is gone stops it; the same name with a handler is not enough, it must fit.
DROP FUNCTION note(eventcore.recorded_event[]);
SELECT eventcore.run_projection('x');
SELECT state, failing, last_error FROM status;
CREATE FUNCTION note(events eventcore.recorded_event[]) RETURNS SETOF int LANGUAGE sql AS 'SELECT 1';
SELECT eventcore.resume_projection('x');
SELECT eventcore.run_projection('x');
SELECT state, failing, last_error FROM status;

-- Two stores: their projections have nothing to do with each other.
SELECT eventcore.create_store('second');
TRUNCATE handled;
SELECT eventcore.create_projection('x', 'note(eventcore.recorded_event)', mode => 'inline', store => 'second');
SELECT deposit('first', 1);
SELECT count(*) FROM eventcore.append('s', 0, 'InSecond', NULL, store => 'second');
SELECT projection, type FROM handled;
DROP EXTENSION eventcore CASCADE;
DROP SCHEMA bank CASCADE;
