#!/usr/bin/env bash
# The log on a hot standby: it is read up to the horizon that the primary publishes, skips nothing,
# and is read on when the standby is promoted.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..37
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster

standby() { PGPORT=5436 sql "$1"; }
# Wait until the standby has replayed all that the primary has written. (The commit writes it out.)
catch_up() {
    local position
    position=$(sql "SELECT FROM pg_logical_emit_message(true, '', ''); SELECT pg_current_wal_flush_lsn()")
    until [ "$(standby "SELECT pg_last_wal_replay_lsn() >= '$position'")" = t ]; do sleep 0.02; done
}
publish() { sql 'SELECT eventcore.publish_horizon()' && catch_up; }
append() { sql "SELECT eventcore.append('$1', -1, '$2', NULL)" >/dev/null; }
# list [ARGUMENTS]: what a reader on the standby is given.
list() { standby "SELECT string_agg(type, ' ') FROM eventcore.read_all(${1:-})" 2>&1; }

# Sessions that stay: open NAME PORT; tell NAME STATEMENTS, and wait for them, or start them; close.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
declare -A input process
open() {
    local descriptor
    mkfifo "$scratch/$1.in"
    exec {descriptor}<>"$scratch/$1.in"
    input[$1]=$descriptor
    PGPORT=$2 psql -XAtq <"$scratch/$1.in" >"$scratch/$1" 2>&1 &
    process[$1]=$!
}
start() { echo "$2" >&"${input[$1]}"; }
told=0
tell() {
    told=$((told + 1))
    start "$1" "$2"
    start "$1" "\\echo told $told"
    until grep -qs "^told $told\$" "$scratch/$1"; do sleep 0.02; done
}
close() {
    start "$1" '\quit'
    wait "${process[$1]}"
}
output() { grep -v '^told ' "$scratch/$1" || true; }

createdb standby_log
export PGDATABASE=standby_log
sql 'CREATE EXTENSION eventcore'
append account-1 A
directory=$CLUSTER_DIR/standby_log
"$cluster" server pg_basebackup -D "$directory" -R -c fast -h "$PGHOST" -p "$PGPORT" -U "$PGUSER"
printf '%s\n' 'max_standby_streaming_delay = -1' "wal_retrieve_retry_interval = '100ms'" >>"$directory/postgresql.conf"
"$cluster" server pg_ctl start --silent -w -D "$directory" -l "$directory.log" -o '-p 5436'
catch_up

# Without a publisher it is an error, not silence.
PGPORT=5436 psql -XAtq -v VERBOSITY=verbose -c 'SELECT eventcore.read_all()' >"$scratch/error" 2>&1 || true
is "$(grep -o 'VE020' "$scratch/error")" VE020 'not published'
is "$(sed -n 's/^DETAIL: *//p' "$scratch/error")" \
    '{"error":"horizon_not_published","store":"default","problem":"is not published"}' 'with details'
is "$(grep -c 'HINT:.*eventcore.publish_horizon()' "$scratch/error")" 1 'and a hint'
is "$(standby 'SELECT eventcore.safe_position()' 2>&1 | head -n 1)" \
    'ERROR:  how far the log of store "default" is settled is not published' 'nor is there a safe position'
is "$(standby 'SELECT eventcore.publish_horizon()' 2>&1 | head -n 1)" \
    'ERROR:  cannot execute publish_horizon() during recovery' 'a standby publishes nothing'

is "$(publish)" 1 'published'
is "$(list)" A 'read up to the horizon'
append account-2 B
append order-1 C
catch_up
is "$(list) $(standby 'SELECT count(*), eventcore.safe_position() FROM eventcore.events')" 'A 3|1' 'and no further, whatever else is here'
is "$(list 3)" '' 'a reader that stands beyond the horizon is given nothing'
is "$(list 1000000)" '' 'wherever it comes from'
is "$(list -1 | head -n 1)" 'ERROR:  there is no position -1 in the log' 'but not everything is a position'
is "$(list 'backward => true')" A 'backward, from the horizon'
is "$(publish) $(list 1) $(standby 'SELECT eventcore.safe_position()')" '3 B C 3' 'it goes on where it stood'
is "$(list 'max_count => 2') $(list '2, max_count => 2')" 'A B C' 'in parts'
is "$(list 'backward => true') $(list '3, backward => true')" 'C B A B A' 'backward'
is "$(list "category => 'account'") $(list "types => '{B,C}', backward => true") $(list "prefix => 'account-2'") $(list "pattern => 'o*'")" \
    'A B C B B C' 'filters'
