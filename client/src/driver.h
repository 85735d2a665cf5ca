/* driver.h: what the drivers of executions have in common. */
#ifndef EC_DRIVER_H
#define EC_DRIVER_H

#include "connection.h"
#include "execution.h"

/* Drive an execution to its end on a connection of which it has the sole use. */
void ec_drive(ec_execution *execution, ec_connection *connection, const ec_until *until);

/* The time of an execution that is not done is over, for the reason in `status`: end it. */
void ec_drive_stop(ec_execution *execution, ec_status status);

/* Whether a definition has what every definition has. */
bool ec_definition_is_complete(const ec_definition *definition);

#endif
