/*
 * request.c: one append as it was asked for, whatever SQL form it came in: validated, its streams
 * once each.
 *
 * The streams of an append are those that its expectations name and those that its events go to.
 * Each mention is hashed to its lock tag and all are sorted; equal neighbours are one stream. So
 * one sort finds duplicates, contradictions and undeclared streams, and leaves the streams in the
 * order in which they must be locked.
 *
 * An expectation with a null stream and the version "any" stands for every stream that no other
 * one names. It is the default of the append functions: "no expectation at all".
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "errors.h"
#include "mb/pg_wchar.h"
#include "request.h"
#include "stream_lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define MAX_NAME_CHARACTERS 255

typedef struct expectation {
    Datum stream_id;
    Datum version;
    bool stream_is_null, version_is_null;
} expectation;

typedef struct mention {
    uint64 lock_tag;
    const char *id;
    int length;
    int order;   /* expectations first, then events */
    Datum datum; /* text */
} mention;

static void raise_invalid_event(int number, const char *problem)
{
    ereport(
        ERROR,
        (ec_error_code(EC_ERROR_invalid_event), errmsg("event %d %s", number, problem),
         ec_error_detail(EC_ERROR_invalid_event, "is", "event", (int64)number, "problem", problem),
         errhint("An event has a stream id, a type of 1 to 255 characters, and either data "
                 "(JSON) or payload (bytes).")));
}

static void raise_bad_arrays(ec_error error, const char *problem)
{
    ereport(ERROR,
            (ec_error_code(error), errmsg("%s", problem),
             ec_error_detail(error, "s", "problem", problem),
             errhint("Pass one-dimensional arrays of one length, one element for each event or "
                     "each expectation.")));
}

static void raise_invalid_stream_id(const char *id, int length, const char *problem)
{
    char *shown = id ? pnstrdup(id, pg_mbcliplen(id, length, MAX_NAME_CHARACTERS)) : NULL;

    ereport(
        ERROR,
        (ec_error_code(EC_ERROR_invalid_stream_id), errmsg("stream id %s", problem),
         shown ? ec_error_detail(EC_ERROR_invalid_stream_id, "ss", "stream_id", shown, "problem",
                                 problem)
               : ec_error_detail(EC_ERROR_invalid_stream_id, "s", "problem", problem),
         errhint("A stream id has 1 to 255 characters, no control characters, and neither begins "
                 "nor ends with white space.")));
}

