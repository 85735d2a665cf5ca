-- Subscriptions: follow the log under a name, with a checkpoint that the server keeps.
--
-- A consumer fetches what stands behind its checkpoint, does something with it, and commits a new
-- checkpoint; in one transaction with its own writes, if these go to the same database: then each
-- event takes effect exactly once.
--
-- A consumer group shares the streams of a subscription out over members 0 to group_size - 1. Each
-- stream falls into one of 1024 slots (extension/log_filter.h), and member m has the slots s with
-- s % group_size = m: so all events of a stream go to one member, in order.
--
-- Resizing. An event of slot s is done if it stands at or below the checkpoint of the member that
-- has the slot. When another member gets the slot, that knowledge must not be lost: it is kept as the
-- slot's *floor*, and the new member starts at the lowest floor of its slots and is not given what
-- stands at or below the floor of its slot. Thus what was done and what was not is the same after
-- the resize as before, for each single slot. Once all checkpoints have passed all floors, the
-- floors say nothing any more and are forgotten.
--
-- Locks, in this order: the row of the subscription (only by what resets, resizes and drops), the
-- rows of its members, ascending. A fetch locks its member until the transaction ends, so that two
-- sessions with one member take turns, and whoever resizes waits for the fetches that are open.
-- Resizing and resetting write *every* member's row. Therefore a fetch that has locked its member
-- may read the subscription without locking it: at READ COMMITTED it does so with a snapshot newer
-- than the lock, and with an older one (REPEATABLE READ) it could not have locked the row.

CREATE TABLE eventcore.subscriptions (
    store          text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    types          text[],
    category       text,
    prefix         text,
    pattern        text,
    correlation_id text,
    kind           text        NOT NULL CHECK (kind IN ('checkpoint', 'acknowledged')),
    group_size     int         NOT NULL,
    floors         bigint[],
    generation     bigint      NOT NULL DEFAULT 1,
    max_attempts   int         NOT NULL,
    visibility     interval    NOT NULL,
    keep_order     boolean     NOT NULL,
    checkpoint     bigint      NOT NULL,
    last_error     text,
    last_error_at  timestamptz,
    created_at     timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (store, name)
);
COMMENT ON TABLE eventcore.subscriptions IS
'Who follows the log under a name. Written by create_subscription() and the like only; look at eventcore.subscription_status.';
COMMENT ON COLUMN eventcore.subscriptions.store IS 'The store whose log it follows.';
COMMENT ON COLUMN eventcore.subscriptions.name IS 'Its name, unique in the store.';
COMMENT ON COLUMN eventcore.subscriptions.types IS 'Filter, as in eventcore.read_all().';
COMMENT ON COLUMN eventcore.subscriptions.category IS 'Filter, as in eventcore.read_all().';
COMMENT ON COLUMN eventcore.subscriptions.prefix IS 'Filter, as in eventcore.read_all().';
COMMENT ON COLUMN eventcore.subscriptions.pattern IS 'Filter, as in eventcore.read_all().';
COMMENT ON COLUMN eventcore.subscriptions.correlation_id IS 'Filter, as in eventcore.read_all().';
COMMENT ON COLUMN eventcore.subscriptions.kind IS
'checkpoint: members commit how far they have come; acknowledged: consumers compete for events, and acknowledge each.';
COMMENT ON COLUMN eventcore.subscriptions.group_size IS
'Among how many members its streams are shared out; 1 for the acknowledged kind.';
COMMENT ON COLUMN eventcore.subscriptions.floors IS
'For each of the 1024 slots of streams, the position up to which its events were done before the group was resized; null: nothing that the checkpoints do not say.';
COMMENT ON COLUMN eventcore.subscriptions.generation IS
'Grows when the subscription is reset or its group resized.';
COMMENT ON COLUMN eventcore.subscriptions.max_attempts IS
'Acknowledged kind: how often an event is handed out before it is parked.';
COMMENT ON COLUMN eventcore.subscriptions.visibility IS
'Acknowledged kind: how long a consumer has to acknowledge an event before another gets it.';
COMMENT ON COLUMN eventcore.subscriptions.keep_order IS
'Acknowledged kind: whether the events of a stream wait for each other.';
COMMENT ON COLUMN eventcore.subscriptions.checkpoint IS
'Acknowledged kind: everything at or below this position was handed out. Other kind: where it was started; its members have their own.';
COMMENT ON COLUMN eventcore.subscriptions.last_error IS
'Acknowledged kind: what a consumer reported last.';
COMMENT ON COLUMN eventcore.subscriptions.last_error_at IS 'When it was reported.';
COMMENT ON COLUMN eventcore.subscriptions.created_at IS 'When the subscription was made.';

