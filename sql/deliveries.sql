-- Competing consumers: subscriptions of kind 'acknowledged', whose events are handed out one by one to
-- whoever asks, and handed out again unless they are acknowledged in time.
--
-- The *frontier*, which is the checkpoint of the subscription, is how far the log was handed out. Every
-- event at or below it that is not done has a row in eventcore.deliveries: in flight (a consumer has it
-- until visible_at), waiting (due at visible_at) or parked. To acknowledge is to delete the row. So the
-- table holds what is being worked on and what is stuck, and not the log.
--
-- Receiving takes what is due first, and skips rows that are locked; then it moves the frontier on,
-- under a lock of the subscription's row, which nobody queues for either: whoever does not get it in a
-- few milliseconds goes without new events this time. The frontier and the rows of the events that it passed commit together.
--
-- Keeping order. If the events of a stream wait for each other, the table has one row a stream: that of
-- the first event that is not done. An event whose stream has a row already is *held back*: it gets no
-- row; instead the row of its stream says up to which position there is more (held_until). When that
-- row goes, the next event of the stream is looked up in the log, and gets a row in the same
-- transaction. So a stream that is stuck costs one row, however long it grows behind.
--
-- The race there: a consumer acknowledges the row, sees that nothing is held back, and deletes it, while
-- a receiver sees the row and holds an event back: nobody would ever find the event. Therefore the
-- receiver locks the row before it writes held_until. If it cannot (the acknowledgement is under way,
-- and may stay so for long), it gives the event a row of its own, which is not handed out as long as
-- there is a row of the same stream before it. That is the one case of two rows for one stream. Only
-- the last row of a stream has its held_until raised, so that it never reaches to the next row.
--
-- Plans. The table is now empty and now large, and neither the statistics nor a plan that a session has
-- kept know of it in time; on an empty table every index seems as good as another. So the queries leave
-- no choice. Rows are found by their whole key; or in an order that one index alone gives, since sorting
-- is switched off (and so is just-in-time compilation, which the pretended cost of the few sorts that
-- remain would call for). That is why a stream is looked for as a range, from itself to itself: of an
-- equality the planner knows that it needs no order. What was locked is changed by its ctid, in a
-- statement of its own, whose snapshot sees the version that was locked.

CREATE TABLE eventcore.deliveries (
    store           text COLLATE "C" NOT NULL,
    subscription    text COLLATE "C" NOT NULL,
    global_position bigint           NOT NULL,
    attempt         int              NOT NULL,
    in_flight       boolean          NOT NULL,
    visible_at      timestamptz      NOT NULL,
    parked_at       timestamptz,
    reason          text,
    stream_id       text COLLATE "C",
    version         bigint,
    held_until      bigint,
    PRIMARY KEY (store, subscription, global_position)
) WITH (
    -- A queue: all rows die young. Clean up often and at once, or every search walks over the dead.
    -- Room in the page for held_until, the one column that changes without an index.
    fillfactor = 90,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000
);
COMMENT ON TABLE eventcore.deliveries IS
'The events that subscriptions of kind acknowledged have handed out and that are not done. Written by receive() and the like only; look at eventcore.delivery_status and eventcore.parked.';
COMMENT ON COLUMN eventcore.deliveries.store IS 'The store of the subscription.';
COMMENT ON COLUMN eventcore.deliveries.subscription IS 'Its name.';
COMMENT ON COLUMN eventcore.deliveries.global_position IS 'The event.';
COMMENT ON COLUMN eventcore.deliveries.attempt IS
'How often it was handed out, since it was last replayed.';
COMMENT ON COLUMN eventcore.deliveries.in_flight IS
'Whether a consumer may acknowledge it: it was handed out, and neither given back nor parked.';
COMMENT ON COLUMN eventcore.deliveries.visible_at IS
'From when on it may be handed out, again or at all.';
COMMENT ON COLUMN eventcore.deliveries.parked_at IS
'When it was parked: it is not handed out until it is replayed. Null: it is not.';
COMMENT ON COLUMN eventcore.deliveries.reason IS
'Why it was last given back or parked.';
COMMENT ON COLUMN eventcore.deliveries.stream_id IS
'Its stream, if the subscription keeps the order of streams.';
COMMENT ON COLUMN eventcore.deliveries.version IS 'Its version in that stream.';
COMMENT ON COLUMN eventcore.deliveries.held_until IS
'The position of the last event of that stream that waits for this one; its own if none does.';

