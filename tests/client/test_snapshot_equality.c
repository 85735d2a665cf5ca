/*
 * test_snapshot_equality.c: with snapshots a command decides on the very state that it would decide
 * on without.
 *
 * Writers append to a few streams, in transactions that stay open for a random while, so that
 * events become visible out of order. Meanwhile commands over random streams, in random places,
 * with snapshots of random frequency, note the state and the versions that they decide on. Each
 * time all events up to these versions are folded from the first one on, and the states are
 * compared.
 */
#include <pthread.h>

#include "driver.h"
#include "server.h"
#include "tally.h"

enum { STREAMS = 4, WRITERS = 3, READERS = 2, APPENDS = 400, ROUNDS = 150 };

struct world {
    char streams[STREAMS][64];
    _Atomic int readers; /* that are not done */
};

/* A thread. */
struct actor {
    struct world *world;
    unsigned seed;
    int compared, different, started, misfits;
};

static void *write_events(void *argument)
{
    struct actor *actor = argument;
    PGconn *sql = PQconnectdb("");

    for (int i = 0; i < APPENDS && actor->world->readers > 0; i++)
        run_sql(sql,
                "SELECT version FROM eventcore.append('%s', -1, 'Counted', '{\"amount\": %d}');"
                "SELECT pg_sleep(%d / 1000.0)",
                actor->world->streams[(unsigned)rand_r(&actor->seed) % STREAMS],
                rand_r(&actor->seed), rand_r(&actor->seed) % 10);
    PQfinish(sql);
    return NULL;
}

/* The events up to the versions that the command expected, as a reply of a server at that time. */
static ec_events *cut(ec_events *all, const ec_stream_set *streams)
{
    ec_row *rows = calloc(all->row_count + 1, sizeof *rows);
    size_t count = 0;

    for (size_t i = 0; i < all->event_count; i++) {
        const ec_stream *stream = ec_streams_find(streams, all->rows[i].event.stream_id);

        if (all->rows[i].event.version > stream->version)
            continue;
        rows[count] = all->rows[i];
        rows[count++].stream_version = stream->version;
    }
    all->event_count = count;
    for (size_t i = 0; i < streams->count; i++)
        if (streams->streams[i].version == 0)
            rows[count++] = (ec_row){.event.stream_id = streams->streams[i].id};
    memcpy(all->rows, rows, count * sizeof *rows);
    all->row_count = count;
    free(rows);
    return all;
}

/* The state that is folded from the first event on, up to these versions. */
static void fold_all(ec_connection *connection, const tally_streams *ids,
                     const ec_stream_set *streams, char *folded)
{
    struct tally command = {.folded = folded};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_outcome *outcome = NULL;
    ec_execution execution;
    const char *names[STREAMS];
    ec_events *events;

    for (size_t i = 0; i < streams->count; i++)
        names[i] = streams->streams[i].id;
    assert_ok(connection, ec_read_streams(connection, names, streams->count, NULL, &events));
    ec_execution_start(&execution, &tally_definition, ids, &command, &options, NULL,
                       ec_outcome_prepare(&outcome));
    ec_execution_rows(&execution, cut(events, streams));
    assert_int_equal(execution.failure.status, EC_OK);
    ec_execution_free(&execution);
    ec_outcome_free(outcome);
}

/* Drives an execution as ec_execute() does, and keeps where its streams were. */
static void compare_one(struct actor *actor, ec_connection *connection)
{
    ec_snapshots snapshots = tally_snapshots;
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    char with[200] = "", without[200] = "";
    struct tally command = {.folded = with, .amount = rand_r(&actor->seed) % 16 == 0};
    unsigned first = (unsigned)rand_r(&actor->seed), kind = (unsigned)rand_r(&actor->seed) % 3;
    const char *others[2];
    tally_streams ids = {.others = EC_NO_IDS};
    ec_until until = ec_until_after(0, NULL);
    ec_outcome *outcome = NULL;
    ec_execution execution;

    for (int i = 0; i < 2; i++)
        others[i] = actor->world->streams[(first + 2 + (unsigned)i) % STREAMS];
    ids.target = actor->world->streams[first % STREAMS];
    if (kind > 0)
        ids.base = actor->world->streams[(first + 1) % STREAMS];
    if (kind > 1)
        ids.others = (ec_ids){others, 2};
    snapshots.every = 1 + rand_r(&actor->seed) % 20;
    options.snapshots = &snapshots;
    options.max_attempts = 1000;
    options.lock_after = rand_r(&actor->seed) % 16 == 0 ? 0 : -1;
    ec_execution_start(&execution, &tally_definition, &ids, &command, &options, NULL,
                       ec_outcome_prepare(&outcome));
    ec_drive_to_end(&execution, connection, &until);
    assert_int_equal(outcome->status, EC_OK);
    fold_all(connection, &ids, &execution.streams, without);
    actor->compared++;
    actor->started += execution.snapshot.bytes != NULL;
    actor->misfits += strstr(ec_outcome_snapshot_problem(outcome), "stands before") != NULL;
    if (strcmp(with, without) != 0) {
        actor->different++;
        print_error("with: %s, without: %s\n", with, without);
    }
    ec_execution_free(&execution);
    ec_outcome_free(outcome);
}

static void *compare(void *argument)
{
    struct actor *actor = argument;
    ec_connection *connection;

    assert_ok(connection, ec_connect(&connection, NULL, NULL));
    for (int i = 0; i < ROUNDS; i++)
        compare_one(actor, connection);
    ec_close(connection);
    actor->world->readers--;
    return NULL;
}

static void test_equality(void **state)
{
    pthread_t threads[WRITERS + READERS];
    struct actor actors[WRITERS + READERS];
    struct world world = {.readers = READERS};
    int compared = 0, different = 0, started = 0, misfits = 0;

    (void)state;
    for (int i = 0; i < STREAMS; i++)
        unique_id(world.streams[i], "tally");
    for (int i = 0; i < WRITERS + READERS; i++) {
        actors[i] = (struct actor){.world = &world, .seed = (unsigned)i + 1};
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_events : compare, &actors[i]), 0);
    }
    for (int i = 0; i < WRITERS + READERS; i++) {
        pthread_join(threads[i], NULL);
        compared += actors[i].compared;
        different += actors[i].different;
        started += actors[i].started;
        misfits += actors[i].misfits;
    }
    print_message("%d compared, %d of them started from a snapshot, %d passed one over\n", compared,
                  started, misfits);
    assert_int_equal(different, 0);
    assert_int_equal(compared, READERS * ROUNDS);
    assert_true(started > ROUNDS / 2);
    assert_true(misfits > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_equality),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
