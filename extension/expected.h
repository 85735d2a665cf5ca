/* expected.h: is every stream where the caller believes it to be? */
#ifndef EVENTCORE_EXPECTED_H
#define EVENTCORE_EXPECTED_H

#include "relations.h"
#include "request.h"
#include "utils/snapshot.h"

/*
 * Find the current version of every stream of a request and compare it with the expected one. The
 * streams must be locked, and the snapshot taken after that. Returns the streams that fail, in the
 * order in which the caller named them, as pointers into the request (palloc'd), and their number.
 */
extern int ec_expected_violations(const ec_request *request, const ec_relations *relations,
                                  Snapshot snapshot, ec_stream ***violations);

#endif
