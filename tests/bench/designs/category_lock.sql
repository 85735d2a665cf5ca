-- A function in PL/pgSQL that writes one event to one stream, under an advisory lock on the
-- stream's category. Several streams take several calls in one transaction, which is free of
-- deadlocks only while all are of one category. An expected version of null means any.

CREATE FUNCTION category_lock.append(id text, expected bigint, type text, data jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    current bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(split_part(id, '-', 1), 0));
    SELECT max(version) INTO current
    FROM category_lock.events WHERE store = 'default' AND stream_id = id;
    current := coalesce(current, 0);
    IF current <> expected THEN
        RAISE 'stream % is at version %, expected %', id, current, expected
            USING ERRCODE = 'serialization_failure';
    END IF;
    INSERT INTO category_lock.events (stream_id, version, type, data)
        VALUES (id, current + 1, type, data);
    RETURN current + 1;
END $$;
