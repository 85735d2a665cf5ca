#!/usr/bin/env bash
# Pages of the index on versions split, empty and vanish while appends look up versions on them. Each
# session knows the versions of its own streams, which stand between those of the others, so that
# any wrong answer is an error. Where all append is a page that always splits; elsewhere streams
# come and are rolled back, and VACUUM deletes their pages.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..4

sessions=6 seconds=${INDEX_PAGES_SECONDS:-8}
createdb index_pages
export PGDATABASE=index_pages
sql 'CREATE EXTENSION eventcore'
sql 'ALTER INDEX eventcore.events_version SET (fillfactor = 10)'
sql "CREATE TABLE clock AS SELECT clock_timestamp() AS start"
psql -Xq -v ON_ERROR_STOP=1 <<'SQL'
CREATE PROCEDURE work(me int, seconds int) LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz := (TABLE clock);
    versions bigint[] := array_fill(0::bigint, ARRAY[100000]);
    front int;
    chosen int[];
    ids text[];
    outcome text;
    which int;
BEGIN
    WHILE clock_timestamp() < start + make_interval(secs => seconds) LOOP
        -- The streams about the front, which moves on, are 30 a session.
        front := 30 + extract(epoch FROM clock_timestamp() - start) * 300;
        chosen := ARRAY(SELECT DISTINCT front - (random() * 30)::int FROM generate_series(1, 4));
        ids := ARRAY(SELECT format('%s-%s', lpad(n::text, 8, '0'), me) FROM unnest(chosen) AS n);
        SELECT string_agg(DISTINCT t.outcome || ' ' || coalesce(t.stream_id || ' expected '
                   || t.expected_version || ' actual ' || t.actual_version, ''), '; ')
        INTO outcome FROM eventcore.try_append_columns(
            ids, array_fill('T'::text, ARRAY[cardinality(ids)]),
            array_fill('{}'::jsonb, ARRAY[cardinality(ids)]), expected_streams => ids,
            expected_versions => ARRAY(SELECT versions[n] FROM unnest(chosen) AS n)) AS t
        WHERE t.outcome <> 'appended';
        IF outcome IS NOT NULL THEN
            RAISE EXCEPTION '%', outcome;
        END IF;
        IF random() < 0.2 THEN
            ROLLBACK;
        ELSE
            FOREACH which IN ARRAY chosen LOOP
                versions[which] := versions[which] + 1;
            END LOOP;
            COMMIT;
        END IF;
        IF random() < 0.05 THEN
            ids := ARRAY(SELECT format('void-%s-%s', n, me)
                         FROM generate_series(1, 20 + (random() * 100)::int) AS n);
            PERFORM FROM eventcore.append_columns(
                ids, array_fill('T'::text, ARRAY[cardinality(ids)]),
                array_fill('{}'::jsonb, ARRAY[cardinality(ids)]), expected_streams => ids,
                expected_versions => array_fill(0::bigint, ARRAY[cardinality(ids)]));
            ROLLBACK;
        END IF;
    END LOOP;
END $$;
SQL

pids=()
sql "UPDATE clock SET start = clock_timestamp()"
for ((i = 1; i <= sessions; i++)); do
    sql "CALL work($i, $seconds)" >"$CLUSTER_DIR/index_pages.$i" 2>&1 &
    pids+=($!)
done
vacuums=0
while kill -0 "${pids[0]}" 2>/dev/null; do
    sql 'VACUUM eventcore.events'
    vacuums=$((vacuums + 1))
done
failed=
for pid in "${pids[@]}"; do
    wait "$pid" || failed=yes
done
is "$failed" '' 'every version was found'
[ -z "$failed" ] || grep -h ERROR "$CLUSTER_DIR"/index_pages.* | sed 's/^/# /'
is "$(sql "SELECT count(*) > 1000 FROM eventcore.events")" t "many events, $vacuums times VACUUM beside them"
is "$(sql "SELECT bool_and(n = version) FROM (SELECT version, row_number() OVER (PARTITION BY stream_id ORDER BY version) AS n FROM eventcore.events) AS e")" \
    t 'versions are dense'
is "$(sql "SELECT count(*) FROM (SELECT stream_id, max(version) AS version FROM eventcore.events GROUP BY 1) AS e
        FULL JOIN eventcore.stream_versions((SELECT array_agg(stream_id) FROM eventcore.events)) AS s USING (stream_id)
        WHERE e.version IS DISTINCT FROM s.version")" 0 'index and table agree'
sql "SELECT '# ' || count(*) || ' events, ' || pg_relation_size('eventcore.events_version') / 8192 || ' pages' FROM eventcore.events"
dropdb index_pages
