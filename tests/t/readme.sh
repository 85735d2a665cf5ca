#!/usr/bin/env bash
# README's snippets do what README says.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
snippets=$(grep -c '^```c$' README.md)
echo "1..$((snippets + 14))"

# snippet LANGUAGE NUMBER: the block of code of that number.
snippet() { awk -v open="\`\`\`$1" -v number="$2" '$0 == open { n++; inside = 1; next } /^```$/ { inside = 0 } inside && n == number' README.md; }
# What the README shows indented, from a line that begins so to the blank line behind it.
shown() { sed -n "/^    $1/,/^\$/s/^    //p" README.md; }

createdb readme
export PGDATABASE=readme
snippet sql 1 >"$CLUSTER_DIR/readme.sql"
is "$(psql -XAtq -v ON_ERROR_STOP=1 -f "$CLUSTER_DIR/readme.sql" 2>&1 | tail -n 4 | cut -d '|' -f 2-)" \
    'account-alice|MoneyDeposited|{"amount": 100}
account-bob|MoneyDeposited|{"amount": 20}
account-alice|MoneyWithdrawn|{"amount": 30}
account-bob|MoneyDeposited|{"amount": 30}' 'the five statements'
is "$(sed -n '/^-- Decide/,/^$/p' "$CLUSTER_DIR/readme.sql" | psql -XAtq 2>&1)" \
    "$(shown 'ERROR:  version conflict')" 'the conflict'

for n in 2 3 4 5; do
    snippet sql $n
done >"$CLUSTER_DIR/readme.sql"
is "$(psql -XAtq -v ON_ERROR_STOP=1 -f "$CLUSTER_DIR/readme.sql" 2>&1 | tail -n 2)" 'account-alice|70
account-bob|50' 'following the log, and a read model'
is "$(sql 'SELECT * FROM total ORDER BY account')" 'account-alice|70
account-bob|50' 'and one by a subscription'

# A C snippet is a program, which has a main(); or an excerpt, whose first line names a file of
# client/examples, in which the others stand; or a fragment: statements that follow the first
# program's declarations, and these variables. All compile without a warning.
flock client make -s --no-print-directory client >&2
libraries=$(pkg-config --libs libpq jansson)
compile() {
    # shellcheck disable=SC2086
    cc -std=c11 -Wall -Wextra -Werror -Iclient/include -Iclient/examples -x c - -x none client/build/libeventcore.a $libraries -o "$1"
}
frame() {
    echo '#include <poll.h>'
    snippet c 1 | sed '/^int main/,$d'
    cat <<'EOF'
ec_status fragment(ec_connection *bank, transfer_streams streams, struct transfer command, ec_outcome *outcome);
ec_status fragment(ec_connection *bank, transfer_streams streams, struct transfer command, ec_outcome *outcome)
{
    ec_status status = EC_OK;
    (void)bank, (void)streams, (void)command, (void)outcome;
    {
EOF
    cat
    echo '    } return status; } int main(void) { return 0; }'
}
# valid CODE PROGRAM: whether a snippet is as it must be; builds it, unless it is an excerpt.
valid() {
    local excerpt_of
    excerpt_of=$(sed -n '1s|^/\* \(client/examples/[a-z_]*\.[ch]\) \*/$|\1|p' <<<"$1")
    if [ -n "$excerpt_of" ]; then
        [[ $'\n'$(<"$excerpt_of")$'\n' = *$'\n'"${1#*$'\n'}"$'\n'* ]]
    elif [[ $1 = *'int main('* ]]; then
        compile "$2" <<<"$1"
    else
        frame <<<"$1" | compile "$2"
    fi
}
# is_valid CODE yes|no NAME [PROGRAM]
is_valid() {
    local diagnostics result=no
    diagnostics=$(valid "$1" "${4:-$CLUSTER_DIR/snippet}" 2>&1) && result=yes
    is "$result" "$2" "$3"
    if [ "$result" != "$2" ]; then echo "${diagnostics:-there is nothing wrong with it}" | sed 's/^/# /'; fi
}

for ((n = 1; n <= snippets; n++)); do
    is_valid "$(snippet c $n)" yes "C snippet $n is valid" "$CLUSTER_DIR/snippet$n"
done
is "$("$CLUSTER_DIR/snippet1" && "$CLUSTER_DIR/snippet1")" 'ok 
ok ' 'the first one transfers'
is "$("$CLUSTER_DIR/snippet1" || true)" 'rejected insufficient_funds: balance 10' 'until the money is gone'
is "$("$CLUSTER_DIR/snippet$snippets" 2>&1 && echo passes)" passes 'the test of a command passes'
is "$(grep -cvxFf tests/pgtap/transfer.sql <(snippet sql 6 | tail -n +2))" 0 'the test in SQL is one that is run'
is_valid "$(snippet c 1 | sed 's/bank_Withdrawn/bank_Lost/')" no 'a program with an unknown name is not'
good='status = transfer_execute(bank, &streams, &command, &outcome);'
is_valid "$good" yes 'a fragment is'
is_valid "${good/&command/&commend}" no 'with an unknown name it is not'
is_valid "int unused; $good" no 'nor with a warning'
good=$'/* client/examples/transfer.h */\nstruct transfer {\n    long long amount;\n};'
is_valid "$good" yes 'an excerpt is'
is_valid "${good/amount/sum}" no 'but not of what the example does not have'
dropdb readme
