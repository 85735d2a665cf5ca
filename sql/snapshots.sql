-- Snapshots: states that clients folded from streams, so that they need not fold all events again.
--
-- A snapshot is a cache. It stands for some streams at some versions, and is of no use but together
-- with the events behind it. It is not carried by pg_dump: a state must not outlive the events that
-- it was folded from, which a restored database might not have. Whoever reads one still looks whether
-- it fits, and folds from the beginning if not.
--
-- Streams are ever longer, and clients read them as of one instant: of two snapshots of the same
-- streams one is at or above the other in *every* stream, and has more events in all.

CREATE TABLE eventcore.snapshots (
    store          text COLLATE "C" NOT NULL,
    name           text COLLATE "C" NOT NULL,
    schema_version integer     NOT NULL,
    streams        bytea       NOT NULL,
    stream_ids     text[]      NOT NULL,
    arrangement    text        NOT NULL,
    versions       bigint[]    NOT NULL,
    event_count    numeric     NOT NULL,
    last_position  bigint      NOT NULL,
    state          bytea       NOT NULL,
    saved_at       timestamptz NOT NULL,
    PRIMARY KEY (store, name, schema_version, streams)
);
COMMENT ON TABLE eventcore.snapshots IS
'States that clients folded from streams: a cache, which may be emptied at any time (eventcore.drop_snapshots()).';
COMMENT ON COLUMN eventcore.snapshots.store IS 'The store of the streams.';
COMMENT ON COLUMN eventcore.snapshots.name IS 'What kind of state it is.';
COMMENT ON COLUMN eventcore.snapshots.schema_version IS 'The version of the way in which the state is folded and written.';
COMMENT ON COLUMN eventcore.snapshots.streams IS
'SHA-256 of arrangement and stream_ids, which may be too long for an index.';
COMMENT ON COLUMN eventcore.snapshots.stream_ids IS 'The streams that it was folded from, in the order of the client.';
COMMENT ON COLUMN eventcore.snapshots.arrangement IS 'Which part each stream plays for the client, if their order does not tell.';
COMMENT ON COLUMN eventcore.snapshots.versions IS 'The version that each stream was at.';
COMMENT ON COLUMN eventcore.snapshots.event_count IS 'The sum of the versions.';
COMMENT ON COLUMN eventcore.snapshots.last_position IS 'The highest position of their events; 0: there were none.';
COMMENT ON COLUMN eventcore.snapshots.state IS 'The state, as the client wrote it.';
COMMENT ON COLUMN eventcore.snapshots.saved_at IS 'When it was saved.';

CREATE FUNCTION eventcore.save_snapshot(
    name           text,
    schema_version integer,
    stream_ids     text[],
    versions       bigint[],
    last_position  bigint,
    state          bytea,
    arrangement    text DEFAULT '',
    store          text DEFAULT 'default'
) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    event_count numeric;
BEGIN
    IF num_nulls(name, schema_version, stream_ids, versions, last_position, state, arrangement, store) > 0
       OR array_ndims(stream_ids) IS DISTINCT FROM 1 OR array_ndims(versions) IS DISTINCT FROM 1
       OR array_length(stream_ids, 1) <> array_length(versions, 1)
       OR array_position(stream_ids, NULL) IS NOT NULL OR array_position(versions, NULL) IS NOT NULL THEN
        RAISE EXCEPTION 'a snapshot has no nulls, and a version for each stream'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT sum(v) INTO event_count FROM unnest(versions) AS v;
    INSERT INTO eventcore.snapshots AS saved
    VALUES (save_snapshot.store, save_snapshot.name, save_snapshot.schema_version,
            sha256(convert_to((ARRAY[save_snapshot.arrangement] || save_snapshot.stream_ids)::text, 'UTF8')),
            save_snapshot.stream_ids, save_snapshot.arrangement, save_snapshot.versions, event_count,
            save_snapshot.last_position, save_snapshot.state, now())
    ON CONFLICT (store, name, schema_version, streams) DO UPDATE
    SET versions = excluded.versions, event_count = excluded.event_count,
        last_position = excluded.last_position, state = excluded.state, saved_at = excluded.saved_at
    WHERE saved.event_count <= excluded.event_count; -- never backwards
    RETURN found;
END$$;
COMMENT ON FUNCTION eventcore.save_snapshot(text, integer, text[], bigint[], bigint, bytea, text, text) IS
'Save the state that was folded from streams, for eventcore.read_snapshot(). Whoever may save one is trusted by those who use it, as with the events themselves.
name, schema_version: what the state is, and in which version of its form. stream_ids, versions: the streams and how far they were read, as of one instant. last_position: the highest position of their events. arrangement: which part each stream plays, if their order does not tell; it is compared only.
True if it was saved; false if there is one of more events, which stays.';

CREATE FUNCTION eventcore.read_snapshot(
    name           text,
    schema_version integer,
    stream_ids     text[],
    arrangement    text DEFAULT '',
    store          text DEFAULT 'default',
    OUT versions      bigint[],
    OUT last_position bigint,
    OUT state         bytea
) RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    digest bytea := sha256(convert_to((ARRAY[arrangement] || stream_ids)::text, 'UTF8'));
BEGIN
    RETURN QUERY SELECT saved.versions, saved.last_position, saved.state
    FROM eventcore.snapshots AS saved
    WHERE saved.store = read_snapshot.store AND saved.name = read_snapshot.name
      AND saved.schema_version = read_snapshot.schema_version
      AND saved.streams = digest;
END$$;
COMMENT ON FUNCTION eventcore.read_snapshot(text, integer, text[], text, text) IS
'The snapshot that was saved last under the same name, schema version, streams (in the same order) and arrangement; no row if there is none.
Read the streams behind its versions, and do not use it if a stream is below its version, or if an event that you then read stands at or below last_position: it would have to be folded before.';

CREATE FUNCTION eventcore.drop_snapshots(
    name           text,
    schema_version integer DEFAULT NULL,
    store          text    DEFAULT 'default'
) RETURNS bigint
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    dropped bigint;
BEGIN
    DELETE FROM eventcore.snapshots AS saved
    WHERE saved.store = drop_snapshots.store AND saved.name = drop_snapshots.name
      AND (drop_snapshots.schema_version IS NULL OR saved.schema_version = drop_snapshots.schema_version);
    GET DIAGNOSTICS dropped = ROW_COUNT;
    RETURN dropped;
END$$;
COMMENT ON FUNCTION eventcore.drop_snapshots(text, integer, text) IS
'Forget the snapshots of a name, of one schema version or of all; returns how many. Nothing is lost but time.';
