/* fold.h: from replies to reads to the versions of the streams and the state. */
#ifndef EC_FOLD_H
#define EC_FOLD_H

#include "command.h"
#include "event.h"

/*
 * Note the versions that reply number `number`, from 1 on, tells of the streams. EC_PROTOCOL_ERROR
 * if it leaves one out, or cannot be a continuation of what was read before.
 */
ec_status ec_fold_versions(ec_stream_set *streams, const ec_events *reply, size_t number,
                           ec_failure *failure);

/*
 * Fold the events of all replies, each of which is in global order, into a state: in global order.
 * What goes wrong is noted in the context.
 */
ec_status ec_fold(const ec_definition *definition, const void *command, void *state,
                  ec_events *const *replies, size_t reply_count, ec_context *context);

#endif
