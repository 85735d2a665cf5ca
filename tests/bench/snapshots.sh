# Commands per second over long streams: folding every event, or starting from a snapshot.
#
# A deposit: read and fold one stream, append to it; durable; on one connection. With snapshots the
# state is saved every 100 events. On streams of 10 events there is none yet: what is looked for is
# not found. The first round, in which the long streams get theirs, is not counted.

title='Commands per second over long streams, with and without snapshots'
unit='commands/s'
better=higher

measure() {
    local rounds=9 milliseconds=1000 length streams
    local lengths=(10:5000 1000:20 100000:2)
    if [ -n "$quick" ]; then rounds=4 milliseconds=400; fi
    for length in "${lengths[@]}"; do
        streams=${length#*:} length=${length%:*}
        make_streams "$length" "$streams"
    done
    settle
    build_snapshots_program
    "$results/snapshots.program" "$rounds" "$milliseconds" "${lengths[@]}" |
        sort -s -t'|' -k4,4n -k2,2V -k3,3 | record
}

# make_streams LENGTH COUNT: so many streams of so many events, in appends of at most 10,000.
make_streams() {
    local length=$1 count=$2 chunk stream
    chunk=$((length < 10000 ? length : 10000))
    for ((stream = 1; stream <= count; stream++)); do
        for ((done = 0; done < length; done += chunk)); do
            echo "SELECT count(*) FROM eventcore.append_columns(array_fill('account-$length-$stream'::text, '{$chunk}'),
                array_fill('MoneyDeposited'::text, '{$chunk}'), array_fill('{\"amount\": 1}'::jsonb, '{$chunk}'));"
        done
    done | sql >/dev/null
}

build_snapshots_program() {
    local packages='libpq jansson'
    flock "$checkout/client" make -s --no-print-directory -C "$checkout/client" build/libeventcore.a
    # shellcheck disable=SC2046,SC2086
    "${CC:-cc}" -std=c11 -D_DEFAULT_SOURCE -O2 -pthread -I"$checkout/client/include" \
        $(pkg-config --cflags $packages) -o "$results/snapshots.program" "$bench/snapshots.c" \
        "$checkout/client/build/libeventcore.a" $(pkg-config --libs $packages)
}

goals() {
    goal 'on a stream of 100,000 events, with snapshots / without' '≥' 10 \
        "$(ratio 'a command on one long stream, durable' '100000 events' snapshots)"
}
