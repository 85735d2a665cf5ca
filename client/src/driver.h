/* driver.h: executions on a connection, of which each has the sole use. */
#ifndef EC_DRIVER_H
#define EC_DRIVER_H

#include "exchange.h"
#include "execution.h"

/*
 * An execution as it is driven without blocking, as an exchange is: it, too, stays where it is.
 * What it is given lives until it is done.
 */
typedef struct ec_drive {
    ec_execution *execution;
    ec_connection *connection;
    ec_until until;
    enum { EC_DRIVE_STEP, EC_DRIVE_EXCHANGE, EC_DRIVE_ROLL_BACK, EC_DRIVE_PAUSE } stage;
    ec_exchange exchange;
    ec_round_trip trip;
    ec_arena memory; /* of the round trip */
    ec_failure failure;
    int64_t wake; /* when the pause ends */
} ec_drive;

void ec_drive_start(ec_drive *drive, ec_execution *execution, ec_connection *connection,
                    const ec_until *until);

/* Go as far as it goes without waiting. True when it is done, else `*wait` says what for. */
bool ec_drive_advance(ec_drive *drive, ec_wait *wait);

/* End it where it is; the execution can only be freed. */
void ec_drive_abandon(ec_drive *drive);

/* Drive an execution to its end. */
void ec_drive_to_end(ec_execution *execution, ec_connection *connection, const ec_until *until);

/* The time of an execution that is not done is over, for the reason in `status`: end it. */
void ec_drive_stop(ec_execution *execution, ec_status status);

/* Whether a definition has what every definition has. */
bool ec_definition_is_complete(const ec_definition *definition);

#endif
