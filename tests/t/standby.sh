#!/usr/bin/env bash
# On a hot standby streams can be read; what needs the primary says so.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..7
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster

standby() { PGPORT=5433 sql "$1"; }

createdb standby
export PGDATABASE=standby
sql 'CREATE EXTENSION eventcore'
sql "SELECT eventcore.append('a', 0, 'T', '{\"n\": 1}')" >/dev/null
directory=$CLUSTER_DIR/standby
"$cluster" server pg_basebackup -D "$directory" -R -c fast -h "$PGHOST" -p "$PGPORT" -U "$PGUSER"
"$cluster" server pg_ctl start --silent -w -D "$directory" -l "$directory.log" -o '-p 5433'

position=$(sql "SELECT eventcore.append('a', 1, 'T', '{\"n\": 2}'); SELECT pg_current_wal_lsn()" | tail -n 1)
until [ "$(standby "SELECT pg_last_wal_replay_lsn() >= '$position'")" = t ]; do
    sleep 0.05
done
is "$(standby "SELECT version || ':' || data FROM eventcore.read_stream('a')")" '1:{"n": 1}
2:{"n": 2}' 'a stream'
is "$(standby "SELECT stream_version FROM eventcore.read_streams('{b,a}', '{0,2}') ORDER BY 1")" '0
2' 'several'
is "$(standby "SELECT eventcore.append('a', 2, 'T', NULL)" 2>&1 | head -n 1)" \
    'ERROR:  cannot execute eventcore append during recovery' 'append'
is "$(standby "SELECT eventcore.lock_streams('{a}')" 2>&1 | head -n 1)" \
    'ERROR:  cannot execute eventcore append during recovery' 'lock_streams'
is "$(standby 'SELECT eventcore.read_all()' 2>&1 | head -n 1)" \
    'ERROR:  how far the log of store "default" is settled is not published' 'the log, without a publisher'

# Promoted, it goes on where the primary stopped.
"$cluster" server pg_ctl promote --silent -w -D "$directory"
is "$(standby "SELECT version, global_position > 2 FROM eventcore.append('a', 2, 'T', NULL)")" '3|t' 'append after promotion'
is "$(standby 'SELECT count(*) FROM eventcore.read_all()')" 3 'the log after promotion'
dropdb standby
