/* test_encoding.c: the bytes that are sent, what is made of those that come, and event ids. */
#include <stdlib.h>
#include <time.h>

#include "bank.h"
#include "event_id.h"
#include "reply.h"

struct fixture {
    ec_arena memory;
    ec_failure failure;
    ec_call call;
};

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state == NULL;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    ec_arena_free(&fixture->memory);
    ec_failure_clear(&fixture->failure);
    free(fixture);
    return 0;
}

#define assert_parameter(call, parameter, literal)                                                 \
    do {                                                                                           \
        assert_int_equal((call)->lengths[parameter], sizeof(literal) - 1);                         \
        assert_memory_equal((call)->values[parameter], literal, sizeof(literal) - 1);              \
    } while (0)

static void test_arrays(void **state)
{
    struct fixture *f = *state;
    const ec_value texts[] = {{"ab", 2}, {NULL, 0}, {"", 0}};
    const ec_value documents[] = {{"{}", 2}};
    const ec_value bytes[] = {{"\0\1", 2}};
    const ec_uuid uuid = {.bytes = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    const ec_value uuids[] = {{uuid.bytes, 16}};
    const int64_t numbers[] = {1, -2};

    assert_int_equal(ec_encode_array(&f->call, 0, &f->memory, EC_OID_TEXT, texts, 3, &f->failure),
                     EC_OK);
    assert_parameter(&f->call, 0,
                     "\0\0\0\1\0\0\0\1\0\0\0\31\0\0\0\3\0\0\0\1"
                     "\0\0\0\2ab\377\377\377\377\0\0\0\0");
    ec_encode_array(&f->call, 1, &f->memory, EC_OID_JSONB, documents, 1, &f->failure);
    assert_parameter(&f->call, 1,
                     "\0\0\0\1\0\0\0\0\0\0\16\332\0\0\0\1\0\0\0\1"
                     "\0\0\0\3\1{}");
    ec_encode_array(&f->call, 2, &f->memory, EC_OID_BYTEA, bytes, 1, &f->failure);
    assert_parameter(&f->call, 2,
                     "\0\0\0\1\0\0\0\0\0\0\0\21\0\0\0\1\0\0\0\1"
                     "\0\0\0\2\0\1");
    ec_encode_array(&f->call, 3, &f->memory, EC_OID_UUID, uuids, 1, &f->failure);
    assert_parameter(&f->call, 3,
                     "\0\0\0\1\0\0\0\0\0\0\13\206\0\0\0\1\0\0\0\1"
                     "\0\0\0\20\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20");
    ec_encode_bigints(&f->call, 4, &f->memory, numbers, 2, &f->failure);
    assert_parameter(&f->call, 4,
                     "\0\0\0\1\0\0\0\0\0\0\0\24\0\0\0\2\0\0\0\1"
                     "\0\0\0\10\0\0\0\0\0\0\0\1\0\0\0\10\377\377\377\377\377\377\377\376");
    ec_encode_array(&f->call, 5, &f->memory, EC_OID_TEXT, NULL, 0, &f->failure);
    assert_parameter(&f->call, 5, "\0\0\0\0\0\0\0\0\0\0\0\31");
}

static void test_scalars(void **state)
{
    struct fixture *f = *state;
    ec_read_options options = EC_READ_OPTIONS_INIT;

    options.after_version = 258;
    options.backward = true;
    assert_int_equal(ec_call_read_stream(&f->call, &f->memory, "a-1", &options, NULL, &f->failure),
                     EC_OK);
    assert_int_equal(f->call.statement, EC_STATEMENT_READ_STREAM);
    assert_parameter(&f->call, 0, "a-1");
    assert_parameter(&f->call, 1, "\0\0\0\0\0\0\1\2");
    assert_null(f->call.values[2]);
    assert_parameter(&f->call, 3, "\1");
    assert_parameter(&f->call, 4, "default");
}

static void test_too_large(void **state)
{
    struct fixture *f = *state;
    const ec_value huge[] = {{"", INT32_MAX / 2}, {"", INT32_MAX / 2}, {"", 100}};

    assert_int_equal(ec_encode_array(&f->call, 0, &f->memory, EC_OID_BYTEA, huge, 3, &f->failure),
                     EC_INVALID_ARGUMENT);
    assert_string_equal(f->failure.message, "a parameter is larger than 2 GB");
}

static void test_no_expectation(void **state)
{
    struct fixture *f = *state;
    ec_entry entry = {.stream_id = "a", .event = {.type = "T", .data = "{}"}};

    assert_int_equal(
        ec_call_try_append(&f->call, &f->memory, &entry, 1, NULL, 0, "tenant", &f->failure), EC_OK);
    assert_parameter(&f->call, 6, "\0\0\0\1\0\0\0\1\0\0\0\31\0\0\0\1\0\0\0\1\377\377\377\377");
    assert_parameter(&f->call, 7,
                     "\0\0\0\1\0\0\0\0\0\0\0\24\0\0\0\1\0\0\0\1"
                     "\0\0\0\10\377\377\377\377\377\377\377\377");
    assert_parameter(&f->call, 8, "tenant");
}

static void test_decode(void **state)
{
    struct fixture *f = *state;
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);
    const ec_event *event;
    ec_events *events;
    long long amount = 0;

    reply_event(result, "a", 3, 17, "Deposited", "{\"amount\": 5}", 4);
    reply_event(result, "a", 4, 18, "Deposited", "[1]", 4);
    reply_stream(result, "b", 0);
    assert_int_equal(ec_rows_decode(&events, result, EC_STATEMENT_READ_STREAMS, &f->failure),
                     EC_OK);
    assert_int_equal(ec_events_count(events), 2);
    event = ec_events_at(events, 0);
    assert_string_equal(ec_event_stream_id(event), "a");
    assert_int_equal(ec_event_version(event), 3);
    assert_int_equal(ec_event_position(event), 17);
    assert_int_equal(ec_event_id(event)->bytes[0], 17);
    assert_string_equal(ec_event_type(event), "Deposited");
    assert_string_equal(ec_event_data(event), "{\"amount\": 5}");
    assert_null(ec_event_payload(event, NULL));
    assert_null(ec_event_metadata(event));
    assert_int_equal(ec_event_recorded_at(event), INT64_C(946684801000000));
    assert_int_equal(ec_event_unpack(event, "{s:I}", "amount", &amount), EC_OK);
    assert_int_equal(amount, 5);
    assert_int_equal(ec_event_unpack(event, "{s:I}", "missing", &amount), EC_INVALID_EVENT);
    assert_int_equal(ec_event_unpack(ec_events_at(events, 1), "{s:I}", "amount", &amount),
                     EC_INVALID_EVENT);
    assert_false(ec_event_in(event, 0, NULL));
    assert_null(ec_events_at(events, 2));
    assert_int_equal(ec_events_stream_version(events, "a"), 4);
    assert_int_equal(ec_events_stream_version(events, "b"), 0);
    assert_int_equal(ec_events_stream_version(events, "c"), -1);
    ec_events_free(events);
}

