# Commands per second on one connection: executed one after another, in batches, and pipelined.
#
# Transfers between two of many accounts: read and fold both streams, decide, append to both;
# durable. What is measured is the whole cycle of the C client. One connection keeps one backend and
# one client busy, whatever the number of processors.

title='Commands per second on one connection'
unit='commands/s'
better=higher

measure() {
    local rounds=9 milliseconds=1000 accounts=50000
    if [ -n "$quick" ]; then rounds=4 milliseconds=300 accounts=10000; fi
    build_client_program many_commands
    # The first contender of round 1 is the baseline of the report: see `summarise`.
    "$results/many_commands.program" "$accounts" "$rounds" "$milliseconds" | sort -s -t'|' -k4,4n -k2,2V |
        baseline_first | record
}

# Lines of the same round and case, the single execution first.
baseline_first() {
    awk -F'|' '
        { key = $4 FS $2 }
        key != last && NR > 1 { flush_case() }
        { last = key; if ($3 == "one at a time") first = $0; else rest = rest $0 "\n" }
        function flush_case() { print first; printf "%s", rest; rest = "" }
        END { flush_case() }'
}

# build_client_program NAME: NAME.program from NAME.c of this directory, with the client.
build_client_program() {
    local packages='libpq jansson'
    flock "$checkout/client" make -s --no-print-directory -C "$checkout/client" build/libeventcore.a
    # shellcheck disable=SC2046,SC2086
    "${CC:-cc}" -std=c11 -D_DEFAULT_SOURCE -O2 -pthread -I"$checkout/client/include" \
        $(pkg-config --cflags $packages) -o "$results/$1.program" "$bench/$1.c" \
        "$checkout/client/build/libeventcore.a" $(pkg-config --libs $packages)
}

goals() {
    goal '100 transfers in a batch / one at a time, durable' '≥' 5 \
        "$(ratio 'transfers on one connection, durable' '100 commands' batch)"
}
