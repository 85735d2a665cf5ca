# Who takes part where designs are compared: a label, and the statement that appends two events to
# the streams %a and %b. %v stands for the expected version: that of a new stream, or `any` of one
# that exists, for which each design has its own word. The first is the baseline.

contenders=(insert eventcore stream_lock category_lock stream_head serializable version_trigger)
designs=(stream_lock category_lock stream_head serializable version_trigger)

declare -A label=(
    [insert]='unchecked INSERT'
    [eventcore]='eventcore'
    [stream_lock]='advisory lock a stream'
    [category_lock]='lock a category'
    [stream_head]='stream-head row'
    [serializable]='SERIALIZABLE'
    [version_trigger]='MAX(version) trigger'
)

declare -A any=(
    [insert]="currval('eventcore.global_position')" # unique, if not dense
    [eventcore]=-2
    [stream_lock]=NULL
    [category_lock]=NULL
    [stream_head]=NULL
    [serializable]=NULL
)

set_append="append(ARRAY[%a, %b], ARRAY[%v, %v]::bigint[],
    ARRAY['MoneyWithdrawn', 'MoneyDeposited'], ARRAY['{\"amount\": 5}', '{\"amount\": 5}']::jsonb[])"

declare -A statement=(
    [insert]="INSERT INTO eventcore.events
        (store, global_position, stream_id, version, event_id, type, data, recorded_at)
    VALUES
        ('default', nextval('eventcore.global_position'), %a, %v + 1, gen_random_uuid(),
         'MoneyWithdrawn', '{\"amount\": 5}', clock_timestamp()),
        ('default', nextval('eventcore.global_position'), %b, %v + 1, gen_random_uuid(),
         'MoneyDeposited', '{\"amount\": 5}', clock_timestamp())"
    [eventcore]="SELECT eventcore.append(
        ARRAY[eventcore.new_event(%a, 'MoneyWithdrawn', '{\"amount\": 5}'),
              eventcore.new_event(%b, 'MoneyDeposited', '{\"amount\": 5}')],
        ARRAY[eventcore.expect(%a, %v), eventcore.expect(%b, %v)])"
    [stream_lock]="SELECT stream_lock.$set_append"
    [category_lock]="SELECT
        category_lock.append(%a, %v, 'MoneyWithdrawn', '{\"amount\": 5}'),
        category_lock.append(%b, %v, 'MoneyDeposited', '{\"amount\": 5}')"
    [stream_head]="SELECT stream_head.$set_append"
    [serializable]="SELECT serializable.$set_append"
    [version_trigger]="INSERT INTO version_trigger.events (stream_id, version, type, data)
    VALUES (%a, %v + 1, 'MoneyWithdrawn', '{\"amount\": 5}'),
           (%b, %v + 1, 'MoneyDeposited', '{\"amount\": 5}')"
)

isolation() {
    if [ "$1" = serializable ]; then echo serializable; else echo 'read committed'; fi
}

# append_statement CONTENDER VERSION A B: its statement for two SQL expressions as streams.
append_statement() {
    local text=${statement[$1]//%v/$2}
    text=${text//%a/$3}
    echo "${text//%b/$4}"
}

# create_designs EVENTS: make all designs, each with as many events as eventcore, in as many streams.
create_designs() {
    local design
    sql -c "SELECT count(*) FROM
        (SELECT array_agg('account-' || gen_random_uuid()) AS ids,
                array_agg('MoneyDeposited'::text) AS types,
                array_agg('{\"amount\": 5}'::jsonb) AS data FROM generate_series(1, $1)) AS events,
        eventcore.append_columns(ids, types, data)" >/dev/null
    for design in "${designs[@]}"; do
        sql -v design="$design" -f "$bench/designs/table.sql" -f "$bench/designs/$design.sql"
    done
}

# create_loop CONTENDER: a procedure CONTENDER_loop(first, count, known, NULL) that appends `count`
# times to two streams each, at the version `known`, and tells the microseconds of one append. Names
# of streams are as random as UUIDs: one after the other would spare the index most of its work.
create_loop() {
    sql <<SQL
CREATE PROCEDURE $1_loop(first bigint, count int, known bigint, INOUT us float8)
LANGUAGE plpgsql AS \$\$
DECLARE
    ids   text[] := ARRAY(SELECT 'account-' || md5('$1' || i)
                          FROM generate_series(2 * first, 2 * (first + count)) AS i);
    a     text;
    b     text;
    start timestamptz := clock_timestamp();
BEGIN
    FOR i IN 1 .. 2 * count BY 2 LOOP
        a := ids[i];
        b := ids[i + 1];
        $(append_statement "$1" known a b | sed '1s/SELECT/PERFORM/');
        COMMIT;
    END LOOP;
    us := extract(epoch FROM clock_timestamp() - start) * 1e6 / count;
END \$\$;
SQL
}
