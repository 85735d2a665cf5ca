# Catch-up: a reader that begins at the beginning, until a client has all events: the log in pages of
# 1,000 events, each a transaction and settled, against one plain ordered SELECT through a cursor of
# the same 1,000 rows a fetch, which would skip what commits late. What both pay for the wire and for
# printing the rows is in it.

title='Reading a whole log'
unit='events/s'
better=higher

measure() {
    local rounds=5 events=10000000 round contender
    if [ -n "$quick" ]; then rounds=3 events=200000; fi
    sql -v chunks=$((events / 10000)) <<'SQL'
CREATE PROCEDURE fill(chunks int) LANGUAGE plpgsql AS $$
BEGIN
    FOR chunk IN 1 .. chunks LOOP
        PERFORM FROM (
            SELECT array_agg('account-' || n % 1000) AS ids, array_agg('MoneyDeposited'::text) AS types,
                   array_agg('{"amount": 5}'::jsonb) AS data
            FROM generate_series(1, 10000) AS n) AS events, eventcore.append_columns(ids, types, data);
        COMMIT;
    END LOOP;
END $$;
CALL fill(:chunks);
SQL
    settle
    {
        local after
        for ((after = 0; after < events; after += 1000)); do
            echo "SELECT * FROM eventcore.read_all($after, 1000);"
        done
    } >"$results/pages"
    cat >"$results/select" <<'SQL'
\set FETCH_COUNT 1000
SELECT stream_id, version, global_position, event_id, type, data, payload, metadata, recorded_at
FROM eventcore.events WHERE store = 'default' ORDER BY global_position;
SQL
    for ((round = 0; round <= rounds; round++)); do
        while read -r contender; do
            local from=$EPOCHREALTIME
            sql -f "$results/${contender%% *}" -o /dev/null
            echo "|$(thousands "$events") events|${contender#* }|$round|$((events * 1000000 / (${EPOCHREALTIME/./} - ${from/./})))"
        done < <(rotate "$round" 'select plain SELECT' 'pages read_all')
    done | record
}

goals() {
    local all='10,000,000 events'
    if [ -n "$quick" ]; then all='200,000 events'; fi
    goal 'catch-up by read_all / plain SELECT' '≥' 0.8 "$(ratio '' "$all" read_all 'plain SELECT')"
}
