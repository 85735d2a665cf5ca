/*
 * request_json.c: requests from JSON.
 *
 *     events    [{"stream_id": "a", "type": "T", "data": {...}, "metadata": {...},
 *                 "event_id": "...", "payload": "<base64>"}, ...]
 *     expected  {"a": 4, "b": "none", "c": "exists", "d": "any"}, or "any"
 *
 * A key that is not known is an error: a mistyped "metadta" must not get lost.
 */
#include "postgres.h"

#include "request_json.h"
#include "request_sql.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

static void raise_bad_json(ec_error error, const char *problem)
{
    ereport(ERROR,
            (ec_error_code(error), errmsg("%s", problem),
             ec_error_detail(error, "s", "problem", problem),
             errhint("events: an array of {\"stream_id\", \"type\", \"data\", \"metadata\", "
                     "\"event_id\", \"payload\"}; expected: {\"<stream id>\": <version>, \"none\", "
                     "\"exists\" or \"any\", ...}, or \"any\" for all streams.")));
}

static bool key_is(const JsonbValue *key, const char *name)
{
    return key->val.string.len == (int)strlen(name) &&
           memcmp(key->val.string.val, name, key->val.string.len) == 0;
}

/* A string value as text. */
static Datum string_value(const JsonbValue *value, const char *name, int number)
{
    if (value->type != jbvString)
        raise_bad_json(EC_ERROR_invalid_event,
                       psprintf("event %d: \"%s\" is not a string", number, name));
    return PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len));
}

static void set_field(ec_event *event, const JsonbValue *key, JsonbValue *value, int number)
{
    if (key_is(key, "data")) { /* a JSON null is data */
        event->data = JsonbPGetDatum(JsonbValueToJsonb(value));
        event->data_is_null = false;
    } else if (value->type == jbvNull &&
               (key_is(key, "stream_id") || key_is(key, "type") || key_is(key, "metadata") ||
                key_is(key, "event_id") || key_is(key, "payload"))) {
        /* as if it were not there */
    } else if (key_is(key, "stream_id")) {
        event->stream_id = string_value(value, "stream_id", number);
        event->stream_is_null = false;
    } else if (key_is(key, "type")) {
        event->type = string_value(value, "type", number);
        event->type_is_null = false;
    } else if (key_is(key, "metadata")) {
        event->metadata = JsonbPGetDatum(JsonbValueToJsonb(value));
        event->metadata_is_null = false;
    } else if (key_is(key, "event_id")) {
        char *id = TextDatumGetCString(string_value(value, "event_id", number));

        ec_request_set_id(event, DirectFunctionCall1(uuid_in, CStringGetDatum(id)), false);
    } else if (key_is(key, "payload")) {
        event->payload = DirectFunctionCall2(binary_decode, string_value(value, "payload", number),
                                             CStringGetTextDatum("base64"));
        event->payload_is_null = false;
    } else
        raise_bad_json(EC_ERROR_invalid_event,
                       psprintf("event %d: unknown key \"%s\"", number,
                                pnstrdup(key->val.string.val, key->val.string.len)));
}

static void fill_events(ec_request *request, Jsonb *events)
{
    JsonbIterator *iterator = JsonbIteratorInit(&events->root);
    JsonbValue key, value;
    JsonbIteratorToken token = JsonbIteratorNext(&iterator, &value, false);

    for (int i = 0; i < request->event_count; i++) {
        ec_event *event = &request->events[i];

        token = JsonbIteratorNext(&iterator, &value, false);
        if (token != WJB_BEGIN_OBJECT)
            raise_bad_json(EC_ERROR_invalid_event, psprintf("event %d is not an object", i + 1));
        event->stream_is_null = event->type_is_null = event->data_is_null = true;
        event->payload_is_null = event->metadata_is_null = true;
        while (JsonbIteratorNext(&iterator, &key, false) == WJB_KEY) {
            JsonbIteratorNext(&iterator, &value, true);
            set_field(event, &key, &value, i + 1);
        }
    }
}

static int64 expected_version(const JsonbValue *value)
{
    if (value->type == jbvString) {
        if (key_is(value, "none"))
            return EC_EXPECT_NONE;
        if (key_is(value, "any"))
            return EC_EXPECT_ANY;
        if (key_is(value, "exists"))
            return EC_EXPECT_EXISTS;
    } else if (value->type == jbvNumeric) {
        char *digits =
            DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
        char *end;
        int64 version;

        errno = 0;
        version = strtoi64(digits, &end, 10);
        if (errno == 0 && *end == '\0')
            return version;
    }
    raise_bad_json(EC_ERROR_invalid_expected_version,
                   "an expected version is not a whole number, \"none\", \"exists\" or \"any\"");
    pg_unreachable();
}

static void fill_expectations(ec_request *request, Jsonb *expected)
{
    JsonbIterator *iterator = JsonbIteratorInit(&expected->root);
    JsonbValue value;

    (void)JsonbIteratorNext(&iterator, &value, false);
    for (int i = 0; i < request->expectation_count; i++) {
        ec_expectation *expectation = &request->expectations[i];

        (void)JsonbIteratorNext(&iterator, &value, false);
        if (JB_ROOT_IS_SCALAR(expected)) {
            expectation->stream_is_null = true;
            if (expected_version(&value) != EC_EXPECT_ANY || value.type != jbvString)
                raise_bad_json(EC_ERROR_invalid_expected_version,
                               "expected is neither an object nor \"any\"");
        } else {
            expectation->stream_id = PointerGetDatum(
                cstring_to_text_with_len(value.val.string.val, value.val.string.len));
            (void)JsonbIteratorNext(&iterator, &value, true);
        }
        expectation->version = Int64GetDatum(expected_version(&value));
    }
}

ec_request *ec_request_from_json(FunctionCallInfo fcinfo)
{
    ec_request *request;
    Jsonb *events, *expected;

    if (PG_ARGISNULL(0))
        raise_bad_json(EC_ERROR_invalid_event, "events must not be null");
    if (PG_ARGISNULL(1))
        raise_bad_json(EC_ERROR_invalid_expected_version, "expected must not be null");
    events = PG_GETARG_JSONB_P(0);
    expected = PG_GETARG_JSONB_P(1);
    if (!JB_ROOT_IS_ARRAY(events) || JB_ROOT_IS_SCALAR(events))
        raise_bad_json(EC_ERROR_invalid_event, "events is not an array");
    if (!JB_ROOT_IS_OBJECT(expected) && !JB_ROOT_IS_SCALAR(expected))
        raise_bad_json(EC_ERROR_invalid_expected_version,
                       "expected is neither an object nor \"any\"");

    request = ec_request_new(ec_store_argument(fcinfo, 2), 1, JB_ROOT_COUNT(events),
                             JB_ROOT_COUNT(expected));
    fill_events(request, events);
    fill_expectations(request, expected);
    ec_request_finish(request);
    return request;
}
