-- Who may call every function of ours gets no other right of ours.
CREATE EXTENSION eventcore;
CREATE ROLE regress_hostile;
CREATE SCHEMA hostile AUTHORIZATION regress_hostile;
GRANT USAGE ON SCHEMA eventcore TO regress_hostile;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventcore TO regress_hostile;

SELECT eventcore.create_subscription('s', acknowledge => true);
SELECT count(*) FROM eventcore.append('a', 0, 'T', NULL);
SELECT global_position > 0 AS received FROM eventcore.receive('s');

-- Our trigger function on a table of his own, with a type whose cast says who runs it.
SET ROLE regress_hostile;
SET search_path = hostile;
CREATE TYPE name AS ENUM ('x');
CREATE FUNCTION name_text(hostile.name) RETURNS text LANGUAGE plpgsql AS $$BEGIN
    RAISE NOTICE 'run by me: %', current_user = 'regress_hostile';
    RETURN 'x';
END$$;
CREATE CAST (hostile.name AS text) WITH FUNCTION name_text(hostile.name) AS IMPLICIT;
CREATE TABLE subscriptions (store hostile.name, name hostile.name);
INSERT INTO subscriptions VALUES ('x', 'x');
CREATE TRIGGER forget AFTER DELETE ON subscriptions
    FOR EACH ROW EXECUTE FUNCTION eventcore.forget_deliveries();
DELETE FROM subscriptions;
RESET ROLE;

-- Sizes of a group that none has are refused, and not counted up to.
SELECT eventcore.claim('s', 2147483647, 'default');
SELECT eventcore.claim('s', -2147483648, 'default');

-- The handler of somebody else, if it is temporary: its name means another one in his session.
CREATE FUNCTION pg_temp.handle(e eventcore.recorded_event) RETURNS void LANGUAGE sql AS 'SELECT';
DO $$BEGIN
    PERFORM eventcore.create_projection('p', 'pg_temp.handle', mode => 'inline');
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE '%', regexp_replace(sqlerrm, 'pg_temp_\d+', 'pg_temp_N');
END$$;

-- A collation of his own in place of "C".
CREATE COLLATION hostile."C" (locale = 'POSIX');
SET search_path = hostile, pg_catalog;
SELECT eventcore.add_index('type', false);
SELECT eventcore.add_index('type', false);
SELECT eventcore.add_index('correlation', false);
SELECT eventcore.add_index('correlation', false);
RESET search_path;

SET client_min_messages = error;
DROP EXTENSION eventcore CASCADE;
DROP SCHEMA hostile CASCADE;
DROP SCHEMA IF EXISTS eventcore;
DROP ROLE regress_hostile;
