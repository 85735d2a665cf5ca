#!/usr/bin/env bash
# A pool of the client's connections lives through a restart of the server.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../tap.bash"
echo 1..4
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

flock client make -s --no-print-directory client >&2
cat >"$CLUSTER_DIR/pool.c" <<'C'
#include <eventcore/eventcore.h>
#include <stdio.h>

/* For each line of input, take all connections, read on each, and say what came of that. */
int main(void)
{
    ec_connection *connections[4];
    ec_pool *pool;
    char line[10];

    if (ec_pool_new(&pool, NULL, NULL) != EC_OK)
        return 1;
    while (fgets(line, sizeof line, stdin) != NULL) {
        for (int i = 0; i < 4; i++) {
            ec_status status = ec_pool_acquire(pool, 10000, &connections[i]);
            ec_events *events = NULL;

            if (status == EC_OK)
                status = ec_read_stream(connections[i], "a", NULL, &events);
            printf("%s ", ec_status_name(status));
            ec_events_free(events);
        }
        for (int i = 0; i < 4; i++)
            ec_pool_release(pool, connections[i]);
        puts("");
        fflush(stdout);
    }
    ec_pool_free(pool);
    return 0;
}
C
${CC:-cc} -pthread -Iclient/include -o "$CLUSTER_DIR/pool" "$CLUSTER_DIR/pool.c" \
    client/build/libeventcore.a $(pkg-config --libs libpq jansson)

createdb -T eventcore pool
coproc POOL { PGDATABASE=pool "$CLUSTER_DIR/pool"; }
# use: what four connections say.
use() {
    local said
    echo >&"${POOL[1]}"
    read -r -t 60 said <&"${POOL[0]}"
    echo "${said% }"
}
all_ok='ok ok ok ok'

is "$(use)" "$all_ok" 'connections are made'
tests/cluster restart fast
is "$(use)" "$all_ok" 'and made anew after a restart'
tests/cluster server pg_ctl stop --silent -w -D "$PGDATA" -m fast
is "$(use)" 'connection_lost connection_lost connection_lost connection_lost' 'without a server nobody waits in vain'
tests/cluster server pg_ctl start --silent -w -D "$PGDATA" -l "$CLUSTER_LOG"
is "$(use)" "$all_ok" 'and no place in the pool was lost'
exec {POOL[1]}>&-
wait "$POOL_PID"
dropdb pool
