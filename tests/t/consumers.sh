#!/usr/bin/env bash
# Consumers of a group keep a read model while events are appended, the group is resized and the server
# crashes: each event takes effect once, those of a stream in order.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..5
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster

createdb -T eventcore consumers
export PGDATABASE=consumers
sql "CREATE TABLE done (number bigserial PRIMARY KEY, stream_id text, version bigint, member int);
    SELECT eventcore.create_subscription('group', types => '{Wanted}', group_size => 3);
    -- One transaction: fetch, write, commit the checkpoint.
    CREATE FUNCTION work(member int) RETURNS bigint LANGUAGE plpgsql AS \$\$
    DECLARE
        last bigint;
    BEGIN
        WITH events AS (SELECT * FROM eventcore.fetch('group', member, 20)),
             written AS (INSERT INTO done (stream_id, version, member) SELECT stream_id, version, member FROM events)
        SELECT max(global_position) INTO last FROM events;
        IF last IS NOT NULL THEN
            PERFORM eventcore.commit_checkpoint('group', member, last);
        END IF;
        RETURN last;
    EXCEPTION WHEN SQLSTATE 'VE026' THEN -- the group has become smaller
        RETURN NULL;
    END \$\$" >/dev/null
scripts=$CLUSTER_DIR/consumers
mkdir "$scripts"
cat >"$scripts/append" <<'END'
\set a random(1, 50)
\set b random(1, 50)
\set other random(1, 5)
SELECT eventcore.append(ARRAY[eventcore.new_event('s-' || :a, CASE :other WHEN 1 THEN 'Other' ELSE 'Wanted' END),
                              eventcore.new_event('s-' || :b, 'Wanted')]);
END
cat >"$scripts/work" <<'END'
\set member random(0, 4)
SELECT work(:member);
END
cat >"$scripts/resize" <<'END'
\set size random(1, 5)
SELECT eventcore.resize_subscription('group', :size);
\sleep 30 ms
END

# load SECONDS: everything at once; it ends sooner if the server does.
load() {
    local jobs=() job
    pgbench -n -c 2 -T "$1" -R 400 -f "$scripts/append" >/dev/null 2>&1 &
    jobs+=($!)
    pgbench -n -c 6 -T "$1" -f "$scripts/work" >"$scripts/log" 2>&1 &
    jobs+=($!)
    pgbench -n -c 1 -T "$1" -f "$scripts/resize" >"$scripts/resize.log" 2>&1 &
    jobs+=($!)
    for job in "${jobs[@]}"; do
        wait "$job" || status=$?
    done
}

status=0
load 4
is "$status$(grep -h ERROR "$scripts"/*log)" 0 'no consumer and no resize fails'
load 60 &
sleep 2
"$cluster" restart kill
wait
sql "DO \$\$BEGIN
    FOR member IN 0..(SELECT group_size FROM eventcore.subscriptions) - 1 LOOP
        WHILE work(member) IS NOT NULL LOOP
        END LOOP;
    END LOOP;
END\$\$"
is "$(sql "SELECT count(*) > 1000 FROM done")$(sql "SELECT generation > 10 FROM eventcore.subscriptions")" tt 'events were done, between many resizes'
wanted="SELECT stream_id, version FROM eventcore.read_all(max_count => NULL, types => '{Wanted}')"
is "$(sql "$wanted EXCEPT SELECT stream_id, version FROM done LIMIT 5")" '' 'none was skipped'
is "$(sql 'SELECT stream_id, version FROM done GROUP BY 1, 2 HAVING count(*) > 1 LIMIT 5')" '' 'none was done twice'
is "$(sql 'SELECT * FROM (SELECT *, lag(version) OVER (PARTITION BY stream_id ORDER BY number) AS before FROM done) AS d
           WHERE version <= before LIMIT 5')" '' 'those of a stream were done in order'
dropdb consumers
