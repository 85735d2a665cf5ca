# The append of two events over connections: pgbench, prepared statements, no think time.
#
# On existing streams the contenders append at any version, which costs them the same locks and
# look-ups but no conflicts. The version trigger knows no "any" and stays out. Serialization
# failures are tried again by pgbench.

title='Transactions per second, an append of two events each'
unit='transactions/s'
better=higher

measure() {
    local rounds=5 seconds=1 clients=(1 8 32) durabilities=(on off) round contender streams
    local workloads=('new streams' '10,000 streams' '16 streams') durability count workload
    if [ -n "$quick" ]; then
        rounds=4 clients=(8) durabilities=(on) workloads=('new streams')
    fi
    create_designs 10000
    for contender in "${contenders[@]}"; do
        [ -z "${any[$contender]:-}" ] || create_streams "$contender"
    done
    settle
    for durability in "${durabilities[@]}"; do
        for workload in "${workloads[@]}"; do
            for count in "${clients[@]}"; do
                for ((round = 1; round <= rounds; round++)); do
                    while read -r contender; do
                        drive "$contender"
                    done < <(rotate "$round" "${contenders[@]}")
                done
            done
        done
    done | record
}

create_streams() {
    sql <<SQL
DO \$\$
BEGIN
    FOR i IN 1 .. 9999 BY 2 LOOP
        $(append_statement "$1" 0 "('$1-' || i)" "('$1-' || i + 1)" | sed '1s/SELECT/PERFORM/');
    END LOOP;
END \$\$;
SQL
}

# drive CONTENDER: one run of pgbench. Streams come in ascending order, as they must in some designs.
drive() {
    local version=0 level tps
    level=$(isolation "$1")
    local -A commit=([on]='durable' [off]='synchronous_commit off')
    {
        case $workload in
        new*)
            echo '\set a random(10000000000000, 99999999999999)'
            echo '\set b :a + 1'
            ;;
        *)
            version=${any[$1]:-}
            [ -n "$version" ] || return 0
            streams=${workload% streams}
            echo "\\set a random(1, ${streams/,/} - 1)"
            echo "\\set b random(:a + 1, ${streams/,/})"
            ;;
        esac
        append_statement "$1" "$version" "('$1-' || :a)" "('$1-' || :b)" | tr '\n' ' '
        echo ';'
    } >"$results/script"
    tps=$(PGOPTIONS="-c synchronous_commit=$durability -c default_transaction_isolation=${level// /\\ }" \
        pgbench -n -M prepared -f "$results/script" -c "$count" -j "$((count > 1 ? 2 : 1))" \
        -T "$seconds" --max-tries=0 2>"$results/pgbench.log" |
        sed -n 's/^tps = \([0-9.]*\).*/\1/p') || { cat "$results/pgbench.log" >&2; return 1; }
    echo "$workload, ${commit[$durability]}|$count clients|${label[$1]}|$round|$tps"
}

goals() {
    goal 'checked append / unchecked INSERT, 8 clients, durable' '≥' 0.95 \
        "$(ratio 'new streams, durable' '8 clients' eventcore)"
}
