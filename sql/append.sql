-- Append events. All forms do the same; they differ in how events and expectations are passed, and
-- in how a conflict is told.
--
-- Overloads differ in the number of arguments that must be given, so that untyped parameters cannot
-- confuse them: with four or more, append takes one event.
--
-- The functions are C, look up no name through search_path, and so need no SET clause, which would
-- cost each call and change the search_path under the users' own triggers.

CREATE FUNCTION eventcore.append(
    events   eventcore.new_event[],
    expected eventcore.expected_version[] DEFAULT '{"(,-1)"}',
    store    text DEFAULT 'default'
) RETURNS SETOF eventcore.appended_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_append';
COMMENT ON FUNCTION eventcore.append(
    eventcore.new_event[], eventcore.expected_version[], text) IS
'Append events to their streams, all or nothing, if every stream named in "expected" is at its expected version.
events: in the order in which they shall stand; they may alternate between streams; an empty array only checks. expected: every stream that the decision was based on; one without an event here is checked all the same. Writing to a stream that it does not name is an error. Left out, nothing is expected. store: the consistency domain.
Returns one row for each event, in the order given. Repeated with the same event ids it returns the first result and writes nothing.
Called where a statement may run it twice (UPDATE ... SET x = append(...) under a concurrent update), it appends twice unless the events carry ids.
Errors: version_conflict (VE001, DETAIL lists every failing stream), undeclared_stream (VE002), conflicting_expectation (VE003), invalid_stream_id (VE004), invalid_event (VE005), duplicate_event_id (VE006), invalid_expected_version (VE007), store_not_found (VE008); 40001 where waiting for a stream could deadlock with an earlier append of the same transaction: run the transaction again.';

CREATE FUNCTION eventcore.append(
    stream_id        text,
    expected_version bigint,
    type             text,
    data             jsonb,
    metadata         jsonb DEFAULT NULL,
    event_id         uuid  DEFAULT NULL,
    payload          bytea DEFAULT NULL,
    store            text  DEFAULT 'default'
) RETURNS SETOF eventcore.appended_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_append_event';
COMMENT ON FUNCTION eventcore.append(text, bigint, text, jsonb, jsonb, uuid, bytea, text) IS
'Append one event to a stream that is at an expected version (above 0: exactly; 0: no events; -1: any; -2: has events).
The other arguments are those of eventcore.new_event(). Returns one row. Errors as of eventcore.append(events, expected).';

CREATE FUNCTION eventcore.try_append(
    events   eventcore.new_event[],
    expected eventcore.expected_version[] DEFAULT '{"(,-1)"}',
    store    text DEFAULT 'default'
) RETURNS SETOF eventcore.append_outcome
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_try_append';
COMMENT ON FUNCTION eventcore.try_append(
    eventcore.new_event[], eventcore.expected_version[], text) IS
'As eventcore.append(events, expected), but a version conflict comes back as rows and is no error: the transaction goes on, so look at "outcome" before COMMIT. To retry inside one transaction, read again and call it again, in a loop; the streams stay locked until the transaction ends.
Returns at least one row: see type eventcore.append_outcome. Other errors are raised.';

CREATE FUNCTION eventcore.append_columns(
    stream_ids        text[],
    types             text[],
    data              jsonb[],
    metadata          jsonb[]  DEFAULT NULL,
    event_ids         uuid[]   DEFAULT NULL,
    payloads          bytea[]  DEFAULT NULL,
    expected_streams  text[]   DEFAULT '{NULL}',
    expected_versions bigint[] DEFAULT '{-1}',
    store             text     DEFAULT 'default'
) RETURNS SETOF eventcore.appended_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_append_columns';
COMMENT ON FUNCTION eventcore.append_columns(
    text[], text[], jsonb[], jsonb[], uuid[], bytea[], text[], bigint[], text) IS
'As eventcore.append(events, expected), for drivers: events and expectations as parallel arrays of plain types.
The arrays of events have one element for each event; data, metadata, event_ids and payloads may be null for none at all. expected_streams and expected_versions go together; a null stream with version -1 stands for every stream that is not named, and is the default.';

