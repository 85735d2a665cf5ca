/* Replies that are well formed and make no sense, to the state machine of a command. */
#include "../client/bank.h"
#include "execution.h"
#include "fuzz.h"

static ec_events *make_rows(input *in, const ec_execution *execution)
{
    static const char *const ids[] = {"a", "b", "limits", "other"};
    static const char *const outcomes[] = {"appended", "repeated", "conflict", "verified", "?"};
    static const char *const data[] = {"{\"amount\": 10}", "{}", "{\"amount\": 1e400}", "[[1]"};
    static const ec_uuid unknown;
    const bool appends = execution->step == EC_STEP_APPEND;
    const char *outcome = outcomes[take_below(in, 5)];
    ec_events *events = calloc(1, sizeof *events);

    events->row_count = take_below(in, 8);
    events->rows = ec_arena_array(&events->memory, events->row_count, sizeof *events->rows);
    for (size_t i = 0; i < events->row_count; i++) {
        ec_row *row = &events->rows[i];

        row->event.stream_id = ids[take_below(in, 4)];
        row->stream_version = take_number(in);
        row->event.memory = &events->memory;
        if (appends) {
            row->outcome = outcome;
            row->expected = take_number(in);
            row->actual = take_number(in);
        }
        if (events->event_count < i || take_below(in, 4) == 0)
            continue; /* a stream without events */
        row->event.version = take_number(in) & INT64_MAX;
        row->event.position = take_number(in) & INT64_MAX;
        if (row->event.version == 0 || row->event.position == 0) {
            row->event.version = 0;
            continue;
        }
        row->event.id = appends && i < execution->context.entry_count && take_below(in, 4) > 0
                            ? &execution->context.entries[i].id
                            : &unknown;
        row->event.type = take_below(in, 8) == 0 ? "Unknown" : "MoneyDeposited";
        row->event.data = data[take_below(in, 16) < 13 ? 0 : take_below(in, 4)];
        events->event_count++;
    }
    return events;
}

static void break_off(input *in, ec_execution *execution)
{
    static const char *const sqlstates[] = {"", "40001", "VE001", "57014", "53200"};
    ec_failure failure = {.status = EC_OK};
    const char *sqlstate = sqlstates[take_below(in, 5)];

    ec_fail(&failure, take_below(in, 2) ? EC_CONNECTION_LOST : EC_SERVER_ERROR, "made to fail");
    strcpy(failure.sqlstate, sqlstate);
    ec_execution_failed(execution, &failure, take_below(in, 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input in = {bytes, size};
    transfer_streams streams = {.from_account = "a", .to_account = "b", .limits = "limits"};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;
    struct transfer command = {.amount = 5};
    ec_outcome *outcome = NULL;
    ec_execution execution;

    options.max_attempts = 4;
    options.verify = take_below(&in, 2) == 0;
    options.lock_after = (int)take_below(&in, 3) - 1;
    require(ec_outcome_prepare(&outcome) != NULL);
    ec_execution_start(&execution, &transfer_definition, &streams, &command, &options, NULL,
                       outcome);
    while (execution.step != EC_STEP_DONE) {
        ec_failure failure = {.status = EC_OK};
        ec_arena memory = {NULL};
        ec_round_trip trip;

        if (execution.step == EC_STEP_SLEEP) {
            require(execution.delay_us >= 0);
            ec_execution_resume(&execution);
            continue;
        }
        require(ec_execution_encode(&execution, &trip, &memory, &failure) == EC_OK);
        ec_arena_free(&memory);
        if (take_below(&in, 8) == 0)
            break_off(&in, &execution);
        else
            ec_execution_rows(&execution, make_rows(&in, &execution));
    }
    require(ec_outcome_status(outcome) == execution.failure.status);
    require(ec_outcome_attempts(outcome) >= 1 && ec_outcome_attempts(outcome) <= 4);
    if (execution.failure.status == EC_OK)
        require(!ec_outcome_in_doubt(outcome));
    for (size_t i = 0; i < ec_outcome_event_count(outcome); i++)
        require(ec_event_data(ec_outcome_event(outcome, i)) != NULL);
    ec_execution_free(&execution);
    ec_outcome_free(outcome);
    return 0;
}
