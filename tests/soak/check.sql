-- Does what the processes were told fit what is in the store, and DESIGN's guarantees?
--
-- Knows nothing of how the histories were made but their format (soak.h), and calls nothing of
-- eventcore: it looks at the table of events only. A line is one of
--
--   ask      an append, before it is sent: r its request, x its transaction, n its step there,
--            auto if it is a transaction alone; the streams of its events, and its expectations as
--            [stream, version, own], own if the transaction has written that stream before
--   told     its outcome: appended | repeated | done (either) | verified | conflict | invalid |
--            raised | lost, with rows [stream, version, position] or [stream, expected, actual]
--   undo     the steps of a transaction that a rolled-back savepoint took back
--   end      commit, rollback, prepare transaction, ..., before it is sent; `ended` after
--   settled  all that was asked on this connection and those before it is decided by now
--   read     read_streams; rows [stream, version, position, version of the stream]
--   log      read_all; rows [position, version]
--
-- Times are of one clock for all. An append takes effect between the sending of its transaction's
-- commit (`sent`) and the answer to that (`acked`). The serial order that has to explain everything
-- is that of the global positions.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET search_path = soak, pg_catalog;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '256MB';
SET jit = off;
SET default_statistics_target = 10;

CREATE TABLE violation (guarantee text, what text, ops text[], facts jsonb);
CREATE TABLE covered (what text, count bigint, least bigint);

-- What is in the store. A copy, so that no index of eventcore's can hide anything.
CREATE TABLE event AS
SELECT global_position AS position, stream_id AS stream, version, event_id, data ->> 'r' AS r,
       (data ->> 'i')::int AS i
FROM eventcore.events WHERE store = 'default';
CREATE INDEX ON event (r);

CREATE TABLE settled AS
SELECT (j ->> 'w')::int AS w, (j ->> 'c')::int AS c, (j ->> 't')::bigint AS t
FROM line WHERE j ->> 'k' = 'settled';

CREATE FUNCTION settled_at(writer int, connection int) RETURNS bigint STABLE LANGUAGE sql AS
'SELECT coalesce(min(t), 9e18::bigint) FROM soak.settled WHERE w = writer AND c >= connection';

-- Appends, as asked and as told.
CREATE TABLE op AS
WITH ask AS (
    SELECT a.* FROM line, jsonb_to_record(j) AS a(op text, x text, w int, c int, n int, auto boolean,
        call text, flags text, t bigint, r text, flaw text, ids boolean, events jsonb, expect jsonb)
    WHERE j ->> 'k' = 'ask'
), told AS (
    SELECT b.* FROM line, jsonb_to_record(j) AS b(op text, t bigint, outcome text, code text,
        rows jsonb, detail jsonb)
    WHERE j ->> 'k' = 'told'
)
SELECT op, x, w, c, n, auto, call, flags, r, flaw, ids, events, expect, ask.t AS asked,
       CASE WHEN outcome <> 'lost' THEN told.t END AS told,
       CASE WHEN code = 'VE001' THEN 'conflict' ELSE coalesce(outcome, 'lost') END AS outcome,
       coalesce(code, '') AS code,
       CASE WHEN code = 'VE001' THEN
           (SELECT jsonb_agg(jsonb_build_array(v ->> 'stream_id', v -> 'expected', v -> 'actual')
                             ORDER BY place)
            FROM jsonb_array_elements(detail -> 'violations') WITH ORDINALITY AS f(v, place))
       ELSE coalesce(rows, '[]') END AS rows,
       false AS undone
FROM ask LEFT JOIN told USING (op);
CREATE UNIQUE INDEX ON op (op);
CREATE INDEX ON op (x);
UPDATE op SET undone = true
FROM line
WHERE j ->> 'k' = 'undo' AND x = j ->> 'x'
  AND n BETWEEN (j ->> 'from')::int AND (j ->> 'to')::int;

