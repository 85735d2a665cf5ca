#!/usr/bin/env bash
# A dump carries events, stores, the sequence, subscriptions and projections, but no snapshot; a database
# restored from it goes on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..11

createdb dump_from
createdb dump_to
PGDATABASE=dump_from sql "CREATE EXTENSION eventcore;
    SELECT eventcore.append(ARRAY[eventcore.new_event('a', 'T', '{\"n\": 1}'), eventcore.new_event('b', 'T', payload => '\x00ff'),
                                  eventcore.new_event('a', 'T', metadata => '{\"user_id\": \"u\"}')]);
    SELECT eventcore.publish_horizon();
    SELECT eventcore.save_snapshot('s', 1, '{a}', '{2}', 3, 'state');
    SELECT eventcore.create_subscription('group', types => '{T}', group_size => 2);
    SELECT count(*) FROM generate_series(0, 1) AS m, eventcore.fetch('group', m, 1);
    SELECT eventcore.commit_checkpoint('group', member, delivered) FROM eventcore.subscription_members;
    SELECT eventcore.resize_subscription('group', 3);
    CREATE TABLE handled (projection text, global_position bigint, PRIMARY KEY (projection, global_position));
    CREATE FUNCTION done(e eventcore.recorded_event) RETURNS void LANGUAGE sql AS \$\$INSERT INTO handled VALUES ('inline', e.global_position)\$\$;
    CREATE FUNCTION todo(e eventcore.recorded_event) RETURNS void LANGUAGE sql AS \$\$INSERT INTO handled VALUES ('async', e.global_position)\$\$;
    SELECT eventcore.create_projection('inline', 'done', mode => 'inline'), eventcore.create_projection('async', 'todo', category => 'a');
    SELECT eventcore.run_projection('async', 1);
    SELECT eventcore.create_subscription('queue', acknowledge => true, keep_order => true);
    SELECT eventcore.park('queue', global_position, 'poison') FROM eventcore.receive('queue', 1)" >/dev/null
pg_dump dump_from | psql -XAtq -v ON_ERROR_STOP=1 -d dump_to >/dev/null
content='SELECT * FROM eventcore.events ORDER BY global_position'
is "$(PGDATABASE=dump_to sql "$content")" "$(PGDATABASE=dump_from sql "$content")" 'all events, with all columns'
is "$(PGDATABASE=dump_to sql 'SELECT count(*) FROM eventcore.snapshots')" 0 'no snapshot: it must not outlive its events'
content='SELECT * FROM eventcore.subscriptions; SELECT * FROM eventcore.subscription_members ORDER BY member'
is "$(PGDATABASE=dump_to sql "$content")" "$(PGDATABASE=dump_from sql "$content")" 'subscriptions, with checkpoints and floors'
content='SELECT * FROM eventcore.deliveries; SELECT * FROM eventcore.parked'
is "$(PGDATABASE=dump_to sql "$content")" "$(PGDATABASE=dump_from sql "$content")" 'what is parked'
is "$(PGDATABASE=dump_to sql "SELECT version, global_position > 3 FROM eventcore.append('a', 2, 'T', NULL)")" '3|t' 'appends go on behind them'
is "$(PGDATABASE=dump_to sql 'SELECT position FROM eventcore.published_horizon; SELECT eventcore.publish_horizon() = eventcore.last_position()')" '3
t' 'the published horizon is carried, and goes on'
projections='SELECT projection, mode, state, owner, handler, checkpoint, lag_events FROM eventcore.projection_status ORDER BY 1'
is "$(PGDATABASE=dump_to sql "$projections" | head -n 1)" 'async|async|running|postgres|public.todo(eventcore.recorded_event)|1|3' 'projections and how far they were'
handled="SELECT projection, count(*) FROM handled GROUP BY 1 ORDER BY 1"
is "$(PGDATABASE=dump_to sql "$handled" | tr '\n' ' ')" 'async|1 inline|4 ' 'an inline one goes on with the appends, and got nothing twice'
is "$(PGDATABASE=dump_to sql "SELECT eventcore.run_projection('async')" && PGDATABASE=dump_to sql "$handled" | tr '\n' ' ')" \
    '2
async|3 inline|4 ' 'an async one goes on behind its checkpoint'
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