CREATE INDEX deliveries_due ON eventcore.deliveries
    (store, subscription, visible_at, global_position) WHERE parked_at IS NULL;
CREATE INDEX deliveries_parked ON eventcore.deliveries
    (store, subscription, global_position) WHERE parked_at IS NOT NULL;
CREATE INDEX deliveries_stream ON eventcore.deliveries
    (store, subscription, stream_id, global_position) WHERE stream_id IS NOT NULL;
COMMENT ON INDEX eventcore.deliveries_due IS 'What to hand out next.';
COMMENT ON INDEX eventcore.deliveries_parked IS 'What is parked.';
COMMENT ON INDEX eventcore.deliveries_stream IS 'Whether an event of a stream must wait.';

SELECT pg_catalog.pg_extension_config_dump('eventcore.deliveries', '');

CREATE TYPE eventcore.received_event AS (
    stream_id       text,
    version         bigint,
    global_position bigint,
    event_id        uuid,
    type            text,
    data            jsonb,
    payload         bytea,
    metadata        jsonb,
    recorded_at     timestamptz,
    attempt         int
);
COMMENT ON TYPE eventcore.received_event IS
'An event as it is stored, and the number of this delivery of it, from 1: what to acknowledge it with.';

-- Dropping or resetting a subscription removes its rows. Whoever acknowledges meanwhile may give
-- another event of the stream a row, which this cannot see yet; but only after it has locked a row
-- that this can see, and waits for. So when there is no row left to see, there is none.
-- Not SECURITY DEFINER: who may execute a trigger function can put it on a table of his own, whose
-- columns have types of his own, with casts that would run with our rights.
CREATE FUNCTION eventcore.forget_deliveries() RETURNS trigger
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOOP
        DELETE FROM eventcore.deliveries AS d WHERE d.store = OLD.store AND d.subscription = OLD.name;
        EXIT WHEN NOT EXISTS (SELECT FROM eventcore.deliveries AS d
                              WHERE d.store = OLD.store AND d.subscription = OLD.name);
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION eventcore.forget_deliveries() IS
'Trigger function: remove the deliveries of a subscription that was dropped or reset.';
CREATE TRIGGER forget_deliveries AFTER DELETE OR UPDATE OF generation ON eventcore.subscriptions
    FOR EACH ROW WHEN (OLD.kind = 'acknowledged') EXECUTE FUNCTION eventcore.forget_deliveries();
COMMENT ON TRIGGER forget_deliveries ON eventcore.subscriptions IS
'Deliveries end with their subscription, and with its generation.';

-- What follows up to receive() runs with the rights of its caller, which are those of the functions
-- that are meant to be called: alone it is of no use.

CREATE FUNCTION eventcore.redeliver(
    s          eventcore.subscriptions,
    max_count  int,
    visible_at timestamptz
) RETURNS SETOF eventcore.received_event
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    at  timestamptz := clock_timestamp();
    due tid[];