-- Transactions. Unknown are those whose commit was sent and not answered.
CREATE TABLE txn AS
WITH ask AS (
    SELECT a.* FROM line, jsonb_to_record(j) AS a(x text, w int, c int, how text, t bigint)
    WHERE j ->> 'k' = 'end'
), told AS (
    SELECT b.* FROM line, jsonb_to_record(j) AS b(x text, how text, code text, t bigint)
    WHERE j ->> 'k' = 'ended' AND j ->> 'code' <> 'lost'
), ending AS (
    SELECT x,
           min(ask.t) FILTER (WHERE how LIKE 'commit%') AS sent,
           min(told.t) FILTER (WHERE how LIKE 'commit%' AND code = '') AS acked,
           bool_or(how LIKE 'commit%' AND code = '') AS committed,
           bool_or(how LIKE 'commit%' AND code IS NULL) AS unknown,
           min(told.t) FILTER (WHERE how <> 'prepare transaction' OR code <> '') AS over,
           max(settled_at(w, c)) AS settled
    FROM ask LEFT JOIN told USING (x, how) GROUP BY x
), appends AS (
    SELECT x, w, c, bool_and(auto) AS auto, min(asked) AS began,
           max(told) AS told,
           bool_or(outcome = 'lost') AS lost,
           bool_or(outcome = 'raised' OR call IN ('append', 'append_columns', 'append_event')
                   AND outcome = 'conflict') AS raised
    FROM op GROUP BY x, w, c
)
SELECT x, began,
       CASE WHEN auto THEN began ELSE sent END AS sent,
       CASE WHEN auto AND NOT lost THEN told ELSE coalesce(acked, settled, settled_at(w, c)) END
           AS acked,
       CASE WHEN auto THEN CASE WHEN lost THEN 'unknown' WHEN raised THEN 'aborted'
                                ELSE 'committed' END
            WHEN committed THEN 'committed' WHEN unknown THEN 'unknown' ELSE 'aborted' END AS status,
       CASE WHEN auto AND NOT lost THEN told ELSE coalesce(over, settled, settled_at(w, c)) END
           AS over
FROM appends LEFT JOIN ending USING (x);
CREATE UNIQUE INDEX ON txn (x);

-- Attempts that may have written their request.
CREATE TABLE attempt AS
SELECT op.*, txn.sent, txn.acked, txn.status,
       outcome IN ('appended', 'done', 'lost') AS may_have_written,
       outcome = 'appended' AND status = 'committed' AS has_written
FROM op JOIN txn USING (x)
WHERE NOT undone AND status <> 'aborted'
  AND outcome IN ('appended', 'done', 'repeated', 'lost');
CREATE INDEX ON attempt (r);

-- Requests whose events are in the store. `op` is the attempt that has written them, if that is known;
-- then it is the same as x's.
CREATE TABLE written AS
WITH place AS (
    SELECT r, min(position) AS first, max(position) AS last, count(*) AS events FROM event GROUP BY r
), bounds AS (
    SELECT r,
           coalesce(min(asked) FILTER (WHERE has_written),
                    min(asked) FILTER (WHERE may_have_written)) AS asked,
           coalesce(min(sent) FILTER (WHERE has_written),
                    min(sent) FILTER (WHERE may_have_written)) AS sent,
           coalesce(min(acked) FILTER (WHERE status = 'committed' AND outcome <> 'lost'),
                    max(acked)) AS acked,
           CASE WHEN count(*) FILTER (WHERE has_written) = 1
                    THEN min(op) FILTER (WHERE has_written)
                WHEN count(*) FILTER (WHERE may_have_written) = 1
                    THEN min(op) FILTER (WHERE may_have_written) END AS op
    FROM attempt GROUP BY r
)
SELECT place.r, first, last, place.events, bounds.asked, sent, acked, bounds.op,
       coalesce(op.x, place.r) AS x
FROM place LEFT JOIN bounds USING (r) LEFT JOIN op ON op.op = bounds.op;
CREATE UNIQUE INDEX ON written (r);
CREATE INDEX ON written (op);
CREATE INDEX ON written (x);

