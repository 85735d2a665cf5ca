-- What becomes of an event that was received: done, given back, set aside. See deliveries.sql.

CREATE FUNCTION eventcore.ack_batch(
    subscription     text,
    global_positions bigint[],
    attempts         int[] DEFAULT NULL,
    store            text  DEFAULT 'default'
) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    own      tid[];
    done     bigint;
    followed eventcore.deliveries[];
BEGIN
    IF cardinality(attempts) <> cardinality(global_positions) THEN
        RAISE EXCEPTION 'attempts must be as many as global_positions'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- Locked in the order of positions, so that those who acknowledge the same events do not deadlock.
    own := ARRAY(
        SELECT d.ctid
        FROM (SELECT a.global_position, a.attempt
              FROM unnest(global_positions, attempts) AS a (global_position, attempt)
              ORDER BY a.global_position) AS a
        CROSS JOIN LATERAL (
            SELECT d.ctid FROM eventcore.deliveries AS d
            WHERE d.store = ack_batch.store AND d.subscription = ack_batch.subscription
              AND d.global_position = a.global_position AND d.in_flight
              AND (attempts IS NULL OR d.attempt = a.attempt)
            FOR UPDATE) AS d);
    WITH gone AS (DELETE FROM eventcore.deliveries AS d WHERE d.ctid = ANY (own) RETURNING d.*)
    SELECT count(*), array_agg(gone) FILTER (WHERE gone.held_until > gone.global_position)
    INTO done, followed
    FROM gone;
    IF followed IS NOT NULL THEN
        PERFORM eventcore.release_held(followed);
    ELSIF done = 0 THEN
        PERFORM eventcore.find_subscription(subscription, 'acknowledged', store);
    END IF;
    RETURN done;
END
$$;
COMMENT ON FUNCTION eventcore.ack_batch(text, bigint[], int[], text) IS
'Acknowledge events that were received: they are done. Returns how many were: one that is not in flight does not count, and is no error.
attempts: for each, the attempt as it was received: then it counts only if that delivery is the latest. Without them, whichever delivery is in flight is acknowledged.
Errors: subscription_not_found (VE023), invalid_subscription (VE025), if nothing was acknowledged.';

CREATE FUNCTION eventcore.ack(
    subscription    text,
    global_position bigint,
    attempt         int  DEFAULT NULL,
    store           text DEFAULT 'default'
) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN eventcore.ack_batch(subscription, ARRAY[global_position],
                               CASE WHEN attempt IS NOT NULL THEN ARRAY[attempt] END, store) = 1;
END
$$;
COMMENT ON FUNCTION eventcore.ack(text, bigint, int, text) IS
'Acknowledge an event that was received: it is done. Returns whether it was in flight; no error if not.
attempt: as it was received: then only if that delivery is the latest.
Exactly once in the same database: in one transaction call this, with attempt, and then do the work; if it returns false, somebody else has the event by now: roll back. From the call to the end of the transaction nobody else gets the event, however long that takes.
Errors: as ack_batch().';

CREATE FUNCTION eventcore.nack(
    subscription    text,
    global_position bigint,
    delay           interval DEFAULT '0',
    reason          text     DEFAULT NULL,
    attempt         int      DEFAULT NULL,
    store           text     DEFAULT 'default'
) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s eventcore.subscriptions := eventcore.find_subscription(subscription, 'acknowledged', store);
BEGIN
    UPDATE eventcore.deliveries AS d SET
        in_flight  = false,
        visible_at = clock_timestamp() + coalesce(delay, '0'),
        parked_at  = CASE WHEN d.attempt >= s.max_attempts THEN clock_timestamp() END,
        reason     = coalesce(nack.reason, CASE WHEN d.attempt >= s.max_attempts
                              THEN format('given back after %s attempts', d.attempt) END)
    WHERE d.store = s.store AND d.subscription = s.name AND d.global_position = nack.global_position
      AND d.in_flight AND (nack.attempt IS NULL OR d.attempt = nack.attempt);
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION eventcore.nack(text, bigint, interval, text, int, text) IS
'Give an event that was received back, to be handed out again; or, if it was handed out max_attempts times, park it. Returns whether it was in flight.
delay: not before so long from now. reason: why; kept, and shown if the event is parked. attempt: as it was received: then only if that delivery is the latest.
Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE FUNCTION eventcore.extend_visibility(
    subscription    text,
    global_position bigint,
    visibility      interval DEFAULT NULL,
    attempt         int      DEFAULT NULL,
    store           text     DEFAULT 'default'
) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s eventcore.subscriptions := eventcore.find_subscription(subscription, 'acknowledged', store);
BEGIN
    UPDATE eventcore.deliveries AS d SET
        visible_at = clock_timestamp() + coalesce(extend_visibility.visibility, s.visibility)
    WHERE d.store = s.store AND d.subscription = s.name
      AND d.global_position = extend_visibility.global_position
      AND d.in_flight AND (extend_visibility.attempt IS NULL OR d.attempt = extend_visibility.attempt);
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION eventcore.extend_visibility(text, bigint, interval, int, text) IS
'Keep an event that was received for longer. Returns whether it was in flight; if not, somebody else may have it.
visibility: from now on; null: as the subscription says. attempt: as it was received: then only if that delivery is the latest.
Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE FUNCTION eventcore.park(
    subscription    text,
    global_position bigint,
    reason          text,
    attempt         int  DEFAULT NULL,
    store           text DEFAULT 'default'
) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s eventcore.subscriptions := eventcore.find_subscription(subscription, 'acknowledged', store);
BEGIN
    UPDATE eventcore.deliveries AS d SET
        in_flight = false,
        parked_at = clock_timestamp(),
        reason    = park.reason
    WHERE d.store = s.store AND d.subscription = s.name AND d.global_position = park.global_position
      AND d.parked_at IS NULL AND (park.attempt IS NULL OR d.attempt = park.attempt);
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION eventcore.park(text, bigint, text, int, text) IS
'Set an event aside, in flight or waiting: it is not handed out again until replay_parked(). Returns whether it was there to be parked.
reason: why, for eventcore.parked. attempt: as it was received: then only if that delivery is the latest.
Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE FUNCTION eventcore.replay_parked(
    subscription     text,
    global_positions bigint[] DEFAULT NULL,
    store            text     DEFAULT 'default'
) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s    eventcore.subscriptions := eventcore.find_subscription(subscription, 'acknowledged', store);
    done bigint;
