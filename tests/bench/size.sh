# Size: what an event costs on disk, and what it sends to the disk through the WAL.

title='Bytes an event, two events an append'
unit='bytes'
better=lower

measure() {
    local pairs=100000
    if [ -n "$quick" ]; then pairs=15000; fi
    create_loop eventcore
    sql <<'SQL'
CREATE TABLE same_ids (LIKE eventcore.events INCLUDING INDEXES);
CREATE TABLE random_ids (LIKE eventcore.events INCLUDING INDEXES);

-- The very same events again, by plain INSERTs of two.
CREATE PROCEDURE fill_same_ids(pairs int) LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
BEGIN
    last := eventcore.last_position();
    FOR low IN last - 2 * pairs + 1 .. last BY 2 LOOP
        INSERT INTO same_ids
            SELECT * FROM eventcore.events
            WHERE store = 'default' AND global_position BETWEEN low AND low + 1;
        COMMIT;
    END LOOP;
END $$;

CREATE PROCEDURE fill_random_ids(pairs int) LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
BEGIN
    last := eventcore.last_position();
    FOR low IN last - 2 * pairs + 1 .. last BY 2 LOOP
        INSERT INTO random_ids
            SELECT store, global_position, stream_id, version, gen_random_uuid(), type, data,
                   payload, metadata, recorded_at
            FROM eventcore.events
            WHERE store = 'default' AND global_position BETWEEN low AND low + 1;
        COMMIT;
    END LOOP;
END $$;
SQL
    weigh "eventcore_loop(0, $pairs, 0, NULL)" eventcore.events 'eventcore' >"$results/weights"
    {
        weigh "fill_same_ids($pairs)" same_ids 'plain table, same rows'
        cat "$results/weights"
        weigh "fill_random_ids($pairs)" random_ids 'plain table, random ids'
    } | record
}

# weigh CALL TABLE CONTENDER
weigh() {
    sql -c CHECKPOINT
    PGOPTIONS='-c synchronous_commit=off' sql -F'|' <<SQL
SELECT pg_current_wal_insert_lsn() AS start \\gset
CALL $1 \\g /dev/null
SELECT '', 'disk', '$3', 1, pg_total_relation_size('$2') / (2.0 * $pairs)
UNION ALL
SELECT '', 'WAL', '$3', 1, (pg_current_wal_insert_lsn() - :'start'::pg_lsn) / (2.0 * $pairs);
SQL
}

goals() {
    goal 'bytes on disk / plain table of the same rows' '≤' 1.05 "$(ratio '' disk eventcore)"
    goal 'WAL bytes / plain table of the same rows' '≤' 1.05 "$(ratio '' WAL eventcore)"
}
