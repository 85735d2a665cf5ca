/* What an application appends: refused, or in the store as it was given. */
#include "execution.h"
#include "fuzz.h"
#include "testkit_store.h"

enum { MOST_EVENTS = 4, MOST_EXPECTED = 4 };

struct appended {
    ec_stream_event events[MOST_EVENTS];
    ec_expectation expected[MOST_EXPECTED];
    size_t event_count, expected_count;
    char *texts[4 * (MOST_EVENTS + MOST_EXPECTED)]; /* to be freed */
    size_t text_count;
    ec_uuid ids[MOST_EVENTS];
};

static char *take_own(input *in, struct appended *appended)
{
    return take_byte(in) < 16 ? NULL : (appended->texts[appended->text_count++] = take_text(in));
}

static const char *take_json(input *in, struct appended *appended)
{
    static const char *const texts[] = {NULL, "{}", "{\"a\": [1, 2.50]}"};
    size_t which = take_below(in, 4);

    return which < 3 ? texts[which] : take_own(in, appended);
}

static const char *take_id(input *in, struct appended *appended)
{
    static const char *const ids[] = {"a", "b", "c"};
    size_t which = take_below(in, 8);

    return which < 7 ? ids[which % 3] : take_own(in, appended);
}

static void take(input *in, struct appended *appended)
{
    appended->event_count = take_below(in, MOST_EVENTS + 1);
    appended->expected_count = take_below(in, MOST_EXPECTED + 1);
    for (size_t i = 0; i < appended->event_count; i++) {
        ec_stream_event *event = &appended->events[i];

        event->stream_id = take_id(in, appended);
        event->event.type = take_below(in, 4) > 0 ? "Type" : take_own(in, appended);
        event->event.data = take_json(in, appended);
        event->event.metadata = take_json(in, appended);
        if (take_below(in, 4) == 0) {
            event->event.payload = "bytes";
            event->event.payload_size = take_below(in, 6);
        }
        if (take_below(in, 4) == 0) {
            appended->ids[i].bytes[0] = take_byte(in);
            event->event.event_id = &appended->ids[i];
        }
    }
    for (size_t i = 0; i < appended->expected_count; i++)
        appended->expected[i] = (ec_expectation){take_id(in, appended), take_number(in)};
}

static ec_status append(ec_test_store *store, struct appended *appended)
{
    const ec_metadata metadata = {.user_id = "somebody"};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    ec_outcome *outcome = NULL;
    ec_failure failure = {.status = EC_OK};
    ec_arena memory = {NULL};
    ec_execution execution;
    ec_events *rows = NULL;
    ec_round_trip trip;
    ec_status status;

    options.metadata = &metadata;
    require(ec_outcome_prepare(&outcome) != NULL);
    ec_execution_start_append(&execution, appended->events, appended->event_count,
                              appended->expected_count == 0 ? NULL : appended->expected,
                              appended->expected_count, &options, NULL, outcome);
    if (execution.step == EC_STEP_APPEND) {
        require(ec_execution_encode(&execution, &trip, &memory, &failure) == EC_OK);
        if (ec_test_store_append(store, execution.context.entries, execution.context.entry_count,
                                 execution.expected, execution.expected_count, 1, &rows,
                                 &failure) == EC_OK)
            ec_execution_rows(&execution, rows);
        else
            ec_execution_failed(&execution, &failure, false);
    }
    require(execution.step == EC_STEP_DONE);
    status = execution.failure.status;
    if (status == EC_OK)
        require(ec_outcome_event_count(outcome) == appended->event_count);
    ec_arena_free(&memory);
    ec_execution_free(&execution);
    ec_outcome_free(outcome);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input in = {bytes, size};
    ec_test_store store = {.count = 0};

    for (int i = 0; i < 3; i++) {
        struct appended appended = {.event_count = 0};
        size_t before = store.count;

        take(&in, &appended);
        if (append(&store, &appended) != EC_OK)
            require(store.count == before);
        for (size_t j = 0; j < appended.text_count; j++)
            free(appended.texts[j]);
    }
    ec_test_store_free(&store);
    return 0;
}
