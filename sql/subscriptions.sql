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

CREATE TABLE eventcore.subscription_members (
    store         text COLLATE "C" NOT NULL,
    subscription  text COLLATE "C" NOT NULL,
    member        int    NOT NULL,
    checkpoint    bigint NOT NULL,
    delivered     bigint NOT NULL,
    last_error    text,
    last_error_at timestamptz,
    PRIMARY KEY (store, subscription, member),
    FOREIGN KEY (store, subscription) REFERENCES eventcore.subscriptions (store, name) ON DELETE CASCADE
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
