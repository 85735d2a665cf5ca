#!/usr/bin/env bash
# With shared_preload_libraries = 'eventcore': who waits is woken, at once and after the locks.
#
# A sleep ends after a second at the latest, woken or not. So where being woken is the point it is
# done many times over, and all of them must take a fraction of the seconds that the sleeps would.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..16
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster

# A server of its own.
directory=$CLUSTER_DIR/preload
preloaded "$directory" 'max_prepared_transactions = 5'
"$cluster" server pg_ctl start --silent -w -D "$directory" -l "$directory.log" -o '-p 5434'
export PGPORT=5434
createdb -h "$PGHOST" preload
export PGDATABASE=preload
sql 'CREATE EXTENSION eventcore'

# begin SQL: run it in the background, for a minute at most. finish: wait for it, and leave what it printed in $outcome.
begin() {
    sql "SET statement_timeout = '60s'; $1" >"$CLUSTER_DIR/begun" 2>&1 &
    begun=$!
}
finish() {
    wait "$begun" || true
    outcome=$(head -n 1 "$CLUSTER_DIR/begun")
}

# asleep: return when `begin`'s session waits on the condition variable.
asleep() {
    for _ in {1..500}; do
        [ "$(sql "SELECT wait_event FROM pg_stat_activity WHERE query LIKE '%60s%wait\\_for%' AND pid <> pg_backend_pid()")" != Extension ] || return 0
        sleep 0.02
    done
    echo '# nobody sleeps'
}

append() { sql "SELECT count(*) FROM eventcore.append('$1', -1, '${2:-T}', NULL)" >/dev/null; }
last() { sql 'SELECT eventcore.last_position()'; }

# volley N EXTRA: two sessions wait for each other's events in turn, N times, and print how long it
# took, in seconds. EXTRA is a statement that runs in the transaction before each append.
volley() {
    local side sides=() start
    start=$(last)
    # Below every event a position stays empty, so that the tickets must be looked at.
    sql "CREATE OR REPLACE PROCEDURE volley(mine text, theirs text, place bigint, first boolean) LANGUAGE plpgsql AS \$\$
        BEGIN
            FOR n IN 1..$1 LOOP
                IF n > 1 OR NOT first THEN
                    IF NOT eventcore.wait_for(place, '60 s', types => ARRAY[theirs]) THEN RAISE 'lost'; END IF;
                    place := (SELECT global_position FROM eventcore.read_all(place, 1, ARRAY[theirs]));
                END IF;
                COMMIT;
                PERFORM eventcore.append('void', -1, 'Void', NULL);
                ROLLBACK;
                $2;
                PERFORM eventcore.append(mine, -1, mine, NULL);
                COMMIT;
            END LOOP;
        END \$\$"
    local from=$EPOCHREALTIME
    sql "CALL volley('ping', 'pong', $start::bigint, true)" &
    sides+=($!)
    sql "CALL volley('pong', 'ping', $start::bigint, false)" &
    sides+=($!)
    for side in "${sides[@]}"; do
        wait "$side" || echo 'a side failed'
    done
    echo $(((${EPOCHREALTIME/./} - ${from/./}) / 1000000))
}

begin "SELECT eventcore.wait_for(0)"
asleep
is "$(sql "SELECT DISTINCT wait_event FROM pg_stat_activity WHERE query LIKE '%60s%wait\\_for%' AND pid <> pg_backend_pid()")" Extension 'a waiter sleeps on the condition variable'
is "$(sql "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE query LIKE '%60s%wait\\_for%' AND pid <> pg_backend_pid() AND locktype <> 'virtualxid'")" 0 'and holds no lock'
append a
finish
is "$outcome" t 'an append wakes it'

took=$(volley 100 NULL)
is "$([ "$took" -lt 20 ] && echo quick || echo "$took s")" quick '200 wake-ups in turn, none of which is lost'

# Between its commit callbacks and the release of its locks this transaction tells all sessions of
# many new tables: who was woken before that found the ticket, and would sleep again.
took=$(volley 20 "EXECUTE (SELECT string_agg(format('CREATE TEMP TABLE t%s_%s (a int, b int, c int, d int, e int) ON COMMIT DROP', n, i), ';') FROM generate_series(1, 50) AS i)")
is "$([ "$took" -lt 15 ] && echo quick || echo "$took s")" quick 'the signal comes when the locks are gone'

# Events that do not match make the waiter rest before it sleeps. Who appends while it rests sends
# no signal; it must look whether somebody did.
took=$(volley 30 "FOR i IN 1..4 LOOP PERFORM eventcore.append('noise', -1, 'Noise', NULL); COMMIT; END LOOP")
is "$([ "$took" -lt 15 ] && echo quick || echo "$took s")" quick 'what comes before it sleeps is not missed'

