-- The handler of a projection can neither run nor change that projection: its checkpoint still
-- stands before the events that are being handled.
CREATE EXTENSION eventcore;
CREATE TABLE handled (position bigint, type text);
CREATE FUNCTION handle(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO handled VALUES (e.global_position, e.type);
    IF e.data ? 'call' AND (SELECT count(*) FROM handled) < 9 THEN
        EXECUTE e.data ->> 'call';
    END IF;
EXCEPTION WHEN SQLSTATE 'VE039' THEN
    INSERT INTO handled VALUES (e.global_position, sqlstate);
END$$;
SELECT eventcore.create_projection('p', 'handle');
SELECT count(*) FROM (VALUES
    ('SELECT eventcore.run_projection(''p'')'),
    ('SELECT eventcore.rebuild_projection(''p'')'),
    ('SELECT eventcore.set_projection_mode(''p'', ''inline'')'),
    ('SELECT eventcore.drop_projection(''p'')'),
    ('SELECT 1')) AS calls (call),
    eventcore.append('s', -1, 'T', pg_catalog.jsonb_build_object('call', call));
SELECT eventcore.run_projection('p');
SELECT * FROM handled ORDER BY position, type;
SELECT state, checkpoint FROM eventcore.projection_status;
DROP EXTENSION eventcore CASCADE;
DROP TABLE handled;
