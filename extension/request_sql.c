/*
 * request_sql.c: requests from the arguments of the SQL functions.
 *
 * An argument of the wrong shape (null, nested, arrays of different length) is an error of the
 * whole call. What is wrong with a single event or expectation is found by ec_request_finish.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "request_sql.h"
#include "rows.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define MOST_COMMANDS 1000000

static void raise_bad_argument(ec_error error, const char *problem)
{
    ereport(ERROR,
            (ec_error_code(error), errmsg("%s", problem),
             ec_error_detail(error, "s", "problem", problem),
             errhint("Pass one-dimensional arrays, and those that belong together of the same "
                     "length.")));
}

static ec_column array_elements(Datum datum, ec_error error)
{
    ArrayType *array = DatumGetArrayTypeP(datum);
    ec_column column = {NULL, NULL, 0};
    int16 length;
    bool by_value;
    char align;

    if (ARR_NDIM(array) > 1)
        raise_bad_argument(error, "an array has more than one dimension");
    get_typlenbyvalalign(ARR_ELEMTYPE(array), &length, &by_value, &align);
    deconstruct_array(array, ARR_ELEMTYPE(array), length, by_value, align, &column.values,
                      &column.nulls, &column.count);
    if (column.values == NULL)
        column.values = palloc(0); /* empty is not null */
    return column;
}

ec_column ec_column_argument(FunctionCallInfo fcinfo, int argument, ec_error error)
{
    if (PG_ARGISNULL(argument))
        return (ec_column){NULL, NULL, 0};
    return array_elements(PG_GETARG_DATUM(argument), error);
}

ec_column ec_column_required(FunctionCallInfo fcinfo, int argument, ec_error error,
                             const char *name)
{
    if (PG_ARGISNULL(argument))
        raise_bad_argument(error, psprintf("%s must not be null", name));
    return array_elements(PG_GETARG_DATUM(argument), error);
}

text *ec_store_argument(FunctionCallInfo fcinfo, int argument)
{
    if (PG_ARGISNULL(argument))
        ereport(ERROR, (ec_error_code(EC_ERROR_store_not_found), errmsg("store must not be null"),
                        ec_error_detail(EC_ERROR_store_not_found, "j", "store", "null"),
                        errhint("Leave the store out to use the default one.")));
    return PG_GETARG_TEXT_PP(argument);
}

static const Oid event_types[] = {TEXTOID, TEXTOID, JSONBOID, JSONBOID, UUIDOID, BYTEAOID};
static const Oid expectation_types[] = {TEXTOID, INT8OID};

/* The fields of one of our composite types, which must be of the types given. */
static void composite_fields(Datum composite, Datum *values, bool *nulls, const Oid *types,
                             int count)
{
    HeapTupleHeader header = DatumGetHeapTupleHeader(composite);
    Oid type = HeapTupleHeaderGetTypeId(header);
    TupleDesc fields = lookup_rowtype_tupdesc(type, HeapTupleHeaderGetTypMod(header));
    HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};

    if (!ec_rows_match(fields, types, count))
        ec_rows_raise_altered(format_type_be(type));
    heap_deform_tuple(&tuple, fields, values, nulls);
    ReleaseTupleDesc(fields);
}

static void fill_events(ec_event *events, int command, const ec_column *composites)
{
    for (int i = 0; i < composites->count; i++) {
        ec_event *event = &events[i];
        Datum values[6];
        bool nulls[6] = {true, true, true, true, true, true};

        if (!composites->nulls[i])
            composite_fields(composites->values[i], values, nulls, event_types, lengthof(values));
        event->command = command;
        event->stream_id = values[0];
        event->stream_is_null = nulls[0];
        event->type = values[1];
        event->type_is_null = nulls[1];
        event->data = values[2];
        event->data_is_null = nulls[2];
        event->metadata = values[3];
        event->metadata_is_null = nulls[3];
        ec_request_set_id(event, values[4], nulls[4]);
        event->payload = values[5];
        event->payload_is_null = nulls[5];
    }
}

static void fill_expectations(ec_expectation *expectations, int command,
                              const ec_column *composites)
{
    for (int i = 0; i < composites->count; i++) {
        Datum values[2];
        bool nulls[2] = {true, true};

        if (!composites->nulls[i])
            composite_fields(composites->values[i], values, nulls, expectation_types,
                             lengthof(values));
        expectations[i] = (ec_expectation){.command = command,
                                           .stream_id = values[0],
                                           .stream_is_null = nulls[0],
                                           .version = values[1],
                                           .version_is_null = nulls[1]};
    }
}

/* (events new_event[], expected expected_version[], store text) */
ec_request *ec_request_from_composites(FunctionCallInfo fcinfo)
{
    ec_column events = ec_column_required(fcinfo, 0, EC_ERROR_invalid_event, "events");
    ec_column expected =
        ec_column_required(fcinfo, 1, EC_ERROR_invalid_expected_version, "expected");
    ec_request *request =
        ec_request_new(ec_store_argument(fcinfo, 2), 1, events.count, expected.count);

    fill_events(request->events, 0, &events);
    fill_expectations(request->expectations, 0, &expected);
    ec_request_finish(request);
    return request;
}

