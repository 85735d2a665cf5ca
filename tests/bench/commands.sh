# Commands, each from its read to its commit, durable, by the client library, against the same
# commands on a table of balances and against an event store written by hand (tests/bench/commands).
#
#   contention             deposits to one account, by all workers
#   transfers, N accounts  between two of them at random
#   throughput             deposits, each worker to an account of its own
#   1 ms away              the same where a round trip on the network takes a millisecond
#
# Streams have about ten events. The balance table, whose rows SELECT FOR UPDATE locks, and the loop
# by hand take a round trip for each statement, as commonly written: five and ten for a transfer.
# Pipelined, the balance table takes two, as eventcore does. What a round trip costs on a socket of
# the same machine is little beside what it costs between machines.

title='Commands per second, durable, streams of ten events'
unit='commands/s'
better=higher
workloads=('contention' 'transfers, 10 accounts' 'transfers, 10,000 accounts'
    'transfers, 10,000 accounts, 1 ms away' 'throughput')

measure() {
    local rounds=5 seconds=0.5 workers=(1 2 4 8 16 32) round count workload contender
    local contenders=('balance table' 'balance table, pipelined'
        'balance table with history, pipelined' 'loop by hand' 'eventcore' 'eventcore, locked')
    if [ -n "$quick" ]; then
        rounds=3 seconds=0.3 workers=(1 8 32)
        contenders=('balance table' 'balance table, pipelined' 'loop by hand' 'eventcore')
    fi
    make -s -C "$bench/commands"
    "$bench/commands/build/commands" create
    settle
    for workload in "${workloads[@]}"; do
        for count in "${workers[@]}"; do
            for ((round = 1; round <= rounds; round++)); do
                while read -r contender; do
                    "$bench/commands/build/commands" "$contender" "$workload" "$count" "$seconds" "$round"
                done < <(rotate "$round" "${contenders[@]}")
            done
        done
    done | tee "$results/commands.figures" | cut -d'|' -f1-5 | record
}

# What else was measured: medians of the rounds.
details() {
    awk -F'|' '
        function median(cell, field,    n, i, j, v, x) {
            n = split(values[cell, field], v, " ")
            for (i = 2; i <= n; i++) {
                x = v[i]
                for (j = i - 1; j >= 1 && v[j] + 0 > x + 0; j--) v[j + 1] = v[j]
                v[j + 1] = x
            }
            return v[int((n + 1) / 2)]
        }
        {
            cell = $1 ", " $2 " | " $3
            if (!(cell in seen)) cells[++count] = cell
            seen[cell] = 1
            for (i = 5; i <= NF; i++) values[cell, i] = values[cell, i] " " $i
        }
        END {
            print "\n| | | commands/s | attempts a command | conflicts | rejected | given up |" \
                " p50 ms | p95 ms | p99 ms | client CPU, µs a command |"
            print "|---|---|---|---|---|---|---|---|---|---|---|"
            for (c = 1; c <= count; c++) {
                line = "| " cells[c] " |"
                for (i = 5; i <= NF; i++) line = line " " median(cells[c], i) " |"
                print line
            }
        }' "$results/commands.figures"
}

goals() {
    local workload
    for workload in "${workloads[@]}"; do
        goal "$workload, 8 workers: eventcore / balance table" '≥' 0.9 \
            "$(ratio "$workload" '8 workers' eventcore)"
        goal "$workload, 8 workers: eventcore / balance table, pipelined" '≥' 0.9 \
            "$(ratio "$workload" '8 workers' eventcore 'balance table, pipelined')"
        goal "$workload, 8 workers: eventcore / loop by hand" '≥' 3 \
            "$(ratio "$workload" '8 workers' eventcore 'loop by hand')"
    done
}
