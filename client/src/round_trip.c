/*
 * round_trip.c: what is sent for a step of an execution.
 *
 * A locked attempt takes two round trips, like any other: its transaction begins and locks in front
 * of the read, and commits behind the append. When its streams have grown, the transaction with the
 * smaller set of locks ends in front of all that.
 */
#include "execution.h"

static ec_status out_of_memory(ec_failure *failure)
{
    return ec_fail(failure, EC_NO_MEMORY, "out of memory for the parameters of a statement");
}

static void add_control(ec_round_trip *trip, ec_statement statement)
{
    trip->calls[trip->count++] = (ec_call){.statement = statement};
}

static ec_status add_lock(ec_round_trip *trip, ec_arena *memory, const ec_stream_set *streams,
                          const char *store, ec_failure *failure)
{
    const char **written = ec_arena_array(memory, streams->count, sizeof *written);
    const char **read = ec_arena_array(memory, streams->count, sizeof *read);
    size_t written_count = 0, read_count = 0;

    if (written == NULL || read == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < streams->count; i++)
        if (streams->streams[i].written)
            written[written_count++] = streams->streams[i].id;
        else
            read[read_count++] = streams->streams[i].id;
    return ec_call_lock_streams(&trip->calls[trip->count++], memory, written, written_count, read,
                                read_count, store, failure);
}

static ec_status add_read(ec_round_trip *trip, ec_arena *memory, const ec_stream_set *streams,
                          const char *store, ec_failure *failure)
{
    const char **ids = ec_arena_array(memory, streams->count, sizeof *ids);
    int64_t *versions = ec_arena_array(memory, streams->count, sizeof *versions);

    if (ids == NULL || versions == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < streams->count; i++) {
        ids[i] = streams->streams[i].id;
        versions[i] = streams->streams[i].version;
    }
    trip->rows_of = trip->count;
    return ec_call_read_streams(&trip->calls[trip->count++], memory, ids, streams->count, versions,
                                store, failure);
}

/* The streams of the key are those of the set, in its order. */
static ec_status make_key(ec_snapshot_key *key, ec_arena *memory, const ec_execution *execution,
                          ec_failure *failure)
{
    const ec_snapshots *snapshots = execution->options.snapshots;
    const ec_stream_set *streams = &execution->streams;
    const char **ids = ec_arena_array(memory, streams->count, sizeof *ids);

    *key = (ec_snapshot_key){.name = snapshots->name,
                             .schema_version = snapshots->schema_version,
                             .stream_ids = ids,
                             .stream_count = streams->count,
                             .arrangement = ec_snapshot_arrangement(streams, memory)};
    if (ids == NULL || key->arrangement == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < streams->count; i++)
        ids[i] = streams->streams[i].id;
    return EC_OK;
}

static ec_status add_read_snapshot(ec_round_trip *trip, ec_arena *memory,
                                   const ec_execution *execution, ec_failure *failure)
{
    ec_snapshot_key key;

    if (make_key(&key, memory, execution, failure) != EC_OK)
        return failure->status;
    trip->rows_of = trip->count;
    return ec_call_read_snapshot(&trip->calls[trip->count++], memory, &key, execution->store,
                                 failure);
}

/* Nobody waits for its row. */
static ec_status add_save_snapshot(ec_round_trip *trip, ec_arena *memory,
                                   const ec_execution *execution, ec_failure *failure)
{
    const ec_stream_set *streams = &execution->streams;
    int64_t *versions = ec_arena_array(memory, streams->count, sizeof *versions);
    ec_snapshot_key key;

    if (versions == NULL)
        return out_of_memory(failure);
    if (make_key(&key, memory, execution, failure) != EC_OK)
        return failure->status;
    for (size_t i = 0; i < streams->count; i++)
        versions[i] = streams->streams[i].version;
    trip->rows_of = trip->count + 1;
    return ec_call_save_snapshot(&trip->calls[trip->count++], memory, &key, versions,
                                 execution->last_position, execution->left.bytes,
                                 execution->left.size, execution->store, failure);
}

ec_status ec_execution_encode(const ec_execution *execution, ec_round_trip *trip, ec_arena *memory,
                              ec_failure *failure)
{
    const ec_stream_set *streams = &execution->streams;
    const ec_context *context = &execution->context;
    ec_status status = EC_OK;

    *trip = (ec_round_trip){.count = 0};
    if (execution->step == EC_STEP_APPEND) {
        status = ec_call_try_append(&trip->calls[trip->count++], memory, context->entries,
                                    context->entry_count, execution->expected,
                                    execution->expected_count, execution->store, failure);
        if (execution->locked)
            add_control(trip, EC_STATEMENT_COMMIT);
        return status;
    }
    if (execution->step == EC_STEP_SAVE) {
        if (execution->locked) /* what was only read is still in its transaction */
            add_control(trip, EC_STATEMENT_ROLLBACK);
        return add_save_snapshot(trip, memory, execution, failure);
    }
    if (execution->locked) {
        if (execution->reads > 0)
            add_control(trip, EC_STATEMENT_ROLLBACK);
        add_control(trip, EC_STATEMENT_BEGIN);
        status = add_lock(trip, memory, streams, execution->store, failure);
    }
    if (status == EC_OK && execution->options.snapshots != NULL && !execution->whole)
        status = add_read_snapshot(trip, memory, execution, failure);
    else if (status == EC_OK)
        status = add_read(trip, memory, streams, execution->store, failure);
    return status;
}
