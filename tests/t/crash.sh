#!/usr/bin/env bash
# What was committed survives a crash; what was prepared still holds its streams and the log.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..8
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster

createdb crash
export PGDATABASE=crash
sql 'CREATE EXTENSION eventcore'
sql "SELECT version FROM eventcore.append('a', 0, 'T', NULL)" >/dev/null
sql "BEGIN; SELECT eventcore.append('p', 0, 'Prepared', NULL); PREPARE TRANSACTION 'crash test'" >/dev/null
sql "SELECT version FROM eventcore.append('a', 1, 'T', NULL)" >/dev/null
acknowledged=$(sql "SELECT string_agg(stream_id || version || '@' || global_position, ',' ORDER BY global_position) FROM eventcore.events")
"$cluster" restart kill

is "$(sql "SELECT string_agg(stream_id || version || '@' || global_position, ',' ORDER BY global_position) FROM eventcore.events")" \
    "$acknowledged" 'what was acknowledged is there'
is "$(sql "SET lock_timeout = '50ms'; SELECT eventcore.append('p', 0, 'T', NULL)" 2>&1 | head -n 1)" \
    'ERROR:  canceling statement due to lock timeout' 'the prepared append holds its stream'
is "$(sql 'SELECT max(global_position) FROM eventcore.read_all()')" 1 'and the log behind it'
is "$(sql "SELECT version FROM eventcore.append('a', 2, 'T', NULL)")" 3 'others go on'
"$cluster" restart fast
is "$(sql 'SELECT max(global_position) FROM eventcore.read_all()')" 1 'also after an orderly restart'
sql "COMMIT PREPARED 'crash test'"
is "$(sql "SELECT string_agg(stream_id || version, ',' ORDER BY global_position) FROM eventcore.read_all()")" \
    'a1,p1,a2,a3' 'when it is committed, all is read, in order'
is "$(sql "SELECT actual_version FROM eventcore.try_append('{}', ARRAY[eventcore.expect_none('p')])")" 1 'and seen by the check'

# Positions drawn and not committed before the crash are drawn again: no reader stands on them.
sql "BEGIN; SELECT eventcore.append('lost', 0, 'T', NULL); ROLLBACK" >/dev/null
last=$(sql 'SELECT max(global_position) FROM eventcore.read_all()')
"$cluster" restart kill
sql "SELECT eventcore.append('after', 0, 'T', NULL)" >/dev/null
is "$(sql "SELECT stream_id FROM eventcore.read_all($last)")" after 'a reader goes on behind the last row that it was given'
dropdb crash