/* White space of Unicode (property White_Space) that is no control character. */
static bool is_space(pg_wchar c)
{
    return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

void ec_request_check_stream_id(const char *id, int length)
{
    bool utf8 = GetDatabaseEncoding() == PG_UTF8;
    int characters = 0;
    bool space = false;

    for (const char *at = id; at < id + length; at += pg_mblen(at)) {
        pg_wchar c = utf8 ? utf8_to_unicode((const unsigned char *)at) : (unsigned char)*at;

        if (c < 0x20 || c == 0x7f || (utf8 && c >= 0x80 && c < 0xa0))
            raise_invalid_stream_id(id, length, "contains a control character");
        space = is_space(c) && (utf8 || c == ' ');
        if (space && characters == 0)
            raise_invalid_stream_id(id, length, "begins with white space");
        characters++;
    }
    if (characters == 0)
        raise_invalid_stream_id(id, length, "is empty");
    if (characters > MAX_NAME_CHARACTERS)
        raise_invalid_stream_id(id, length, "is longer than 255 characters");
    if (space)
        raise_invalid_stream_id(id, length, "ends with white space");
}

static void check_expected_version(const expectation *e, int number)
{
    int64 version = DatumGetInt64(e->version);

    if (e->version_is_null || version < EC_EXPECT_EXISTS) {
        const char *shown = e->version_is_null ? "null" : psprintf(INT64_FORMAT, version);

        ereport(ERROR,
                (ec_error_code(EC_ERROR_invalid_expected_version),
                 errmsg("%s is not an expected version", shown),
                 ec_error_detail(EC_ERROR_invalid_expected_version, "ij", "expectation",
                                 (int64)number, "expected", shown),
                 errhint("Expect a version above 0, or 0 (no stream), -1 (any version) or -2 "
                         "(the stream exists). There is no null: to check nothing, expect any.")));
    }
    if (e->stream_is_null && version != EC_EXPECT_ANY)
        raise_invalid_stream_id(NULL, 0, "is null");
}

static void check_event(ec_event *event, bool stream_is_null, bool type_is_null, int number)
{
    int characters;

    if (stream_is_null)
        raise_invalid_event(number, "has no stream id");
    if (type_is_null)
        raise_invalid_event(number, "has no type");
    event->type = PointerGetDatum(DatumGetTextPP(event->type));
    characters = pg_mbstrlen_with_len(VARDATA_ANY(event->type), VARSIZE_ANY_EXHDR(event->type));
    if (characters == 0)
        raise_invalid_event(number, "has an empty type");
    if (characters > MAX_NAME_CHARACTERS)
        raise_invalid_event(number, "has a type of more than 255 characters");
    if (!event->data_is_null && !event->payload_is_null)
        raise_invalid_event(number, "has both data and payload");
    if (event->data_is_null && event->payload_is_null) {
        event->data = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
        event->data_is_null = false;
    }
}

static void mention_stream(mention *m, text *store, Datum stream_id, int order)
{
    text *id = DatumGetTextPP(stream_id);

    m->datum = PointerGetDatum(id);
    m->id = VARDATA_ANY(id);
    m->length = VARSIZE_ANY_EXHDR(id);
    m->order = order;
    m->lock_tag = ec_stream_lock_tag(store, m->id, m->length);
}

static bool same_stream(const mention *a, const mention *b)
{
    return a->lock_tag == b->lock_tag && a->length == b->length &&
           memcmp(a->id, b->id, a->length) == 0;
}

static int compare_mentions(const void *left, const void *right)
{
    const mention *a = left, *b = right;

    if (a->lock_tag != b->lock_tag)
        return a->lock_tag < b->lock_tag ? -1 : 1;
    if (!same_stream(a, b))
        return a->length != b->length ? a->length - b->length : memcmp(a->id, b->id, a->length);
    return a->order - b->order;
}

static void raise_conflicting_expectation(const ec_stream *stream, int64 other)
{
    char *id = pnstrdup(stream->id, stream->length);

    ereport(ERROR,
            (ec_error_code(EC_ERROR_conflicting_expectation),
             errmsg("two different versions are expected of stream \"%s\"", id),
             ec_error_detail(EC_ERROR_conflicting_expectation, "sii", "stream_id", id, "expected",
                             stream->expected, "also_expected", other),
             errhint("Name each stream once, at the version that the decision was based on.")));
}

static void raise_undeclared_stream(const ec_stream *stream, int event)
{
    char *id = pnstrdup(stream->id, stream->length);

    ereport(
        ERROR,
        (ec_error_code(EC_ERROR_undeclared_stream),
         errmsg("event %d goes to stream \"%s\", of which no version is expected", event, id),
         ec_error_detail(EC_ERROR_undeclared_stream, "si", "stream_id", id, "event", (int64)event),
         errhint("Name every stream that the append writes in its expectations; to check nothing, "
                 "expect any version of it.")));
}

/* Make the streams of the request from its events and the expectations. */
static void collect_streams(ec_request *request, const expectation *expectations,
                            int expectation_count)
{
    int total = expectation_count + request->event_count;
    mention *mentions = palloc_extended(Max(total, 1) * sizeof(mention), MCXT_ALLOC_HUGE);
    int count = 0;
    bool undeclared_allowed = false;
    const ec_stream *undeclared = NULL;

    for (int i = 0; i < expectation_count; i++) {
        check_expected_version(&expectations[i], i + 1);
        if (expectations[i].stream_is_null)
            undeclared_allowed = true;
        else
            mention_stream(&mentions[count++], request->store, expectations[i].stream_id, i);
    }
    for (int i = 0; i < request->event_count; i++)
        mention_stream(&mentions[count++], request->store, request->events[i].stream_id,
                       expectation_count + i);
    qsort(mentions, count, sizeof(mention), compare_mentions);

    request->streams = palloc_extended(Max(count, 1) * sizeof(ec_stream), MCXT_ALLOC_HUGE);
    for (int i = 0; i < count; i++) {
        const mention *m = &mentions[i];
        ec_stream *stream = &request->streams[request->stream_count - 1];
        bool expected = m->order < expectation_count;
        int64 version = expected ? DatumGetInt64(expectations[m->order].version) : EC_EXPECT_ANY;

        if (i == 0 || !same_stream(m, m - 1)) {
            ec_request_check_stream_id(m->id, m->length);
            stream = &request->streams[request->stream_count++];
            *stream = (ec_stream){
                .id = m->id,
                .length = m->length,
                .id_datum = m->datum,
                .order = m->order,
                .lock_tag = m->lock_tag,
                .expected = version,
            };
            if (!expected && (undeclared == NULL || stream->order < undeclared->order))
                undeclared = stream;
        } else if (expected && version != stream->expected)
            raise_conflicting_expectation(stream, version);
        if (!expected) {
            request->events[m->order - expectation_count].stream = request->stream_count - 1;
            stream->written = true;
        }
    }
    pfree(mentions);
    if (undeclared != NULL && !undeclared_allowed)
        raise_undeclared_stream(undeclared, undeclared->order - expectation_count + 1);
}

/* An array argument, taken apart. An argument that is null or missing gives `values` NULL. */
typedef struct column {
    Datum *values;
    bool *nulls;
    int count;
} column;

static column array_elements(FunctionCallInfo fcinfo, int argument, ec_error error)
{
    column result = {NULL, NULL, 0};
    ArrayType *array;
    int16 length;
    bool by_value;
    char align;

    if (PG_ARGISNULL(argument))
        return result;
    array = PG_GETARG_ARRAYTYPE_P(argument);
    if (ARR_NDIM(array) > 1)
        raise_bad_arrays(error, "an array has more than one dimension");
    get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
    deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &result.values,
                      &result.nulls, &result.count);
    if (result.values == NULL)
        result.values = palloc(0);
    return result;
}

