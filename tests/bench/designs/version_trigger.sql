-- A multi-row INSERT, and a row trigger that compares each event's version with the stream's
-- highest. Of two transactions that come to the same version, the unique index lets one through:
-- the other's error is its conflict. Every event names its version, so there is no "any".

CREATE FUNCTION version_trigger.check_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    current bigint;
BEGIN
    SELECT max(version) INTO current
    FROM version_trigger.events WHERE store = NEW.store AND stream_id = NEW.stream_id;
    IF NEW.version <> coalesce(current, 0) + 1 THEN
        RAISE 'stream % is at version %, not before %', NEW.stream_id, current, NEW.version
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER check_version BEFORE INSERT ON version_trigger.events
    FOR EACH ROW EXECUTE FUNCTION version_trigger.check_version();
