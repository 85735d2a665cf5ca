#!/usr/bin/env bash
# Consumers compete for the events of two subscriptions, of which one keeps the order of streams, while
# writers append. The consumers acknowledge, give back, forget, are too late, and die, at every
# moment; parked events are replayed and discarded; the server crashes. In the end each event was
# done once, and in order.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
cluster=$(dirname "${BASH_SOURCE[0]}")/../cluster
echo 1..9

createdb consumers
export PGDATABASE=consumers
sql "CREATE EXTENSION eventcore;
    SELECT eventcore.create_subscription('loose', acknowledge => true, max_attempts => 3, visibility => '30 ms');
    SELECT eventcore.create_subscription('ordered', acknowledge => true, max_attempts => 3, visibility => '30 ms',
                                         types => '{T}', keep_order => true);
    CREATE TABLE done (n bigserial, subscription text, stream_id text, global_position bigint, attempt int, how text);

    -- Each event is done in one transaction with its acknowledgement.
    CREATE PROCEDURE consume(name text, seconds float, faulty boolean) LANGUAGE plpgsql AS \$\$
    DECLARE
        until timestamptz := clock_timestamp() + seconds * interval '1 s';
        batch eventcore.received_event[];
        event eventcore.received_event;
        fault float;
    BEGIN
        WHILE clock_timestamp() < until LOOP
            SELECT array_agg(e) INTO batch FROM eventcore.receive(name, 1 + (random() * 9)::int) AS e;
            IF faulty AND random() < 0.01 THEN
                PERFORM pg_terminate_backend(pg_backend_pid());
            END IF;
            COMMIT;
            IF batch IS NULL THEN
                PERFORM pg_sleep(0.003);
                CONTINUE;
            END IF;
            FOREACH event IN ARRAY batch LOOP
                fault := CASE WHEN faulty THEN random() ELSE 1 END;
                IF fault < 0.01 THEN
                    PERFORM pg_terminate_backend(pg_backend_pid());
                ELSIF fault < 0.10 THEN
                    PERFORM eventcore.nack(name, event.global_position, random() * interval '10 ms', 'given back', event.attempt);
                ELSIF fault < 0.13 THEN
                    NULL;
                ELSE
                    IF fault < 0.15 THEN
                        PERFORM pg_sleep(0.04);
                    END IF;
                    IF eventcore.ack(name, event.global_position, event.attempt) THEN
                        INSERT INTO done (subscription, stream_id, global_position, attempt, how)
                        VALUES (name, event.stream_id, event.global_position, event.attempt, 'acknowledged');
                        IF fault < 0.17 THEN
                            PERFORM pg_terminate_backend(pg_backend_pid());
                        END IF;
                    END IF;
                END IF;
                COMMIT;
            END LOOP;
        END LOOP;
    END \$\$;

    CREATE PROCEDURE tidy_up(name text, seconds float) LANGUAGE plpgsql AS \$\$
    DECLARE
        until timestamptz := clock_timestamp() + seconds * interval '1 s';
    BEGIN
        WHILE clock_timestamp() < until LOOP
            PERFORM eventcore.replay_parked(name, ARRAY(SELECT global_position FROM eventcore.parked WHERE subscription = name AND random() < 0.5));
            COMMIT;
            INSERT INTO done (subscription, stream_id, global_position, attempt, how)
            SELECT subscription, stream_id, global_position, attempts, 'discarded' FROM eventcore.parked AS p
            WHERE subscription = name AND eventcore.discard_parked(name, ARRAY[global_position]) = 1;
            COMMIT;
            PERFORM pg_sleep(0.1);
        END LOOP;
    END \$\$" >/dev/null

cat >"$CLUSTER_DIR/append.sql" <<'SQL'
\set a random(1, 12)
\set b random(1, 40)
SELECT eventcore.append(ARRAY[eventcore.new_event('s-' || :a, 'T'), eventcore.new_event('s-' || :b, 'T'), eventcore.new_event('s-' || :a, 'Other')]);
SQL

# again COMMAND...: until the time is up; each ends early by its own death.
end=$((SECONDS + 5))
again() {
    while [ $SECONDS -lt $end ]; do
        "$@" >/dev/null 2>&1 || true
    done
}
jobs=()
for consumer in loose loose loose ordered ordered ordered; do
    again sql "CALL consume('$consumer', 1, true)" &
    jobs+=($!)
done
for name in loose ordered; do
    again sql "CALL tidy_up('$name', 1)" &
    jobs+=($!)
done
again pgbench -n -c 2 -T 1 -R 300 -f "$CLUSTER_DIR/append.sql" &
jobs+=($!)
sleep 2
"$cluster" restart kill
wait "${jobs[@]}"

# What is left is done without faults.
for name in loose ordered; do
    for _ in {1..20}; do
        sql "SELECT eventcore.replay_parked('$name')" >/dev/null
        sql "CALL consume('$name', 1, false)"
        [ "$(sql "SELECT in_flight + waiting + parked, frontier = eventcore.last_position() FROM eventcore.delivery_status WHERE subscription = '$name'")" != '0|t' ] || break
    done
done

is "$(sql "SELECT count(*) > 500 FROM eventcore.events")" t 'there was something to do'
for name in loose ordered; do
    is "$(sql "SELECT count(*) > 20 FROM done WHERE subscription = '$name' AND attempt > 1 AND how = 'acknowledged'")" t "$name: some at a later attempt"
    is "$(sql "SELECT count(*), count(DISTINCT global_position) FROM done WHERE subscription = '$name'")" \
        "$(sql "SELECT count(*), count(*) FROM eventcore.events WHERE '$name' = 'loose' OR type = 'T'")" "$name: every event once"
    is "$(sql "SELECT in_flight, waiting, parked, frontier = eventcore.last_position() FROM eventcore.delivery_status WHERE subscription = '$name'")" \
        '0|0|0|t' "$name: nothing is left"
done
is "$(sql "SELECT count(*) > 0 FROM done WHERE how = 'discarded'")" t 'some were parked and discarded'
is "$(sql "SELECT count(*) FROM (SELECT global_position < lag(global_position) OVER (PARTITION BY stream_id ORDER BY n) AS wrong
           FROM done WHERE subscription = 'ordered') AS d WHERE wrong")" 0 'ordered: the events of each stream in their order'
dropdb consumers
