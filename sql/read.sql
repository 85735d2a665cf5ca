-- Read streams and their versions. All are C and take a snapshot of their own, so they are VOLATILE:
-- an older snapshot of the caller would show streams as they were.

CREATE FUNCTION eventcore.read_stream(
    stream_id     text,
    after_version bigint  DEFAULT NULL,
    max_count     bigint  DEFAULT NULL,
    backward      boolean DEFAULT false,
    store         text    DEFAULT 'default'
) RETURNS SETOF eventcore.recorded_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_read_stream';
COMMENT ON FUNCTION eventcore.read_stream(text, bigint, bigint, boolean, text) IS
'Read the events of a stream, in the order of their versions.
after_version: begin behind this version (exclusive); null: at the beginning, or, backward, at the end. max_count: at most so many events; null: all. backward: newest first, so that "behind" means older. A stream that does not exist has no events.';

CREATE FUNCTION eventcore.read_streams(
    stream_ids     text[],
    after_versions bigint[] DEFAULT NULL,
    store          text     DEFAULT 'default'
) RETURNS SETOF eventcore.stream_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_read_streams';
COMMENT ON FUNCTION eventcore.read_streams(text[], bigint[], text) IS
'Read several streams as of one instant, in the order of their global positions: what a command decides on.
stream_ids: the streams, in any order; one that is named twice is read once. after_versions: for each, the version to begin behind; null: 0.
Every row has the current version of its stream in stream_version, which is what to expect when appending. A stream without such events has one row, at the end, with stream_id and stream_version alone.';

CREATE FUNCTION eventcore.stream_version(
    stream_id text,
    store     text DEFAULT 'default'
) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_stream_version';
COMMENT ON FUNCTION eventcore.stream_version(text, text) IS
'The version of a stream: the number of events ever appended to it, 0 if it does not exist.';

CREATE FUNCTION eventcore.stream_versions(
    stream_ids text[],
    store      text DEFAULT 'default',
    OUT stream_id text,
    OUT version   bigint
) RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_stream_versions';
COMMENT ON FUNCTION eventcore.stream_versions(text[], text) IS
'The versions of several streams as of one instant: a row for each different stream, sorted by id.';
