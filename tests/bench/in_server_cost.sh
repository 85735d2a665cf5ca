# In-server cost: loops inside the server, so that hardly anything but the append is measured.

title='In-server cost of an append of two events to two streams'
unit='µs an append'
better=lower

measure() {
    local rounds=20 count=1000 round contender
    if [ -n "$quick" ]; then rounds=8; fi
    create_designs 100000
    for contender in "${contenders[@]}"; do create_loop "$contender"; done
    settle
    # Round 0 warms up, and makes the streams that exist in the others.
    for ((round = 0; round <= rounds; round++)); do
        while read -r contender; do
            call "$contender" $((round * count)) 0 'new streams'
        done < <(rotate "$round" "${contenders[@]}")
        while read -r contender; do
            [ "$round" = 0 ] || call "$contender" 0 "$round" 'existing streams'
        done < <(rotate "$round" "${contenders[@]}")
    done | PGOPTIONS='-c synchronous_commit=off' sql | record
}

# call CONTENDER FIRST VERSION CASE
call() {
    echo "SET default_transaction_isolation = '$(isolation "$1")';"
    echo "CALL $1_loop($2, $count, $3, NULL) \\gset"
    echo "\\echo '|$4|${label[$1]}|$round|':us"
}

goals() {
    local design fastest
    goal 'checked append / unchecked INSERT, in the server' '≤' 0.85 \
        "$(ratio '' 'new streams' eventcore)"
    fastest=$(for design in "${designs[@]}"; do
        ratio '' 'new streams' "${label[$design]}" eventcore
        echo
    done | sort -g | head -n 1)
    goal 'fastest other design / eventcore, in the server' '≥' 2 "$fastest"
}