/* The element of a column, null where the whole column is missing. */
static Datum element(const ec_column *column, int i, bool *is_null)
{
    *is_null = column->values == NULL || column->nulls[i];
    return *is_null ? (Datum)0 : column->values[i];
}

typedef struct columns {
    ec_column stream_ids, types, data, metadata, event_ids, payloads;
    ec_column expected_streams, expected_versions;
} columns;

/* The array arguments from number `first` on, all there and of matching length. */
static columns column_arguments(FunctionCallInfo fcinfo, int first, int first_expected)
{
    const ec_error event = EC_ERROR_invalid_event, expected = EC_ERROR_invalid_expected_version;
    columns c = {
        .stream_ids = ec_column_required(fcinfo, first, event, "stream_ids"),
        .types = ec_column_required(fcinfo, first + 1, event, "types"),
        .data = ec_column_argument(fcinfo, first + 2, event),
        .metadata = ec_column_argument(fcinfo, first + 3, event),
        .event_ids = ec_column_argument(fcinfo, first + 4, event),
        .payloads = ec_column_argument(fcinfo, first + 5, event),
        .expected_streams =
            ec_column_required(fcinfo, first_expected, expected, "expected_streams"),
        .expected_versions =
            ec_column_required(fcinfo, first_expected + 1, expected, "expected_versions"),
    };
    const ec_column *others[] = {&c.types, &c.data, &c.metadata, &c.event_ids, &c.payloads};

    for (int i = 0; i < (int)lengthof(others); i++)
        if (others[i]->values != NULL && others[i]->count != c.stream_ids.count)
            raise_bad_argument(event, "the arrays of events differ in length");
    if (c.expected_streams.count != c.expected_versions.count)
        raise_bad_argument(expected, "the arrays of expectations differ in length");
    return c;
}

static void fill_event(ec_event *event, int command, const columns *c, int i)
{
    bool id_is_null;
    Datum id = element(&c->event_ids, i, &id_is_null);

    event->command = command;
    event->stream_id = element(&c->stream_ids, i, &event->stream_is_null);
    event->type = element(&c->types, i, &event->type_is_null);
    event->data = element(&c->data, i, &event->data_is_null);
    event->metadata = element(&c->metadata, i, &event->metadata_is_null);
    event->payload = element(&c->payloads, i, &event->payload_is_null);
    ec_request_set_id(event, id, id_is_null);
}

static void fill_expectation(ec_expectation *expectation, int command, const columns *c, int i)
{
    expectation->command = command;
    expectation->stream_id = element(&c->expected_streams, i, &expectation->stream_is_null);
    expectation->version = element(&c->expected_versions, i, &expectation->version_is_null);
}

/*
 * (stream_ids text[], types text[], data jsonb[], metadata jsonb[], event_ids uuid[],
 * payloads bytea[], expected_streams text[], expected_versions bigint[], store text)
 */
ec_request *ec_request_from_columns(FunctionCallInfo fcinfo)
{
    columns c = column_arguments(fcinfo, 0, 6);
    ec_request *request = ec_request_new(ec_store_argument(fcinfo, 8), 1, c.stream_ids.count,
                                         c.expected_streams.count);

    for (int i = 0; i < request->event_count; i++)
        fill_event(&request->events[i], 0, &c, i);
    for (int i = 0; i < request->expectation_count; i++)
        fill_expectation(&request->expectations[i], 0, &c, i);
    ec_request_finish(request);
    return request;
}

/*
 * (stream_id text, expected_version bigint, type text, data jsonb, metadata jsonb, event_id uuid,
 * payload bytea, store text)
 */
ec_request *ec_request_from_values(FunctionCallInfo fcinfo)
{
    ec_request *request = ec_request_new(ec_store_argument(fcinfo, 7), 1, 1, 1);
    ec_event *event = request->events;

    event->stream_id = PG_GETARG_DATUM(0);
    event->stream_is_null = PG_ARGISNULL(0);
    event->type = PG_GETARG_DATUM(2);
    event->type_is_null = PG_ARGISNULL(2);
    event->data = PG_GETARG_DATUM(3);
    event->data_is_null = PG_ARGISNULL(3);
    event->metadata = PG_GETARG_DATUM(4);
    event->metadata_is_null = PG_ARGISNULL(4);
    ec_request_set_id(event, PG_GETARG_DATUM(5), PG_ARGISNULL(5));
    event->payload = PG_GETARG_DATUM(6);
    event->payload_is_null = PG_ARGISNULL(6);
    request->expectations[0] = (ec_expectation){.stream_id = PG_GETARG_DATUM(0),
                                                .stream_is_null = PG_ARGISNULL(0),
                                                .version = PG_GETARG_DATUM(1),
                                                .version_is_null = PG_ARGISNULL(1)};
    ec_request_finish(request);
    return request;
}

