/* idempotency.h: has this append been made before? */
#ifndef EVENTCORE_IDEMPOTENCY_H
#define EVENTCORE_IDEMPOTENCY_H

#include "event_scan.h"
#include "request.h"

/*
 * Link the events of a request that were given the same id. An id that stands twice in one command
 * is a problem of that command.
 */
extern void ec_idempotency_link(ec_request *request);

/*
 * Whether all events of a command are in the store already, or in an earlier command of the
 * request that will be appended, with the same stream, type and content. Their results are filled
 * in then, except for those of the request itself: see ec_idempotency_copy_results. If only some
 * are known, or one is known as another event, the command gets a problem.
 *
 * `scan` is of ids, under a snapshot that was taken after the locks.
 */
extern bool ec_idempotency_is_repeat(ec_command *command, const ec_request *request,
                                     ec_event_scan *scan);

/* Give repeated events the results of the events of the same request that they repeat. */
extern void ec_idempotency_copy_results(ec_command *command);

/* The problem with an event's id, in words that follow "event id X". */
extern ec_problem *ec_idempotency_problem(const pg_uuid_t *id, const char *problem);

#endif
