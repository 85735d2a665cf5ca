/*
 * test_testkit_contract.c: the store in memory answers as the server does.
 *
 * Each scenario is played twice, on the same streams and with the same event ids: in memory and on
 * a server. What can be seen is written into a transcript, and the two must be the same.
 */
#include "graph.h"
#include "server.h"

#include <eventcore/testkit.h>
#include <jansson.h>

#include "testkit.h"

enum { STREAMS = 6, IDS = 8 };

/* What all playings share. */
static char streams[STREAMS][64];
static ec_uuid ids[IDS];

struct side {
    ec_test *test;             /* NULL: on the server */
    ec_connection *connection; /* executes commands */
    ec_connection *other;      /* appends, also while a command is executed */
    ec_outcome *outcome;
    ec_outcome *appended;
    char transcript[100000];
    size_t length;
};

static void note(struct side *side, const char *format, ...) EC_PRINTF(2, 3);
static void note(struct side *side, const char *format, ...)
{
    size_t room = sizeof side->transcript - side->length;
    va_list arguments;

    va_start(arguments, format);
    side->length += (size_t)vsnprintf(side->transcript + side->length, room, format, arguments);
    va_end(arguments);
    assert_true(side->length < sizeof side->transcript);
}

/* JSON in one form, whoever wrote it. */
static void note_json(struct side *side, const char *text)
{
    json_t *json = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    char *form = json == NULL ? NULL : json_dumps(json, JSON_SORT_KEYS | JSON_ENCODE_ANY);

    note(side, " %s", form == NULL ? "none" : form);
    free(form);
    json_decref(json);
}

static void note_event(struct side *side, const ec_event *event)
{
    char id[EC_UUID_TEXT_SIZE];
    size_t size;
    const void *payload = ec_event_payload(event, &size);

    note(side, "    %s %lld %s", ec_event_stream_id(event), (long long)ec_event_version(event),
         ec_event_type(event));
    note_json(side, ec_event_data(event));
    note_json(side, ec_event_metadata(event));
    for (size_t i = 0; payload != NULL && i < size; i++)
        note(side, " %02x", ((const unsigned char *)payload)[i]);
    for (int i = 0; i < IDS; i++) {
        ec_uuid_format(&ids[i], id);
        if (memcmp(&ids[i], ec_event_id(event), sizeof *ids) == 0)
            note(side, " id %d", i);
    }
    note(side, "\n");
}

static void note_outcome(struct side *side, const ec_outcome *outcome)
{
    note(side, "  %s after %d, %d conflicts: %s (%s)\n", ec_status_name(ec_outcome_status(outcome)),
         ec_outcome_attempts(outcome), ec_outcome_conflicts(outcome), ec_outcome_message(outcome),
         ec_outcome_rejection_code(outcome) == NULL ? "" : ec_outcome_rejection_code(outcome));
    for (size_t i = 0; i < ec_outcome_violation_count(outcome); i++) {
        const ec_violation *violation = ec_outcome_violation(outcome, i);

        note(side, "    %s: %lld, not %lld\n", violation->stream_id, (long long)violation->actual,
             (long long)violation->expected);
    }
    for (size_t i = 0; i < ec_outcome_event_count(outcome); i++)
        note_event(side, ec_outcome_event(outcome, i));
}

/* ------------------------------------------------------------------ what a scenario can do */

static void execute(struct side *side, ec_command command, const ec_execute_options *given)
{
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    if (given != NULL)
        options = *given;
    options.lock_after = -1;
    note(side, "%s\n", command.definition->name);
    if (side->test != NULL) {
        ec_test_execute(side->test, command, &options);
        note_outcome(side, ec_test_outcome(side->test));
    } else {
        ec_execute(side->connection, command.definition, command.streams, command.command, &options,
                   &side->outcome);
        note_outcome(side, side->outcome);
    }
}

