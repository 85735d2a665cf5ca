-- Publish how far the log is settled, for standbys and logical subscribers. See published_horizon.c.

-- Updated up to ten times a second: no index on what changes and room on the page, so that the new
-- version of a row stands beside the old one and nothing grows.
CREATE TABLE eventcore.published_horizon (
    store        text COLLATE "C" PRIMARY KEY,
    position     bigint      NOT NULL,
    published_at timestamptz NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE eventcore.published_horizon IS
'How far the log of a store is settled: what a server reads by that cannot see which appends are open. A row for each store that publish_horizon() was called for.';
COMMENT ON COLUMN eventcore.published_horizon.store IS 'The store.';
COMMENT ON COLUMN eventcore.published_horizon.position IS
'Every event at or below it is visible to whoever sees this row, or will never be. Never lowered.';
COMMENT ON COLUMN eventcore.published_horizon.published_at IS 'When it came to this position.';

-- A position is at most that of an event which is in the same dump, so it is right where the dump
-- is restored, and publishing goes on there.
SELECT pg_catalog.pg_extension_config_dump('eventcore.published_horizon', '');

CREATE FUNCTION eventcore.publish_horizon(store text DEFAULT 'default') RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_publish_horizon';
COMMENT ON FUNCTION eventcore.publish_horizon(text) IS
'Publish how far the log of a store is settled, so that it can be read on standbys and logical subscribers up to there. From the first call on, the background worker of a server that has eventcore in shared_preload_libraries goes on publishing; without it have a scheduler call this function, as often as readers there want news.
Returns the global position that is published.
Errors: log_is_replica (VE021) on a logical subscriber; store_not_found (VE008).';

CREATE FUNCTION eventcore.unpublish_horizon(store text DEFAULT 'default') RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_unpublish_horizon';
COMMENT ON FUNCTION eventcore.unpublish_horizon(text) IS
'Stop publishing how far the log of a store is settled: then it can be read only where it is written.
Returns false if it was not published.
Errors: log_is_replica (VE021) on a logical subscriber; store_not_found (VE008).';