/* Decode a reply with one value replaced; the status. */
static ec_status decode_spoilt(struct fixture *f, int column, const char *bytes, int size)
{
    PGresult *result = reply_begin(EC_STATEMENT_READ_STREAMS);
    ec_events *events;
    ec_status status;

    reply_event(result, "a", 1, 1, "T", "{}", 1);
    reply_bytes(result, 0, column, bytes, size);
    status = ec_rows_decode(&events, result, EC_STATEMENT_READ_STREAMS, &f->failure);
    ec_events_free(events);
    return status;
}

static void test_malformed(void **state)
{
    struct fixture *f = *state;
    ec_events *events;
    PGresult *result;

    assert_int_equal(decode_spoilt(f, 7, "\1{}", 3), EC_OK);
    assert_int_equal(decode_spoilt(f, 0, NULL, 0), EC_PROTOCOL_ERROR);   /* no stream id */
    assert_int_equal(decode_spoilt(f, 1, "1", 1), EC_PROTOCOL_ERROR);    /* a short number */
    assert_int_equal(decode_spoilt(f, 3, "123", 3), EC_PROTOCOL_ERROR);  /* a short uuid */
    assert_int_equal(decode_spoilt(f, 3, NULL, 0), EC_PROTOCOL_ERROR);   /* no uuid */
    assert_int_equal(decode_spoilt(f, 4, NULL, 0), EC_PROTOCOL_ERROR);   /* no type */
    assert_int_equal(decode_spoilt(f, 5, "", 0), EC_PROTOCOL_ERROR);     /* empty jsonb */
    assert_int_equal(decode_spoilt(f, 5, "\2{}", 3), EC_PROTOCOL_ERROR); /* of another version */
    assert_int_equal(decode_spoilt(f, 5, NULL, 0), EC_PROTOCOL_ERROR);   /* neither data ... */
    assert_int_equal(decode_spoilt(f, 6, "x", 1), EC_PROTOCOL_ERROR);    /* ... nor both */

    /* An event behind a row without one. */
    result = reply_begin(EC_STATEMENT_READ_STREAMS);
    reply_stream(result, "b", 0);
    reply_event(result, "a", 1, 1, "T", "{}", 1);
    assert_int_equal(ec_rows_decode(&events, result, EC_STATEMENT_READ_STREAMS, &f->failure),
                     EC_PROTOCOL_ERROR);

    /* The columns of another statement. */
    assert_int_equal(ec_rows_decode(&events, reply_begin(EC_STATEMENT_READ_ALL),
                                    EC_STATEMENT_TRY_APPEND, &f->failure),
                     EC_PROTOCOL_ERROR);
    assert_null(events);
}