static void note_rows(struct side *side, const ec_events *rows)
{
    for (size_t i = 0; i < rows->row_count; i++) {
        const ec_row *row = &rows->rows[i];

        if (strcmp(row->outcome, "conflict") == 0)
            note(side, "  %s: %lld, not %lld\n", row->event.stream_id, (long long)row->actual,
                 (long long)row->expected);
        else if (row->event.version > 0)
            note(side, "  %s %lld\n", row->event.stream_id, (long long)row->event.version);
    }
}

static void append_in_memory(struct side *side, const ec_stream_event *events, size_t event_count,
                             const ec_expectation *expected, size_t expected_count)
{
    const char *problem = NULL;
    const ec_entry *entries = ec_test_entries(side->test, events, event_count, &problem);
    ec_failure failure = {.status = EC_OK};
    ec_events *rows = NULL;

    if (entries == NULL && event_count > 0)
        fail_msg("%s", problem);
    if (ec_test_store_append(&side->test->store, entries, event_count, expected, expected_count, 0,
                             &rows, &failure) != EC_OK)
        note(side, "  %s %s %s\n", ec_status_name(failure.status), failure.sqlstate,
             strncmp(failure.sqlstate, "22", 2) == 0 ? "" : failure.message);
    else
        note_rows(side, rows);
    ec_events_free(rows);
    ec_failure_clear(&failure);
}

static void append_on_server(struct side *side, const ec_stream_event *events, size_t event_count,
                             const ec_expectation *expected, size_t expected_count)
{
    ec_connection *connection = side->other;
    ec_status status =
        ec_append(connection, events, event_count, expected, expected_count, &side->appended);

    for (size_t i = 0; i < ec_outcome_event_count(side->appended); i++)
        note(side, "  %s %lld\n", ec_event_stream_id(ec_outcome_event(side->appended, i)),
             (long long)ec_event_version(ec_outcome_event(side->appended, i)));
    for (size_t i = 0; i < ec_error_violation_count(connection); i++) {
        const ec_violation *violation = ec_error_violation(connection, i);

        note(side, "  %s: %lld, not %lld\n", violation->stream_id, (long long)violation->actual,
             (long long)violation->expected);
    }
    if (status != EC_OK && status != EC_VERSION_CONFLICT)
        note(side, "  %s %s %s\n", ec_status_name(status), ec_error_sqlstate(connection),
             strncmp(ec_error_sqlstate(connection), "22", 2) == 0 ? ""
                                                                  : ec_error_message(connection));
}

static void append(struct side *side, const char *name, const ec_stream_event *events,
                   size_t event_count, const ec_expectation *expected, size_t expected_count)
{
    note(side, "append %s\n", name);
    (side->test == NULL ? append_on_server : append_in_memory)(side, events, event_count, expected,
                                                               expected_count);
}

/* Events and expectations: a LIST() each. */
#define LIST(...) __VA_ARGS__
#define APPEND(side, name, events, expectations)                                                   \
    do {                                                                                           \
        const ec_stream_event appended[] = {events};                                               \
        const ec_expectation expected[] = {expectations};                                          \
        append(side, name, appended, sizeof appended / sizeof *appended, expected,                 \
               sizeof expected / sizeof *expected);                                                \
    } while (0)
