-- Publishing how far the log is settled; what readers do with it is in t/standby_log.
SET client_min_messages = warning;
CREATE EXTENSION eventcore;
BEGIN;
SELECT eventcore.publish_horizon(), eventcore.unpublish_horizon(), eventcore.unpublish_horizon();
SELECT count(*) FROM eventcore.append(ARRAY[eventcore.new_event('a', 'T'), eventcore.new_event('a', 'T')]);

-- no further than the last event, although more positions were drawn
SAVEPOINT s;
SELECT count(*) FROM eventcore.append('a', 2, 'T', NULL);
SELECT eventcore.publish_horizon() - eventcore.last_position() AS "to the last";
ROLLBACK TO s;
SELECT count(*) AS "rolled back with its events" FROM eventcore.published_horizon;
SELECT eventcore.publish_horizon() - eventcore.last_position() AS "to the last",
    eventcore.safe_position() - eventcore.last_position() AS "drawn behind it";

-- the row is written only when there is news
SELECT ctid FROM eventcore.published_horizon \gset
SELECT eventcore.publish_horizon() - eventcore.last_position() AS "to the last";
SELECT ctid = :'ctid' AS untouched FROM eventcore.published_horizon;
SELECT count(*) FROM eventcore.append('a', 2, 'T', NULL);
SELECT eventcore.publish_horizon() - eventcore.last_position() AS "to the last";
SELECT ctid = :'ctid' AS untouched FROM eventcore.published_horizon;

-- each store by itself
SELECT eventcore.create_store('tenant');
SELECT eventcore.publish_horizon('tenant');
SELECT store, position > 0 AS has_events FROM eventcore.published_horizon ORDER BY store;
SELECT eventcore.unpublish_horizon('tenant');

-- whoever may call it needs no right on the table; and a search_path of his does not matter
CREATE ROLE horizon_caller;
GRANT USAGE ON SCHEMA eventcore TO horizon_caller;
GRANT EXECUTE ON FUNCTION eventcore.publish_horizon, eventcore.unpublish_horizon TO horizon_caller;
CREATE SCHEMA hostile AUTHORIZATION horizon_caller;
SET ROLE horizon_caller;
CREATE FUNCTION hostile.less(bigint, bigint) RETURNS boolean LANGUAGE sql AS 'SELECT NULL::boolean';
CREATE OPERATOR hostile.< (FUNCTION = hostile.less, LEFTARG = bigint, RIGHTARG = bigint);
SET LOCAL search_path = hostile, pg_catalog;
SELECT eventcore.publish_horizon() > 0 AS published, eventcore.unpublish_horizon() AS stopped, current_user;
RESET ROLE;
RESET search_path;
ROLLBACK;

SELECT eventcore.publish_horizon('nowhere');
SELECT eventcore.publish_horizon(NULL);
BEGIN READ ONLY;
SELECT eventcore.publish_horizon();
ROLLBACK;
BEGIN READ ONLY;
SELECT eventcore.unpublish_horizon();
ROLLBACK;
DROP EXTENSION eventcore;