# A savepoint that is rolled back gives its ticket back: others behind it can be read.
mkfifo "$CLUSTER_DIR/early"
psql -XAtq <"$CLUSTER_DIR/early" >"$CLUSTER_DIR/early.out" 2>&1 &
early=$!
exec 3>"$CLUSTER_DIR/early"
took=0
for n in {1..10}; do
    position=$(last)
    echo "BEGIN; SAVEPOINT s; SELECT eventcore.append('early', -1, 'Early', NULL); SELECT 'appended $n';" >&3
    until grep -q "appended $n" "$CLUSTER_DIR/early.out"; do sleep 0.01; done
    append late Late
    begin "SELECT eventcore.wait_for($position, types => '{Late}')"
    asleep
    from=$EPOCHREALTIME
    echo "ROLLBACK TO s; SELECT 'back $n';" >&3
    finish
    [ "$outcome" = t ] || echo "# $outcome"
    took=$((took + ${EPOCHREALTIME/./} - ${from/./}))
    echo 'COMMIT;' >&3
done
is "$([ "$took" -lt 2500000 ] && echo quick || echo "$took us")" quick 'a savepoint that is rolled back wakes'

# A waiter that has found nothing in many events is woken by those of its own type only. But what it
# waits for may stand behind the ticket of somebody who appends other things.
took=0
for n in {1..10}; do
    position=$(last)
    begin "SELECT eventcore.wait_for($position, types => '{Late}')"
    asleep
    sql "DO \$\$ BEGIN FOR i IN 1..20 LOOP PERFORM eventcore.append('noise', -1, 'Noise', NULL); COMMIT; PERFORM pg_sleep(0.01); END LOOP; END \$\$"
    echo "BEGIN; SELECT eventcore.append('early', -1, 'Early', NULL); SELECT 'opened $n';" >&3
    until grep -q "opened $n" "$CLUSTER_DIR/early.out"; do sleep 0.01; done
    append late Late
    asleep
    from=$EPOCHREALTIME
    echo "COMMIT;" >&3
    finish
    [ "$outcome" = t ] || echo "# $outcome"
    took=$((took + ${EPOCHREALTIME/./} - ${from/./}))
done
exec 3>&-
wait "$early"
is "$([ "$took" -lt 2500000 ] && echo quick || echo "$took us")" quick 'a weary waiter is woken by its topic, and looks after every commit again'

# Prepared: the one who commits it does not know what it appended.
position=$(last)
sql "BEGIN; SELECT eventcore.append('p', -1, 'Prepared', NULL); PREPARE TRANSACTION 'preload test'" >/dev/null
begin "SELECT eventcore.wait_for($position, '5 minutes')"
asleep
sql "COMMIT PREPARED 'preload test'"
finish
is "$outcome" t 'COMMIT PREPARED is found, without a signal'

# Stores do not wake each other, but for chance; who waits on one is woken by it.
sql "SELECT eventcore.create_store('other')" >/dev/null
begin "SELECT eventcore.wait_for(0, '5 minutes', store => 'other')"
asleep
append a
sql "SELECT count(*) FROM eventcore.append('a', -1, 'T', NULL, store => 'other')" >/dev/null
finish
is "$outcome" t 'another store'

# The ends of a wait.
position=$(last)
begin "SELECT eventcore.wait_for($position)"
asleep
sql "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%60s%wait\\_for%' AND pid <> pg_backend_pid()" >/dev/null
finish
is "$outcome" 'ERROR:  canceling statement due to user request' 'cancelled'
begin "SELECT eventcore.wait_for($position)"
asleep
is "$(sql "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE query LIKE '%60s%wait\\_for%' AND pid <> pg_backend_pid()")" t 'terminated'
finish
is "$(sql "SET statement_timeout = '200ms'; SELECT eventcore.wait_for($position)" 2>&1)" \
    'ERROR:  canceling statement due to statement timeout' 'statement_timeout'
took=0
for n in {1..6}; do
    begin "SELECT eventcore.wait_for(0, types => '{Never}')"
    asleep
    sql 'DROP EXTENSION eventcore'
    from=$EPOCHREALTIME
    finish
    took=$((took + ${EPOCHREALTIME/./} - ${from/./}))
    sql 'CREATE EXTENSION eventcore'
done
is "$outcome" 'ERROR:  relation "eventcore.events" does not exist' 'the extension is dropped'
is "$([ "$took" -lt 1500000 ] && echo quick || echo "$took us")" quick 'and that wakes'

begin 'SELECT eventcore.wait_for(0)'
asleep
read -r postmaster <"$directory/postmaster.pid"
"$cluster" server pg_ctl stop --silent -w -D "$directory" -m fast
wait "$begun" || true
is "$(pgrep -c -P "$postmaster" || true)" 0 'the server stops at once, with a waiter and the launcher'
