/* execute.h: a command, or an append, that a call was given; see driver.h. */
#ifndef EC_EXECUTE_H
#define EC_EXECUTE_H

#include "driver.h"

typedef struct ec_executing {
    ec_execution execution;
    ec_drive drive;
    ec_metadata metadata; /* the options', and behind them the connection's */
    int lock_after;       /* the options' own, without what the connection has learnt */
} ec_executing;

/*
 * Start a command or an append with the arguments of the public functions, and an outcome that is
 * empty. Unless EC_OK it was not started, and the handle has the failure.
 */
ec_status ec_executing_start(ec_executing *executing, ec_connection *connection,
                             const ec_definition *definition, const void *streams,
                             const void *command, const ec_execute_options *given,
                             ec_outcome *outcome);
void ec_executing_start_append(ec_executing *executing, ec_connection *connection,
                               const ec_stream_event *events, size_t event_count,
                               const ec_expectation *expected, size_t expected_count,
                               ec_outcome *outcome);

/* It is done: take its result, and free it. */
ec_status ec_executing_finish(ec_executing *executing);

#endif