CREATE TABLE stored AS
SELECT event.position, stream, version, i, r, x, asked, sent, acked FROM event JOIN written USING (r);
CREATE INDEX ON stored (stream, position);
CREATE INDEX ON stored (stream, version);
CREATE INDEX ON stored (x);
CREATE UNIQUE INDEX ON stored (position);

-- By request: what was stored, as what is asked and told is shown.
CREATE TABLE content AS
SELECT r, jsonb_agg(stream ORDER BY i, position) AS streams,
       jsonb_agg(jsonb_build_array(stream, version, position) ORDER BY i, position) AS result
FROM event GROUP BY r;
CREATE UNIQUE INDEX ON content (r);

CREATE TABLE expected AS
SELECT op, x, n, outcome, e ->> 0 AS stream, (e ->> 1)::bigint AS version, (e ->> 2)::boolean AS own,
       min(place) AS place
FROM op, jsonb_array_elements(expect) WITH ORDINALITY AS f(e, place)
WHERE flaw = ''
GROUP BY 1, 2, 3, 4, 5, 6, 7;
CREATE INDEX ON expected (op);
ANALYZE event, op, txn, attempt, written, stored, expected, content;

-- G1 -------------------------------------------------------------------------------------------

INSERT INTO violation
SELECT 'G1', 'an append is in the store in part, more than once, or otherwise than it was asked',
       array_agg(op), jsonb_build_object('stored', streams, 'asked', events)
FROM op JOIN content USING (r)
WHERE streams <> events
GROUP BY r, streams, events;

INSERT INTO violation
SELECT 'G1', 'events are in the store that were refused or rolled back',
       (SELECT array_agg(op) FROM op WHERE op.r = written.r), to_jsonb(written)
FROM written
WHERE NOT EXISTS (SELECT FROM attempt WHERE attempt.r = written.r AND may_have_written);

INSERT INTO violation
SELECT 'G1', 'a committed append is not in the store', ARRAY[op], NULL
FROM attempt
WHERE status = 'committed' AND outcome <> 'lost' AND jsonb_array_length(events) > 0
  AND NOT EXISTS (SELECT FROM event WHERE event.r = attempt.r);

INSERT INTO violation
SELECT 'G1', 'of a transaction whose commit was not answered only some appends are in the store',
       array_agg(op), NULL
FROM attempt
WHERE status = 'unknown' AND outcome = 'appended'
GROUP BY x
HAVING count(*) <> count(*) FILTER (WHERE r IN (SELECT r FROM written))
   AND 0 <> count(*) FILTER (WHERE r IN (SELECT w.r FROM written w WHERE w.op = attempt.op));

INSERT INTO violation
SELECT 'G1', 'an append was told other versions and positions than are in the store',
       ARRAY[op], jsonb_build_object('told', rows, 'stored', result)
FROM attempt JOIN content USING (r)
WHERE status = 'committed' AND outcome IN ('appended', 'done') AND rows <> result;

-- G2 -------------------------------------------------------------------------------------------

-- At the place of the append in the order of positions.
INSERT INTO violation
SELECT 'G2', 'an append went through although an expectation did not hold at its place', ARRAY[op],
       jsonb_build_object('stream', e.stream, 'expected', e.version, 'actual', actual, 'place', first)
FROM written w JOIN expected e USING (op),
     LATERAL (SELECT coalesce((SELECT s.version FROM stored s
                               WHERE s.stream = e.stream AND s.position < w.first
                               ORDER BY s.position DESC LIMIT 1), 0) AS actual) a
WHERE NOT CASE e.version WHEN -1 THEN true WHEN -2 THEN actual > 0 ELSE actual = e.version END;

-- And until its transaction committed: nobody else moved a stream that it had checked.
INSERT INTO violation
SELECT 'G2', 'a checked stream moved before the transaction committed', ARRAY[e.op, next.r],
       jsonb_build_object('stream', e.stream, 'expected', e.version, 'moved by', to_jsonb(next))
