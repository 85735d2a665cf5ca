#!/usr/bin/env bash
# The test kit for pgTAP is installed, loaded and removed as a file, and is no extension's script.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..11
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

kit=$(sql "SELECT setting || '/extension/eventcore_pgtap.sql' FROM pg_config WHERE name = 'SHAREDIR'")
is "$(cmp "$kit" sql/optional/eventcore_pgtap.sql && echo same)" same 'it is installed beside the extension'
is "$(sql "SELECT name, version FROM pg_available_extension_versions WHERE name LIKE 'eventcore%'")" \
    "eventcore|$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" eventcore.control)" 'and changes no version of it'

installed() { (cd "$CLUSTER_DIR/kit" && find . -name 'eventcore*' -printf '%f\n' | sort | tr '\n' ' '); }
mkdir "$CLUSTER_DIR/kit"
for target in install uninstall; do
    flock Makefile make -s --no-print-directory "$target" DESTDIR="$CLUSTER_DIR/kit" >&2
    is "$(installed)" "$([ $target = uninstall ] || echo "$(basename eventcore--*.sql) eventcore.control eventcore.so eventcore_pgtap.sql ")" \
        "make $target"
done

load() { psql -XAtq -v ON_ERROR_STOP=1 -f "$kit" 2>&1 | sed -n 's/.*ERROR:  //p'; }
createdb pgtap_kit
export PGDATABASE=pgtap_kit
sql 'CREATE EXTENSION eventcore'
is "$(load || true)" 'the test kit needs eventcore and pgTAP' 'it says what it needs'
sql 'CREATE EXTENSION pgtap; CREATE SCHEMA eventcore_test'
is "$(load || true)" 'schema "eventcore_test" already exists' 'it takes no schema away that is not its own'
sql 'DROP SCHEMA eventcore_test'
is "$(load)" '' 'it is loaded'
is "$(load && sql "SELECT count(*) > 10 FROM pg_proc WHERE pronamespace = 'eventcore_test'::regnamespace")" t 'and again'

# pgTAP's runtests() rolls back each test function; one that has locked streams does not bind the next.
sql "SET search_path = public, eventcore, eventcore_test;
    CREATE SCHEMA tests;
    CREATE FUNCTION tests.setup_account() RETURNS text SET search_path FROM CURRENT
        LANGUAGE sql AS \$\$SELECT given_event('a', 'Opened')\$\$;
    CREATE FUNCTION tests.test_1() RETURNS SETOF text SET search_path FROM CURRENT LANGUAGE plpgsql AS \$\$
    BEGIN
        PERFORM lock_streams('{a}');
        PERFORM append('a', 1, 'Closed', NULL);
        RETURN NEXT then_events(ARRAY[event('Closed')]);
    END \$\$;
    CREATE FUNCTION tests.test_2() RETURNS SETOF text SET search_path FROM CURRENT LANGUAGE plpgsql AS \$\$
    BEGIN
        RETURN NEXT then_unchanged();
        RETURN NEXT then_stream_is('a', ARRAY[event('Opened')]);
        PERFORM given_event('b', 'Opened');
        RETURN NEXT then_stream_version_is('b', 2);
    END \$\$"
is "$(sql "SET client_min_messages = warning; SELECT * FROM runtests('tests'::name)" | grep -E 'ok |have:|want:')" \
    '    ok 1 - appends Closed
ok 1 - tests.test_1
    ok 1 - appends nothing
    ok 2 - a is Opened
    not ok 3 - b is at version 2
    #         have: 1
    #         want: 2
not ok 2 - tests.test_2' 'with functions of tests'
is "$(sql 'SELECT count(*) FROM eventcore.events')" 0 'and nothing stays'
is "$(psql -XAtq -c 'SELECT eventcore_test.given_events()' -c 'SELECT eventcore_test.then_unchanged()' 2>&1 | head -n 2)" \
    '# given 0 events
ERROR:  nothing is given in store "default" yet' 'what is given is given for its transaction'
unset PGDATABASE
dropdb pgtap_kit
