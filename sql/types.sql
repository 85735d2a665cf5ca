-- What the functions take and return, and the functions that build what they take.

CREATE TYPE eventcore.new_event AS (
    stream_id text,
    type      text,
    data      jsonb,
    metadata  jsonb,
    event_id  uuid,
    payload   bytea
);
COMMENT ON TYPE eventcore.new_event IS
'An event to append. Make it with eventcore.new_event().';

CREATE TYPE eventcore.expected_version AS (
    stream_id text,
    version   bigint
);
COMMENT ON TYPE eventcore.expected_version IS
'What a decision was based on: a stream and its version. Above 0: exactly that version; 0: the stream has no events; -1: any version; -2: the stream has events. Make it with eventcore.expect(), expect_none(), expect_exists() or expect_any(). A null stream_id with version -1 stands for every stream that is not named.';

CREATE TYPE eventcore.new_command AS (
    events   eventcore.new_event[],
    expected eventcore.expected_version[]
);
COMMENT ON TYPE eventcore.new_command IS
'One command of a batch: its events and what it expects. Make it with eventcore.new_command().';

CREATE TYPE eventcore.appended_event AS (
    stream_id       text,
    version         bigint,
    global_position bigint,
    event_id        uuid,
    recorded_at     timestamptz
);
COMMENT ON TYPE eventcore.appended_event IS
'An event that was appended: where it stands in its stream (version) and in the global order, its id, and when it was recorded.';

CREATE TYPE eventcore.append_outcome AS (
    outcome          text,
    stream_id        text,
    version          bigint,
    global_position  bigint,
    event_id         uuid,
    recorded_at      timestamptz,
    expected_version bigint,
    actual_version   bigint
);
COMMENT ON TYPE eventcore.append_outcome IS
'What became of an append. outcome is the same in all rows: "appended" or "repeated" (one row for each event, as eventcore.appended_event), "conflict" (one row for each stream that is not at its expected version, with both versions; nothing was written), or "verified" (one row: there were no events, and all expectations hold).';

CREATE TYPE eventcore.batch_outcome AS (
    command          int,
    outcome          text,
    stream_id        text,
    version          bigint,
    global_position  bigint,
    event_id         uuid,
    recorded_at      timestamptz,
    expected_version bigint,
    actual_version   bigint,
    error_code       text,
    error_message    text,
    error_detail     jsonb
);
COMMENT ON TYPE eventcore.batch_outcome IS
'What became of one command of a batch, as in eventcore.append_outcome, behind the number of the command; or outcome "invalid" with the SQLSTATE, message and detail of the error that the command alone would have raised.';

CREATE TYPE eventcore.recorded_event AS (
    stream_id       text,
    version         bigint,
    global_position bigint,
    event_id        uuid,
    type            text,
    data            jsonb,
    payload         bytea,
    metadata        jsonb,
    recorded_at     timestamptz
);
COMMENT ON TYPE eventcore.recorded_event IS
'An event as it is stored. Either data or payload is null.';

CREATE TYPE eventcore.stream_event AS (
    stream_id       text,
    version         bigint,
    global_position bigint,
    event_id        uuid,
    type            text,
    data            jsonb,
    payload         bytea,
    metadata        jsonb,
    recorded_at     timestamptz,
    stream_version  bigint
);
COMMENT ON TYPE eventcore.stream_event IS
'An event as it is stored, with the version of its stream; or, for a stream without events behind the version to read after, its stream_id and stream_version alone.';

-- The bodies are parsed here and now, so no search_path can change what they mean, and being plain
-- expressions they are inlined: building an event costs no function call.

CREATE FUNCTION eventcore.new_event(
    stream_id text,
    type      text,
    data      jsonb DEFAULT NULL,
    metadata  jsonb DEFAULT NULL,
    event_id  uuid  DEFAULT NULL,
    payload   bytea DEFAULT NULL
) RETURNS eventcore.new_event
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(stream_id, type, data, metadata, event_id, payload)::eventcore.new_event;
COMMENT ON FUNCTION eventcore.new_event(text, text, jsonb, jsonb, uuid, bytea) IS
'Build an event for eventcore.append().
stream_id: 1 to 255 characters, no control characters, no white space at either end. type: 1 to 255 characters. data: the content as JSON; payload: the content as bytes instead; with neither, data is {}. metadata: JSON beside the content; well-known keys are correlation_id, causation_id, user_id, traceparent. event_id: makes the append repeatable; without one the server makes a UUIDv7.';

CREATE FUNCTION eventcore.expect(stream_id text, version bigint) RETURNS eventcore.expected_version
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(stream_id, version)::eventcore.expected_version;
COMMENT ON FUNCTION eventcore.expect(text, bigint) IS
'Expect a stream to be at a version: the version of the last event that was read of it, 0 if it has none. A null version is an error when it is used.';

CREATE FUNCTION eventcore.expect_none(stream_id text) RETURNS eventcore.expected_version
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(stream_id, 0)::eventcore.expected_version;
COMMENT ON FUNCTION eventcore.expect_none(text) IS 'Expect a stream to have no events.';

CREATE FUNCTION eventcore.expect_exists(stream_id text) RETURNS eventcore.expected_version
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(stream_id, -2)::eventcore.expected_version;
COMMENT ON FUNCTION eventcore.expect_exists(text) IS
'Expect a stream to have at least one event.';

CREATE FUNCTION eventcore.expect_any(stream_id text) RETURNS eventcore.expected_version
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(stream_id, -1)::eventcore.expected_version;
COMMENT ON FUNCTION eventcore.expect_any(text) IS
'Declare that a stream is written, whatever its version.';

CREATE FUNCTION eventcore.new_command(
    events   eventcore.new_event[],
    expected eventcore.expected_version[] DEFAULT '{"(,-1)"}'
) RETURNS eventcore.new_command
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(events, expected)::eventcore.new_command;
COMMENT ON FUNCTION eventcore.new_command(eventcore.new_event[], eventcore.expected_version[]) IS
'Build a command for eventcore.append_batch(), from the arguments of eventcore.append().';
