#!/usr/bin/env bash
# With shared_preload_libraries = 'eventcore': the launcher, and a worker in each database that has
# something to do. They are in nobody's way, come back when they fail, and end with the server.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..27
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster

# A server of its own. One database has the extension and a projection, one the extension only.
directory=$CLUSTER_DIR/worker
preloaded "$directory" 'max_worker_processes = 4'
start() { "$cluster" server pg_ctl start --silent -w -D "$directory" -l "$directory.log" -o '-p 5434'; }
stop() { "$cluster" server pg_ctl stop --silent -w -D "$directory" -m "$1"; }
start
export PGPORT=5434
export PGDATABASE=busy
createdb busy
createdb idle
sql 'CREATE EXTENSION eventcore; CREATE TABLE ran (n int)'
PGDATABASE=idle sql 'CREATE EXTENSION eventcore'

# The duty: a projection, whose handler runs STATEMENT. `wake` tells the worker, and gives it an event.
handler() { sql "CREATE OR REPLACE FUNCTION public.handle(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN $1; END \$\$"; }
duty="SELECT eventcore.create_projection('duty', 'handle')"
no_duty() { sql "SELECT eventcore.drop_projection('duty')" >/dev/null; }
event() { sql "SELECT eventcore.append('a', -1, 'T', NULL)" >/dev/null; }
wake() { sql "SELECT eventcore.resume_projection('duty')" >/dev/null; event; }

# the KIND DATABASE: its process id, if there is one.
the() { PGDATABASE=postgres sql "SELECT pid FROM pg_stat_activity WHERE backend_type = 'eventcore $1' AND datname IS NOT DISTINCT FROM nullif('${2:-}', '')"; }

# becomes WANT COMMAND...: run it until it prints that, or something else for half a minute.
becomes() {
    local have
    for _ in {1..600}; do
        have=$("${@:2}" 2>/dev/null) || true
        [ "$have" != "$1" ] || break
        sleep 0.05
    done
    echo "$have"
}
gone() { [ -z "$("$@")" ] && echo gone; }
there() { [ -n "$("$@")" ] && echo there; }
logged() { grep -cE "$1" "$directory.log" || true; }

is "$(becomes there there the launcher)" there 'the launcher'
handler 'INSERT INTO ran VALUES (1)'
sql "BEGIN; $duty; ROLLBACK" >/dev/null
is "$(the worker busy)" '' 'what is rolled back starts nobody'
sql "$duty" >/dev/null
event
is "$(becomes there there the worker busy)" there 'a worker is started'
is "$(becomes t sql 'SELECT count(*) > 0 FROM ran')" t 'and works'
is "$(becomes 'idle||' sql "SELECT state, backend_xid, backend_xmin FROM pg_stat_activity WHERE backend_type = 'eventcore worker'")" \
    'idle||' 'it sleeps without a snapshot'
is "$(becomes 0 sql "SELECT count(*) FROM pg_locks WHERE pid = $(the worker busy)")" 0 'and without a lock'
transactions='SELECT pg_stat_get_db_xact_commit(oid) FROM pg_database WHERE datname = current_database()'
before=$(sql "$transactions")
sql 'SELECT pg_sleep(3)' >/dev/null
is "$(sql "SELECT ($transactions) - $before < 100")" t 'there is no busy loop'
is "$(the worker idle)" '' 'nobody runs where there is nothing to do'