-- No foreign key: it would lock the row of the subscription in every transaction that fetches and commits.
CREATE TABLE eventcore.subscription_members (
    store         text COLLATE "C" NOT NULL,
    subscription  text COLLATE "C" NOT NULL,
    member        int    NOT NULL,
    checkpoint    bigint NOT NULL,
    delivered     bigint NOT NULL,
    last_error    text,
    last_error_at timestamptz,
    PRIMARY KEY (store, subscription, member)
) WITH (fillfactor = 50); -- each row is updated all the time: leave it room beside itself
COMMENT ON TABLE eventcore.subscription_members IS
'How far each member of a subscription of kind checkpoint has come.';
COMMENT ON COLUMN eventcore.subscription_members.store IS 'The store of the subscription.';
COMMENT ON COLUMN eventcore.subscription_members.subscription IS 'Its name.';
COMMENT ON COLUMN eventcore.subscription_members.member IS '0 to group_size - 1.';
COMMENT ON COLUMN eventcore.subscription_members.checkpoint IS
'The events of the member at or below this position are done.';
COMMENT ON COLUMN eventcore.subscription_members.delivered IS
'How far events were given to the member: as far as it may commit.';
COMMENT ON COLUMN eventcore.subscription_members.last_error IS
'What its consumer reported last, since it last committed progress.';
COMMENT ON COLUMN eventcore.subscription_members.last_error_at IS 'When it was reported.';

SELECT pg_catalog.pg_extension_config_dump('eventcore.subscriptions', '');
SELECT pg_catalog.pg_extension_config_dump('eventcore.subscription_members', '');

-- What the functions below share. Not SECURITY DEFINER: called by anybody else they find closed tables.

CREATE FUNCTION eventcore.follow(
    after          bigint,
    max_count      bigint,
    types          text[],
    category       text,
    prefix         text,
    pattern        text,
    correlation_id text,
    member         integer,
    group_size     integer,
    floors         bigint[],
    store          text
) RETURNS SETOF eventcore.recorded_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_follow';
COMMENT ON FUNCTION eventcore.follow(
    bigint, bigint, text[], text, text, text, text, integer, integer, bigint[], text) IS
'Internal: as eventcore.read_all(), and a last row that has nothing but, in global_position, the last row that was looked at, which may be beyond the last event given. Looks at 1,000,000 rows at most. floors: for each of the 1024 slots of streams the position up to which its events are left out, or null.';

CREATE FUNCTION eventcore.backlog(
    after          bigint,
    types          text[],
    category       text,
    prefix         text,
    pattern        text,
    correlation_id text,
    member         integer,
    group_size     integer,
    floors         bigint[],
    store          text,
    OUT events     bigint,
    OUT oldest     timestamptz
) LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_backlog';
COMMENT ON FUNCTION eventcore.backlog(
    bigint, text[], text, text, text, text, integer, integer, bigint[], text) IS
'Internal: how many settled events stand behind "after" that pass the filters, and when the oldest of them was recorded (null: there is none). 10,000 rows are looked at; positions behind them count as one event each, and if none of the rows passed, the last of them is taken for the oldest. events is null in recovery, and if there is no such position. For eventcore.subscription_status, whose readers need EXECUTE on this.';

CREATE FUNCTION eventcore.claim(subscription text, group_size integer, store text) RETURNS integer
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_claim';
COMMENT ON FUNCTION eventcore.claim(text, integer, text) IS
'Internal: eventcore.claim_member() for a group of this size.';

