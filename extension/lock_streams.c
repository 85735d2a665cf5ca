/*
 * lock_streams.c: lock first, then read and decide.
 *
 * An append that lost a race decides again, and may lose again. A command that locks its streams
 * before it reads them cannot lose: whoever wants to change them waits. It costs concurrency, so it
 * is for commands that have lost already, or are known to meet many others.
 */
#include "postgres.h"

#include "append.h"
#include "catalog/pg_type_d.h"
#include "expected.h"
#include "relations.h"
#include "request_sql.h"
#include "rows.h"
#include "stream_lock.h"
#include "utils/snapmgr.h"

/* The streams to write and to read, as a request that expects any version of each. */
static ec_request *streams_to_lock(FunctionCallInfo fcinfo)
{
    ec_column write = ec_column_required(fcinfo, 0, EC_ERROR_invalid_stream_id, "write");
    ec_column read = ec_column_required(fcinfo, 1, EC_ERROR_invalid_stream_id, "read");
    ec_request *request =
        ec_request_new(ec_store_argument(fcinfo, 2), 1, 0, write.count + read.count);

    for (int i = 0; i < request->expectation_count; i++) {
        const ec_column *column = i < write.count ? &write : &read;
        int element = i < write.count ? i : i - write.count;

        if (column->nulls[element])
            ec_problem_raise(ec_request_stream_id_problem(NULL, 0));
        request->expectations[i] = (ec_expectation){.stream_id = column->values[element],
                                                    .version = Int64GetDatum(EC_EXPECT_ANY)};
    }
    ec_request_finish(request);
    if (request->commands[0].problem != NULL)
        ec_problem_raise(request->commands[0].problem);
    for (int i = 0; i < write.count; i++)
        if (request->expectations[i].stream >= 0)
            request->streams[request->expectations[i].stream].written = true;
    return request;
}

/* (write text[], read text[], store text) */
PG_FUNCTION_INFO_V1(eventcore_lock_streams);
Datum eventcore_lock_streams(PG_FUNCTION_ARGS)
{
    static const Oid types[] = {TEXTOID, INT8OID};
    ReturnSetInfo *rows;
    ec_relations relations;
    ec_request *request;

    ec_append_check_context();
    rows = ec_rows_begin(fcinfo, types, lengthof(types));
    request = streams_to_lock(fcinfo);
    relations = ec_relations_open(request->store, RowExclusiveLock);
    ec_stream_lock_request(request, &relations);
    ec_stream_lock_close_set();
    PushActiveSnapshot(GetLatestSnapshot());
    ec_expected_load_versions(request, &relations, GetActiveSnapshot());
    PopActiveSnapshot();
    ec_relations_close(&relations);

    for (int i = 0; i < request->expectation_count; i++) {
        const ec_expectation *expectation = &request->expectations[i];

        if (expectation->stream >= 0) {
            const ec_stream *stream = &request->streams[expectation->stream];
            Datum values[] = {stream->id_datum, Int64GetDatum(stream->version)};
            bool nulls[lengthof(values)] = {false};

            ec_rows_add(rows, values, nulls);
        }
    }
    return (Datum)0;
}
