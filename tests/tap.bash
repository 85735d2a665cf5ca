# What the shell tests in t/ share. TAP: https://testanything.org

# is HAVE WANT NAME: one test.
is() {
    count=$((${count:-0} + 1))
    if [ "$1" = "$2" ]; then
        echo "ok $count - $3"
    else
        printf 'not ok %d - %s\n# have: %s\n# want: %s\n' "$count" "$3" "$1" "$2"
    fi
}

# sql STATEMENTS: what they return, bare.
sql() {
    psql -XAtq -v ON_ERROR_STOP=1 -c "$1"
}

# preloaded DIRECTORY SETTING...: make a server, not yet started, that has the library preloaded.
preloaded() {
    "$(dirname "${BASH_SOURCE[0]}")/cluster" server initdb -D "$1" -U "$PGUSER" -A trust -E UTF8 --no-locale --no-sync >/dev/null
    printf '%s\n' "shared_preload_libraries = 'eventcore'" "listen_addresses = ''" \
        "unix_socket_directories = '$PGHOST'" 'fsync = off' "${@:2}" >>"$1/postgresql.conf"
}