BEGIN
    -- No row comes to stand before those of its stream, so what was the first when the snapshot was
    -- taken still is.
    due := ARRAY(
        SELECT d.ctid FROM eventcore.deliveries AS d
        WHERE d.store = s.store AND d.subscription = s.name
          AND d.parked_at IS NULL AND d.visible_at <= at
          AND (NOT s.keep_order OR d.global_position = (
                SELECT first.global_position FROM eventcore.deliveries AS first
                WHERE first.store = s.store AND first.subscription = s.name
                  AND first.stream_id >= d.stream_id AND first.stream_id <= d.stream_id
                ORDER BY first.stream_id, first.global_position
                LIMIT 1))
        ORDER BY d.visible_at, d.global_position
        LIMIT redeliver.max_count
        FOR UPDATE SKIP LOCKED);
    RETURN QUERY
    WITH given AS (
        UPDATE eventcore.deliveries AS d SET
            attempt    = CASE WHEN d.attempt < s.max_attempts THEN d.attempt + 1 ELSE d.attempt END,
            in_flight  = d.attempt < s.max_attempts,
            visible_at = redeliver.visible_at,
            parked_at  = CASE WHEN d.attempt >= s.max_attempts THEN at END,
            reason     = CASE WHEN d.attempt < s.max_attempts THEN d.reason ELSE
                coalesce(d.reason, format('no acknowledgement after %s attempts', d.attempt)) END
        WHERE d.ctid = ANY (due)
        RETURNING d.global_position, d.attempt, d.in_flight)
    SELECT event.*, given.attempt
    FROM given CROSS JOIN LATERAL (
        SELECT e.stream_id, e.version, e.global_position, e.event_id, e.type, e.data, e.payload,
               e.metadata, e.recorded_at
        FROM eventcore.events AS e
        WHERE e.store = s.store AND e.global_position = given.global_position
        OFFSET 0) AS event
    WHERE given.in_flight
    ORDER BY event.global_position;
END
$$;
COMMENT ON FUNCTION eventcore.redeliver(eventcore.subscriptions, int, timestamptz) IS
'Internal: hand out again what is due, longest due first; park what was handed out often enough.';

CREATE FUNCTION eventcore.hand_out_first(
    s          eventcore.subscriptions,
    events     eventcore.recorded_event[],
    max_count  int,
    visible_at timestamptz
) RETURNS bigint[]
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    given  bigint[];
    placed bigint[];
    last   bigint;
    stream record;
BEGIN
    -- Streams of which nothing is before these events, all at once.
    WITH new AS (
        INSERT INTO eventcore.deliveries AS d
            (store, subscription, global_position, attempt, in_flight, visible_at,
             stream_id, version, held_until)
        SELECT s.store, s.name, fresh.first, fresh.wanted::int, fresh.wanted,
               CASE WHEN fresh.wanted THEN hand_out_first.visible_at ELSE clock_timestamp() END,
               fresh.stream_id, fresh.version, fresh.last
        FROM (
            SELECT e.*, row_number() OVER (ORDER BY e.first) <= max_count AS wanted
            FROM (SELECT e.stream_id, min(e.version) AS version,
                         min(e.global_position) AS first, max(e.global_position) AS last
                  FROM unnest(events) AS e
                  GROUP BY e.stream_id) AS e
            LEFT JOIN LATERAL (
                SELECT true AS present FROM eventcore.deliveries AS before
                WHERE before.store = s.store AND before.subscription = s.name
                  AND before.stream_id >= e.stream_id AND before.stream_id <= e.stream_id
                ORDER BY before.stream_id, before.global_position
                LIMIT 1) AS before ON true
            WHERE before.present IS NULL) AS fresh
        RETURNING d.global_position, d.in_flight)
    SELECT coalesce(array_agg(new.global_position) FILTER (WHERE new.in_flight), '{}'),
           coalesce(array_agg(new.global_position), '{}')
    INTO given, placed
    FROM new;

    FOR stream IN
        SELECT e.stream_id, min(e.version) AS version,
               min(e.global_position) AS first, max(e.global_position) AS last
        FROM unnest(events) AS e
        GROUP BY e.stream_id
        HAVING min(e.global_position) <> ALL (placed)
        ORDER BY first
    LOOP
        SELECT d.global_position INTO last FROM eventcore.deliveries AS d
        WHERE d.store = s.store AND d.subscription = s.name
          AND d.stream_id >= stream.stream_id AND d.stream_id <= stream.stream_id
        ORDER BY d.stream_id DESC, d.global_position DESC
        LIMIT 1;
        PERFORM FROM eventcore.deliveries AS d
        WHERE d.store = s.store AND d.subscription = s.name AND d.global_position = last
        FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            -- An update each time, not a mere lock: a transaction with an older snapshot that
            -- goes on to acknowledge this row must fail, for it would not see held_until.
            UPDATE eventcore.deliveries AS d SET held_until = stream.last
            WHERE d.store = s.store AND d.subscription = s.name AND d.global_position = last;
        ELSE
            INSERT INTO eventcore.deliveries
                (store, subscription, global_position, attempt, in_flight, visible_at,
                 stream_id, version, held_until)
            VALUES (s.store, s.name, stream.first, 0, false, clock_timestamp(),
                    stream.stream_id, stream.version, stream.last);
        END IF;
    END LOOP;
    RETURN given;
