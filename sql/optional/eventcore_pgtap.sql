-- Test commands with pgTAP: given (events), when (a command), then (events, a conflict, a rejection,
-- or nothing). Optional: no part of the extension, but a script for a database to test in, which has
-- both extensions:
--
--     psql -v ON_ERROR_STOP=1 -f "$(pg_config --sharedir)/extension/eventcore_pgtap.sql"
--
-- Loaded again, or in a newer version, it replaces what it made; loaded inside of a test, it goes with
-- it. It depends on the extension: DROP SCHEMA eventcore_test CASCADE before you drop or update that.
--
-- A test runs in one transaction that is rolled back. given_*() notes, for that transaction, where the
-- log of the store ends; then_events() and then_unchanged() look at what stands behind that. They read
-- the table and not read_all(), which would not go on to our own events while another session, such as
-- a test that runs beside this one, has an append open before them. So they need SELECT on
-- eventcore.events; the others need only EXECUTE in schema eventcore.
--
-- A wanted event is made as one to append. What is compared is what the append would have stored: type,
-- and data or payload; and stream_id, event_id and the keys of metadata if they are given.
--
-- Names are qualified, because the functions run commands, and so keep the caller's search_path. Only
-- pgTAP is found through it: it looks for its own functions there, so it must be on it anyhow.

DO $$
BEGIN
    IF to_regtype('eventcore.new_event') IS NULL OR NOT EXISTS (SELECT FROM pg_proc WHERE proname = 'no_plan') THEN
        RAISE EXCEPTION 'the test kit needs eventcore and pgTAP'
            USING ERRCODE = 'undefined_object', HINT = 'CREATE EXTENSION eventcore; CREATE EXTENSION pgtap;';
    END IF;
    IF obj_description(to_regnamespace('eventcore_test'), 'pg_namespace') LIKE '%eventcore_pgtap.sql%' THEN
        DROP SCHEMA eventcore_test CASCADE;
    END IF;
END $$;

CREATE SCHEMA eventcore_test;
COMMENT ON SCHEMA eventcore_test IS
'Tests of commands with pgTAP, made by eventcore_pgtap.sql, which replaces all of it when it is loaded again.';
-- So that a test may SET ROLE. The functions do with the rights of the caller what the caller could do.
GRANT USAGE ON SCHEMA eventcore_test TO PUBLIC;

CREATE TYPE eventcore_test.violation AS (
    stream_id text,
    expected  bigint,
    actual    bigint
);
COMMENT ON TYPE eventcore_test.violation IS
'A stream that is not at its expected version. Make it with eventcore_test.violation().';

CREATE FUNCTION eventcore_test.violation(
    stream_id text, expected bigint DEFAULT NULL, actual bigint DEFAULT NULL
) RETURNS eventcore_test.violation
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW(stream_id, expected, actual)::eventcore_test.violation;
COMMENT ON FUNCTION eventcore_test.violation(text, bigint, bigint) IS
'A stream that a conflict is wanted on.
expected: the version that the command expected, as in eventcore.expect() (0: no events; -2: has events); actual: the version that the stream is at. Null: whichever.';

CREATE FUNCTION eventcore_test.event(
    type text, data jsonb DEFAULT NULL, metadata jsonb DEFAULT NULL, event_id uuid DEFAULT NULL,
    payload bytea DEFAULT NULL
) RETURNS eventcore.new_event
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN eventcore.new_event(NULL, type, data, metadata, event_id, payload);
COMMENT ON FUNCTION eventcore_test.event(text, jsonb, jsonb, uuid, bytea) IS
'An event that is wanted, in whichever stream. The arguments are those of eventcore.new_event(); metadata and event_id are compared if they are given.';

-- Telling.

