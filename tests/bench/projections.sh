# Projections: what it costs to keep a table of balances. Async, over a log that is there, against a
# loop by hand that does the same; and to the append, which an inline one makes longer. The handlers are
# plpgsql, which keeps its plans; a function in SQL is planned again in every batch and every append.
# A batch of 500 events concerns some 300 accounts.

title='A table of balances of 10,000 accounts, kept by a projection'
unit='µs an event'
better=lower

measure() {
    local rounds=10 events=100000 appends=2000 round contender
    if [ -n "$quick" ]; then rounds=5 events=20000 appends=1000; fi
    create_balances "$events"
    settle
    for ((round = 0; round <= rounds; round++)); do
        while read -r contender; do
            echo "CALL over_log('$contender', NULL) \\gset"
            echo "\\echo 'over the log|$events events|$contender|$round|':us"
        done < <(rotate "$round" 'loop by hand' 'one event' 'a set')
        while read -r contender; do
            echo "CALL within_appends('$contender', $appends, NULL) \\gset"
            echo "\\echo 'within the append|$appends appends|$contender|$round|':us"
        done < <(rotate "$round" 'no projection' 'async one' 'inline, one event' 'inline, a set')
    done | PGOPTIONS='-c synchronous_commit=off' sql | record
}

create_balances() {
    sql -v events="$1" <<'SQL' >/dev/null
CREATE TABLE balance (account text PRIMARY KEY, amount bigint NOT NULL) WITH (fillfactor = 50);
CREATE FUNCTION one_event(e eventcore.recorded_event) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO balance VALUES (e.stream_id, (e.data->>'amount')::bigint)
    ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount;
END $$;
CREATE FUNCTION a_set(events eventcore.recorded_event[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO balance
    SELECT stream_id, sum((data->>'amount')::bigint) FROM unnest(events) GROUP BY stream_id
    ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount;
END $$;
-- The same by hand, for the next 500 events.
CREATE FUNCTION by_hand(INOUT after bigint, OUT count bigint) LANGUAGE plpgsql AS $$
DECLARE
    e eventcore.recorded_event;
BEGIN
    count := 0;
    FOR e IN SELECT * FROM eventcore.read_all(after, 500) LOOP
        INSERT INTO balance VALUES (e.stream_id, (e.data->>'amount')::bigint)
        ON CONFLICT (account) DO UPDATE SET amount = balance.amount + excluded.amount;
        after := e.global_position;
        count := count + 1;
    END LOOP;
END $$;

-- Every batch is a transaction, as in the background worker.
CREATE PROCEDURE over_log(contender text, INOUT us float8) LANGUAGE plpgsql AS $$
DECLARE
    start    timestamptz;
    handled  bigint := 0;
    batch    bigint;
    position bigint := 0;
BEGIN
    TRUNCATE balance;
    IF contender <> 'loop by hand' THEN
        PERFORM eventcore.create_projection('balance', CASE contender WHEN 'a set' THEN 'a_set' ELSE 'one_event' END);
    END IF;
    COMMIT;
    start := clock_timestamp();
    LOOP
        IF contender = 'loop by hand' THEN
            SELECT b.after, b.count INTO position, batch FROM by_hand(position) AS b;
        ELSE
            batch := eventcore.run_projection('balance', 500);
        END IF;
        COMMIT;
        EXIT WHEN batch = 0;
        handled := handled + batch;
    END LOOP;
    us := extract(epoch FROM clock_timestamp() - start) * 1e6 / handled;
    IF contender <> 'loop by hand' THEN
        PERFORM eventcore.drop_projection('balance');
    END IF;
    IF handled = 0 OR (SELECT sum(amount) FROM balance) <> 5 * handled THEN
        RAISE EXCEPTION 'wrong balances';
    END IF;
END $$;

-- In a store of its own: the log that the others are measured over must not grow.
CREATE PROCEDURE within_appends(contender text, count int, INOUT us float8) LANGUAGE plpgsql AS $$
DECLARE
    start timestamptz;
BEGIN
    TRUNCATE balance;
    IF contender <> 'no projection' THEN
        PERFORM eventcore.create_projection('balance', CASE contender WHEN 'inline, a set' THEN 'a_set' ELSE 'one_event' END,
            mode => CASE contender WHEN 'async one' THEN 'async' ELSE 'inline' END, store => 'appends',
            start => eventcore.last_position('appends'));
    END IF;
    COMMIT;
    start := clock_timestamp();
    FOR i IN 1 .. count LOOP
        PERFORM eventcore.append('account-' || i % 100, -1, 'MoneyDeposited', '{"amount": 5}', store => 'appends');
        COMMIT;
    END LOOP;
    us := extract(epoch FROM clock_timestamp() - start) * 1e6 / count;
    IF contender <> 'no projection' THEN
        PERFORM eventcore.drop_projection('balance', 'appends');
    END IF;
    COMMIT;
END $$;

SELECT eventcore.create_store('appends');
SELECT count(*) FROM (SELECT array_agg('account-' || (10000 * random() ^ 3)::int) AS ids, array_agg('MoneyDeposited'::text) AS types,
                             array_agg('{"amount": 5}'::jsonb) AS data FROM generate_series(1, :events) AS i) AS events,
    eventcore.append_columns(ids, types, data);
SQL
}

goals() {
    local events
    events=$(cut -d'|' -f2 "$results/$part" | head -n 1)
    goal 'set-based handler / loop by hand' '≤' 1 "$(ratio 'over the log' "$events" 'a set')"
    goal 'append with an async projection / without' '≤' 1.05 \
        "$(ratio 'within the append' "$(cut -d'|' -f2 "$results/$part" | grep appends | head -n 1)" 'async one')"
}
