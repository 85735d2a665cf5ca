#!/usr/bin/env bash
# A fetch that waits returns with the event that it waits for, and locks its member only then.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..6

createdb -T eventcore fetch_wait
export PGDATABASE=fetch_wait
sql "SELECT eventcore.create_subscription('wanted', types => '{Wanted}')" >/dev/null
is "$(sql "SELECT count(*) FROM eventcore.fetch('wanted', wait => '200 ms')")" 0 'nothing came'

sql "SELECT stream_id FROM eventcore.fetch('wanted', wait => '1 min')" >"$CLUSTER_DIR/fetch_wait" &
for _ in {1..500}; do
    [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%1 min%' AND state = 'active' AND pid <> pg_backend_pid() AND wait_event IS NOT NULL")" = 0 ] || break
    sleep 0.02
done
is "$(sql "SELECT checkpoint FROM eventcore.subscription_members FOR UPDATE NOWAIT")" 0 'while it waits its member is not locked'
is "$(sql "SELECT eventcore.claim_member('wanted') IS NULL")" t 'but is in use'
sql "SELECT eventcore.append('a', 0, 'Other', NULL); SELECT eventcore.append('b', 0, 'Wanted', NULL)" >/dev/null
wait
is "$(cat "$CLUSTER_DIR/fetch_wait")" b 'it returns with the event'
is "$(sql "SELECT count(*) FROM eventcore.fetch('wanted', wait => '1 day')")" 1 'and at once if there is one'
is "$(sql "BEGIN; SELECT FROM eventcore.append('c', 0, 'Wanted', NULL); SELECT eventcore.fetch('wanted', wait => '1 s')" 2>&1 | grep -c ERROR)" \
    1 'it cannot wait for itself'
dropdb fetch_wait
