# Growth: what an append costs in a large store, and to a long stream. Every size is a store in a
# database of its own, made beforehand, so that the sizes can take turns. Streams of the store are
# random in the index. No checkpoint between filling and measuring: the first change of each page
# after one logs the whole page, which says nothing about size.

title='Cost of an append as the store and a stream grow'
unit='µs an append'
better=lower

measure() {
    local rounds=21 sizes=(10000 100000 1000000 10000000) longest=1000000 size round
    if [ -n "$quick" ]; then rounds=15 sizes=(10000 100000 500000) longest=100000; fi
    for size in "${sizes[@]}"; do
        fresh_database "bench_$size"
        create_procedures
        sql -c "CALL grow_store($size)"
        [ "$size" -gt "$longest" ] || sql -c "CALL grow_stream($size)"
        sql -c 'VACUUM ANALYZE'
    done
    for ((round = 0; round <= rounds; round++)); do
        while read -r size; do
            echo "\\c bench_$size"
            time_loop "eventcore_loop($((round * 250))" ', 0' 'two new streams, eventcore' "$size"
            time_loop "insert_loop($((round * 250))" ', 0' 'two new streams, unchecked INSERT' "$size"
            [ "$size" -gt "$longest" ] ||
                time_loop 'append_to_stream(0' '' 'one stream, eventcore' "$size"
        done < <(rotate "$round" "${sizes[@]}")
    done | PGOPTIONS='-c synchronous_commit=off' sql | record
    for size in "${sizes[@]}"; do drop_database "bench_$size"; done
}

# time_loop CALL REST CASE SIZE: warmed up first, as the connection is new.
time_loop() {
    echo "CALL $1, 50$2, NULL) \\gset"
    echo "CALL $1 + 50, 200$2, NULL) \\gset"
    echo "\\echo '|$3|$(thousands "$4") events|$round|':us"
}

create_procedures() {
    create_loop eventcore
    create_loop insert
    sql <<'SQL'
CREATE PROCEDURE append_to_stream(first int, count int, INOUT us float8) LANGUAGE plpgsql AS $$
DECLARE
    known bigint := eventcore.stream_version('long');
    start timestamptz := clock_timestamp();
BEGIN
    FOR i IN 0 .. count - 1 LOOP
        PERFORM eventcore.append('long', known + i, 'MoneyDeposited', '{"amount": 5}');
        COMMIT;
    END LOOP;
    us := extract(epoch FROM clock_timestamp() - start) * 1e6 / count;
END $$;

-- Streams of ten events each.
CREATE PROCEDURE grow_store(size int) LANGUAGE plpgsql AS $$
BEGIN
    FOR chunk IN 1 .. size / 10000 LOOP
        PERFORM FROM (
            SELECT array_agg(id) AS ids, array_agg('MoneyDeposited'::text) AS types,
                   array_agg('{"amount": 5}'::jsonb) AS data
            FROM (SELECT 'account-' || gen_random_uuid() AS id FROM generate_series(1, 1000)) AS s,
                 generate_series(1, 10)) AS events,
            eventcore.append_columns(ids, types, data);
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE grow_stream(size int) LANGUAGE plpgsql AS $$
BEGIN
    FOR chunk IN 1 .. size / 10000 LOOP
        PERFORM FROM eventcore.append_columns(
            array_fill('long'::text, ARRAY[10000]),
            array_fill('MoneyDeposited'::text, ARRAY[10000]),
            array_fill('{"amount": 5}'::jsonb, ARRAY[10000]));
        COMMIT;
    END LOOP;
END $$;
SQL
}

goals() {
    local most='10,000,000 events' longest='1,000,000 events'
    if [ -n "$quick" ]; then most='500,000 events' longest='100,000 events'; fi
    goal "append to a store of $most / of 10,000 events" '≤' 1.25 \
        "$(ratio '' 'two new streams, eventcore' "$most")"
    goal "append to a stream of $longest / of 10,000 events" '≤' 1.25 \
        "$(ratio '' 'one stream, eventcore' "$longest")"
}
