#!/usr/bin/env bash
# README's snippets do what README says.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..7
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

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

flock client make -s --no-print-directory client >&2
# shellcheck disable=SC2046
snippet c 1 | cc -std=c11 -Wall -Wextra -Werror -Iclient/include -x c - -x none client/build/libeventcore.a \
    $(pkg-config --libs libpq jansson) -o "$CLUSTER_DIR/transfer" && built=yes
is "${built:-no}" yes 'the C program compiles'
is "$("$CLUSTER_DIR/transfer" && "$CLUSTER_DIR/transfer")" 'ok 
ok ' 'and transfers'
is "$("$CLUSTER_DIR/transfer" || true)" 'rejected insufficient_funds: balance 10' 'until the money is gone'
dropdb readme