#define EVENT(stream, ...)                                                                         \
    {                                                                                              \
        streams[stream],                                                                           \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define DEPOSIT(stream, id)                                                                        \
    EVENT(stream, .type = "MoneyDeposited", .data = "{\"amount\": 100}", .event_id = &ids[id])

static void give(struct side *side, int stream, const char *type, const char *data)
{
    ec_stream_event event = {streams[stream], {.type = type, .data = data}};

    append(side, "given", &event, 1, NULL, 0);
}

/* ------------------------------------------------------------------ playing */

static void note_contents(struct side *side)
{
    note(side, "contents\n");
    for (int i = 0; i < STREAMS; i++) {
        ec_events *events;

        if (side->test != NULL) {
            const ec_test_store *store = &side->test->store;

            for (size_t j = 0; j < store->count; j++)
                if (strcmp(store->events[j].event.stream_id, streams[i]) == 0)
                    note_event(side, &store->events[j].event);
            continue;
        }
        assert_ok(side->connection, ec_read_stream(side->connection, streams[i], NULL, &events));
        for (size_t j = 0; j < ec_events_count(events); j++)
            note_event(side, ec_events_at(events, j));
        ec_events_free(events);
    }
}

static void play(void (*scenario)(struct side *side))
{
    struct side *memory = calloc(1, sizeof *memory), *server = calloc(1, sizeof *server);

    for (int i = 0; i < STREAMS; i++)
        unique_id(streams[i], i == 0 ? "root" : i == 1 ? "a" : i == 2 ? "b" : "c");
    for (int i = 0; i < IDS; i++)
        assert_int_equal(ec_uuid_new(&ids[i]), EC_OK);
    memory->test = ec_test_new();
    assert_ok(server->connection, ec_connect(&server->connection, NULL, NULL));
    assert_ok(server->other, ec_connect(&server->other, NULL, NULL));
    scenario(memory);
    scenario(server);
    note_contents(memory);
    note_contents(server);
    if (strcmp(memory->transcript, server->transcript) != 0)
        print_error("in memory:\n%s\non the server:\n%s\n", memory->transcript, server->transcript);
    assert_string_equal(memory->transcript, server->transcript);
    assert_non_null(strstr(memory->transcript, "contents\n    "));
    assert_int_equal(ec_test_failures(memory->test), 0);
    ec_test_free(memory->test);
    ec_close(server->connection);
    ec_close(server->other);
    ec_outcome_free(server->outcome);
    ec_outcome_free(server->appended);
    free(memory);
    free(server);
}

/* ------------------------------------------------------------------ appends */

static void play_appends(struct side *side)
{
    const ec_expectation everything = {NULL, EC_EXPECT_ANY};

    APPEND(side, "to no stream", LIST(DEPOSIT(0, 0), DEPOSIT(1, 1), DEPOSIT(0, 2)),
           LIST({streams[0], 0}, {streams[1], EC_EXPECT_NO_STREAM}, {streams[2], 0}));
    APPEND(side, "again", LIST(DEPOSIT(0, 0), DEPOSIT(1, 1), DEPOSIT(0, 2)),
           LIST({streams[0], 0}, {streams[1], 0}, {streams[2], 0}));
    APPEND(side, "again in another order", LIST(DEPOSIT(1, 1), DEPOSIT(0, 2), DEPOSIT(0, 0)),
           LIST(everything));
    APPEND(side, "part of it", LIST(DEPOSIT(0, 0)), LIST({streams[0], 77}));
    APPEND(side, "more than it", LIST(DEPOSIT(0, 0), DEPOSIT(1, 3)), LIST(everything));
    APPEND(side, "other stream", LIST(DEPOSIT(3, 0)), LIST({streams[3], 77}));
    APPEND(side, "other type",
           LIST(EVENT(0, .type = "Other", .data = "{\"amount\": 100}", .event_id = &ids[0])),
           LIST(everything));
    APPEND(side, "other data",
           LIST(EVENT(0, .type = "MoneyDeposited", .data = "{}", .event_id = &ids[0])),
           LIST(everything));
    APPEND(side, "payload",
           LIST(EVENT(0, .type = "MoneyDeposited", .payload = "p", .payload_size = 1,
                      .event_id = &ids[0])),
           LIST(everything));
    APPEND(side, "same JSON",
           LIST(EVENT(1, .type = "MoneyDeposited", .data = " {\"amount\":1e2} ",
                      .event_id = &ids[1], .metadata = "{\"differs\": true}")),
           LIST(everything));
    APPEND(side, "id twice", LIST(DEPOSIT(3, 4), DEPOSIT(4, 4)), LIST(everything));

    APPEND(side, "conflicts", LIST(DEPOSIT(0, 5)),
           LIST({streams[3], EC_EXPECT_EXISTS}, {streams[0], 1}, {streams[1], EC_EXPECT_EXISTS},
                {streams[2], EC_EXPECT_ANY}, {streams[1], EC_EXPECT_EXISTS}, {streams[4], 4},
                {streams[0], 1}));
    APPEND(side, "no stream that exists", LIST(DEPOSIT(0, 5)), LIST({streams[0], 0}));
    APPEND(side, "exact", LIST(DEPOSIT(0, 5)),
           LIST({streams[0], 2}, {streams[1], 1}, {streams[1], 1}));
    APPEND(side, "any and exists", LIST(DEPOSIT(3, 6), DEPOSIT(0, 7)),
           LIST({streams[3], EC_EXPECT_ANY}, {streams[0], EC_EXPECT_EXISTS}));
    append(side, "nothing", NULL, 0, (ec_expectation[]){{streams[0], 4}}, 1);
    append(side, "nothing, in vain", NULL, 0, (ec_expectation[]){{streams[0], 3}}, 1);
    append(side, "nothing at all", NULL, 0, NULL, 0);
    APPEND(side, "any of those not named", LIST(EVENT(4, .type = "T"), EVENT(0, .type = "T")),
           LIST({streams[0], 4}, everything));
}

static void play_bad_requests(struct side *side)
{
    char longest[256 * 2 + 1] = "", too_long[257] = "";

    for (int i = 0; i < 255; i++)
        strcat(longest, "\xc3\xa9"); /* characters, not bytes */
    memset(too_long, 'x', 256);
    APPEND(side, "undeclared", LIST(EVENT(0, .type = "T"), EVENT(1, .type = "T")),
           LIST({streams[0], 0}));
    APPEND(side, "contradiction", LIST(EVENT(0, .type = "T")),
           LIST({streams[0], 0}, {streams[0], EC_EXPECT_ANY}));
    APPEND(side, "bad version", LIST(EVENT(0, .type = "T")), LIST({streams[0], -3}));
    APPEND(side, "no id", LIST(EVENT(0, .type = "T")), LIST({NULL, 0}));
    APPEND(side, "empty type", LIST(EVENT(0, .type = "T"), EVENT(0, .type = "")),
           LIST({streams[0], 0}));
    APPEND(side, "long type", LIST(EVENT(0, .type = too_long)), LIST({streams[0], 0}));
    APPEND(side, "longest type", LIST(EVENT(0, .type = longest)), LIST({streams[0], 0}));
    for (int i = 0; i < 9; i++) {
        const char *bad[] = {"",          " x",        "x ",     "x\n",          "x\x7f",
                             "x\xc2\x85", "\xc2\xa0x", too_long, "x\xe3\x80\x80"};

        APPEND(side, "bad stream id", LIST({bad[i], {.type = "T"}}), LIST({NULL, EC_EXPECT_ANY}));
        APPEND(side, "bad stream id that is read", LIST(EVENT(0, .type = "T")),
               LIST({NULL, EC_EXPECT_ANY}, {bad[i], 0}));
    }
    APPEND(side, "bad data", LIST(EVENT(0, .type = "T", .data = "{")), LIST({streams[0], 1}));
    APPEND(side, "bad metadata", LIST(EVENT(0, .type = "T", .metadata = "{")),
           LIST({streams[0], 1}));
    APPEND(side, "type that is not UTF-8", LIST(EVENT(0, .type = "\xff")), LIST({streams[0], 1}));
    APPEND(side, "large numbers",
           LIST(EVENT(4, .type = "T", .data = "[12345678901234567890, 1e300]", .event_id = &ids[6],
                      .metadata = "{\"n\": -12345678901234567890}")),
           LIST({streams[4], 0}));
    APPEND(
        side, "large numbers again",
        LIST(EVENT(4, .type = "T", .data = "[12345678901234567890, 1e300]", .event_id = &ids[6])),
        LIST({streams[4], 0}));
    APPEND(side, "scalars", LIST(EVENT(0, .type = "T", .data = "7", .metadata = "{\"a\": null}")),
           LIST({streams[0], 1}));
    APPEND(side, "payload", LIST(EVENT(0, .type = "T", .payload = "a\0b", .payload_size = 3)),
           LIST({streams[0], 2}));
    APPEND(side, "empty payload", LIST(EVENT(0, .type = "T", .payload = "", .payload_size = 0)),
           LIST({streams[0], 3}));
}

/* ------------------------------------------------------------------ commands */

static struct side *interfering_with;

static void withdraw_meanwhile(void *argument)
{
    give(interfering_with, *(int *)argument, "MoneyWithdrawn", "{\"amount\": 50}");
}

static void play_transfers(struct side *side)
{
    transfer_streams ids_of = {
        .from_account = streams[1], .to_account = streams[2], .limits = streams[3]};
    ec_execute_options verify = EC_EXECUTE_OPTIONS_INIT, once = EC_EXECUTE_ONCE_INIT;
    int from = 1, handled = 0;
    struct transfer transfer = {.amount = 30, .handled = &handled, .argument = &from};

    interfering_with = side;
    verify.verify = true;
    give(side, 1, "MoneyDeposited", "{\"amount\": 300}");
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
    transfer.amount = 271;
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
    transfer.amount = 30;
    transfer.interfere = withdraw_meanwhile;
    handled = 0;
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
    handled = 0;
    execute(side, transfer_prepare(&ids_of, &transfer), &once);
    handled = 0;
    transfer.amount = 121; /* too much after what happens meanwhile */
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
    give(side, 3, "LimitSet", "{\"amount\": 10}");
    transfer.amount = 11;
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
    ids_of.to_account = streams[1];
    transfer.amount = 5;
    execute(side, transfer_prepare(&ids_of, &transfer), &verify);
    ids_of.to_account = " ";
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
    ids_of.to_account = NULL;
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
    give(side, 3, "Unheard", NULL);
    ids_of.to_account = streams[2];
    execute(side, transfer_prepare(&ids_of, &transfer), NULL);
}

static void give_link(struct side *side, int from, int to, bool only_read)
{
    char data[200];

    snprintf(data, sizeof data, "{\"to\": \"%s\", \"only_read\": %s}", streams[to],
             only_read ? "true" : "false");
    give(side, from, "Linked", data);
}

static void note_visit(struct side *side, struct visit *visit)
{
    note(side, "  resolved %d, handled %d, folded %s\n", visit->resolved, visit->handled,
         visit->order);
    *visit = (struct visit){.resolved = 0};
}

/* Between two rounds: to the stream that was read, and to the one that was discovered. */
static void link_meanwhile(void *argument)
{
    give_link(interfering_with, 0, 3, true);
    give(interfering_with, 1, "Marked", NULL);
    (void)argument;
}

static void play_discovery(struct side *side)
{
    visit_streams ids_of = {
        .root = streams[0], .visited = EC_NO_IDS, .peeked = EC_NO_IDS, .log = streams[4]};
    struct visit visit = {.interfere = link_meanwhile};

    interfering_with = side;
    give(side, 1, "Marked", NULL);
    give(side, 3, "Marked", NULL);
    give_link(side, 0, 1, false);
    give_link(side, 1, 2, false);
    give(side, 3, "Marked", NULL);
    execute(side, visit_prepare(&ids_of, &visit), NULL);
    note_visit(side, &visit);
    ids_of.log = NULL;
    execute(side, visit_prepare(&ids_of, &visit), NULL);
    note_visit(side, &visit);
    give_link(side, 3, 5, false);
    execute(side, visit_prepare(&ids_of, &visit), NULL);
    note_visit(side, &visit);
}

static void test_appends(void **state)
{
    (void)state;
    play(play_appends);
}

static void test_bad_requests(void **state)
{
    (void)state;
    play(play_bad_requests);
}

static void test_transfers(void **state)
{
    (void)state;
    play(play_transfers);
}

static void test_discovery(void **state)
{
    (void)state;
    play(play_discovery);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_appends),
        SERVER_TEST(test_bad_requests),
        SERVER_TEST(test_transfers),
        SERVER_TEST(test_discovery),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
