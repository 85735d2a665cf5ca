# Waiting readers: what they cost those who append, how soon they are woken, and what finding the
# safe position costs.
#
# On a server of its own, which preloads the library. Appenders: 8 connections, single events to
# streams of their own, durable; beside them sessions in wait_for whose filter lets nothing pass, the
# worst case, for they are woken for nothing. Delivery: from the return of the commit until the reader
# has been given the event, beside what append and commit take themselves.

title='Waiting readers'
unit='appends/s; milliseconds; microseconds'
better='higher (first panel), lower (others)'

measure() {
    local rounds=7 seconds=3 waiters=(0 1 20 100) holders=(10 100 300) deliveries=2000 round count
    if [ -n "$quick" ]; then rounds=3 seconds=1 deliveries=600 waiters=(0 20) holders=(10 300); fi
    local preload=$CLUSTER_DIR/preload
    start_preloaded
    local pgport=$PGPORT
    export PGPORT=5435
    fresh_database "bench_$part"
    {
        for ((round = 0; round <= rounds; round++)); do
            while read -r count; do
                appenders "$count"
            done < <(rotate "$round" "${waiters[@]}")
        done
        deliver
        for ((round = 0; round <= rounds; round++)); do
            while read -r count; do
                safe_position "$count"
            done < <(rotate "$round" "${holders[@]}")
        done
    } | record
    export PGPORT=$pgport PGDATABASE="bench_$part"
    "$checkout/tests/cluster" server pg_ctl stop --silent -w -D "$preload" -m immediate
}

start_preloaded() {
    "$checkout/tests/cluster" server initdb -D "$preload" -U "$PGUSER" -A trust -E UTF8 --no-locale --no-sync >/dev/null
    cat >>"$preload/postgresql.conf" <<CONF
shared_preload_libraries = 'eventcore'
listen_addresses = ''
unix_socket_directories = '$PGHOST'
max_connections = 450
shared_buffers = 512MB
max_wal_size = 8GB
autovacuum = off
CONF
    "$checkout/tests/cluster" server pg_ctl start --silent -w -D "$preload" -l "$preload.log" -o '-p 5435'
}

# sessions COUNT SQL: run it in as many sessions, in the background; until `end_sessions`.
sessions() {
    [ "$1" -gt 0 ] || return 0
    echo "$2" >"$results/session"
    pgbench -n -c "$1" -j 1 -t 1 -f "$results/session" >/dev/null 2>&1 &
    crowd=$!
    until [ "$(sql -c "SELECT count(*) >= $1 FROM pg_stat_activity WHERE application_name = 'pgbench' AND wait_event IN ('Extension', 'PgSleep')")" = t ]; do
        sleep 0.05
    done
}

end_sessions() {
    [ "$1" -gt 0 ] || return 0
    sql -c "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'pgbench'" >/dev/null
    wait "$crowd" || true
}

# appenders COUNT: with so many waiters, whose filter lets nothing pass.
appenders() {
    sessions "$1" "SELECT eventcore.wait_for(eventcore.last_position(), '1 hour', types => '{Nothing}');"
    echo "SELECT version FROM eventcore.append('bench-' || :client_id, -1, 'Happened', '{\"by\": 1}');" >"$results/script"
    local tps
    tps=$(pgbench -n -M prepared -f "$results/script" -c 8 -j 2 -T "$seconds" 2>"$results/pgbench.log" |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p') || { cat "$results/pgbench.log" >&2; return 1; }
    end_sessions "$1"
    echo "8 appenders|durable|$1 waiting|$round|$tps"
}

# deliver: one session waits, and notes when it was given an event; the other appends, a few hundred
# times a second, and notes when it began and when the commit had returned.
deliver() {
    sql -c 'CREATE UNLOGGED TABLE sent (position bigint, began timestamptz, committed timestamptz)' \
        -c 'CREATE UNLOGGED TABLE received (position bigint, at timestamptz)' \
        -c 'CREATE PROCEDURE receive(place bigint, n int) LANGUAGE plpgsql AS $$
            BEGIN
                WHILE n > 0 LOOP
                    PERFORM eventcore.wait_for(place);
                    FOR place IN SELECT global_position FROM eventcore.read_all(place) LOOP
                        INSERT INTO received VALUES (place, clock_timestamp());
                        n := n - 1;
                    END LOOP;
                    COMMIT;
                END LOOP;
            END $$'
    sql -c "CREATE PROCEDURE send(n int) LANGUAGE plpgsql AS \$\$
            DECLARE place bigint; began timestamptz;
            BEGIN
                FOR i IN 1..n LOOP
                    PERFORM pg_sleep(0.001 + random() * 0.004);
                    began := clock_timestamp();
                    SELECT global_position INTO place FROM eventcore.append('sent', -1, 'Sent', NULL);
                    COMMIT;
                    INSERT INTO sent VALUES (place, began, clock_timestamp());
                    COMMIT;
                END LOOP;
            END \$\$"
    for ((round = 0; round <= rounds; round++)); do
        sql -c 'TRUNCATE sent, received'
        sql -c "CALL receive($(sql -c 'SELECT eventcore.last_position()'), $deliveries / ($rounds + 1))" &
        local receiver=$!
        sql -c "CALL send($deliveries / ($rounds + 1))"
        wait "$receiver"
        sql -c "SELECT format('delivery|%s, ms|%s|$round|%s', name, what, percentile_cont(quantile) WITHIN GROUP (ORDER BY ms))
                FROM sent JOIN received USING (position),
                    LATERAL (VALUES (1, 'append and commit', 1000 * extract(epoch FROM committed - began)),
                        (2, 'from commit to reader', greatest(1000 * extract(epoch FROM at - committed), 0.001))) AS v(n, what, ms),
                    (VALUES ('p50', 0.5), ('p99', 0.99)) AS q(name, quantile)
                GROUP BY name, quantile, n, what ORDER BY name, n"
    done
}

# safe_position COUNT: with so many sessions in the midst of an append of two streams each.
safe_position() {
    sessions "$1" "BEGIN \\; SELECT count(*) FROM eventcore.append(ARRAY[eventcore.new_event('a-' || :client_id, 'T'), eventcore.new_event('b-' || :client_id, 'T')]) \\; SELECT pg_sleep(3600);"
    sql -c 'CREATE OR REPLACE FUNCTION cost(n int) RETURNS float LANGUAGE plpgsql AS $$
            DECLARE start timestamptz := clock_timestamp();
            BEGIN
                FOR i IN 1..n LOOP PERFORM eventcore.safe_position(); END LOOP;
                RETURN extract(epoch FROM clock_timestamp() - start) * 1e6 / n;
            END $$' \
        -c "SELECT 'safe_position|us|$1 open appends|$round|' || cost(500)"
    end_sessions "$1"
}

goals() {
    goal '8 appenders with 20 waiting / with none' '≥' 0.95 "$(ratio '8 appenders' durable '20 waiting')"
    goal 'commit to delivery, p50, ms' '≤' 1 "$(median delivery 'p50, ms' 'from commit to reader')"
    goal 'commit to delivery, p99, ms' '≤' 10 "$(median delivery 'p99, ms' 'from commit to reader')"
}

# median PANEL CASE CONTENDER: the value itself.
median() {
    summarise <"$results/$part" | awk -F'|' -v cell="$1|$2|$3" '$1 FS $2 FS $3 == cell { printf "%.3f", $4 }'
}