BEGIN
    UPDATE eventcore.deliveries AS d SET
        attempt = 0, in_flight = false, visible_at = clock_timestamp(), parked_at = NULL, reason = NULL
    WHERE d.store = s.store AND d.subscription = s.name AND d.parked_at IS NOT NULL
      AND (global_positions IS NULL OR d.global_position = ANY (global_positions));
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END
$$;
COMMENT ON FUNCTION eventcore.replay_parked(text, bigint[], text) IS
'Have parked events handed out again, with attempts counted anew. Returns how many.
global_positions: which; null: all.
Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE FUNCTION eventcore.discard_parked(
    subscription     text,
    global_positions bigint[] DEFAULT NULL,
    store            text     DEFAULT 'default'
) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_sort = off
SET jit = off
AS $$
DECLARE
    s        eventcore.subscriptions := eventcore.find_subscription(subscription, 'acknowledged', store);
    done     bigint;
    followed eventcore.deliveries[];
BEGIN
    WITH gone AS (
        DELETE FROM eventcore.deliveries AS d
        WHERE d.store = s.store AND d.subscription = s.name AND d.parked_at IS NOT NULL
          AND (global_positions IS NULL OR d.global_position = ANY (global_positions))
        RETURNING d.*)
    SELECT count(*), array_agg(gone) FILTER (WHERE gone.held_until > gone.global_position)
    INTO done, followed
    FROM gone;
    PERFORM eventcore.release_held(followed);
    RETURN done;
END
$$;
COMMENT ON FUNCTION eventcore.discard_parked(text, bigint[], text) IS
'Give up parked events: they count as done, and later events of their streams wait no longer. Returns how many. The events stay in their streams.
global_positions: which; null: all.
Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE VIEW eventcore.parked AS
SELECT d.store, d.subscription, e.stream_id, e.version, e.global_position, e.event_id, e.type, e.data,
       e.payload, e.metadata, e.recorded_at, d.attempt AS attempts, d.reason, d.parked_at
FROM eventcore.deliveries AS d
JOIN eventcore.events AS e ON e.store = d.store AND e.global_position = d.global_position
WHERE d.parked_at IS NOT NULL;
COMMENT ON VIEW eventcore.parked IS
'The events that are set aside: how often they were handed out, why they were parked, and when. See replay_parked() and discard_parked().';

CREATE VIEW eventcore.delivery_status AS
SELECT s.store, s.name AS subscription, s.checkpoint AS frontier,
       d.in_flight, d.waiting, d.parked, d.held_streams, d.oldest_position,
       pg_catalog.clock_timestamp() - (
           SELECT e.recorded_at FROM eventcore.events AS e
           WHERE e.store = s.store AND e.global_position = d.oldest_position) AS oldest_age
FROM eventcore.subscriptions AS s
CROSS JOIN LATERAL (
    SELECT pg_catalog.count(*) FILTER (WHERE x.parked_at IS NULL
               AND x.in_flight AND x.visible_at > pg_catalog.clock_timestamp()) AS in_flight,
           pg_catalog.count(*) FILTER (WHERE x.parked_at IS NULL
               AND NOT (x.in_flight AND x.visible_at > pg_catalog.clock_timestamp())) AS waiting,
           pg_catalog.count(*) FILTER (WHERE x.parked_at IS NOT NULL) AS parked,
           pg_catalog.count(*) FILTER (WHERE x.held_until > x.global_position) AS held_streams,
           pg_catalog.min(x.global_position) FILTER (WHERE x.parked_at IS NULL) AS oldest_position
    FROM eventcore.deliveries AS x
    WHERE x.store = s.store AND x.subscription = s.name) AS d
WHERE s.kind = 'acknowledged';
COMMENT ON VIEW eventcore.delivery_status IS
'Every subscription of kind acknowledged: how far the log was handed out (frontier), how many of these events are in flight with a consumer, waiting to be handed out again, or parked; of how many streams later events are held back until an earlier one is done; the oldest event in flight or waiting, and its age.';