CREATE FUNCTION eventcore.use_member(subscription text, member integer, store text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_use_member';
COMMENT ON FUNCTION eventcore.use_member(text, integer, text) IS
'Internal: have nobody else claim the member until the transaction ends. Errors: member_claimed (VE027).';

CREATE FUNCTION eventcore.find_subscription(name text, kind text, store text)
RETURNS eventcore.subscriptions
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_one eventcore.subscriptions;
BEGIN
    SELECT * INTO found_one FROM eventcore.subscriptions AS s
    WHERE s.store = find_subscription.store AND s.name = find_subscription.name;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no subscription "%" in store "%"', name, store USING
            ERRCODE = 'VE023',
            DETAIL = jsonb_build_object('error', 'subscription_not_found', 'subscription', name, 'store', store),
            HINT = 'Make it with eventcore.create_subscription().';
    ELSIF found_one.kind <> find_subscription.kind THEN
        PERFORM eventcore.refuse_subscription(name, CASE found_one.kind
            WHEN 'checkpoint' THEN 'it is of kind checkpoint: use fetch() and commit_checkpoint()'
            ELSE 'it is of kind acknowledged: use receive() and ack()' END);
    END IF;
    RETURN found_one;
END $$;
COMMENT ON FUNCTION eventcore.find_subscription(text, text, text) IS
'Internal: a subscription, which must be of a kind unless that is null. Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE FUNCTION eventcore.refuse_subscription(name text, problem text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'this cannot be done with subscription "%": %', name, problem USING
        ERRCODE = 'VE025',
        DETAIL = jsonb_build_object('error', 'invalid_subscription', 'subscription', name, 'problem', problem),
        HINT = 'See the comments of the functions: \df+ eventcore.*subscription*';
END $$;
COMMENT ON FUNCTION eventcore.refuse_subscription(text, text) IS
'Internal: raise invalid_subscription (VE025).';

CREATE FUNCTION eventcore.lock_subscription(name text, kind text, store text)
RETURNS eventcore.subscriptions
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM eventcore.subscriptions AS s
    WHERE s.store = lock_subscription.store AND s.name = lock_subscription.name
    FOR NO KEY UPDATE;
    PERFORM FROM eventcore.subscription_members AS m
    WHERE m.store = lock_subscription.store AND m.subscription = name
    ORDER BY m.member
    FOR UPDATE;
    RETURN eventcore.find_subscription(name, kind, store); -- as it is now that nobody changes it
END $$;
COMMENT ON FUNCTION eventcore.lock_subscription(text, text, text) IS
'Internal: wait for the transactions that use a subscription, keep others out, and return it. Errors as of eventcore.find_subscription().';

CREATE FUNCTION eventcore.lock_member(subscription text, member integer, store text)
RETURNS eventcore.subscription_members
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    locked eventcore.subscription_members;
    size   integer;
BEGIN
    PERFORM eventcore.use_member(subscription, member, store);
    SELECT * INTO locked FROM eventcore.subscription_members AS m
    WHERE m.store = lock_member.store AND m.subscription = lock_member.subscription
      AND m.member = lock_member.member
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        size := (eventcore.find_subscription(subscription, 'checkpoint', store)).group_size;
        RAISE EXCEPTION 'subscription "%" has no member %', subscription, member USING
            ERRCODE = 'VE026',
            DETAIL = jsonb_build_object('error', 'member_not_found', 'subscription', subscription,
                                        'member', member, 'group_size', size),
            HINT = 'It has members 0 to group_size - 1. If the group was resized, claim a member again.';
    END IF;
    RETURN locked;
END $$;
COMMENT ON FUNCTION eventcore.lock_member(text, integer, text) IS
'Internal: lock a member until the transaction ends. Errors: member_claimed (VE027), member_not_found (VE026), and those of eventcore.find_subscription().';

CREATE FUNCTION eventcore.move_checkpoint(subscription text, member integer, "position" bigint, store text)
RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE eventcore.subscription_members AS m
    SET checkpoint = "position", delivered = greatest(m.delivered, "position"),
        last_error = NULL, last_error_at = NULL
    WHERE m.store = move_checkpoint.store AND m.subscription = move_checkpoint.subscription
      AND m.member = move_checkpoint.member;

    -- Floors that everybody has passed are forgotten, by whoever notices first. Not by waiting: a
    -- resize may have the row, and waits for us.
    IF EXISTS (SELECT FROM eventcore.subscriptions AS s
               WHERE s.store = move_checkpoint.store AND s.name = subscription
                 AND s.floors IS NOT NULL
                 AND NOT EXISTS (
                    SELECT FROM eventcore.subscription_members AS m
                    WHERE m.store = s.store AND m.subscription = s.name
                      AND m.checkpoint < (SELECT max(f.floor) FROM unnest(s.floors) AS f (floor))))
    THEN
        PERFORM FROM eventcore.subscriptions AS s
        WHERE s.store = move_checkpoint.store AND s.name = subscription
        FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE eventcore.subscriptions AS s SET floors = NULL
            WHERE s.store = move_checkpoint.store AND s.name = subscription;
        END IF;
    END IF;
END $$;
COMMENT ON FUNCTION eventcore.move_checkpoint(text, integer, bigint, text) IS
'Internal: set the checkpoint of a member that is locked.';

-- For users.

CREATE FUNCTION eventcore.create_subscription(
    name           text,
    types          text[]   DEFAULT NULL,
    category       text     DEFAULT NULL,
    prefix         text     DEFAULT NULL,
    pattern        text     DEFAULT NULL,
    correlation_id text     DEFAULT NULL,
    start          bigint   DEFAULT NULL,
    group_size     integer  DEFAULT 1,
    acknowledge    boolean  DEFAULT false,
    max_attempts   integer  DEFAULT 10,
    visibility     interval DEFAULT '30 s',
    keep_order     boolean  DEFAULT false,
    store          text     DEFAULT 'default'
) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present eventcore.subscriptions;
BEGIN
    start := coalesce(start, 0);
    IF name IS NULL OR
       name !~ '^[^[:cntrl:][:space:]]([^[:cntrl:]]{0,253}[^[:cntrl:][:space:]])?$' THEN
        PERFORM eventcore.refuse_subscription(name,
            'a name has 1 to 255 characters, no control characters, and no white space at either end');
    ELSIF acknowledge IS NULL OR keep_order IS NULL THEN
        PERFORM eventcore.refuse_subscription(name, 'acknowledge and keep_order must not be null');
    ELSIF (group_size BETWEEN 1 AND 1024) IS NOT TRUE THEN
        PERFORM eventcore.refuse_subscription(name, 'group_size must be between 1 and 1024');
    ELSIF acknowledge AND group_size <> 1 THEN
        PERFORM eventcore.refuse_subscription(name, 'consumers that acknowledge need no group_size, any number may compete');
    ELSIF keep_order AND NOT acknowledge THEN
        PERFORM eventcore.refuse_subscription(name, 'keep_order is for consumers that acknowledge; others are given events in order anyway');
    ELSIF (max_attempts >= 1 AND visibility > interval '0' AND visibility <= interval '1 year') IS NOT TRUE THEN
        PERFORM eventcore.refuse_subscription(name, 'max_attempts must be 1 or more, and visibility above zero and at most a year');
    END IF;
    -- Raises what is wrong with the store, the filters and the start, without reading.
    PERFORM FROM eventcore.read_all(start, 0, types, category, prefix, pattern, correlation_id,
                                    store => store);

    INSERT INTO eventcore.subscriptions (
        store, name, types, category, prefix, pattern, correlation_id, kind, group_size,
        max_attempts, visibility, keep_order, checkpoint)
    VALUES (store, name, types, category, prefix, pattern, correlation_id,
            CASE WHEN acknowledge THEN 'acknowledged' ELSE 'checkpoint' END, group_size,
            max_attempts, visibility, keep_order, start)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
        INSERT INTO eventcore.subscription_members (store, subscription, member, checkpoint, delivered)
        SELECT store, name, n, start, start
        FROM generate_series(0, group_size - 1) AS n
        WHERE NOT acknowledge;
        RETURN true;
    END IF;

    present := eventcore.find_subscription(name, NULL, store);
    IF ROW(present.types, present.category, present.prefix, present.pattern, present.correlation_id,
           present.kind = 'acknowledged', present.group_size, present.max_attempts,
           present.visibility, present.keep_order)
       IS DISTINCT FROM
       ROW(types, category, prefix, pattern, correlation_id,
           acknowledge, group_size, max_attempts, visibility, keep_order) THEN
        RAISE EXCEPTION 'subscription "%" exists already, and is another', name USING
            ERRCODE = 'VE024',
            DETAIL = jsonb_build_object('error', 'subscription_exists', 'subscription', name),
            HINT = 'Choose another name; or use eventcore.resize_subscription(), or eventcore.drop_subscription() first.';
    END IF;
    RETURN false;
END $$;
COMMENT ON FUNCTION eventcore.create_subscription(
    text, text[], text, text, text, text, bigint, integer, boolean, integer, interval, boolean, text) IS
'Follow the log under a name, with a checkpoint that the server keeps.
name: unique in the store, 1 to 255 characters, as a stream id. types, category, prefix, pattern, correlation_id: filters, all of which must hold, as in eventcore.read_all(). start: the position to begin behind; null: the beginning; to begin at the end pass eventcore.safe_position(). group_size: share the streams out over so many members (1 to 1024), each with a checkpoint of its own.
acknowledge: consumers compete for single events and acknowledge each, instead of committing a checkpoint; then max_attempts: how often an event is handed out before it is parked; visibility: how long a consumer has to acknowledge it; keep_order: the events of a stream wait for each other.
Returns true; false, and does nothing, if the same subscription exists already, wherever it stands.
Errors: subscription_exists (VE024) with other arguments, invalid_subscription (VE025), invalid_filter (VE016), position_beyond_log (VE009), store_not_found (VE008).';

CREATE FUNCTION eventcore.drop_subscription(name text, store text DEFAULT 'default') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM eventcore.lock_subscription(name, NULL, store);
    DELETE FROM eventcore.subscription_members AS m
    WHERE m.store = drop_subscription.store AND m.subscription = name;
    DELETE FROM eventcore.subscriptions AS s
    WHERE s.store = drop_subscription.store AND s.name = drop_subscription.name;
END $$;
COMMENT ON FUNCTION eventcore.drop_subscription(text, text) IS
'Drop a subscription, with its checkpoints. Waits for transactions that have fetched from it.
Errors: subscription_not_found (VE023).';

CREATE FUNCTION eventcore.reset_subscription(
    name       text,
    "position" bigint DEFAULT 0,
    store      text   DEFAULT 'default'
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM eventcore.lock_subscription(name, NULL, store);
    PERFORM FROM eventcore.read_all("position", 0, store => store); -- is there such a position?
    UPDATE eventcore.subscriptions AS s
    SET checkpoint = coalesce("position", 0), floors = NULL, generation = s.generation + 1,
        last_error = NULL, last_error_at = NULL
    WHERE s.store = reset_subscription.store AND s.name = reset_subscription.name;
    UPDATE eventcore.subscription_members AS m
    SET checkpoint = coalesce("position", 0), delivered = coalesce("position", 0),
        last_error = NULL, last_error_at = NULL
    WHERE m.store = reset_subscription.store AND m.subscription = name;
END $$;
COMMENT ON FUNCTION eventcore.reset_subscription(text, bigint, text) IS
'Have a subscription begin behind a position again, with all its members: the only way in which a checkpoint moves backwards. 0 or null: the beginning. Waits for transactions that have fetched from it; what was fetched before and is not committed can be committed no more (not_delivered, VE028).
Errors: subscription_not_found (VE023), position_beyond_log (VE009).';

CREATE FUNCTION eventcore.resize_subscription(
    name       text,
    group_size integer,
    store      text DEFAULT 'default'
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before     eventcore.subscriptions := eventcore.lock_subscription(name, 'checkpoint', store);
    new_floors bigint[];
BEGIN
    IF (group_size BETWEEN 1 AND 1024) IS NOT TRUE THEN
        PERFORM eventcore.refuse_subscription(name, 'group_size must be between 1 and 1024');
    ELSIF group_size = before.group_size THEN
        RETURN;
    END IF;
    new_floors := ARRAY(
        SELECT greatest(before.floors[slot + 1], m.checkpoint)
        FROM generate_series(0, 1023) AS slot
        JOIN eventcore.subscription_members AS m ON m.member = slot % before.group_size
        WHERE m.store = before.store AND m.subscription = before.name
        ORDER BY slot);

    DELETE FROM eventcore.subscription_members AS m
    WHERE m.store = before.store AND m.subscription = before.name
      AND m.member >= resize_subscription.group_size;
    INSERT INTO eventcore.subscription_members AS m (store, subscription, member, checkpoint, delivered)
    SELECT before.store, before.name, (f.number - 1) % resize_subscription.group_size, min(f.floor), min(f.floor)
    FROM unnest(new_floors) WITH ORDINALITY AS f (floor, number)
    GROUP BY 3
    ON CONFLICT ON CONSTRAINT subscription_members_pkey DO UPDATE
        SET checkpoint = excluded.checkpoint, delivered = excluded.delivered;

    UPDATE eventcore.subscriptions AS s
    SET group_size = resize_subscription.group_size, generation = s.generation + 1,
        floors = CASE WHEN EXISTS (
            SELECT FROM unnest(new_floors) WITH ORDINALITY AS f (floor, number)
            JOIN eventcore.subscription_members AS m
              ON m.member = (f.number - 1) % resize_subscription.group_size
            WHERE m.store = before.store AND m.subscription = before.name AND m.checkpoint < f.floor)
            THEN new_floors END
    WHERE s.store = before.store AND s.name = before.name;
END $$;
COMMENT ON FUNCTION eventcore.resize_subscription(text, integer, text) IS
'Share the streams of a subscription out over another number of members (1 to 1024). Nothing is skipped, and what is given again is at most what was not committed.
Waits for transactions that have fetched from it. Who has fetched before, and commits its checkpoint after: not_delivered (VE028), fetch again. A claim stays, as long as there is such a member: otherwise member_not_found (VE026), claim again.
Without claims, several consumers that use the same member, and fetch and commit in different transactions, must not run while the group is resized: one could commit what another was given.
Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE FUNCTION eventcore.fetch(
    subscription text,
    member       integer  DEFAULT 0,
    max_count    bigint   DEFAULT 100,
    wait         interval DEFAULT '0',
    store        text     DEFAULT 'default'
) RETURNS SETOF eventcore.recorded_event
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s       eventcore.subscriptions;
    m       eventcore.subscription_members;
    event   eventcore.recorded_event;
    last    bigint;
BEGIN
    IF wait > interval '0' THEN -- before the lock is taken
        PERFORM eventcore.use_member(subscription, member, store);
        s := eventcore.find_subscription(subscription, 'checkpoint', store);
        PERFORM eventcore.wait_for(
            m_.checkpoint, wait, s.types, s.category, s.prefix, s.pattern, s.correlation_id,
            m_.member, s.group_size, s.store)
        FROM eventcore.subscription_members AS m_
        WHERE m_.store = s.store AND m_.subscription = s.name AND m_.member = "fetch".member;
    END IF;

    m := eventcore.lock_member(subscription, member, store);
    s := eventcore.find_subscription(subscription, 'checkpoint', store);
    FOR event IN
        SELECT * FROM eventcore.follow(m.checkpoint, max_count, s.types, s.category, s.prefix,
            s.pattern, s.correlation_id, m.member, s.group_size, s.floors, s.store)
    LOOP
        EXIT WHEN event.stream_id IS NULL; -- the end: event.global_position was looked at
        RETURN NEXT event;
        last := event.global_position;
    END LOOP;

    IF last > m.delivered THEN
        UPDATE eventcore.subscription_members AS m_ SET delivered = last
        WHERE m_.store = m.store AND m_.subscription = m.subscription AND m_.member = m.member;
    ELSIF last IS NULL AND event.global_position > m.checkpoint THEN
        PERFORM eventcore.move_checkpoint(m.subscription, m.member, event.global_position, m.store);
    END IF;
END $$;
COMMENT ON FUNCTION eventcore.fetch(text, integer, bigint, interval, text) IS
'The next events behind the checkpoint of a member of a subscription, in global order.
subscription: its name. member: 0 to group_size - 1. max_count: at most so many events; null: all. wait: if there are none, wait so long for some.
Until eventcore.commit_checkpoint() says that they are done, the same events come again. To have each take effect exactly once, fetch, write and commit the checkpoint in one transaction. The member is locked until the transaction ends: two sessions with one member take turns. (While it waits it does not hold that lock, unless the transaction has it already.)
The statement that calls it has the snapshot with which it began: if it also reads what another consumer of the member has written meanwhile, it reads what was before. So fetch in a statement of its own, or write with INSERT ... ON CONFLICT DO UPDATE, which works on the newest row.
A transaction that fetches for several members does so in ascending order, lest it deadlock (40P01) with a resize.
It returns no events if there are none; also, though seldom, before the wait is over, or though there are some, when it has looked at 1,000,000 others: call it again, in the next transaction. Then it has moved the checkpoint by itself, so that nothing is looked at twice.
Errors: subscription_not_found (VE023), invalid_subscription (VE025: of the acknowledged kind), member_not_found (VE026), member_claimed (VE027); 40001 in REPEATABLE READ, if the member has moved since the snapshot.';

CREATE FUNCTION eventcore.commit_checkpoint(
    subscription text,
    member       integer,
    "position"   bigint,
    store        text DEFAULT 'default'
) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    m eventcore.subscription_members := eventcore.lock_member(subscription, member, store);
BEGIN
    IF ("position" > m.checkpoint) IS NOT TRUE THEN
        RETURN m.checkpoint;
    ELSIF "position" > m.delivered THEN
        RAISE EXCEPTION 'member % of subscription "%" was not given events up to position %',
            member, subscription, "position" USING
            ERRCODE = 'VE028',
            DETAIL = jsonb_build_object('error', 'not_delivered', 'subscription', subscription, 'member', member,
                                        'position', "position", 'delivered', m.delivered),
            HINT = 'Fetch again: the subscription was reset, or its group resized, or the transaction that fetched was rolled back.';
    END IF;
    PERFORM eventcore.move_checkpoint(m.subscription, m.member, "position", m.store);
    RETURN "position";
END $$;
COMMENT ON FUNCTION eventcore.commit_checkpoint(text, integer, bigint, text) IS
'Say that a member of a subscription is done with all events up to a position: the global_position of the last one.
Returns the checkpoint of the member. It never moves backwards: a position at or below it changes nothing, so that it does no harm to say it twice; nor does null, the maximum over no events.
Errors: not_delivered (VE028) for a position beyond what eventcore.fetch() gave; the others as of eventcore.fetch().';

CREATE FUNCTION eventcore.claim_member(subscription text, store text DEFAULT 'default')
RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s eventcore.subscriptions := eventcore.find_subscription(subscription, 'checkpoint', store);
BEGIN
    RETURN eventcore.claim(s.name, s.group_size, s.store);
END $$;
COMMENT ON FUNCTION eventcore.claim_member(text, text) IS
'Claim a free member of a consumer group for this session: nobody else can use it until the session ends, however it ends, or gives it back with eventcore.release_member().
Returns the member; the same one if the session has one already; null if none is free.
A claim belongs to the session and not to the transaction: a rollback does not give it back, DISCARD ALL and pg_advisory_unlock_all() do. Behind a pooler in transaction mode use no claims: the session is not yours alone. A consumer that needs no claim passes its member to eventcore.fetch().
Errors: subscription_not_found (VE023), invalid_subscription (VE025).';

CREATE FUNCTION eventcore.release_member(
    subscription text,
    member       integer,
    store        text DEFAULT 'default'
) RETURNS boolean
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_release_member';
COMMENT ON FUNCTION eventcore.release_member(text, integer, text) IS
'Give back a member that this session has claimed. Returns whether it had.';

CREATE FUNCTION eventcore.report_error(
    subscription text,
    error        text,
    member       integer DEFAULT 0,
    store        text    DEFAULT 'default'
) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    s eventcore.subscriptions := eventcore.find_subscription(subscription, NULL, store);
BEGIN
    IF s.kind = 'acknowledged' THEN
        UPDATE eventcore.subscriptions AS s_ SET last_error = error, last_error_at = clock_timestamp()
        WHERE s_.store = s.store AND s_.name = s.name;
    ELSE
        PERFORM eventcore.lock_member(subscription, member, store);
        UPDATE eventcore.subscription_members AS m SET last_error = error, last_error_at = clock_timestamp()
        WHERE m.store = s.store AND m.subscription = s.name AND m.member = report_error.member;
    END IF;
END $$;
COMMENT ON FUNCTION eventcore.report_error(text, text, integer, text) IS
'Show in eventcore.subscription_status that a consumer failed, in a transaction of its own behind the one that was rolled back. The error stands there until the checkpoint moves on. member: not used for the acknowledged kind.
Errors: as of eventcore.fetch().';

CREATE VIEW eventcore.subscription_status AS
SELECT s.store,
       s.name AS subscription,
       s.kind,
       m.member,
       s.group_size,
       coalesce(m.checkpoint, s.checkpoint) AS checkpoint,
       b.events AS lag_events,
       CASE WHEN b.events = 0 THEN 0
            ELSE greatest(extract(epoch FROM clock_timestamp() - b.oldest), 0) END AS lag_seconds,
       claim.pid AS claimed_by,
       CASE WHEN coalesce(m.last_error, s.last_error) IS NOT NULL THEN 'failing'
            WHEN b.events IS NULL THEN 'unknown'
            WHEN b.events = 0 THEN 'caught up'
            ELSE 'behind' END AS state,
       coalesce(m.last_error, s.last_error) AS last_error,
       coalesce(m.last_error_at, s.last_error_at) AS last_error_at
FROM eventcore.subscriptions AS s
LEFT JOIN eventcore.subscription_members AS m ON m.store = s.store AND m.subscription = s.name
CROSS JOIN LATERAL eventcore.backlog(
    coalesce(m.checkpoint, s.checkpoint), s.types, s.category, s.prefix, s.pattern,
    s.correlation_id, coalesce(m.member, 0), s.group_size, s.floors, s.store) AS b
LEFT JOIN pg_catalog.pg_locks AS claim
       ON claim.locktype = 'advisory' AND claim.objsubid = 8196 -- EC_LOCK_MEMBER; the key is that of claim.c
      AND claim.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND claim.mode = 'ExclusiveLock' AND claim.granted
      AND claim.classid::bigint << 32 | claim.objid::bigint
          = pg_catalog.hashtextextended(s.name, pg_catalog.hashtextextended(s.store, m.member));
COMMENT ON VIEW eventcore.subscription_status IS
'How far the subscriptions are: one row for each member; one, with member null, for each of the acknowledged kind, of which eventcore.delivery_status tells more.
checkpoint: everything up to here is done (acknowledged kind: handed out). lag_events: how many events stand behind it, settled and passing the filters; exact if it is at most 10,000 rows of the log from its end, otherwise each position further on counts as one event, so that it is too large rather than too small. lag_seconds: the age of the oldest of them; 0 if there is none. claimed_by: process id of the session that has claimed the member. state: "caught up", "behind", "failing" (an error was reported since the last progress), "unknown" (in recovery, or the checkpoint lies beyond the log: restored?). last_error, last_error_at: see eventcore.report_error().
To look at it a role needs SELECT on this view, USAGE on the schema and EXECUTE on eventcore.backlog: functions in a view run with the rights of who looks.';
