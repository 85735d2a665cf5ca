-- No locks: the check is a query, and the isolation level SERIALIZABLE makes it hold. Whoever loses
-- gets a serialization failure and starts again. One event a stream; an expected version of null
-- means any.

CREATE FUNCTION serializable.append(stream_ids text[], expected bigint[], types text[], data jsonb[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    versions bigint[];
    current  bigint;
BEGIN
    FOR i IN 1 .. cardinality(stream_ids) LOOP
        SELECT max(version) INTO current
        FROM serializable.events WHERE store = 'default' AND stream_id = stream_ids[i];
        current := coalesce(current, 0);
        IF current <> expected[i] THEN
            RAISE 'stream % is at version %, expected %', stream_ids[i], current, expected[i]
                USING ERRCODE = 'serialization_failure';
        END IF;
        versions[i] := current + 1;
    END LOOP;
    INSERT INTO serializable.events (stream_id, version, type, data)
        SELECT * FROM unnest(stream_ids, versions, types, data);
END $$;