is "$(publish)$(sql 'SELECT ctid FROM eventcore.published_horizon')" "3$(sql 'SELECT ctid FROM eventcore.published_horizon')" 'published again'

# An append that is open, and others that commit behind it.
row='SELECT xmin FROM eventcore.published_horizon'
before=$(sql "$row")
open early 5432
tell early "BEGIN; SELECT FROM eventcore.append('early', 0, 'Early', NULL);"
append late Late
is "$(publish) $(list 3)" '3 ' 'an open append holds the horizon back'
is "$(sql "$row")" "$before" 'and nothing is written as long as nothing changes'
open reader 5436
tell reader 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM eventcore.events;'
tell early 'COMMIT;'
is "$(publish) $(list 3)" '5 Early Late' 'committed, it is read, and in order'
tell reader "SELECT string_agg(type, ' ') FROM eventcore.read_all(3); COMMIT;"
is "$(output reader)" '4
Early Late' 'also in a transaction with an older snapshot'

# The horizon must be read by the snapshot that the rows are read by. A reader has taken its snapshot
# and is held up at the table of horizons, while the append commits and a new horizon is published.
tell early "BEGIN; SELECT FROM eventcore.append('early', -1, 'Early2', NULL);"
append late Late2
open publisher 5432
tell publisher 'BEGIN; LOCK TABLE eventcore.published_horizon IN ACCESS EXCLUSIVE MODE; SELECT pg_current_wal_insert_lsn();'
catch_up
start reader "SELECT 'held up: ' || string_agg(type, ' ') FROM eventcore.read_all(4);"
until [ "$(standby "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'eventcore.published_horizon'::regclass")" = 1 ]; do sleep 0.02; done
tell early 'COMMIT;'
tell publisher 'SELECT eventcore.publish_horizon(); COMMIT;'
tell reader ''
is "$(output reader | tail -n 1)" 'held up: Late' 'a reader goes only as far as its own snapshot'
is "$(catch_up; list 5)" 'Early2 Late2' 'and finds the rest afterwards'

# A transaction that has appended publishes its own events together with the row, or nothing.
tell early "BEGIN; SELECT FROM eventcore.append('own', -1, 'Own', NULL); SELECT 'own ' || eventcore.publish_horizon();"
is "$(output early | grep own) $(list 7)" 'own 8 ' 'own events are published with the transaction'
tell early 'ROLLBACK;'
is "$(publish) $(list 7)" '7 ' 'or not at all'

# Prepared, across a restart of the primary.
sql "BEGIN; SELECT FROM eventcore.append('prepared', 0, 'Prepared', NULL); PREPARE TRANSACTION 'standby_log'"
append late Late3
is "$(publish) $(list 7)" '8 ' 'a prepared append holds the horizon back'
close early
close publisher
"$cluster" restart kill
is "$(publish) $(list 7)" '8 ' 'also after a crash'
sql "COMMIT PREPARED 'standby_log'"
is "$(publish >/dev/null; list 7)" 'Prepared Late3' 'committed, it is read, and in order'

# Never lowered: a writer that takes its ticket late knows less than was known before.
position=$(publish)
sql "UPDATE eventcore.published_horizon SET position = position + 5"
is "$(($(publish) - position))" 5 'never lowered'
sql "UPDATE eventcore.published_horizon SET position = position - 5"
is "$(sql "SELECT eventcore.create_store('tenant'); SELECT eventcore.append('x', 0, 'X', NULL, store => 'tenant')" >/dev/null
    publish >/dev/null; list "store => 'tenant'" | head -n 1)" \
    'ERROR:  how far the log of store "tenant" is settled is not published' 'each store by itself'
