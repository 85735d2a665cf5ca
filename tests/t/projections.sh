#!/usr/bin/env bash
# Read models equal a fold over the log, however runners, appenders and the server are killed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster
echo 1..5

export PGDATABASE=projections_kill
PGDATABASE=postgres sql 'CREATE DATABASE projections_kill'
sql "CREATE EXTENSION eventcore;
    CREATE TABLE balance (kept_by text, account text, amount bigint, last bigint, PRIMARY KEY (kept_by, account));
    CREATE FUNCTION keep(kept_by text, e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS \$\$
    BEGIN
        INSERT INTO balance VALUES (kept_by, e.stream_id, (e.data->>'n')::bigint, e.global_position)
        ON CONFLICT ON CONSTRAINT balance_pkey
            DO UPDATE SET amount = balance.amount + excluded.amount, last = excluded.last WHERE balance.last < excluded.last;
        IF NOT FOUND THEN RAISE 'out of order'; END IF;
    END \$\$;
    CREATE FUNCTION keep_async(e eventcore.recorded_event) RETURNS void LANGUAGE sql AS \$\$SELECT keep('async', e)\$\$;
    CREATE FUNCTION keep_inline(e eventcore.recorded_event) RETURNS void LANGUAGE sql AS \$\$SELECT keep('inline', e)\$\$;
    SELECT eventcore.create_projection('async', 'keep_async', batch_size => 20),
           eventcore.create_projection('inline', 'keep_inline', mode => 'inline');"

# repeat STATEMENT: over and over, with a new connection when one is lost, until the file `stop` is there.
stop=$CLUSTER_DIR/stop
repeat() {
    until [ -e "$stop" ]; do
        for _ in {1..50}; do echo "$1;"; done | psql -XAtq >/dev/null 2>&1 || true
    done
}
# An append to two streams, committed, or rolled back, or neither for a while.
append="SELECT count(*) FROM eventcore.append((SELECT array_agg(eventcore.new_event('account-' || n, 'T',
    jsonb_build_object('n', n))) FROM (SELECT DISTINCT (random() * 20)::int AS n FROM generate_series(1, 2)) AS x))"
repeat "BEGIN; $append; COMMIT" &
repeat "BEGIN; $append; SELECT pg_sleep(random() / 100); COMMIT" &
repeat "BEGIN; $append; SAVEPOINT s; $append; ROLLBACK TO s; ROLLBACK" &
repeat "SELECT eventcore.run_projection('async', 30)" &
repeat "BEGIN; SELECT eventcore.run_projection('async'); ROLLBACK" &
repeat "SELECT eventcore.run_projection('async', 30)" &

events="SELECT count(*) FROM eventcore.events"
# until_events N: until the log has so many more.
until_events() {
    local goal have=0
    goal=$(($(sql "$events") + $1))
    while [ "$have" -lt "$goal" ]; do
        sleep 0.1
        have=$(sql "$events" 2>/dev/null || echo 0)
    done
}
until_events 200
for _ in 1 2 3; do
    sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()" >/dev/null
    until_events 100
done
"$cluster" restart kill
until_events 200
"$cluster" restart kill
until_events 100
touch "$stop"
wait
rm "$stop"
sql "SELECT eventcore.run_projection('async')" >/dev/null

fold="SELECT stream_id, sum((data->>'n')::bigint), max(global_position) FROM eventcore.events GROUP BY 1"
kept() { echo "SELECT account, amount, last FROM balance WHERE kept_by = '$1'"; }
for mode in async inline; do
    is "$(sql "SELECT count(*) FROM (($fold) EXCEPT ($(kept $mode))) AS x")" 0 "$mode: nothing is missing"
    is "$(sql "SELECT count(*) FROM (($(kept $mode)) EXCEPT ($fold)) AS x")" 0 "$mode: nothing is there twice"
done
is "$(sql "SELECT state, lag_events FROM eventcore.projection_status WHERE projection = 'async'")" 'running|0' 'it runs on'
PGDATABASE=postgres sql 'DROP DATABASE projections_kill WITH (FORCE)'
