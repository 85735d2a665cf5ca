-- The version of every stream stands in a row of its own, the stream's head, and moves on by a
-- conditional UPDATE; a new stream is an INSERT that fails on the unique key if it exists. Streams
-- are taken in one order, since a head stays locked to the end of the transaction. One event a
-- stream; an expected version of null means any.

CREATE TABLE stream_head.heads (
    stream_id text COLLATE "C" PRIMARY KEY,
    version   bigint NOT NULL
) WITH (fillfactor = 50); -- room for heads to be updated where they are
INSERT INTO stream_head.heads SELECT stream_id, version FROM stream_head.events;

CREATE FUNCTION stream_head.append(stream_ids text[], expected bigint[], types text[], data jsonb[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    versions bigint[];
    moved    bigint;
    i        int;
BEGIN
    FOR i IN SELECT n FROM unnest(stream_ids) WITH ORDINALITY AS s (id, n) ORDER BY id LOOP
        IF expected[i] = 0 THEN
            INSERT INTO stream_head.heads VALUES (stream_ids[i], 1);
            versions[i] := 1;
        ELSE
            UPDATE stream_head.heads SET version = version + 1
            WHERE stream_id = stream_ids[i] AND (expected[i] IS NULL OR version = expected[i])
            RETURNING version INTO moved;
            IF NOT FOUND THEN
                RAISE 'stream % is not at version %', stream_ids[i], expected[i]
                    USING ERRCODE = 'serialization_failure';
            END IF;
            versions[i] := moved;
        END IF;
    END LOOP;
    INSERT INTO stream_head.events (stream_id, version, type, data)
        SELECT * FROM unnest(stream_ids, versions, types, data);
END $$;
