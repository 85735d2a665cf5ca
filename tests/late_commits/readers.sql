-- Readers of all kinds. Each writes down what it was given, in the order in which it was given, until
-- it is told to stop and finds nothing more.
CREATE TABLE seen (
    ordinal  bigint GENERATED ALWAYS AS IDENTITY,
    reader   text   NOT NULL,
    position bigint NOT NULL
);
CREATE TABLE told (word text);

CREATE FUNCTION told(word text) RETURNS boolean LANGUAGE sql VOLATILE
    AS 'SELECT EXISTS (SELECT FROM told AS t WHERE t.word = $1)';

-- A cursor reader. `category` and `types` filter.
CREATE PROCEDURE follow_log(reader text, category text, types text[]) LANGUAGE plpgsql AS $$
DECLARE
    last bigint := 0;
    next bigint;
    stop boolean;
BEGIN
    LOOP
        stop := told('stop');
        WITH given AS (
            INSERT INTO seen (reader, position)
            SELECT follow_log.reader, e.global_position
            FROM eventcore.read_all(last, 50, follow_log.types, follow_log.category) AS e
            RETURNING position)
        SELECT max(position) INTO next FROM given;
        COMMIT;
        last := coalesce(next, last);
        EXIT WHEN next IS NULL AND stop;
        IF next IS NULL THEN
            PERFORM eventcore.wait_for(last, '100 ms', follow_log.types, follow_log.category);
            COMMIT;
        END IF;
    END LOOP;
END $$;

-- What it saw and its checkpoint in one transaction, which fails now and then.
CREATE PROCEDURE follow_subscription(reader text, claim boolean) LANGUAGE plpgsql AS $$
DECLARE
    own  integer := CASE WHEN claim THEN eventcore.claim_member(reader) ELSE 0 END;
    next bigint;
    stop boolean;
BEGIN
    LOOP
        stop := told('stop');
        WITH given AS (
            INSERT INTO seen (reader, position)
            SELECT follow_subscription.reader, e.global_position
            FROM eventcore.fetch(reader, own, 50, '100 ms') AS e
            RETURNING position)
        SELECT max(position) INTO next FROM given;
        IF next IS NOT NULL THEN
            PERFORM eventcore.commit_checkpoint(reader, own, next);
            IF random() < 0.2 AND NOT stop THEN
                ROLLBACK;
                CONTINUE;
            END IF;
        END IF;
        COMMIT;
        EXIT WHEN next IS NULL AND stop;
    END LOOP;
END $$;

-- Work and acknowledgement in one transaction, which fails now and then.
CREATE PROCEDURE compete(reader text) LANGUAGE plpgsql AS $$
DECLARE
    events eventcore.received_event[];
    stop   boolean;
BEGIN
    LOOP
        stop := told('stop');
        SELECT array_agg(e) INTO events FROM eventcore.receive(reader, 20, '50 ms', '10 minutes') AS e;
        COMMIT;
        EXIT WHEN events IS NULL AND stop;
        FOR i IN 1 .. coalesce(cardinality(events), 0) LOOP
            IF random() < 0.1 THEN
                PERFORM eventcore.nack(reader, events[i].global_position);
            ELSIF eventcore.ack(reader, events[i].global_position, events[i].attempt) THEN
                INSERT INTO seen (reader, position) VALUES (reader, events[i].global_position);
            END IF;
            COMMIT;
        END LOOP;
    END LOOP;
END $$;

-- Fails now and then; then its whole batch is undone.
CREATE FUNCTION note_event(event eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen (reader, position) VALUES ('projection', event.global_position);
    IF random() < 0.001 THEN
        RAISE 'now and then';
    END IF;
END $$;
CREATE FUNCTION note_events(events eventcore.recorded_event[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO seen (reader, position) SELECT 'inline', e.global_position FROM unnest(events) AS e
$$;
