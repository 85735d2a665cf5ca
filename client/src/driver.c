/*
 * driver.c: an execution on a connection, step by step.
 *
 * Each step that the execution asks for is a round trip; in front of a pause, and at the end, a
 * transaction that is open is left.
 */
#include "driver.h"

void ec_drive_stop(ec_execution *execution, ec_status status)
{
    const char *last = execution->failure.message;
    ec_failure failure = {.status = EC_OK};

    ec_fail(&failure, status, "%s after %d attempts%s%s",
            status == EC_TIMEOUT ? "the deadline passed" : "cancelled",
            execution->outcome->attempts,
            last == NULL ? "" : "; the last: ", last == NULL ? "" : last);
    ec_execution_failed(execution, &failure, false);
}

bool ec_definition_is_complete(const ec_definition *definition)
{
    return definition != NULL && definition->struct_size >= sizeof *definition &&
           definition->name != NULL && definition->streams != NULL && definition->apply != NULL &&
           definition->handle != NULL;
}

/* Each of the following returns false if something must be waited for. */

static bool begin_step(ec_drive *drive)
{
    ec_execution *execution = drive->execution;
    ec_status status;

    if (execution->step == EC_STEP_SLEEP || execution->step == EC_STEP_DONE) {
        ec_exchange_start_roll_back(&drive->exchange, drive->connection, &drive->failure);
        drive->stage = EC_DRIVE_ROLL_BACK;
        return true;
    }
    status = ec_until_status(&drive->until);
    if (status != EC_OK)
        ec_drive_stop(execution, status);
    else if (ec_execution_encode(execution, &drive->trip, &drive->memory, &drive->failure) !=
             EC_OK) {
        ec_arena_free(&drive->memory);
        ec_execution_failed(execution, &drive->failure, false);
    } else {
        ec_exchange_start(&drive->exchange, drive->connection, &drive->trip, &drive->until,
                          &drive->failure);
        drive->stage = EC_DRIVE_EXCHANGE;
    }
    return true;
}

static bool go_on_exchanging(ec_drive *drive, ec_wait *wait)
{
    ec_exchange *exchange = &drive->exchange;
    ec_events *rows = exchange->rows;

    if (!ec_exchange_advance(exchange, wait))
        return false;
    rows = exchange->rows;
    exchange->rows = NULL;
    ec_arena_free(&drive->memory);
    drive->stage = EC_DRIVE_STEP;
    if (exchange->status == EC_OK)
        ec_execution_rows(drive->execution, rows);
    else
        ec_execution_failed(drive->execution, &drive->failure, exchange->maybe_done);
    return true;
}

static bool go_on_rolling_back(ec_drive *drive, ec_wait *wait)
{
    int64_t now, delay = drive->execution->delay_us;

    if (!ec_exchange_advance(&drive->exchange, wait))
        return false;
    if (drive->execution->step == EC_STEP_DONE)
        return true;
    now = ec_now_us();
    drive->wake = delay > INT64_MAX - now ? INT64_MAX : now + delay;
    drive->stage = EC_DRIVE_PAUSE;
    if (drive->wake >= drive->until.deadline) {
        ec_status status = ec_until_status(&drive->until);

        ec_drive_stop(drive->execution, status == EC_OK ? EC_TIMEOUT : status);
        drive->stage = EC_DRIVE_STEP;
    }
    return true;
}

static bool go_on_pausing(ec_drive *drive, ec_wait *wait)
{
    ec_status status = ec_until_status(&drive->until);

    if (status == EC_OK && ec_now_us() < drive->wake) {
        *wait = (ec_wait){.descriptor = -1, .until = {drive->wake, drive->until.cancellation}};
        return false;
    }
    if (status == EC_OK)
        ec_execution_resume(drive->execution);
    else
        ec_drive_stop(drive->execution, status);
    drive->stage = EC_DRIVE_STEP;
    return true;
}

void ec_drive_start(ec_drive *drive, ec_execution *execution, ec_connection *connection,
                    const ec_until *until)
{
    *drive = (ec_drive){.execution = execution,
                        .connection = connection,
                        .until = *until,
                        .stage = EC_DRIVE_STEP,
                        .exchange = {.stage = EC_EXCHANGE_DONE}};
}

static bool is_done(const ec_drive *drive)
{
    return drive->stage == EC_DRIVE_ROLL_BACK && drive->execution->step == EC_STEP_DONE &&
           drive->exchange.stage == EC_EXCHANGE_DONE;
}

bool ec_drive_advance(ec_drive *drive, ec_wait *wait)
{
    bool goes_on = true;

    while (goes_on && !is_done(drive))
        switch (drive->stage) {
        case EC_DRIVE_STEP:
            goes_on = begin_step(drive);
            break;
        case EC_DRIVE_EXCHANGE:
            goes_on = go_on_exchanging(drive, wait);
            break;
        case EC_DRIVE_ROLL_BACK:
            goes_on = go_on_rolling_back(drive, wait);
            break;
        case EC_DRIVE_PAUSE:
            goes_on = go_on_pausing(drive, wait);
            break;
        }
    return goes_on;
}

void ec_drive_abandon(ec_drive *drive)
{
    ec_exchange_abandon(&drive->exchange);
    ec_arena_free(&drive->memory);
    ec_failure_clear(&drive->failure);
}

void ec_drive_to_end(ec_execution *execution, ec_connection *connection, const ec_until *until)
{
    ec_drive drive;
    ec_wait wait;

    ec_drive_start(&drive, execution, connection, until);
    while (!ec_drive_advance(&drive, &wait))
        ec_wait_for(&wait);
}
