#!/usr/bin/env bash
# The log in a database that receives its events by logical replication: no tickets there, and a
# sequence that stands still. It is read up to the horizon that arrives with the events.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..10

subscriber() { PGDATABASE=subscriber sql "$1"; }
append() { sql "SELECT eventcore.append('$1', -1, '$2', NULL)" >/dev/null; }
list() { subscriber "SELECT string_agg(type, ' ') FROM eventcore.read_all(${1:-})" 2>&1; }
# Commit something last, and wait for it to arrive.
catch_up() {
    sql 'UPDATE arrived SET n = n + 1'
    until [ "$(subscriber 'SELECT n FROM arrived')" = "$(sql 'SELECT n FROM arrived')" ]; do sleep 0.02; done
}

createdb publisher
createdb subscriber
export PGDATABASE=publisher
sql 'CREATE EXTENSION eventcore'
subscriber 'CREATE EXTENSION eventcore; CREATE TABLE arrived (n int PRIMARY KEY)'
sql "CREATE TABLE arrived (n int PRIMARY KEY); INSERT INTO arrived VALUES (0);
    CREATE PUBLICATION log FOR TABLE eventcore.events, eventcore.published_horizon, arrived"
sql "SELECT pg_create_logical_replication_slot('log', 'pgoutput')" >/dev/null
append a A
# Without a worker the first copies are not made.
subscriber "CREATE SUBSCRIPTION log CONNECTION 'host=$PGHOST port=$PGPORT user=$PGUSER dbname=publisher'
    PUBLICATION log WITH (create_slot = false, slot_name = log, enabled = false)"
is "$(list | head -n 1)" 'ERROR:  how far the log of store "default" is settled does not arrive here together with the events' \
    'not before the first copies are made'
subscriber 'ALTER SUBSCRIPTION log ENABLE'
until [ "$(subscriber "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel")" = t ]; do sleep 0.02; done
is "$(list | head -n 1)" 'ERROR:  how far the log of store "default" is settled is not published' 'not published'
is "$(subscriber 'SELECT eventcore.publish_horizon()' 2>&1 | head -n 1)" \
    'ERROR:  the log is not written here: eventcore.events is in a subscription' 'nor can it be here'

sql "SELECT eventcore.publish_horizon()" >/dev/null
append b B
sql "BEGIN; SELECT FROM eventcore.append('p', 0, 'Prepared', NULL); PREPARE TRANSACTION 'subscriber'"
append c C
catch_up
is "$(list) $(list 'backward => true')" 'A A' 'read up to the horizon'
sql "SELECT eventcore.publish_horizon()" >/dev/null
catch_up
is "$(list) $(subscriber 'SELECT count(*), eventcore.safe_position() FROM eventcore.events')" 'A B 3|2' 'which an open append holds back'
is "$(list 4)" '' 'a reader that stands beyond it is given nothing'
sql "COMMIT PREPARED 'subscriber'"
sql 'SELECT eventcore.publish_horizon()' >/dev/null
catch_up
is "$(list 2)" 'Prepared C' 'later it is given all, in order'

# It takes over: the subscription goes, the sequence is set.
subscriber 'ALTER SUBSCRIPTION log DISABLE; ALTER SUBSCRIPTION log SET (slot_name = NONE); DROP SUBSCRIPTION log'
is "$(subscriber "SELECT eventcore.append('d', 0, 'D', NULL)" 2>&1 | head -n 1)" \
    'ERROR:  the sequence of global positions is behind the log' 'not without its sequence'
subscriber "SELECT setval('eventcore.global_position', (SELECT max(global_position) FROM eventcore.events))" >/dev/null
is "$(subscriber "SELECT version FROM eventcore.append('d', 0, 'D', NULL)") $(list 2)" '1 Prepared C D' 'a reader goes on where it stood'
is "$(subscriber 'SELECT eventcore.publish_horizon() = eventcore.last_position()')" t 'and it publishes'
sql "SELECT pg_drop_replication_slot('log')" >/dev/null
dropdb subscriber
dropdb publisher