static void test_uuid(void **state)
{
    const ec_uuid known = {.bytes = {0x01, 0x8f, 0xab, 0xcd, 0xef, 0x01, 0x72, 0x34, 0x85, 0x67,
                                     0x89, 0xab, 0xcd, 0xef, 0x00, 0xff}};
    char text[EC_UUID_TEXT_SIZE];
    int64_t before = (int64_t)time(NULL) * 1000;
    ec_uuid first, second;
    int64_t milliseconds = 0;

    (void)state;
    ec_uuid_format(&known, text);
    assert_string_equal(text, "018fabcd-ef01-7234-8567-89abcdef00ff");
    assert_int_equal(ec_uuid_new(&first), EC_OK);
    assert_int_equal(ec_uuid_new(&second), EC_OK);
    assert_memory_not_equal(&first, &second, sizeof first);
    assert_int_equal(first.bytes[6] >> 4, 7);
    assert_int_equal(first.bytes[8] >> 6, 2);
    for (int i = 0; i < 6; i++)
        milliseconds = milliseconds << 8 | first.bytes[i];
    assert_in_range(milliseconds, before, before + 10000);
    assert_true(memcmp(first.bytes, second.bytes, 6) <= 0);
}

static void test_stream_id(void **state)
{
    char id[6 + EC_UUID_TEXT_SIZE], other[6 + EC_UUID_TEXT_SIZE];

    (void)state;
    assert_int_equal(ec_stream_id_new("order", id, sizeof id), EC_OK);
    assert_memory_equal(id, "order-", 6);
    assert_int_equal(strlen(id), sizeof id - 1);
    assert_int_equal(id[6 + 14], '7');
    assert_int_equal(ec_stream_id_new("order", other, sizeof other), EC_OK);
    assert_string_not_equal(id, other);
    assert_int_equal(ec_stream_id_new("order", id, sizeof id - 1), EC_INVALID_ARGUMENT);
    assert_string_equal(id, "");
}

static void test_arena(void **state)
{
    ec_arena memory = {NULL};
    char *large, *small;

    (void)state;
    for (size_t size = 0; size < 300; size++) {
        small = ec_arena_alloc(&memory, size);
        assert_int_equal((uintptr_t)small % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(small[i], 0);
        memset(small, 0xff, size);
    }
    large = ec_arena_alloc(&memory, 1000000);
    large[999999] = 1;
    assert_null(ec_arena_array(&memory, SIZE_MAX / 2, 8));
    assert_null(ec_arena_alloc(&memory, SIZE_MAX));
    assert_null(ec_arena_string(&memory, NULL));
    ec_arena_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_expectation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_decode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_stream_id),
        cmocka_unit_test(test_arena),
    };

    return cmocka_run_group_tests_name("encoding", tests, NULL, NULL);
}