static column required_elements(FunctionCallInfo fcinfo, int argument, ec_error error,
                                const char *problem)
{
    column result = array_elements(fcinfo, argument, error);

    if (result.values == NULL)
        raise_bad_arrays(error, problem);
    return result;
}

/* The fields of one of our composite types: `count` of them. */
static void composite_fields(Datum composite, Datum *values, bool *nulls, int count)
{
    HeapTupleHeader header = DatumGetHeapTupleHeader(composite);
    TupleDesc fields =
        lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
    HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

    if (fields->natts != count)
        ereport(ERROR,
                (ec_error_code(EC_ERROR_relation_mismatch),
                 errmsg("type %s was altered", format_type_be(HeapTupleHeaderGetTypeId(header))),
                 ec_error_detail(EC_ERROR_relation_mismatch, ""),
                 errhint("The types of eventcore belong to the extension: restore them as "
                         "CREATE EXTENSION made them.")));
    heap_deform_tuple(&tuple, fields, values, nulls);
    ReleaseTupleDesc(fields);
}

static void set_event_id(ec_request *request, ec_event *event, Datum id, bool is_null)
{
    event->id_is_given = !is_null;
    if (!is_null) {
        event->id = *DatumGetUUIDP(id);
        request->ids_are_given = true;
    }
}

text *ec_request_store(FunctionCallInfo fcinfo, int argument)
{
    if (PG_ARGISNULL(argument))
        ereport(ERROR, (ec_error_code(EC_ERROR_store_not_found), errmsg("store must not be null"),
                        ec_error_detail(EC_ERROR_store_not_found, "j", "store", "null"),
                        errhint("Leave the store out to use the default one.")));
    return PG_GETARG_TEXT_PP(argument);
}

