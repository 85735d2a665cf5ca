#!/usr/bin/env bash
# Appends to 10,000 streams, with default settings, while others append, VACUUM runs and an index is
# built: all get their turn. And a stream of many events is as quick as a short one.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..5

createdb large
export PGDATABASE=large
sql 'CREATE EXTENSION eventcore'

cat >"$CLUSTER_DIR/small.sql" <<'SQL'
\set a random(1, 100)
\set b random(101, 200)
SELECT eventcore.append(ARRAY[eventcore.new_event('small-' || :a, 'T'), eventcore.new_event('small-' || :b, 'T')]);
SQL
pgbench -n -c 4 -T 600 -f "$CLUSTER_DIR/small.sql" >"$CLUSTER_DIR/small.log" 2>&1 &
load=$!
trap 'kill "$load" 2>/dev/null || true' EXIT

is "$(sql "SELECT count(DISTINCT stream_id) FROM eventcore.append(
        (SELECT array_agg(eventcore.new_event('one-' || n, 'T')) FROM generate_series(1, 10000) AS n),
        (SELECT array_agg(eventcore.expect_none('one-' || n)) FROM generate_series(1, 10000) AS n))")" \
    10000 '10,000 streams in one append, under load'
sql "DO \$\$ BEGIN FOR n IN 1..10000 LOOP PERFORM eventcore.append('many-' || n, 0, 'T', NULL); END LOOP; END \$\$" &
many=$!
sql 'VACUUM eventcore.events'
sql "CREATE INDEX CONCURRENTLY large_type ON eventcore.events (type)"
wait "$many"
is "$(sql "SELECT count(*) FROM eventcore.stream_versions((SELECT array_agg('many-' || n) FROM generate_series(1, 10000) AS n)) WHERE version = 1")" \
    10000 '10,000 appends in one transaction, beside load, VACUUM and CREATE INDEX CONCURRENTLY'
is "$(kill -0 "$load" && grep -cE 'ERROR|aborted' "$CLUSTER_DIR/small.log" || true)" 0 'nobody else failed'
kill "$load"
wait "$load" || true

is "$(sql "SELECT count(*) = (SELECT count(*) FROM eventcore.events) FROM eventcore.read_all(max_count => NULL)")" \
    t 'the log has every event'
is "$(sql "SELECT bool_and(n = version) FROM (SELECT version, row_number() OVER (PARTITION BY stream_id ORDER BY version) AS n FROM eventcore.events) AS e")" \
    t 'versions are dense'
dropdb large