CREATE FUNCTION eventcore_test._tap(passed boolean, description text, diagnosis text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN ok(passed, description) || CASE WHEN passed THEN '' ELSE E'\n' || diag(diagnosis) END;
END $$;
COMMENT ON FUNCTION eventcore_test._tap(boolean, text, text) IS
'Internal: a test of pgTAP, with a diagnosis if it has failed.';

CREATE FUNCTION eventcore_test._text(event eventcore.new_event, want eventcore.new_event) RETURNS text
LANGUAGE sql STABLE
RETURN coalesce(nullif(pg_catalog.concat_ws(' ', event.stream_id, event.type, event.data, event.payload,
    CASE WHEN want.metadata IS NOT NULL THEN 'metadata ' || event.metadata::text END,
    CASE WHEN want.event_id IS NOT NULL THEN 'event_id ' || event.event_id::text END), ''), 'nothing');
COMMENT ON FUNCTION eventcore_test._text(eventcore.new_event, eventcore.new_event) IS
'Internal: an event in a line of a diagnosis: of it what is compared with the wanted one.';

CREATE FUNCTION eventcore_test._summary(events eventcore.new_event[]) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(' to ', e.type, e.stream_id), ', ' ORDER BY e.n), 'nothing')
        FROM ROWS FROM (pg_catalog.unnest(events)) WITH ORDINALITY
             AS e (stream_id, type, data, metadata, event_id, payload, n));
COMMENT ON FUNCTION eventcore_test._summary(eventcore.new_event[]) IS
'Internal: the types of events, and their streams, for a description.';

CREATE FUNCTION eventcore_test._summary(violations eventcore_test.violation[]) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT pg_catalog.string_agg(
                   pg_catalog.concat_ws(' ', v.stream_id, 'expected ' || v.expected::text, 'actual ' || v.actual::text),
                   ', ' ORDER BY v.stream_id)
        FROM pg_catalog.unnest(violations) AS v);
COMMENT ON FUNCTION eventcore_test._summary(eventcore_test.violation[]) IS
'Internal: what a conflict was about.';

-- Comparing.

CREATE FUNCTION eventcore_test._same(
    have eventcore.new_event, want eventcore.new_event, partial boolean
) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN (have.type = want.type
        AND have.payload IS NOT DISTINCT FROM want.payload
        -- As an append has it: with neither, data is {}.
        AND CASE WHEN want.payload IS NOT NULL THEN want.data IS NULL
                 WHEN partial THEN have.data @> coalesce(want.data, '{}')
                 ELSE have.data = coalesce(want.data, '{}') END
        AND (want.stream_id IS NULL OR have.stream_id = want.stream_id)
        AND (want.event_id IS NULL OR have.event_id = want.event_id)
        AND (want.metadata IS NULL OR have.metadata @> want.metadata)) IS TRUE;
COMMENT ON FUNCTION eventcore_test._same(eventcore.new_event, eventcore.new_event, boolean) IS
'Internal: whether an event is the wanted one. False if there is none, or none is wanted.';

