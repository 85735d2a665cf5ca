/* expected.h: is every stream where the caller believes it to be? */
#ifndef EVENTCORE_EXPECTED_H
#define EVENTCORE_EXPECTED_H

#include "relations.h"
#include "request.h"
#include "utils/snapshot.h"

/*
 * Find the current version of every stream that a request uses. The streams must be locked, and
 * the snapshot taken after that.
 */
extern void ec_expected_load_versions(ec_request *request, const ec_relations *relations,
                                      Snapshot snapshot);

/*
 * Compare what a command expects with the versions of the streams: all violations, in the order in
 * which the caller named the streams, are left in the command. Returns whether there is none.
 */
extern bool ec_expected_holds(ec_command *command, const ec_request *request);

#endif
