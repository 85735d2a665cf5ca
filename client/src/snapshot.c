/*
 * snapshot.c: states written and read again, and whether a snapshot fits what was read behind it.
 *
 * Folding goes in global order. So a state that was folded from some events can stand for them only
 * if all others come behind them. With several streams that is not so by itself: positions become
 * visible out of order, so that an event of one stream may appear before one of another stream that
 * was read long ago.
 */
#include "snapshot.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ec_status ec_snapshots_check(const ec_snapshots *snapshots, const ec_definition *definition,
                             ec_failure *failure)
{
    if (snapshots->struct_size < sizeof *snapshots || snapshots->name == NULL ||
        snapshots->serialise == NULL || snapshots->deserialise == NULL)
        return ec_fail(failure, EC_INVALID_ARGUMENT, "the snapshots of %s are not initialised",
                       definition->name);
    if (snapshots->schema_version < 1 || snapshots->every < 1)
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "the snapshots %s have a schema version or a frequency below 1",
                       snapshots->name);
    if (snapshots->state_size != definition->state_size)
        return ec_fail(failure, EC_INVALID_ARGUMENT,
                       "the snapshots %s are of a state of %zu bytes, that of %s has %zu",
                       snapshots->name, snapshots->state_size, definition->name,
                       definition->state_size);
    return EC_OK;
}

/* ------------------------------------------------------------------ whether it fits */

#define PLACE_SIZE 24 /* of a number and what stands before it, in characters */

const char *ec_snapshot_arrangement(const ec_stream_set *streams, ec_arena *memory)
{
    size_t size = 1, used = 0;
    char *text;

    for (size_t i = 0; i < streams->slot_count; i++)
        size += (streams->slots[i].count + 1) * PLACE_SIZE;
    text = ec_arena_alloc(memory, size);
    for (size_t i = 0; text != NULL && i < streams->slot_count; i++) {
        const ec_slot *slot = &streams->slots[i];

        used += (size_t)snprintf(text + used, size - used, "%s", i == 0 ? "" : ";");
        for (size_t j = 0; j < slot->count; j++)
            used += (size_t)snprintf(
                text + used, size - used, "%s%zu", j == 0 ? "" : ",",
                (size_t)(ec_streams_find(streams, slot->ids[j]) - streams->streams));
    }
    return text;
}

const char *ec_snapshot_misfit(const ec_events *reply, ec_stream_set *streams)
{
    const ec_snapshot_row *snapshot = &reply->snapshot;

    if (snapshot->version_count != streams->count)
        return "the snapshot is of another number of streams";
    for (size_t i = 0; i < reply->row_count; i++) {
        const ec_row *row = &reply->rows[i];
        const ec_stream *stream = ec_streams_find(streams, row->event.stream_id);

        if (row->event.version > 0 && row->event.position <= snapshot->last_position)
            return "an event behind the snapshot stands before one in it";
        if (stream != NULL && row->stream_version < snapshot->versions[stream - streams->streams])
            return "a stream is at a lower version than in the snapshot";
    }
    for (size_t i = 0; i < streams->count; i++)
        streams->streams[i].version = snapshot->versions[i];
    return NULL;
}

/* ------------------------------------------------------------------ states */

/* The callback's status, unless a failure was noted before. */
static ec_status finish(ec_snapshot *snapshot, ec_status status)
{
    if (snapshot->failure.status == EC_OK && status != EC_OK)
        ec_fail(&snapshot->failure, status, "%s", ec_status_description(status));
    return snapshot->failure.status;
}

ec_status ec_snapshot_load(ec_snapshot *snapshot, const ec_snapshots *snapshots, void *state)
{
    return finish(snapshot, snapshots->deserialise(state, snapshot));
}

ec_status ec_snapshot_save(ec_snapshot *snapshot, const ec_snapshots *snapshots, const void *state)
{
    ec_status status = finish(snapshot, snapshots->serialise(state, snapshot));

    if (status == EC_OK && snapshot->bytes == NULL)
        status = ec_fail(&snapshot->failure, EC_INVALID_ARGUMENT, "nothing was written");
    return status;
}

void ec_snapshot_release(ec_snapshot *snapshot)
{
    json_decref(snapshot->json);
    ec_failure_clear(&snapshot->failure);
    *snapshot = (ec_snapshot){.memory = snapshot->memory};
}

ec_status ec_snapshot_write(ec_snapshot *snapshot, const void *bytes, size_t size)
{
    if (snapshot->failure.status != EC_OK)
        return snapshot->failure.status;
    snapshot->bytes = ec_arena_copy(snapshot->memory, bytes, size);
    snapshot->size = size;
    if (snapshot->bytes == NULL)
        return ec_fail(&snapshot->failure, EC_NO_MEMORY, "out of memory for %zu bytes", size);
    return EC_OK;
}

ec_status ec_snapshot_pack(ec_snapshot *snapshot, const char *format, ...)
{
    json_error_t problem = {.text = ""};
    va_list arguments;
    json_t *json;
    char *text;

    if (snapshot->failure.status != EC_OK)
        return snapshot->failure.status;
    va_start(arguments, format);
    json = json_vpack_ex(&problem, 0, format, arguments);
    va_end(arguments);
    if (json == NULL)
        return ec_fail(&snapshot->failure, ec_json_status(&problem, EC_INVALID_ARGUMENT),
                       "format \"%s\": %s", format == NULL ? "" : format, problem.text);
    text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(json);
    if (text == NULL)
        ec_fail(&snapshot->failure, EC_NO_MEMORY, "out of memory");
    else
        ec_snapshot_write(snapshot, text, strlen(text));
    free(text);
    return snapshot->failure.status;
}

ec_status ec_snapshot_unpack(ec_snapshot *snapshot, const char *format, ...)
{
    json_error_t problem = {.text = ""};
    va_list arguments;
    int result = -1;

    if (snapshot->failure.status != EC_OK)
        return snapshot->failure.status;
    if (snapshot->json == NULL)
        snapshot->json = json_loadb(snapshot->bytes, snapshot->size, JSON_DECODE_ANY, &problem);
    if (snapshot->json != NULL) {
        va_start(arguments, format);
        result = json_vunpack_ex(snapshot->json, &problem, 0, format, arguments);
        va_end(arguments);
    }
    if (result == 0)
        return EC_OK;
    return ec_fail(&snapshot->failure, ec_json_status(&problem, EC_INVALID_EVENT), "%s",
                   problem.text);
}

const void *ec_snapshot_bytes(const ec_snapshot *snapshot, size_t *size)
{
    *size = snapshot->size;
    return snapshot->bytes;
}

void *ec_snapshot_alloc(ec_snapshot *snapshot, size_t size)
{
    void *memory = ec_arena_alloc(snapshot->memory, size);

    if (memory == NULL)
        ec_fail(&snapshot->failure, EC_NO_MEMORY, "out of memory for %zu bytes", size);
    return memory;
}