END
$$;
COMMENT ON FUNCTION eventcore.hand_out_first(
    eventcore.subscriptions, eventcore.recorded_event[], int, timestamptz) IS
'Internal: of each stream among these new events hand out the first, if no other is before it; hold the others back. Returns the positions of those handed out.';

CREATE FUNCTION eventcore.hand_out(
    subscription text,
    max_count    int,
    visible_at   timestamptz,
    store        text
) RETURNS SETOF eventcore.received_event
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s         eventcore.subscriptions;
    events    eventcore.recorded_event[];
    looked_at bigint;
    given     bigint[];
    wanted    int := max_count;
BEGIN
    -- Not for idle consumers that ask in vain: a lock is a write.
    SELECT x.* INTO s FROM eventcore.subscriptions AS x
    WHERE x.store = hand_out.store AND x.name = hand_out.subscription;
    IF NOT EXISTS (SELECT FROM eventcore.read_all(s.checkpoint, 1, store => hand_out.store)) THEN
        RETURN;
    END IF;
    -- Who has just received commits in a moment; who goes on to work in that transaction does not.
    FOR moment IN 1..5 LOOP
        SELECT x.* INTO s FROM eventcore.subscriptions AS x
        WHERE x.store = hand_out.store AND x.name = hand_out.subscription
        FOR NO KEY UPDATE SKIP LOCKED;
        EXIT WHEN FOUND;
        PERFORM pg_sleep(0.001);
    END LOOP;
    IF s.name IS NULL THEN
        RETURN;
    END IF;

    LOOP
        SELECT array_agg((e.stream_id, e.version, e.global_position, e.event_id, e.type,
                          e.data, e.payload, e.metadata, e.recorded_at)::eventcore.recorded_event)
                   FILTER (WHERE e.stream_id IS NOT NULL),
               max(e.global_position)
        INTO events, looked_at
        FROM eventcore.follow(s.checkpoint, hand_out.max_count, s.types, s.category, s.prefix,
                              s.pattern, s.correlation_id, NULL, NULL, NULL, s.store) AS e;
        IF looked_at > s.checkpoint THEN
            UPDATE eventcore.subscriptions AS x
            SET checkpoint = looked_at, last_error = NULL, last_error_at = NULL
            WHERE x.store = s.store AND x.name = s.name;
        END IF;
        IF NOT s.keep_order THEN
            INSERT INTO eventcore.deliveries
                (store, subscription, global_position, attempt, in_flight, visible_at)
            SELECT s.store, s.name, e.global_position, 1, true, hand_out.visible_at
            FROM unnest(events) AS e;
            RETURN QUERY SELECT e.*, 1 FROM unnest(events) AS e;
            RETURN;
        END IF;

        -- Nothing but events that are held back is no answer: go on, in larger steps.
        given := eventcore.hand_out_first(s, events, wanted, visible_at);
        EXIT WHEN given <> '{}' OR events IS NULL;
        s.checkpoint := looked_at;
        max_count := greatest(max_count, 1000);
    END LOOP;
    RETURN QUERY SELECT e.*, 1 FROM unnest(events) AS e WHERE e.global_position = ANY (given);
END
$$;
COMMENT ON FUNCTION eventcore.hand_out(text, int, timestamptz, text) IS
'Internal: move the frontier of a subscription on, unless somebody else is doing so, and hand out events that it passes.';