FROM written w JOIN expected e USING (op),
     LATERAL (SELECT s.position, s.version, s.r, s.acked FROM stored s
              WHERE s.stream = e.stream AND s.position > w.first AND s.x <> w.x
                AND NOT EXISTS (SELECT FROM attempt a WHERE a.r = s.r AND a.x = w.x)
              ORDER BY s.position LIMIT 1) next
WHERE e.version <> -1 AND e.version <> -2
  AND (next.acked < w.sent
       OR next.position < (SELECT max(last) FROM written other WHERE other.x = w.x));

INSERT INTO violation
SELECT 'G2', 'an append conflicted with streams that it held locked', ARRAY[op], rows
FROM op WHERE flags = 'locked' AND outcome = 'conflict';

INSERT INTO violation
SELECT 'G2', 'a request that had to be refused was not, or not so', ARRAY[op],
       jsonb_build_object('wanted', flaw, 'got', code)
FROM op
WHERE flaw <> '' AND code <> flaw AND outcome <> 'lost'
  AND code NOT IN ('40001', '40P01', '57014', '57P01');

-- What was seen at one instant: reads, verified commands, and the states that conflicts report. That
-- instant lies between t0 and t1.
CREATE TABLE seen AS
SELECT op, 'read' AS kind, stream, max(version) AS version, t0, t1
FROM line, jsonb_to_record(j) AS a(op text, t0 bigint, t1 bigint, rows jsonb),
     LATERAL (SELECT row ->> 0 AS stream, (row ->> 3)::bigint AS version
              FROM jsonb_array_elements(rows) AS row) r
WHERE j ->> 'k' = 'read'
GROUP BY 1, 2, 3, 5, 6
UNION ALL
SELECT op, 'verified', stream, version, asked,
       CASE WHEN status <> 'aborted' AND NOT undone THEN greatest(told, sent) ELSE told END
FROM expected JOIN op USING (op) JOIN txn ON txn.x = op.x
WHERE op.outcome = 'verified' AND version >= 0 AND NOT own
UNION ALL
SELECT op, 'conflict', stream, coalesce(actual, version), asked, told
FROM expected e JOIN op USING (op)
LEFT JOIN LATERAL (SELECT (row ->> 2)::bigint AS actual FROM jsonb_array_elements(rows) AS row
                   WHERE row ->> 0 = e.stream) a ON true
WHERE op.outcome = 'conflict' AND (version >= 0 OR actual IS NOT NULL) AND NOT own;
CREATE INDEX ON seen (op);
ANALYZE seen;

CREATE TABLE sight AS
SELECT seen.*, here.r AS here, here.sent, next.r AS next, next.acked,
       seen.version > 0 AND here.r IS NULL AS is_of_nothing
FROM seen
LEFT JOIN stored here USING (stream, version)
LEFT JOIN stored next ON next.stream = seen.stream AND next.version = seen.version + 1;

INSERT INTO violation
SELECT CASE kind WHEN 'read' THEN 'G11' WHEN 'verified' THEN 'G2' ELSE 'G3' END,
       'what the ' || kind || ' saw was never so at one instant of it',
       array_agg(DISTINCT op) || array_agg(DISTINCT here) || array_agg(DISTINCT next),
       jsonb_agg(jsonb_build_object('stream', stream, 'version', version, 'written', here,
                                    'commit sent', sent, 'next', next, 'next acked', acked))
FROM sight
GROUP BY op, kind, t0, t1
HAVING greatest(t0, max(sent)) > least(t1, min(acked)) OR bool_or(is_of_nothing);

INSERT INTO violation
SELECT CASE a.kind WHEN 'read' THEN 'G11' WHEN 'verified' THEN 'G2' ELSE 'G3' END,
       'one ' || a.kind || ' saw a transaction in one stream and not in another',
       ARRAY[a.op, one.r, other.r],
       jsonb_build_object('seen in', a.stream, 'version', one.version, 'not in', b.stream,
                          'version there', other.version)