# Killed, failing, reloaded.
pid=$(the worker busy)
sql "SELECT pg_terminate_backend($pid, 20000)" >/dev/null
is "$(becomes t sql "SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'eventcore worker'")" t 'terminated, it comes back'
handler 'PERFORM pg_sleep(600)'
event
becomes t sql "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE backend_type = 'eventcore worker'" >/dev/null
pid=$(the worker busy)
is "$(sql "SELECT pg_terminate_backend($pid, 20000)")" t 'also in the middle of its work'
sql 'ALTER TABLE eventcore.published_horizon RENAME TO spoilt'
handler "INSERT INTO ran SELECT setting::int FROM pg_settings WHERE name = 'eventcore.max_event_size'"
becomes t eval '[ "$(logged "ERROR:.*published_horizon.* does not exist")" -ge 2 ] && echo t' >/dev/null
is "$(sleep 2; [ "$(logged 'ERROR:.*published_horizon.* does not exist')" -le 6 ] && echo slowly)" slowly 'failing, it is tried again, and says why'
sql 'TRUNCATE ran; ALTER TABLE eventcore.spoilt RENAME TO published_horizon'
event
is "$(becomes t sql 'SELECT count(*) > 0 FROM ran')" t 'it recovers'
sql 'ALTER SYSTEM SET eventcore.max_event_size = 4321'
sql 'SELECT pg_reload_conf()' >/dev/null
event
is "$(becomes t sql 'SELECT count(*) > 0 FROM ran WHERE n = 4321')" t 'it reads the configuration again'
pid=$(the launcher)
sql "SELECT pg_terminate_backend($pid, 20000)" >/dev/null
is "$(becomes t sql "SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'eventcore launcher'")" t 'the launcher comes back too'

# What wants the database for itself.
becomes there there the worker busy >/dev/null
export PGDATABASE=postgres
is "$(sql 'CREATE DATABASE copied TEMPLATE busy' 2>&1)" '' 'CREATE DATABASE ... TEMPLATE'
becomes there there the worker busy >/dev/null
is "$(sql 'ALTER DATABASE busy RENAME TO renamed' 2>&1)" '' 'ALTER DATABASE ... RENAME'
is "$(becomes there there the worker renamed)" there 'and goes on there'
is "$(sql 'DROP DATABASE renamed' 2>&1)" '' 'DROP DATABASE'
sql 'SELECT pg_sleep(2)' >/dev/null
is "$(logged 'FATAL: .*database.* (does not exist|is being accessed)')" 0 'and nobody tries to connect to it'
export PGDATABASE=copied
wake
is "$(becomes there there the worker copied)" there 'the copy has its own'

# Four background workers: the launcher, the one of logical replication, and two for us.
for n in 1 2; do
    PGDATABASE=postgres sql "CREATE DATABASE copied$n TEMPLATE copied"
    becomes there there the worker copied >/dev/null
    PGDATABASE=copied$n wake
done
workers() { PGDATABASE=postgres sql "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'eventcore worker'"; }
is "$(becomes 1 logged 'cannot start a worker: all background workers')$(workers)" 12 'when there is no room, it says so once'
without=copied1
[ -z "$(the worker copied1)" ] || without=copied2
with=$([ $without = copied1 ] && echo copied2 || echo copied1)
PGDATABASE=$with no_duty
PGDATABASE=$with event
is "$(becomes there there the worker $without)$(the worker $with)" there 'and goes on when there is'
PGDATABASE=$without no_duty
PGDATABASE=$without event
becomes gone gone the worker $without >/dev/null

# DROP EXTENSION; a restart; the end.
sql 'DROP FUNCTION handle'
is "$(sql 'DROP EXTENSION eventcore' 2>&1)$(becomes gone gone the worker copied)" gone 'DROP EXTENSION ends it'
sql 'CREATE EXTENSION eventcore'
handler 'INSERT INTO ran VALUES (1)'
sql "$duty" >/dev/null
stop fast
start
is "$(becomes there there the worker copied)" there 'it starts with the server'
pid=$(the worker copied)
kill -KILL "$pid"
is "$(becomes t sql "SELECT pid <> $pid FROM pg_stat_activity WHERE backend_type = 'eventcore worker'")" t 'killed, it comes back with the server'
sql 'TRUNCATE ran' >/dev/null
event
is "$(becomes 1 sql 'SELECT count(*) FROM ran')" 1 'and works, once'
read -r postmaster <"$directory/postmaster.pid"
stop fast
is "$(pgrep -c -P "$postmaster" || true)" 0 'and ends with it'
