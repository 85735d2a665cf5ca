#!/usr/bin/env bash
# The client as a library: what is installed and exported, programs in C and C++ that link with it,
# and its reference.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..17
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

prefix=$CLUSTER_DIR/library
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" eventcore.control)
soname=libeventcore.so.${version%%.*}
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

# try DESCRIPTION COMMAND...: one test, of a command that succeeds without a word.
try() {
    local output
    output=$("${@:2}" 2>&1) || output+=$'\n'"failed: $?"
    is "$output" '' "$1"
}
# installed DIRECTORY: what is there, beside the headers.
installed() { (cd "$1" && find . -mindepth 1 ! -type d ! -name '*.h' | LC_ALL=C sort | paste -sd ' '); }
files="./lib/libeventcore.a ./lib/libeventcore.so ./lib/$soname ./lib/libeventcore.so.$version ./lib/pkgconfig/eventcore.pc"

# ---------------------------------------------------------------- installing

try 'install-client' flock client make -s --no-print-directory install-client PREFIX="$prefix"
is "$(installed "$prefix")" "$files" 'has installed the libraries'
is "$(diff -r client/include/eventcore "$prefix/include/eventcore" 2>&1)" '' 'and the headers'
flock client make -s --no-print-directory install-client DESTDIR="$CLUSTER_DIR/stage" PREFIX=/opt/ec >&2
is "$(installed "$CLUSTER_DIR/stage/opt/ec") $(sed -n 's/^prefix=//p' "$CLUSTER_DIR/stage/opt/ec/lib/pkgconfig/eventcore.pc")" \
    "$files /opt/ec" 'below DESTDIR, which is no part of what pkg-config says'
is "$(readelf -d "$prefix/lib/libeventcore.so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')" "$soname" 'the SONAME has the major version'

# ---------------------------------------------------------------- what is in it

exported=$(nm -D --defined-only "$prefix/lib/libeventcore.so" | awk '{ print $3 }' | LC_ALL=C sort)
is "$(diff client/symbols.list - <<<"$exported")" '' 'it exports what symbols.list says (make -C client symbols)'
is "$(make -s --no-print-directory -C client symbols SYMBOLS=/dev/stdout | diff client/symbols.list -)" '' 'which is what the headers declare'
is "$(nm -g --defined-only "$prefix/lib/libeventcore.a" | awk 'NF == 3 && $3 !~ /^ec_/ { print $3 }')" '' 'no other name is taken, statically either'
# Read-only data that holds addresses is in .data.rel.ro; the rest could be written to.
variables=$(objdump -t "$prefix/lib/libeventcore.a" |
    awk -F '\t' 'substr($1, 18, 7) !~ /d/ && $1 ~ / (\.t?bss|\.t?data|\*COM\*)[^ ]*$/ && $1 !~ / \.data\.rel\.ro[^ ]*$/')
is "$variables" '' 'it has no variable that threads would share'

# ---------------------------------------------------------------- programs

cat >"$CLUSTER_DIR/version.c" <<'C'
#include <eventcore/eventcore.h>
#include <stdio.h>

int main(void)
{
    ec_connection *connection;
    ec_status status = ec_connect(&connection, NULL, NULL);

    printf("%s %s\n", ec_version(), ec_status_name(status));
    ec_close(connection);
    return 0;
}
C
# compile NAME COMPILER FLAGS...: a program of $CLUSTER_DIR.
compile() { "${@:2}" -Wall -Wextra -Werror -o "$CLUSTER_DIR/$1" >&2; }
needed() { readelf -d "$CLUSTER_DIR/$1" | grep -c "(NEEDED).*\[$soname\]"; }

shared=$(pkg-config --cflags --libs eventcore)
static=$(pkg-config --static --cflags --libs eventcore)
# shellcheck disable=SC2086
compile shared cc -std=c11 "$CLUSTER_DIR/version.c" $shared
is "$(LD_LIBRARY_PATH=$prefix/lib "$CLUSTER_DIR/shared"), $(needed shared)" "$version ok, 1" 'a program with the shared library'
# shellcheck disable=SC2086
compile static cc -std=c11 "$CLUSTER_DIR/version.c" ${static/-leventcore/-l:libeventcore.a}
is "$("$CLUSTER_DIR/static"), $(needed static)" "$version ok, 0" 'and one with the static one, by pkg-config --static'

for compiler in g++ clang++; do
    for standard in c++11 c++20; do
        name=$compiler-$standard
        # shellcheck disable=SC2086
        compile "$name" "$compiler" -std=$standard tests/client/commands.cpp $shared
        is "$(LD_LIBRARY_PATH=$prefix/lib "$CLUSTER_DIR/$name")" 'fill: ok, 2 events
again: rejected, 0 events, full: it holds 7
link: ok, 1 events
nothing: invalid_command, 0 events, nothing: 0 is nothing
empty: ok, 2 events
BoxFilled {"amount": -3} by stroustrup
followed: ok, 5 events, BoxLinked first' "commands in $standard, by $compiler"
    done
done

# ---------------------------------------------------------------- the rest

try 'the reference is made without a warning' make -s --no-print-directory -C client docs BUILD="$CLUSTER_DIR/reference"
flock client make -s --no-print-directory uninstall-client PREFIX="$prefix" >&2
is "$(find "$prefix" ! -type d)" '' 'uninstall-client leaves no file'