CREATE FUNCTION eventcore.try_append_columns(
    stream_ids        text[],
    types             text[],
    data              jsonb[],
    metadata          jsonb[]  DEFAULT NULL,
    event_ids         uuid[]   DEFAULT NULL,
    payloads          bytea[]  DEFAULT NULL,
    expected_streams  text[]   DEFAULT '{NULL}',
    expected_versions bigint[] DEFAULT '{-1}',
    store             text     DEFAULT 'default'
) RETURNS SETOF eventcore.append_outcome
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_try_append_columns';
COMMENT ON FUNCTION eventcore.try_append_columns(
    text[], text[], jsonb[], jsonb[], uuid[], bytea[], text[], bigint[], text) IS
'As eventcore.try_append(events, expected), with the arguments of eventcore.append_columns().';

CREATE FUNCTION eventcore.append_json(
    events   jsonb,
    expected jsonb DEFAULT '"any"',
    store    text  DEFAULT 'default'
) RETURNS SETOF eventcore.appended_event
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_append_json';
COMMENT ON FUNCTION eventcore.append_json(jsonb, jsonb, text) IS
'As eventcore.append(events, expected), from JSON.
events: an array of objects with the keys stream_id, type, data, metadata, event_id, payload (base64), of which the first two are required; an unknown key is an error. expected: an object with a key for each stream and its expected version, a number, "none", "exists" or "any"; left out, or "any" by itself, nothing is expected. Violations come in the order in which jsonb sorts the keys.';

CREATE FUNCTION eventcore.try_append_json(
    events   jsonb,
    expected jsonb DEFAULT '"any"',
    store    text  DEFAULT 'default'
) RETURNS SETOF eventcore.append_outcome
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_try_append_json';
COMMENT ON FUNCTION eventcore.try_append_json(jsonb, jsonb, text) IS
'As eventcore.try_append(events, expected), with the arguments of eventcore.append_json().';

CREATE FUNCTION eventcore.append_batch(
    commands eventcore.new_command[],
    store    text DEFAULT 'default'
) RETURNS SETOF eventcore.batch_outcome
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_append_batch';
COMMENT ON FUNCTION eventcore.append_batch(eventcore.new_command[], text) IS
'Carry out many commands in one call and one transaction, each as eventcore.try_append() would: all or nothing for itself, and with an outcome of its own. A command that conflicts or is invalid does not disturb the others; a later one sees what earlier ones appended.
commands: made with eventcore.new_command(events, expected).
Returns the rows of each command, numbered from 1: see type eventcore.batch_outcome. Only what concerns the whole call is raised as an error, such as an unknown store, or a duplicate_event_id of an event that somebody else appended at the same instant.';

CREATE FUNCTION eventcore.append_batch_columns(
    commands          int[],
    stream_ids        text[],
    types             text[],
    data              jsonb[],
    metadata          jsonb[]  DEFAULT NULL,
    event_ids         uuid[]   DEFAULT NULL,
    payloads          bytea[]  DEFAULT NULL,
    expected_commands int[]    DEFAULT '{}',
    expected_streams  text[]   DEFAULT '{}',
    expected_versions bigint[] DEFAULT '{}',
    store             text     DEFAULT 'default'
) RETURNS SETOF eventcore.batch_outcome
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'eventcore_append_batch_columns';
COMMENT ON FUNCTION eventcore.append_batch_columns(
    int[], text[], text[], jsonb[], jsonb[], uuid[], bytea[], int[], text[], bigint[], text) IS
'As eventcore.append_batch(), for drivers: parallel arrays of plain types.
commands: for each event the number of its command, 1 to at most 1,000,000; expected_commands: the same for each expectation. The other arrays are those of eventcore.append_columns(); a null stream with version -1 stands for every stream that its command does not name. A command that has events needs an expectation for each stream that it writes: unlike there, leaving them out is an error. A number that is not mentioned has nothing to do and is "verified".';