CREATE FUNCTION eventcore.release_held(done eventcore.deliveries[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO eventcore.deliveries
        (store, subscription, global_position, attempt, in_flight, visible_at,
         stream_id, version, held_until)
    SELECT d.store, d.subscription, next.global_position, 0, false, clock_timestamp(),
           d.stream_id, next.version, d.held_until
    FROM unnest(done) AS d
    JOIN eventcore.subscriptions AS s ON s.store = d.store AND s.name = d.subscription
    CROSS JOIN LATERAL (
        SELECT e.global_position, e.version
        FROM eventcore.events AS e
        WHERE e.store = d.store AND e.stream_id = d.stream_id AND e.version > d.version
          AND e.global_position <= d.held_until
          AND (s.types IS NULL OR e.type = ANY (s.types))
          AND (s.correlation_id IS NULL OR eventcore.correlation_id(e.metadata) = s.correlation_id)
        ORDER BY e.version
        LIMIT 1) AS next;
END
$$;
COMMENT ON FUNCTION eventcore.release_held(eventcore.deliveries[]) IS
'Internal: after deliveries are gone, let the next event of their streams be handed out. (The other filters of a subscription hold for all events of a stream or for none.)';

CREATE FUNCTION eventcore.receive(
    subscription text,
    max_count    int      DEFAULT 10,
    wait         interval DEFAULT '0',
    visibility   interval DEFAULT NULL,
    store        text     DEFAULT 'default'
) RETURNS SETOF eventcore.received_event
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    s        eventcore.subscriptions := eventcore.find_subscription(subscription, 'acknowledged', store);
    deadline timestamptz := clock_timestamp() + wait;
    until    timestamptz;
    given    int;
    new      int;
    frontier bigint;
    woken    boolean := false;
BEGIN
    IF max_count IS NULL OR max_count < 1 OR visibility < '0' THEN
        RAISE EXCEPTION 'max_count must be at least 1, and visibility not negative'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    LOOP
        until := clock_timestamp() + coalesce(visibility, s.visibility);
        RETURN QUERY SELECT * FROM eventcore.redeliver(s, max_count, until);
        GET DIAGNOSTICS given = ROW_COUNT;
        IF given < max_count THEN
            RETURN QUERY SELECT * FROM eventcore.hand_out(subscription, max_count - given, until, store);
            GET DIAGNOSTICS new = ROW_COUNT;
            given := given + new;
        END IF;
        EXIT WHEN given > 0 OR clock_timestamp() >= deadline OR deadline IS NULL;

        -- Whoever moved the frontier holds its lock until the transaction ends, so it must not wait.
        frontier := s.checkpoint;
        s := eventcore.find_subscription(subscription, 'acknowledged', store);
        EXIT WHEN s.checkpoint <> frontier;
        IF woken THEN
            PERFORM pg_sleep(0.02); -- for new events that are another's
        END IF;
        woken := eventcore.wait_for(s.checkpoint,
            greatest('0', least(deadline - clock_timestamp(), '1 s', (
                SELECT d.visible_at FROM eventcore.deliveries AS d
                WHERE d.store = s.store AND d.subscription = s.name AND d.parked_at IS NULL
                  AND d.visible_at > clock_timestamp()
                ORDER BY d.visible_at LIMIT 1) - clock_timestamp())), -- the clock moves on meanwhile
            s.types, s.category, s.prefix, s.pattern, s.correlation_id, store => s.store);
    END LOOP;
END
$$;
COMMENT ON FUNCTION eventcore.receive(text, int, interval, interval, text) IS
'Receive events of a subscription of kind acknowledged: first those that are due again, the longest due first, then new ones. Nobody else gets them until they are given back or their visibility ends. Acknowledge each with ack(); commit first, for until then no other consumer gets new events (those that are due again they get), and after a rollback nothing was received.
max_count: at most so many. wait: how long to wait for the first one (what others give back is seen within a second). It may return nothing although there is something, and before that time: another consumer was faster, or a filter passed none of 1,000,000 events; so ask again, in a loop. visibility: how long to keep them from others; null: as the subscription says.
attempt in the result is the number of the delivery, from 1. An event that was delivered max_attempts times is parked instead. If the subscription keeps order, a stream has at most one event in flight, so that of each stream only the first event that is not done is given.
Errors: subscription_not_found (VE023), invalid_subscription (VE025) for the other kind, position_beyond_log (VE009). In REPEATABLE READ and above also 40001.';
