-- A function in PL/pgSQL, with an advisory lock a stream: lock all streams in one order, look at
-- their versions, insert all events at once. One event a stream, which is all that is asked of it.
-- An expected version of null means any.

CREATE FUNCTION stream_lock.append(stream_ids text[], expected bigint[], types text[], data jsonb[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    versions bigint[];
    current  bigint;
    key      bigint;
BEGIN
    FOR key IN SELECT hashtextextended(id, 0) FROM unnest(stream_ids) AS id ORDER BY 1 LOOP
        PERFORM pg_advisory_xact_lock(key);
    END LOOP;
    FOR i IN 1 .. cardinality(stream_ids) LOOP
        SELECT max(version) INTO current
        FROM stream_lock.events WHERE store = 'default' AND stream_id = stream_ids[i];
        current := coalesce(current, 0);
        IF current <> expected[i] THEN
            RAISE 'stream % is at version %, expected %', stream_ids[i], current, expected[i]
                USING ERRCODE = 'serialization_failure';
        END IF;
        versions[i] := current + 1;
    END LOOP;
    INSERT INTO stream_lock.events (stream_id, version, type, data)
        SELECT * FROM unnest(stream_ids, versions, types, data);
END $$;
