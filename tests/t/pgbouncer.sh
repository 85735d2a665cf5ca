#!/usr/bin/env bash
# Behind a pooler in transaction mode: each transaction may run in another session of the server.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..19
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH=$PATH:/usr/sbin

createdb -T eventcore pooled
pooler=$CLUSTER_DIR/pgbouncer
tests/cluster server mkdir "$pooler"
cat >"$pooler/pgbouncer.ini" <<END
[databases]
pooled = host=$PGHOST port=$PGPORT user=$PGUSER
[pgbouncer]
pool_mode = transaction
default_pool_size = 2
auth_type = any
unix_socket_dir = $pooler
listen_port = $PGPORT
pidfile = $pooler/pid
logfile = $pooler/log
END
tests/cluster server pgbouncer -q -d "$pooler/pgbouncer.ini"
stop() { kill "$(cat "$pooler/pid")" 2>/dev/null || true; }
trap stop EXIT
export PGDATABASE=pooled
for _ in {1..100}; do
    PGHOST=$pooler sql 'SELECT 1' >/dev/null 2>&1 && break
    sleep 0.1
done

flock client make -s --no-print-directory client >&2
flock tests/client make -s --no-print-directory -C tests/client build/pooled >&2

# pooled ARGUMENT...: what the program says.
pooled() { PGHOST=$pooler timeout 60 tests/client/build/pooled "$@" 2>&1 || true; }

# stored NAME: what the store holds of the transfers from NAME-from to NAME-to.
stored() {
    sql "SELECT stream_id, count(*), max(version), sum((data->>'amount')::bigint * CASE type WHEN 'MoneyWithdrawn' THEN -1 ELSE 1 END)
         FROM eventcore.events WHERE stream_id LIKE '$1-%' GROUP BY 1 ORDER BY 1"
}

# transfers WAY PREPARED EXPECTED: what the program says, and what is stored.
transfers() {
    local name=$1_$2
    sql "SELECT eventcore.append('$name-from', 0, 'MoneyDeposited', '{\"amount\": 1000}')" >/dev/null
    is "$(pooled "$1" "$2" "$name-from" "$name-to")" "100 of 100, $3" "$1, $2"
    is "$(stored "$name")" "$name-from|101|101|900
$name-to|100|100|100" 'and each is stored once'
}

# Four clients prepare in two sessions: each learns that what it prepared is not there, or is there
# already, and does without.
for prepared in unprepared prepared; do
    transfers execute $prepared conflicts
    transfers batch $prepared conflicts
    transfers pipelined $prepared conflicts
    transfers locked $prepared 'no conflicts'
done
is "$(pooled read prepared execute_prepared-from -)" '100 of 100, no conflicts' 'read, prepared'

is "$(sql "SELECT count(*) FROM pg_stat_activity WHERE datname = 'pooled' AND pid <> pg_backend_pid()")" 2 \
    'two sessions served them all'
stop
trap - EXIT
for _ in {1..100}; do
    [ -e "$pooler/pid" ] || break
    sleep 0.1
done
is "$(ls "$pooler")" 'log
pgbouncer.ini' 'the pooler is gone'
dropdb --force pooled