static void allocate_events(ec_request *request, int count)
{
    request->event_count = count;
    request->events =
        palloc_extended(Max(count, 1) * sizeof(ec_event), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* (events new_event[], expected expected_version[], store text) */
ec_request ec_request_from_composites(FunctionCallInfo fcinfo)
{
    ec_request request = {.store = ec_request_store(fcinfo, 2)};
    column events = required_elements(fcinfo, 0, EC_ERROR_invalid_event, "events must not be null");
    column expected = required_elements(fcinfo, 1, EC_ERROR_invalid_expected_version,
                                        "expected must not be null");
    expectation *expectations =
        palloc_extended(Max(expected.count, 1) * sizeof(expectation), MCXT_ALLOC_HUGE);

    allocate_events(&request, events.count);
    for (int i = 0; i < events.count; i++) {
        ec_event *event = &request.events[i];
        Datum values[6];
        bool nulls[6];

        if (events.nulls[i])
            raise_invalid_event(i + 1, "is null");
        composite_fields(events.values[i], values, nulls, lengthof(values));
        event->stream_id = values[0];
        event->type = values[1];
        event->data = values[2];
        event->data_is_null = nulls[2];
        event->metadata = values[3];
        event->metadata_is_null = nulls[3];
        set_event_id(&request, event, values[4], nulls[4]);
        event->payload = values[5];
        event->payload_is_null = nulls[5];
        check_event(event, nulls[0], nulls[1], i + 1);
    }
    for (int i = 0; i < expected.count; i++) {
        Datum values[2];
        bool nulls[2];

        if (expected.nulls[i])
            raise_bad_arrays(EC_ERROR_invalid_expected_version, "an expectation is null");
        composite_fields(expected.values[i], values, nulls, lengthof(values));
        expectations[i] = (expectation){values[0], values[1], nulls[0], nulls[1]};
    }
    collect_streams(&request, expectations, expected.count);
    return request;
}

/* The element of a column, null where the whole column is missing. */
static Datum element(const column *c, int i, bool *is_null)
{
    *is_null = c->values == NULL || c->nulls[i];
    return *is_null ? (Datum)0 : c->values[i];
}

/*
 * (stream_ids text[], types text[], data jsonb[], metadata jsonb[], event_ids uuid[],
 * payloads bytea[], expected_streams text[], expected_versions bigint[], store text)
 */
ec_request ec_request_from_columns(FunctionCallInfo fcinfo)
{
    ec_request request = {.store = ec_request_store(fcinfo, 8)};
    const ec_error events = EC_ERROR_invalid_event, expected = EC_ERROR_invalid_expected_version;
    column stream_ids = required_elements(fcinfo, 0, events, "stream_ids must not be null");
    column types = required_elements(fcinfo, 1, events, "types must not be null");
    column data = array_elements(fcinfo, 2, events);
    column metadata = array_elements(fcinfo, 3, events);
    column ids = array_elements(fcinfo, 4, events);
    column payloads = array_elements(fcinfo, 5, events);
    column streams = required_elements(fcinfo, 6, expected, "expected_streams must not be null");
    column versions = required_elements(fcinfo, 7, expected, "expected_versions must not be null");
    const column *columns[] = {&types, &data, &metadata, &ids, &payloads};
    expectation *expectations;

    for (int i = 0; i < (int)lengthof(columns); i++)
        if (columns[i]->values != NULL && columns[i]->count != stream_ids.count)
            raise_bad_arrays(events, "the arrays of events differ in length");
    if (streams.count != versions.count)
        raise_bad_arrays(expected, "expected_streams and expected_versions differ in length");

    allocate_events(&request, stream_ids.count);
    for (int i = 0; i < stream_ids.count; i++) {
        ec_event *event = &request.events[i];
        bool id_is_null;
        Datum id = element(&ids, i, &id_is_null);

        event->stream_id = stream_ids.values[i];
        event->type = types.values[i];
        event->data = element(&data, i, &event->data_is_null);
        event->metadata = element(&metadata, i, &event->metadata_is_null);
        event->payload = element(&payloads, i, &event->payload_is_null);
        set_event_id(&request, event, id, id_is_null);
        check_event(event, stream_ids.nulls[i], types.nulls[i], i + 1);
    }
    expectations = palloc_extended(Max(streams.count, 1) * sizeof(expectation), MCXT_ALLOC_HUGE);
    for (int i = 0; i < streams.count; i++)
        expectations[i] = (expectation){streams.values[i], versions.values[i], streams.nulls[i],
                                        versions.nulls[i]};
    collect_streams(&request, expectations, streams.count);
    return request;
}

/*
 * (stream_id text, expected_version bigint, type text, data jsonb, metadata jsonb, event_id uuid,
 * payload bytea, store text)
 */
ec_request ec_request_from_values(FunctionCallInfo fcinfo)
{
    ec_request request = {.store = ec_request_store(fcinfo, 7)};
    expectation expected = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_ARGISNULL(0),
                            PG_ARGISNULL(1)};
    ec_event *event;

    allocate_events(&request, 1);
    event = &request.events[0];
    event->stream_id = PG_GETARG_DATUM(0);
    event->type = PG_GETARG_DATUM(2);
    event->data = PG_GETARG_DATUM(3);
    event->data_is_null = PG_ARGISNULL(3);
    event->metadata = PG_GETARG_DATUM(4);
    event->metadata_is_null = PG_ARGISNULL(4);
    set_event_id(&request, event, PG_GETARG_DATUM(5), PG_ARGISNULL(5));
    event->payload = PG_GETARG_DATUM(6);
    event->payload_is_null = PG_ARGISNULL(6);
    check_event(event, PG_ARGISNULL(0), PG_ARGISNULL(2), 1);
    collect_streams(&request, &expected, 1);
    return request;
}
