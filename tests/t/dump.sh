#!/usr/bin/env bash
# A dump carries events, stores and the sequence; a database restored from it goes on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..6

createdb dump_from
createdb dump_to
PGDATABASE=dump_from sql "CREATE EXTENSION eventcore;
    SELECT eventcore.append(ARRAY[eventcore.new_event('a', 'T', '{\"n\": 1}'), eventcore.new_event('b', 'T', payload => '\x00ff'),
                                  eventcore.new_event('a', 'T', metadata => '{\"user_id\": \"u\"}')]);
    SELECT eventcore.create_subscription('group', types => '{T}', group_size => 2);
    SELECT count(*) FROM generate_series(0, 1) AS m, eventcore.fetch('group', m, 1);
    SELECT eventcore.commit_checkpoint('group', member, delivered) FROM eventcore.subscription_members;
    SELECT eventcore.resize_subscription('group', 3);
    SELECT eventcore.create_subscription('queue', acknowledge => true, keep_order => true);
    SELECT eventcore.park('queue', global_position, 'poison') FROM eventcore.receive('queue', 1)" >/dev/null
pg_dump dump_from | psql -XAtq -v ON_ERROR_STOP=1 -d dump_to >/dev/null
content='SELECT * FROM eventcore.events ORDER BY global_position'
is "$(PGDATABASE=dump_to sql "$content")" "$(PGDATABASE=dump_from sql "$content")" 'all events, with all columns'
content='SELECT * FROM eventcore.subscriptions; SELECT * FROM eventcore.subscription_members ORDER BY member'
is "$(PGDATABASE=dump_to sql "$content")" "$(PGDATABASE=dump_from sql "$content")" 'subscriptions, with checkpoints and floors'
content='SELECT * FROM eventcore.deliveries; SELECT * FROM eventcore.parked'
is "$(PGDATABASE=dump_to sql "$content")" "$(PGDATABASE=dump_from sql "$content")" 'what is parked'
is "$(PGDATABASE=dump_to sql "SELECT version, global_position > 3 FROM eventcore.append('a', 2, 'T', NULL)")" '3|t' 'appends go on behind them'
is "$(PGDATABASE=dump_to sql 'DELETE FROM eventcore.events' 2>&1 | head -n 1)" \
    'ERROR:  DELETE of eventcore.events is refused: events are append-only' 'the guards stand'

# Only the data, without the sequence: noticed at the first append.
dropdb dump_to
createdb dump_to
PGDATABASE=dump_to sql 'CREATE EXTENSION eventcore'
pg_dump --data-only --table=eventcore.events dump_from | psql -XAtq -v ON_ERROR_STOP=1 -d dump_to >/dev/null
is "$(PGDATABASE=dump_to sql "SELECT eventcore.append('a', 2, 'T', NULL)" 2>&1 | head -n 1)" \
    'ERROR:  the sequence of global positions is behind the log' 'a sequence that was left behind is an error'
dropdb dump_from
dropdb dump_to
