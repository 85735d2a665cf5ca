/* expected.c: is every stream where the caller believes it to be? */
#include "postgres.h"

#include "event_scan.h"
#include "expected.h"

static bool holds(const ec_stream *stream)
{
    switch (stream->expected) {
    case EC_EXPECT_ANY:
        return true;
    case EC_EXPECT_EXISTS:
        return stream->version > 0;
    default:
        return stream->version == stream->expected;
    }
}

static int compare_order(const void *left, const void *right)
{
    return (*(ec_stream *const *)left)->order - (*(ec_stream *const *)right)->order;
}

int ec_expected_violations(const ec_request *request, const ec_relations *relations,
                           Snapshot snapshot, ec_stream ***violations)
{
    ec_event_scan scan;
    int count = 0;

    *violations = NULL;
    ec_event_scan_streams(&scan, relations, snapshot);
    for (int i = 0; i < request->stream_count; i++) {
        ec_stream *stream = &request->streams[i];

        if (stream->expected == EC_EXPECT_ANY && !stream->written)
            continue;
        stream->version = ec_event_scan_stream_version(&scan, stream->id_datum);
        if (holds(stream))
            continue;
        if (*violations == NULL)
            *violations = palloc(request->stream_count * sizeof(ec_stream *));
        (*violations)[count++] = stream;
    }
    ec_event_scan_end(&scan);
    if (count > 1)
        qsort(*violations, count, sizeof(ec_stream *), compare_order);
    return count;
}