is "$(sql "SELECT eventcore.publish_horizon('tenant') > 0" && catch_up && list "store => 'tenant'")" 't
X' 'published too'
is "$(sql "SELECT eventcore.unpublish_horizon('tenant'), eventcore.unpublish_horizon('tenant')" && catch_up && list "store => 'tenant'" | head -n 1)" \
    't|f
ERROR:  how far the log of store "tenant" is settled is not published' 'and no longer'

# Writers that commit late, roll back and use savepoints, a publisher, and a reader on the standby.
start_position=$(publish)
sql "CREATE PROCEDURE write(writer int, until timestamptz) LANGUAGE plpgsql AS \$\$
BEGIN
    WHILE clock_timestamp() < until LOOP
        PERFORM eventcore.append('stress-' || writer, -1, 'Stress', NULL);
        PERFORM pg_sleep(random() * 0.01);
        IF random() < 0.2 THEN
            BEGIN
                PERFORM eventcore.append('stress-' || writer, -1, 'Never', NULL);
                RAISE division_by_zero;
            EXCEPTION WHEN division_by_zero THEN NULL;
            END;
        END IF;
        IF random() < 0.2 THEN ROLLBACK; ELSE COMMIT; END IF;
    END LOOP;
END \$\$;
CREATE PROCEDURE publish(until timestamptz) LANGUAGE plpgsql AS \$\$
BEGIN
    WHILE clock_timestamp() < until LOOP
        PERFORM eventcore.publish_horizon();
        COMMIT;
        PERFORM pg_sleep(0.001);
    END LOOP;
END \$\$;
CREATE PROCEDURE follow(\"after\" bigint, until timestamptz) LANGUAGE plpgsql AS \$\$
DECLARE
    event record;
BEGIN
    WHILE clock_timestamp() < until LOOP
        FOR event IN SELECT global_position, type FROM eventcore.read_all(\"after\", 50) LOOP
            \"after\" := event.global_position;
            RAISE INFO '%', \"after\";
            IF event.type = 'End' THEN RETURN; END IF;
        END LOOP;
        COMMIT;
    END LOOP;
END \$\$"
catch_up
background=()
for writer in {1..6}; do
    sql "CALL write($writer, clock_timestamp() + '4 s')" &
    background+=($!)
done
sql "CALL publish(clock_timestamp() + '4 s')" &
background+=($!)
standby "CALL follow($start_position, clock_timestamp() + '60 s')" >"$scratch/followed" 2>&1 &
follower=$!
wait "${background[@]}"
append end End
publish >/dev/null
wait "$follower"
sed -n 's/^INFO: *//p' "$scratch/followed" >"$scratch/given"
sql "SELECT global_position FROM eventcore.events WHERE store = 'default' AND global_position > $start_position ORDER BY 1" >"$scratch/committed"
is "$(diff "$scratch/given" "$scratch/committed" | head)" '' 'under load each committed event is given once, in order'
is "$(($(wc -l <"$scratch/given") > 100))" 1 "(there were $(wc -l <"$scratch/given"))"

# Promoted, while an append is prepared and another open, a reader goes on where it stood.
last=$(standby 'SELECT max(global_position) FROM eventcore.read_all(max_count => NULL)')
append after NotPublished
sql "BEGIN; SELECT FROM eventcore.append('prepared', -1, 'Prepared2', NULL); PREPARE TRANSACTION 'promoted'"
append after BehindPrepared
catch_up
"$cluster" server pg_ctl promote --silent -w -D "$directory"
PGPORT=5436 append new New
is "$(list "$last")" NotPublished 'after promotion the prepared append still holds readers back'
standby "COMMIT PREPARED 'promoted'"
is "$(list "$last")" 'NotPublished Prepared2 BehindPrepared New' 'then a reader goes on, skipping and repeating nothing'
is "$(standby "SELECT eventcore.publish_horizon() = eventcore.last_position()")" t 'and the new primary publishes'
close reader
sql "ROLLBACK PREPARED 'promoted'"
"$cluster" server pg_ctl stop --silent -w -D "$directory" -m fast
dropdb standby_log
