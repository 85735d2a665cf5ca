-- Stores, events, and what guards and orders them.

CREATE TABLE eventcore.stores (
    name       text COLLATE "C" PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);
COMMENT ON TABLE eventcore.stores IS
'Consistency domains: each store has its own streams, event ids and global order.';
COMMENT ON COLUMN eventcore.stores.name IS 'What the argument "store" of the functions names.';
COMMENT ON COLUMN eventcore.stores.created_at IS 'When the store was made.';
INSERT INTO eventcore.stores (name) VALUES ('default');

-- One row an event, written once. The unique index on versions is the only authority on a stream's
-- version, so an append updates nothing. The checks are the appender's: constraints here would be
-- evaluated again for every event.
CREATE TABLE eventcore.events (
    store           text COLLATE "C" NOT NULL,
    global_position bigint           NOT NULL,
    stream_id       text COLLATE "C" NOT NULL,
    version         bigint           NOT NULL,
    event_id        uuid             NOT NULL,
    type            text             NOT NULL,
    data            jsonb,
    payload         bytea,
    metadata        jsonb,
    recorded_at     timestamptz      NOT NULL,
    CONSTRAINT events_position PRIMARY KEY (store, global_position),
    CONSTRAINT events_version UNIQUE (store, stream_id, version),
    CONSTRAINT events_event_id UNIQUE (store, event_id)
) WITH (
    -- Insert-only: freeze a little at a time as the log grows, not all of it when it is huge.
    autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_freeze_min_age = 10000,
    autovacuum_analyze_threshold = 10000,
    autovacuum_analyze_scale_factor = 0.02
);
COMMENT ON TABLE eventcore.events IS
'The events of all stores. Written by the append functions only, and never changed.';
COMMENT ON COLUMN eventcore.events.store IS 'The store that the event belongs to.';
COMMENT ON COLUMN eventcore.events.global_position IS
'Place in the global order of the store: grows, with gaps.';
COMMENT ON COLUMN eventcore.events.stream_id IS 'The stream that the event belongs to.';
COMMENT ON COLUMN eventcore.events.version IS
'Place in the stream: 1, 2, 3, ... without gaps. The last one is the version of the stream.';
COMMENT ON COLUMN eventcore.events.event_id IS 'Identity of the event, unique in the store.';
COMMENT ON COLUMN eventcore.events.type IS 'What happened.';
COMMENT ON COLUMN eventcore.events.data IS 'The content as JSON, unless payload is set.';
COMMENT ON COLUMN eventcore.events.payload IS 'The content as bytes, unless data is set.';
COMMENT ON COLUMN eventcore.events.metadata IS
'What is known beside the content: correlation_id, causation_id, user_id, traceparent, ...';
COMMENT ON COLUMN eventcore.events.recorded_at IS 'When the event was appended.';

-- CACHE 1: a backend that held positions in reserve would draw below what readers have settled.
CREATE SEQUENCE eventcore.global_position AS bigint INCREMENT BY 1 CACHE 1 NO CYCLE;
COMMENT ON SEQUENCE eventcore.global_position IS
'Where global positions come from. It must never go back.';

CREATE TABLE eventcore.append_gate ();
COMMENT ON TABLE eventcore.append_gate IS
'Empty for ever: an append that needs more locks than its share locks this table instead.';

-- What a dump must carry: without this pg_dump takes these rows for the extension's own.
SELECT pg_catalog.pg_extension_config_dump('eventcore.stores', $$WHERE name <> 'default'$$);
SELECT pg_catalog.pg_extension_config_dump('eventcore.events', '');
SELECT pg_catalog.pg_extension_config_dump('eventcore.global_position', '');

CREATE FUNCTION eventcore.refuse_change() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'eventcore_refuse_change';
COMMENT ON FUNCTION eventcore.refuse_change() IS
'Trigger function: refuse to change events (append_only).';

CREATE TRIGGER refuse_statement BEFORE UPDATE OR DELETE OR TRUNCATE ON eventcore.events
    FOR EACH STATEMENT EXECUTE FUNCTION eventcore.refuse_change();
CREATE TRIGGER refuse_row BEFORE UPDATE OR DELETE ON eventcore.events
    FOR EACH ROW EXECUTE FUNCTION eventcore.refuse_change();
ALTER TABLE eventcore.events ENABLE ALWAYS TRIGGER refuse_statement;
ALTER TABLE eventcore.events ENABLE ALWAYS TRIGGER refuse_row;
COMMENT ON TRIGGER refuse_statement ON eventcore.events IS 'Events are append-only.';
COMMENT ON TRIGGER refuse_row ON eventcore.events IS
'Events are append-only, for logical replication too, which fires no statement triggers.';
