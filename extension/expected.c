/* expected.c: is every stream where the caller believes it to be? */
#include "postgres.h"

#include "expected.h"
#include "version_probe.h"

static int compare_streams(const void *left, const void *right)
{
    return ec_request_compare_streams(*(ec_stream *const *)left, *(ec_stream *const *)right);
}

void ec_expected_load_versions(ec_request *request, const ec_relations *relations,
                               Snapshot snapshot)
{
    ec_stream **streams =
        palloc_extended(Max(request->stream_count, 1) * sizeof(ec_stream *), MCXT_ALLOC_HUGE);
    int count = 0;
    ec_version_probe probe;

    for (int i = 0; i < request->stream_count; i++)
        if (request->streams[i].used)
            streams[count++] = &request->streams[i];
    qsort(streams, count, sizeof(ec_stream *), compare_streams); /* neighbours share pages */
    ec_version_probe_begin(&probe, relations, snapshot);
    for (int i = 0; i < count; i++)
        streams[i]->version = ec_version_probe_stream(&probe, streams[i]->id_datum);
    ec_version_probe_end(&probe);
    pfree(streams);
}

static bool holds(int64 expected, int64 actual)
{
    switch (expected) {
    case EC_EXPECT_ANY:
        return true;
    case EC_EXPECT_EXISTS:
        return actual > 0;
    default:
        return actual == expected;
    }
}

bool ec_expected_holds(ec_command *command, const ec_request *request)
{
    for (int i = 0; i < command->expectation_count; i++) {
        const ec_expectation *expectation = &command->expectations[i];
        int64 expected = DatumGetInt64(expectation->version);
        const ec_stream *stream;

        if (expectation->stream < 0)
            continue;
        stream = &request->streams[expectation->stream];
        if (holds(expected, stream->version))
            continue;
        if (command->violations == NULL)
            command->violations =
                palloc_extended(command->expectation_count * sizeof(ec_violation), MCXT_ALLOC_HUGE);
        command->violations[command->violation_count++] =
            (ec_violation){stream, expected, stream->version};
    }
    return command->violation_count == 0;
}
