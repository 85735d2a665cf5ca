/* driver.h: what the drivers of executions have in common. */
#ifndef EC_DRIVER_H
#define EC_DRIVER_H

#include "connection.h"
#include "execution.h"

/* Drive an execution to its end on a connection of which it has the sole use. */
void ec_drive(ec_execution *execution, ec_connection *connection, int64_t deadline);

/* The deadline has passed: end an execution that is not done. */
void ec_drive_time_out(ec_execution *execution);

/* Let so many microseconds pass. */
void ec_drive_sleep(int64_t duration);

/* Whether a definition has what every definition has. */
bool ec_definition_is_complete(const ec_definition *definition);

#endif