/* (commands new_command[], store text) */
ec_request *ec_request_from_commands(FunctionCallInfo fcinfo)
{
    const ec_error error = EC_ERROR_invalid_event;
    ec_column commands = ec_column_required(fcinfo, 0, error, "commands");
    ec_column *events = palloc_extended(Max(commands.count, 1) * sizeof(ec_column),
                                        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    ec_column *expected = palloc_extended(Max(commands.count, 1) * sizeof(ec_column),
                                          MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    int event_count = 0, expectation_count = 0;
    ec_request *request;

    if (commands.count > MOST_COMMANDS)
        raise_bad_argument(error, psprintf("more than %d commands in one call", MOST_COMMANDS));
    for (int i = 0; i < commands.count; i++) {
        static const Oid types[] = {ANYARRAYOID, ANYARRAYOID};
        Datum values[2];
        bool nulls[2] = {true, true};

        if (!commands.nulls[i])
            composite_fields(commands.values[i], values, nulls, types, lengthof(values));
        if (nulls[0] || nulls[1])
            raise_bad_argument(
                error, psprintf("command %d, its events or its expectations are null", i + 1));
        events[i] = array_elements(values[0], error);
        expected[i] = array_elements(values[1], EC_ERROR_invalid_expected_version);
        event_count += events[i].count;
        expectation_count += expected[i].count;
    }

    request = ec_request_new(ec_store_argument(fcinfo, 1), commands.count, event_count,
                             expectation_count);
    event_count = expectation_count = 0;
    for (int i = 0; i < commands.count; i++) {
        fill_events(&request->events[event_count], i, &events[i]);
        fill_expectations(&request->expectations[expectation_count], i, &expected[i]);
        event_count += events[i].count;
        expectation_count += expected[i].count;
    }
    pfree(events);
    pfree(expected);
    ec_request_finish(request);
    return request;
}

/* The highest of the command numbers, which count from 1. */
static int highest_number(const ec_column *numbers, int so_far)
{
    for (int i = 0; i < numbers->count; i++) {
        int number = numbers->nulls[i] ? 0 : DatumGetInt32(numbers->values[i]);

        if (number < 1 || number > MOST_COMMANDS)
            raise_bad_argument(EC_ERROR_invalid_event,
                               psprintf("a command number is not between 1 and %d", MOST_COMMANDS));
        so_far = Max(so_far, number);
    }
    return so_far;
}

/* Where in an array sorted by command each element goes (a counting sort, which is stable). */
static int *places(const ec_column *numbers, int command_count)
{
    int *next = palloc0((command_count + 2) * sizeof(int));
    int *place = palloc_extended(Max(numbers->count, 1) * sizeof(int), MCXT_ALLOC_HUGE);

    for (int i = 0; i < numbers->count; i++)
        next[DatumGetInt32(numbers->values[i]) + 1]++;
    for (int i = 1; i < command_count + 2; i++)
        next[i] += next[i - 1];
    for (int i = 0; i < numbers->count; i++)
        place[i] = next[DatumGetInt32(numbers->values[i])]++;
    pfree(next);
    return place;
}

/*
 * (commands int[], stream_ids text[], types text[], data jsonb[], metadata jsonb[],
 * event_ids uuid[], payloads bytea[], expected_commands int[], expected_streams text[],
 * expected_versions bigint[], store text)
 */
ec_request *ec_request_from_command_columns(FunctionCallInfo fcinfo)
{
    const ec_error event = EC_ERROR_invalid_event, expected = EC_ERROR_invalid_expected_version;
    ec_column numbers = ec_column_required(fcinfo, 0, event, "commands");
    ec_column expected_numbers = ec_column_required(fcinfo, 7, expected, "expected_commands");
    columns c = column_arguments(fcinfo, 1, 8);
    int command_count = highest_number(&expected_numbers, highest_number(&numbers, 0));
    ec_request *request;
    int *place;

    if (numbers.count != c.stream_ids.count)
        raise_bad_argument(event, "the arrays of events differ in length");
    if (expected_numbers.count != c.expected_streams.count)
        raise_bad_argument(expected, "the arrays of expectations differ in length");
    request = ec_request_new(ec_store_argument(fcinfo, 10), command_count, numbers.count,
                             expected_numbers.count);
    place = places(&numbers, command_count);
    for (int i = 0; i < numbers.count; i++)
        fill_event(&request->events[place[i]], DatumGetInt32(numbers.values[i]) - 1, &c, i);
    pfree(place);
    place = places(&expected_numbers, command_count);
    for (int i = 0; i < expected_numbers.count; i++)
        fill_expectation(&request->expectations[place[i]],
                         DatumGetInt32(expected_numbers.values[i]) - 1, &c, i);
    pfree(place);
    ec_request_finish(request);
    return request;
}
