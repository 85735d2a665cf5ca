# Batches: rows per second of large appends and of many commands in one call, against COPY of rows
# like them into the same table. All inside the server, commit included; arrays and files are made
# beforehand. Every stream is new, expected to be so, and random in the index.

title='Rows per second in bulk'
unit='rows/s'
better=higher

measure() {
    local rounds=11 rows=10000 events=(1 10 100 1000 10000) commands=(1 10 100 1000) round size
    if [ -n "$quick" ]; then rounds=5 rows=5000; fi
    create_procedures
    settle
    for ((round = 0; round <= rounds; round++)); do
        for size in "${events[@]}"; do
            compare "one append|$(thousands "$size") events" append_events "$size" "$size"
        done
        for size in "${commands[@]}"; do
            compare "one batch of commands, two events each|$(thousands "$size") commands" \
                append_commands "$size" $((2 * size))
        done
    done | PGOPTIONS='-c synchronous_commit=off' sql | record
}

# compare CASE PROCEDURE SIZE ROWS: in turn, who begins changes.
compare() {
    local contender
    while read -r contender; do
        case $contender in
        COPY) echo "CALL copy_rows($4, $(repetitions "$4"), NULL) \\gset" ;;
        eventcore) echo "CALL $2($3, $(repetitions "$4"), NULL) \\gset" ;;
        esac
        echo "\\echo '$1|$contender|$round|':rate"
    done < <(rotate "$round" COPY eventcore)
}

repetitions() {
    local count=$((rows / $1))
    echo $((count == 0 ? 1 : count > 500 ? 500 : count))
}

create_procedures() {
    sql <<SQL
-- Version 7, as eventcore makes them: a COPY with random ids would be slower.
CREATE FUNCTION event_id(place bigint) RETURNS uuid LANGUAGE sql VOLATILE AS \$\$
    SELECT (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
            || '7' || lpad(to_hex(place % 4096), 3, '0')
            || '8' || substr(md5(random()::text), 1, 15))::uuid
\$\$;

CREATE PROCEDURE copy_rows(size int, repetitions int, INOUT rate float8) LANGUAGE plpgsql AS \$\$
DECLARE
    start timestamptz;
    spent interval := '0';
BEGIN
    FOR i IN 1 .. repetitions LOOP
        EXECUTE format(\$copy\$
            COPY (SELECT 'default', place, 'account-' || gen_random_uuid(), 1,
                         event_id(place), 'MoneyDeposited', '{"amount": 5}', NULL, NULL, now()
                  FROM (SELECT nextval('eventcore.global_position') AS place
                        FROM generate_series(1, %s)) AS places)
            TO '$CLUSTER_DIR/rows'\$copy\$, size);
        COMMIT;
        start := clock_timestamp();
        COPY eventcore.events FROM '$CLUSTER_DIR/rows';
        COMMIT;
        spent := spent + (clock_timestamp() - start);
    END LOOP;
    rate := size * repetitions / extract(epoch FROM spent);
END \$\$;
SQL
    sql <<'SQL'
CREATE PROCEDURE append_events(size int, repetitions int, INOUT rate float8)
LANGUAGE plpgsql AS $$
DECLARE
    ids   text[];
    types text[]   := array_fill('MoneyDeposited'::text, ARRAY[size]);
    data  jsonb[]  := array_fill('{"amount": 5}'::jsonb, ARRAY[size]);
    none  bigint[] := array_fill(0::bigint, ARRAY[size]);
    start timestamptz;
    spent interval := '0';
BEGIN
    FOR i IN 1 .. repetitions LOOP
        ids := ARRAY(SELECT 'account-' || gen_random_uuid() FROM generate_series(1, size));
        start := clock_timestamp();
        PERFORM FROM eventcore.append_columns(
            ids, types, data, expected_streams => ids, expected_versions => none);
        COMMIT;
        spent := spent + (clock_timestamp() - start);
    END LOOP;
    rate := size * repetitions / extract(epoch FROM spent);
END $$;

CREATE PROCEDURE append_commands(size int, repetitions int, INOUT rate float8)
LANGUAGE plpgsql AS $$
DECLARE
    ids     text[];
    numbers int[]    := ARRAY(SELECT (i + 1) / 2 FROM generate_series(1, 2 * size) AS i);
    types   text[]   := array_fill('MoneyDeposited'::text, ARRAY[2 * size]);
    data    jsonb[]  := array_fill('{"amount": 5}'::jsonb, ARRAY[2 * size]);
    none    bigint[] := array_fill(0::bigint, ARRAY[2 * size]);
    start   timestamptz;
    spent   interval := '0';
BEGIN
    FOR i IN 1 .. repetitions LOOP
        ids := ARRAY(SELECT 'account-' || gen_random_uuid() FROM generate_series(1, 2 * size));
        start := clock_timestamp();
        PERFORM FROM eventcore.append_batch_columns(
            numbers, ids, types, data, expected_commands => numbers, expected_streams => ids,
            expected_versions => none);
        COMMIT;
        spent := spent + (clock_timestamp() - start);
    END LOOP;
    rate := 2 * size * repetitions / extract(epoch FROM spent);
END $$;
SQL
}

goals() {
    goal 'rows/s in batches of 100 commands / COPY' '≥' 0.8 \
        "$(ratio 'one batch of commands, two events each' '100 commands' eventcore)"
    goal 'rows/s in appends of 1,000 events to 1,000 streams / COPY' '≥' 1.0 \
        "$(ratio 'one append' '1,000 events' eventcore)"
}