CREATE FUNCTION eventcore_test._events(
    have eventcore.new_event[], want eventcore.new_event[], partial boolean, description text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF want IS NULL THEN
        RAISE EXCEPTION 'the wanted events must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    FOR i IN 1 .. greatest(pg_catalog.cardinality(have), pg_catalog.cardinality(want)) LOOP
        CONTINUE WHEN eventcore_test._same(have[i], want[i], partial);
        RETURN eventcore_test._tap(false, description, pg_catalog.format(
            E'    Events differ at event %s (have %s, want %s):\n        have: %s\n        want: %s',
            i, pg_catalog.cardinality(have), pg_catalog.cardinality(want),
            eventcore_test._text(have[i], want[i]), eventcore_test._text(want[i], want[i])));
    END LOOP;
    RETURN eventcore_test._tap(true, description, NULL);
END $$;
COMMENT ON FUNCTION eventcore_test._events(eventcore.new_event[], eventcore.new_event[], boolean, text) IS
'Internal: test that events are exactly the wanted ones.';

CREATE FUNCTION eventcore_test._stream(stream_id text, store text, max_count bigint DEFAULT NULL)
RETURNS eventcore.new_event[]
LANGUAGE sql
RETURN ARRAY(
    SELECT eventcore.new_event(e.stream_id, e.type, e.data, e.metadata, e.event_id, e.payload)
    FROM eventcore.read_stream(_stream.stream_id, max_count => max_count, backward => true, store => store) AS e
    ORDER BY e.version);
COMMENT ON FUNCTION eventcore_test._stream(text, text, bigint) IS
'Internal: the last events of a stream; max_count null: all.';

-- Given.

CREATE FUNCTION eventcore_test.given_events(
    events eventcore.new_event[] DEFAULT '{}', store text DEFAULT 'default'
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    given bigint;
BEGIN
    SELECT pg_catalog.count(*) INTO given FROM eventcore.append(events, store => given_events.store);
    PERFORM pg_catalog.set_config('eventcore_test.log_ends',
        (coalesce(nullif(pg_catalog.current_setting('eventcore_test.log_ends', true), ''), '{}')::jsonb
         || pg_catalog.jsonb_build_object(store, eventcore.last_position(store)))::text, true);
    RETURN '# given ' || given || CASE given WHEN 1 THEN ' event' ELSE ' events' END;
END $$;
COMMENT ON FUNCTION eventcore_test.given_events(eventcore.new_event[], text) IS
'Append events, whatever their streams hold, and note where the log of the store ends: what comes behind is what the command appends. Without events only note that.
Returns a comment of TAP. Errors as of eventcore.append(). After a command that has called lock_streams(), only what that has locked can be given in the same transaction: let such tests be functions that pgTAP''s runtests() calls.';

CREATE FUNCTION eventcore_test.given_event(
    stream_id text, type text, data jsonb DEFAULT NULL, metadata jsonb DEFAULT NULL,
    store text DEFAULT 'default'
) RETURNS text
LANGUAGE sql
RETURN eventcore_test.given_events(ARRAY[eventcore.new_event(stream_id, type, data, metadata)], store);
COMMENT ON FUNCTION eventcore_test.given_event(text, text, jsonb, jsonb, text) IS
'As eventcore_test.given_events(), for one event.';

-- Then: events.

CREATE FUNCTION eventcore_test.then_events(
    events eventcore.new_event[], description text DEFAULT NULL, partial boolean DEFAULT false,
    store text DEFAULT 'default'
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    log_end bigint := nullif(pg_catalog.current_setting('eventcore_test.log_ends', true), '')::jsonb ->> store;
BEGIN
    IF log_end IS NULL THEN
        RAISE EXCEPTION 'nothing is given in store "%" yet', store
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Begin the test with given_events().';
    END IF;
    RETURN eventcore_test._events(
        ARRAY(SELECT eventcore.new_event(e.stream_id, e.type, e.data, e.metadata, e.event_id, e.payload)
              FROM eventcore.events AS e
              WHERE e.store = then_events.store AND e.global_position > log_end
              ORDER BY e.global_position),
        events, partial, coalesce(description, 'appends ' || eventcore_test._summary(events)));
END $$;
COMMENT ON FUNCTION eventcore_test.then_events(eventcore.new_event[], text, boolean, text) IS
'Test that exactly these events were appended since the last given_events() or given_event() of this transaction, in this order, over all streams of the store.
events: type and data (or payload) are compared, and of stream_id, event_id and metadata what is given; metadata may have more keys. partial: data may have more keys, too; an event without data then wants any. store: the consistency domain.
What other sessions commit meanwhile counts, too: do not append to the database while it is tested. Needs SELECT on eventcore.events.';

CREATE FUNCTION eventcore_test.then_unchanged(
    description text DEFAULT NULL, store text DEFAULT 'default'
) RETURNS text
LANGUAGE sql
RETURN eventcore_test.then_events('{}', description, store => store);
COMMENT ON FUNCTION eventcore_test.then_unchanged(text, text) IS
'Test that nothing was appended since the last given_events() or given_event() of this transaction, to any stream of the store. Needs SELECT on eventcore.events.';

CREATE FUNCTION eventcore_test.then_stream_is(
    stream_id text, events eventcore.new_event[], description text DEFAULT NULL,
    partial boolean DEFAULT false, store text DEFAULT 'default'
) RETURNS text
LANGUAGE sql
RETURN eventcore_test._events(
    eventcore_test._stream(stream_id, store), events, partial,
    coalesce(description, stream_id || ' is ' || eventcore_test._summary(events)));
COMMENT ON FUNCTION eventcore_test.then_stream_is(text, eventcore.new_event[], text, boolean, text) IS
'Test that a stream has exactly these events, in this order: the given ones and those of the command.
events: made with eventcore_test.event() or eventcore.new_event(), and compared as by eventcore_test.then_events().';

CREATE FUNCTION eventcore_test.then_stream_ends_with(
    stream_id text, events eventcore.new_event[], description text DEFAULT NULL,
    partial boolean DEFAULT false, store text DEFAULT 'default'
) RETURNS text
LANGUAGE sql
RETURN eventcore_test._events(
    eventcore_test._stream(stream_id, store, pg_catalog.cardinality(events)), events, partial,
    coalesce(description, stream_id || ' ends with ' || eventcore_test._summary(events)));
COMMENT ON FUNCTION eventcore_test.then_stream_ends_with(text, eventcore.new_event[], text, boolean, text) IS
'Test that these events, in this order, are the last ones of a stream, whatever stands before them.
events: as of eventcore_test.then_stream_is().';

CREATE FUNCTION eventcore_test.then_stream_contains(
    stream_id text, events eventcore.new_event[], description text DEFAULT NULL,
    partial boolean DEFAULT false, store text DEFAULT 'default'
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    h eventcore.new_event;
    found int := 1;
    seen text := '';
BEGIN
    IF events IS NULL THEN
        RAISE EXCEPTION 'the wanted events must not be null' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    FOREACH h IN ARRAY eventcore_test._stream(stream_id, store) LOOP
        seen := seen || E'\n        have: ' || eventcore_test._text(h, events[found]);
        found := found + eventcore_test._same(h, events[found], partial)::int;
    END LOOP;
    RETURN eventcore_test._tap(found > pg_catalog.cardinality(events),
        coalesce(description, stream_id || ' contains ' || eventcore_test._summary(events)),
        pg_catalog.format(E'    Wanted event %s is missing:%s\n        want: %s',
            found, seen, eventcore_test._text(events[found], events[found])));
END $$;
COMMENT ON FUNCTION eventcore_test.then_stream_contains(text, eventcore.new_event[], text, boolean, text) IS
'Test that a stream has these events in this order, whatever stands before, between and behind them.
events: as of eventcore_test.then_stream_is().';

CREATE FUNCTION eventcore_test.then_stream_is_empty(
    stream_id text, description text DEFAULT NULL, store text DEFAULT 'default'
) RETURNS text
LANGUAGE sql
RETURN eventcore_test.then_stream_is(stream_id, '{}', coalesce(description, stream_id || ' is empty'), store => store);
COMMENT ON FUNCTION eventcore_test.then_stream_is_empty(text, text, text) IS
'Test that a stream has no events.';

CREATE FUNCTION eventcore_test.then_stream_version_is(
    stream_id text, version bigint, description text DEFAULT NULL, store text DEFAULT 'default'
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    have bigint := eventcore.stream_version(stream_id, store);
BEGIN
    RETURN eventcore_test._tap(have IS NOT DISTINCT FROM version,
        coalesce(description, pg_catalog.concat(stream_id, ' is at version ', version)),
        pg_catalog.format(E'        have: %s\n        want: %s', have, version));
END $$;
COMMENT ON FUNCTION eventcore_test.then_stream_version_is(text, bigint, text, text) IS
'Test that a stream is at a version; 0: it has no events.';

-- Then: errors.

CREATE FUNCTION eventcore_test._run(
    statement text, OUT state text, OUT message text, OUT detail jsonb, OUT caught text
)
LANGUAGE plpgsql AS $$
DECLARE
    text_detail text;
BEGIN
    caught := 'no error';
    EXECUTE CASE WHEN statement ~ '^(\w+|".*")$' THEN 'EXECUTE ' || statement ELSE statement END;
EXCEPTION WHEN OTHERS OR assert_failure THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, text_detail = PG_EXCEPTION_DETAIL;
    caught := pg_catalog.concat_ws(E'\n              ', state || ': ' || message, nullif(text_detail, ''));
    IF text_detail LIKE '{"error":%' THEN
        detail := text_detail;
    END IF;
END $$;
COMMENT ON FUNCTION eventcore_test._run(text) IS
'Internal: run a statement, or a prepared one by name. SQLSTATE, message and, of an error of eventcore, DETAIL of what it raised, after which nothing of it remains; and the same for a diagnosis.';

CREATE FUNCTION eventcore_test._conflict(
    have eventcore_test.violation[], want eventcore_test.violation[], caught text, description text
) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN eventcore_test._tap(
        have IS NOT NULL AND (want IS NULL OR NOT EXISTS (
            SELECT FROM pg_catalog.unnest(have) AS h FULL JOIN pg_catalog.unnest(want) AS w ON w.stream_id = h.stream_id
            WHERE h.stream_id IS NULL OR w.stream_id IS NULL OR w.expected <> h.expected OR w.actual <> h.actual)),
        description,
        pg_catalog.format(E'      caught: %s\n      wanted: %s',
            coalesce('conflict on ' || eventcore_test._summary(have), caught),
            coalesce('conflict on ' || eventcore_test._summary(want), 'a conflict')));
END $$;
COMMENT ON FUNCTION eventcore_test._conflict(eventcore_test.violation[], eventcore_test.violation[], text, text) IS
'Internal: test that there is a conflict on the wanted streams. "have" is null if there is none, and "caught" what there is instead.';

CREATE FUNCTION eventcore_test.then_conflict(
    statement text, violations eventcore_test.violation[] DEFAULT NULL,
    description text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    run record := eventcore_test._run(statement);
BEGIN
    RETURN eventcore_test._conflict(
        (SELECT pg_catalog.array_agg(eventcore_test.violation(v ->> 'stream_id', (v ->> 'expected')::bigint,
                                                              (v ->> 'actual')::bigint))
         FROM pg_catalog.jsonb_array_elements(run.detail -> 'violations') AS v
         WHERE run.state = 'VE001'),
        violations, run.caught,
        coalesce(description, pg_catalog.concat_ws(' on ', 'raises a conflict', eventcore_test._summary(violations))));
END $$;
COMMENT ON FUNCTION eventcore_test.then_conflict(text, eventcore_test.violation[], text) IS
'Test that a statement raises a version conflict.
statement: SQL, or the name of a prepared statement. violations: on exactly these streams, in any order, each with the expected and actual version that is given; made with eventcore_test.violation(); null: on whichever.
Nothing of the statement remains if it raised an error; if it did not, what it did does.';

CREATE FUNCTION eventcore_test.then_returns_conflict(
    query text, violations eventcore_test.violation[] DEFAULT NULL, description text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    have eventcore_test.violation[];
    caught text := 'no rows';
    o record;
BEGIN
    description := coalesce(description,
        pg_catalog.concat_ws(' on ', 'returns a conflict', eventcore_test._summary(violations)));
    BEGIN
        FOR o IN EXECUTE query LOOP
            caught := pg_catalog.format('outcome "%s"', o.outcome);
            IF o.outcome = 'conflict' THEN
                have := have || eventcore_test.violation(o.stream_id, o.expected_version, o.actual_version);
            END IF;
        END LOOP;
    EXCEPTION WHEN OTHERS OR assert_failure THEN
        have := NULL;
        caught := SQLSTATE || ': ' || SQLERRM;
    END;
    RETURN eventcore_test._conflict(have, violations, caught, description);
END $$;
COMMENT ON FUNCTION eventcore_test.then_returns_conflict(text, eventcore_test.violation[], text) IS
'Test that a query returns a version conflict, as eventcore.try_append() does.
query: its rows have the columns of eventcore.append_outcome. violations: as of eventcore_test.then_conflict().';

CREATE FUNCTION eventcore_test.then_error(
    statement text, error text, detail jsonb DEFAULT NULL, description text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    run record := eventcore_test._run(statement);
BEGIN
    RETURN eventcore_test._tap(
        coalesce(run.detail ->> 'error' = error AND run.detail @> coalesce(then_error.detail, '{}'), false),
        coalesce(description, 'raises ' || error),
        pg_catalog.format(E'      caught: %s\n      wanted: %s',
            run.caught, pg_catalog.concat_ws(' ', error, then_error.detail)));
END $$;
COMMENT ON FUNCTION eventcore_test.then_error(text, text, jsonb, text) IS
'Test that a statement raises an error of eventcore.
statement: as of eventcore_test.then_conflict(). error: its name, such as undeclared_stream. detail: what DETAIL contains, such as {"stream_id": "account-1"}; null: whatever.';

CREATE FUNCTION eventcore_test.then_rejected(
    statement text, message text DEFAULT NULL, code text DEFAULT 'P0001',
    description text DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    run record := eventcore_test._run(statement);
BEGIN
    RETURN eventcore_test._tap(
        coalesce(run.state = code AND (message IS NULL OR run.message = message), false),
        coalesce(description, pg_catalog.concat_ws(': ', 'is rejected', message)),
        pg_catalog.format(E'      caught: %s\n      wanted: %s',
            run.caught, pg_catalog.concat_ws(': ', code, message)));
END $$;
COMMENT ON FUNCTION eventcore_test.then_rejected(text, text, text, text) IS
'Test that a statement is rejected by the command itself: that it raises an exception of its own.
statement: as of eventcore_test.then_conflict(). message: exactly; null: whatever. code: the SQLSTATE, by default that of RAISE EXCEPTION.';