FROM seen b
JOIN stored other ON other.stream = b.stream AND other.version BETWEEN b.version + 1 AND b.version + 3
JOIN stored one ON one.x = other.x AND one.stream <> other.stream
JOIN seen a ON a.op = b.op AND a.stream = one.stream AND one.version <= a.version;

INSERT INTO violation
SELECT 'G11', 'a read gave other events than are in the store', ARRAY[a.op], row
FROM line, jsonb_to_record(j) AS a(op text, rows jsonb), jsonb_array_elements(rows) AS row
LEFT JOIN stored ON stream = row ->> 0 AND version = (row ->> 1)::bigint
WHERE j ->> 'k' = 'read' AND row ->> 1 IS NOT NULL
  AND position IS DISTINCT FROM (row ->> 2)::bigint;

-- G3 -------------------------------------------------------------------------------------------

INSERT INTO violation
SELECT 'G3', 'a conflict did not report its failing streams, those alone, in their order', ARRAY[op],
       jsonb_build_object('reported', rows, 'expected', expect)
FROM op
WHERE outcome = 'conflict'
  AND (rows = '[]'
       OR rows <> (SELECT coalesce(jsonb_agg(row ORDER BY place), '[]')
                   FROM expected e JOIN jsonb_array_elements(rows) AS row ON row ->> 0 = e.stream
                   WHERE e.op = op.op AND (row ->> 1)::bigint = e.version
                     AND CASE e.version WHEN -1 THEN false
                                        WHEN -2 THEN (row ->> 2)::bigint = 0
                                        ELSE (row ->> 2)::bigint <> e.version END));

-- G5 -------------------------------------------------------------------------------------------

INSERT INTO violation
SELECT 'G5', CASE code WHEN '40P01' THEN 'deadlock' ELSE 'waited for half a minute' END, ARRAY[op], NULL
FROM op WHERE code = '40P01' OR code = '57014' AND flags <> 'wide';

INSERT INTO violation
SELECT 'G5', 'an append that is a transaction alone was told to run again', ARRAY[op], NULL
FROM op WHERE code = '40001' AND auto;

INSERT INTO violation
SELECT 'error', 'an error that nothing accounts for: ' || code, ARRAY[op], NULL
FROM op
WHERE outcome IN ('raised', 'invalid') AND code <> flaw
  AND code NOT IN ('40001', '40P01', '57014', '57P01');

INSERT INTO violation
SELECT 'error', 'an error that nothing accounts for', NULL, j FROM line
WHERE j ->> 'k' = 'failed'
   OR j ->> 'k' = 'ended' AND j ->> 'code' NOT IN ('', 'lost', '40001', '57P01', 'rollback');

-- G6 -------------------------------------------------------------------------------------------

INSERT INTO violation
SELECT 'G6', 'several attempts at one request have written', array_agg(op), NULL
FROM attempt WHERE has_written AND jsonb_array_length(events) > 0 GROUP BY r HAVING count(*) > 1;

INSERT INTO violation
SELECT 'G6', 'a repeat returned another result than the first', ARRAY[op],
       jsonb_build_object('told', rows, 'stored', result)
FROM attempt LEFT JOIN content USING (r)
WHERE status = 'committed' AND outcome = 'repeated' AND rows IS DISTINCT FROM result;

INSERT INTO violation
SELECT 'G6', 'a request was made again after its commit, and its first result not returned',
       ARRAY[op.op, w.op], to_jsonb(w)
FROM op JOIN written w USING (r)
WHERE op.ids AND op.flaw = '' AND w.acked < op.asked
  AND (outcome NOT IN ('repeated', 'done', 'lost', 'raised')
       OR outcome = 'raised' AND code NOT IN ('40001', '40P01', '57014', '57P01'));

INSERT INTO violation
SELECT 'G6', 'an event id stands twice in the store', array_agg(r), to_jsonb(event_id)
FROM event GROUP BY event_id HAVING count(*) > 1;

