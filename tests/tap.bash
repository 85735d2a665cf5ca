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
