# Hot stream: how many appends a second all writers of one stream get done together, durable.
#
# Optimistic: read the version, append, and on a conflict read again, at once. Locked: lock the
# stream, which tells its version, and append. The serial limit is one optimistic writer alone. What
# handing a lock on costs by itself shows beside it: an advisory lock of PostgreSQL's, and an INSERT
# into a table with one index, in the same statements.

title='Appends per second to one stream'
unit='successful appends/s'
better=higher

measure() {
    local rounds=5 seconds=2 writers=(1 2 4 8 16 32) round count hot=0
    if [ -n "$quick" ]; then rounds=3 seconds=1 writers=(8 32); fi
    cat >"$results/optimistic" <<'SQL'
SELECT eventcore.stream_version('hot-' || :stream) AS version \gset
SELECT outcome FROM eventcore.try_append(ARRAY[eventcore.new_event('hot-' || :stream, 'Counted', '{"by": 1}')], ARRAY[eventcore.expect('hot-' || :stream, :version)]);
SQL
    cat >"$results/locked" <<'SQL'
BEGIN;
SELECT version FROM eventcore.lock_streams(ARRAY['hot-' || :stream]) \gset
\startpipeline
SELECT version FROM eventcore.append(ARRAY[eventcore.new_event('hot-' || :stream, 'Counted', '{"by": 1}')], ARRAY[eventcore.expect('hot-' || :stream, :version)]);
COMMIT;
\endpipeline
SQL
    cat >"$results/bare" <<'SQL'
BEGIN;
SELECT pg_advisory_xact_lock(:stream) AS locked \gset
\startpipeline
INSERT INTO bare (stream, data) VALUES (:stream, '{"by": 1}');
COMMIT;
\endpipeline
SQL
    sql -c 'CREATE TABLE bare (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, stream int, data jsonb)'
    settle
    for count in "${writers[@]}"; do
        for ((round = 0; round <= rounds; round++)); do
            drive optimistic 1 'one writer alone'
            drive optimistic "$count" optimistic
            drive locked "$count" lock_streams
            drive bare 1 'advisory lock and INSERT, alone'
            drive bare "$count" 'advisory lock and INSERT'
        done
    done | record
}

# drive SCRIPT WRITERS CONTENDER: what matters is how far the stream gets.
drive() {
    hot=$((hot + 1))
    pgbench -n -M prepared -f "$results/$1" -D stream="$hot" -c "$2" -j "$(($2 > 1 ? 2 : 1))" \
        -T "$seconds" >"$results/pgbench.log" 2>&1 || { cat "$results/pgbench.log" >&2; return 1; }
    sql -c "SELECT '|$count writers|$3|$round|' || (eventcore.stream_version('hot-$hot') +
        (SELECT count(*) FROM bare WHERE stream = $hot)) / $seconds.0"
}

goals() {
    goal '32 writers with lock_streams / one writer alone' '≥' 0.8 \
        "$(ratio '' '32 writers' lock_streams)"
}