-- G7, G8 ---------------------------------------------------------------------------------------

INSERT INTO violation
SELECT 'G7', 'the versions of a stream are not 1, 2, 3, ...', NULL,
       jsonb_build_object('stream', stream, 'events', count(*), 'versions', count(DISTINCT version),
                          'first', min(version), 'last', max(version))
FROM event GROUP BY stream
HAVING count(*) <> max(version) OR count(DISTINCT version) <> max(version) OR min(version) <> 1;

INSERT INTO violation
SELECT 'G8', 'a stream has a later version at an earlier position', ARRAY[r],
       jsonb_build_object('stream', stream, 'version', version, 'position', position)
FROM (SELECT *, lag(version) OVER (PARTITION BY stream ORDER BY position) AS before FROM event) e
WHERE before > version;

INSERT INTO violation
SELECT 'G8', 'the events of an append stand in another order than they were given', ARRAY[r], NULL
FROM (SELECT *, lag(position) OVER (PARTITION BY r ORDER BY i) AS before FROM event) e
WHERE before > position;

INSERT INTO violation
SELECT 'G8', 'an append stands before one that had committed when it was asked',
       ARRAY[r, (SELECT s.r FROM stored s WHERE s.position = e.before)],
       jsonb_build_object('position', position, 'behind', before)
FROM (SELECT *, max(position) FILTER (WHERE is_ack) OVER (ORDER BY t, is_ack) AS before
      FROM (SELECT r, acked AS t, last AS position, true AS is_ack FROM written
            UNION ALL SELECT r, asked, first, false FROM written) w) e
WHERE NOT is_ack AND position < before;

-- G9, G10 --------------------------------------------------------------------------------------

CREATE TABLE log_read AS
SELECT a.* FROM line, jsonb_to_record(j) AS a(w int, after bigint, max int, t0 bigint, t1 bigint,
                                               rows jsonb)
WHERE j ->> 'k' = 'log';
CREATE TABLE given AS
SELECT w, t0, t1, place, (row ->> 0)::bigint AS position, (row ->> 1)::bigint AS version
FROM log_read, jsonb_array_elements(rows) WITH ORDINALITY AS f(row, place);
CREATE INDEX ON given (w, position);
ANALYZE given;

INSERT INTO violation
SELECT 'G9', 'a reader of the log skipped an event', ARRAY[r],
       jsonb_build_object('reader', w, 'position', position)
FROM (SELECT DISTINCT w FROM log_read) readers CROSS JOIN stored
WHERE NOT EXISTS (SELECT FROM given WHERE given.w = readers.w AND given.position = stored.position
                                      AND given.version = stored.version);

INSERT INTO violation
SELECT 'G9', 'a reader of the log was given an event twice', NULL,
       jsonb_build_object('reader', w, 'position', position)
FROM given GROUP BY w, position HAVING count(*) > 1;

INSERT INTO violation
SELECT 'G9', 'a reader of the log was given events out of order', NULL,
       jsonb_build_object('reader', w, 'position', position, 'after', before)
FROM (SELECT *, lag(position) OVER (PARTITION BY w ORDER BY t0, place) AS before FROM given) g
WHERE position <= before;

INSERT INTO violation
SELECT 'G9', 'a reader of the log was given an event that is not in the store, or not yet', ARRAY[r],
       jsonb_build_object('reader', w, 'position', position, 'given at', t1, 'commit sent', sent)
FROM given LEFT JOIN stored USING (position)
WHERE stored.version IS DISTINCT FROM given.version OR sent > t1;

-- Whatever had committed when the oldest append that is still open was asked stands below its
-- ticket. So a read that was not full gave at least that.
CREATE TABLE settled_log AS
SELECT acked AS t, max(last) OVER (ORDER BY acked) AS position FROM written;
CREATE INDEX ON settled_log (t);
CREATE TABLE still_open AS
SELECT over AS t, min(began) OVER (ORDER BY over DESC) AS began FROM txn;
CREATE INDEX ON still_open (t);
ANALYZE settled_log, still_open;

