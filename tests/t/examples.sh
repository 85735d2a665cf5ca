#!/usr/bin/env bash
# The examples do what they say, also when they are run again, and are short enough to be read.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
flock client make -s --no-print-directory client >&2
examples=$PWD/client/build/examples
mapfile -t programs < <(basename -s .c -a client/examples/*.c)
# twice six programs, and an import, twice; and the two with event loops
echo "1..$((2 * ${#programs[@]} + 16))"

createdb -T eventcore examples
conninfo="host=$PGHOST port=$PGPORT user=$PGUSER dbname=examples"

# prints PROGRAM WANT NAME: what it prints, and its exit status unless that is 0.
prints() { is "$("$examples/$1" "$conninfo" 2>&1 || echo "status $?")" "$2" "$1: $3"; }
# imports FILE WANT NAME
imports() { is "$("$examples/batch_import" "$conninfo" <"$1" 2>&1 || echo "status $?")" "$2" "batch_import: $3"; }

transferred='transfer of 30: done with 2 events at attempt 1
transfer of 500: rejected, insufficient_funds: balance 70, requested 500
transfer of -5: invalid_command, invalid_amount: -5
alice, version 1: MoneyDeposited, balance 100
alice, version 2: MoneyWithdrawn, balance 70
bob, version 1: MoneyDeposited, balance 20
bob, version 2: MoneyDeposited, balance 50'
fulfilled='fulfilled: StockTaken StockTaken ShipmentRequested OrderFulfilled
rejected: out_of_stock: lamp: 2 ordered, 0 in stock
rejected: discontinued: gramophone'
registered='201 welcome, Ada
409 email_taken: this address has a user already
400 invalid_email: "at home" is not an e-mail address
403 not_invited: there is no such invitation any more'
cancelled='cancelled: TripCancelled SeatsReleased RoomReleased PaymentRefunded
nothing left to do
TripCancelled by agent-7
rejected: the flight has departed'
modelled='3 events behind
3 events added
model_account-alice has 70
model_account-bob has 30'
modelled_again='3 events behind
3 events added
model_account-alice has 140
model_account-bob has 60'
mailed='failed: 450 mailbox busy
failed: Grace has no address
to edsger@example.org: thank you for your order, Edsger (delivery 1)
to ada@example.org: thank you for your order, Ada (delivery 2)
2 sent'
for again in '' ', again'; do
    prints transfer_money "$transferred" "a transfer and two rejections$again"
    prints fulfil_order "$fulfilled" "streams are discovered$again"
    prints register_user "$registered" "rejections are told apart$again"
    prints cancel_booking "$cancelled" "all is taken back, once$again"
    prints read_model "$modelled" "each event is added, once$again"
    prints send_mails "$mailed" "some come again, and one is set aside$again"
    modelled=$modelled_again
done

file=$CLUSTER_DIR/products
product() { printf '{"sku": "%s", "name": "%s", "price": %d}\n' "$@"; }
{
    for n in {1..149}; do product "lamp-$n" "Lamp $n" "$n"; done
    product lamp-1 'Lamp 1' 1
    product lamp-2 'Another lamp' 2
    product lamp-149 'Lamp 149' 149
    product lamp-148 'Another lamp' 148
    product lamp-150 Gift 0
    product 'a lamp' Lamp 1
    echo 'lamp-151;Lamp;151'
} >"$file"
refused='line 151: listed_otherwise: as Lamp 2 at 2
line 153: listed_otherwise: as Lamp 148 at 148
line 154: invalid_price: 0
line 155: a sku has at most 100 letters, digits and hyphens
line 156: a product has a sku, a name and a price in cents'
imports "$file" "$refused
149 listed, 2 unchanged, 5 refused
status 1" 'all lines but those that are refused, with number and reason'
imports "$file" "$refused
0 listed, 151 unchanged, 5 refused
status 1" 'the same file again writes nothing'

prints event_loop_libuv '60 transfers over 4 connections: 60 done, 0 failed' 'many at once'

# Two clients at once, of whom the first takes its time.
"$examples/event_loop_poll" "$conninfo" "$CLUSTER_DIR/tickets" &
server=$!
answers=$(perl -MIO::Socket::UNIX -e '
    sub connected {
        for (1 .. 500) {
            my $client = IO::Socket::UNIX->new(Peer => $ARGV[0]);
            return $client if $client;
            select undef, undef, undef, 0.02;
        }
        die "there is no server";
    }
    my ($slow, $quick) = (connected(), connected());
    $slow->print("Ham");
    $quick->print("Hamlet\nHamlet\n");
    print scalar <$quick>, scalar <$quick>;
    $slow->print("let\n");
    print scalar <$slow>;
    $quick->print("Hamlet\nMacbeth\n");
    print scalar <$quick>, scalar <$quick>;
' "$CLUSTER_DIR/tickets")
kill "$server"
wait "$server" 2>/dev/null || true
is "$answers" 'seat 1
seat 2
seat 3
rejected: sold_out: all 3 seats
seat 1' 'event_loop_poll: serves clients side by side'

for program in "${programs[@]}"; do
    mapfile -t files < <(sed -n 's|^#include "\(.*\)"|client/examples/\1|p' "client/examples/$program.c")
    lines=$(cat "client/examples/$program.c" "${files[@]}" | wc -l)
    is "$((lines < 200))" 1 "$program has less than 200 lines, all told"
    "$examples/$program" 'dbname=missing' </dev/null >/dev/null 2>&1 && failed=no || failed=yes
    is "$failed" yes "$program fails without its database"
done
dropdb examples
