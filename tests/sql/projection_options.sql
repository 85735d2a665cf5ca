-- Past an event that a handler does not bear; and no rebuild without a way to empty the read model.
CREATE EXTENSION eventcore;
CREATE TABLE handled (position bigint);
CREATE FUNCTION handle(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$BEGIN
    IF e.type = 'Poison' THEN RAISE 'poison'; END IF;
    INSERT INTO handled VALUES (e.global_position);
END$$;
SELECT eventcore.create_projection('p', 'handle');
SELECT count(*) FROM unnest('{T,Poison,T,Poison,T}'::text[]) AS type, eventcore.append('s', -1, type, NULL);
SELECT eventcore.run_projection('p');
SELECT state, failing_position FROM eventcore.projection_status;
SELECT eventcore.set_projection_on_error('p', 'park');
SELECT eventcore.resume_projection('p');
SELECT eventcore.run_projection('p', 1);
SELECT eventcore.set_projection_on_error('p', 'stop');
SELECT eventcore.run_projection('p');
SELECT state, failing_position FROM eventcore.projection_status;
SELECT global_position, error FROM eventcore.parked_projection_events;
TABLE handled;
SELECT eventcore.set_projection_on_error('p', 'ignore');
SELECT eventcore.set_projection_on_error('p', NULL);
SELECT eventcore.set_projection_on_error('q', 'stop');
SELECT eventcore.rebuild_projection('p');
TABLE handled;
DROP FUNCTION handle;
DROP EXTENSION eventcore;
DROP TABLE handled;