CREATE TABLE bound AS
SELECT l.*, least(t0, began) AS since,
       coalesce((SELECT s.position FROM settled_log s WHERE s.t < least(t0, began)
                 ORDER BY s.t DESC LIMIT 1), 0) AS least_position,
       greatest(after, (rows -> -1 ->> 0)::bigint) AS reached
FROM log_read l LEFT JOIN LATERAL
     (SELECT o.began FROM still_open o WHERE o.t > t0 ORDER BY o.t LIMIT 1) o ON true
WHERE jsonb_array_length(rows) < max;

INSERT INTO violation
SELECT 'G10', 'a reader of the log was held back by something other than open appends',
       ARRAY[(SELECT r FROM stored WHERE position = least_position)], to_jsonb(bound) - 'rows'
FROM bound WHERE reached < least_position;

-- What the history has to contain for all this to mean something ----------------------------------

INSERT INTO covered
SELECT 'requests in the store', count(*), 500 FROM written
UNION ALL SELECT 'checked only-read streams in them', count(*), 50 FROM expected e JOIN written USING (op)
    JOIN op USING (op) WHERE e.version >= 0 AND NOT op.events ? e.stream
UNION ALL SELECT 'repeats', count(*), 20 FROM op WHERE outcome = 'repeated'
UNION ALL SELECT 'conflicts', count(*), 100 FROM op WHERE outcome = 'conflict'
UNION ALL SELECT 'conflicts of several streams', count(*), 20 FROM op
    WHERE outcome = 'conflict' AND jsonb_array_length(rows) > 1
UNION ALL SELECT 'verified', count(*), 5 FROM op WHERE outcome = 'verified'
UNION ALL SELECT 'refused as ' || wanted, count(op), 1
    FROM (VALUES ('VE002'), ('VE003'), ('VE006')) AS f(wanted) LEFT JOIN op ON flaw = wanted AND code = wanted
    GROUP BY wanted
UNION ALL SELECT 'told to run the transaction again', count(*), 0 FROM op WHERE code = '40001'
UNION ALL SELECT 'taken back by a savepoint', count(*), 20 FROM op WHERE undone AND outcome = 'appended'
UNION ALL SELECT 'transactions with several appends', count(*), 20
    FROM (SELECT FROM written WHERE op IS NOT NULL GROUP BY x HAVING count(*) > 1) t
UNION ALL SELECT how, count(j), 5
    FROM (VALUES ('commit'), ('rollback'), ('prepare transaction'), ('commit prepared'),
                 ('rollback prepared')) AS h(how)
    LEFT JOIN line ON j ->> 'k' = 'ended' AND j ->> 'code' = '' AND j ->> 'how' = how
    GROUP BY how
UNION ALL SELECT 'lost answers', count(*), 1 FROM op WHERE outcome = 'lost'
UNION ALL SELECT 'batches', count(DISTINCT (x, n)), 0 FROM op WHERE call = 'append_batch'
UNION ALL SELECT 'locked before reading', count(*), 0 FROM op WHERE flags = 'locked'
UNION ALL SELECT 'appends through the gate', count(*), 0 FROM op
    WHERE flags = 'wide' AND outcome IN ('appended', 'done', 'repeated', 'conflict')
UNION ALL SELECT 'storm appends', count(*), 1000 FROM op WHERE flags = 'storm'
UNION ALL SELECT 'storm appends in the store', count(*), 100 FROM op JOIN written USING (op)
    WHERE flags = 'storm'
UNION ALL SELECT 'reads of streams', count(DISTINCT op), 100 FROM seen WHERE kind = 'read'
UNION ALL SELECT 'reads of the log', count(*), 100 FROM log_read
UNION ALL SELECT 'reads of the log beside an open append', count(*), 50 FROM bound WHERE since < t0;
