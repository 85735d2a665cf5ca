/* observe.h: telling the hooks of an execution what happens to it. */
#ifndef EC_OBSERVE_H
#define EC_OBSERVE_H

#include "execution.h"

/* Take the hooks, NULL for none, and the time. False if they are not initialised. */
bool ec_observe_start(ec_execution *execution, const ec_hooks *hooks);

void ec_observe_attempt(ec_execution *execution);
void ec_observe_conflict(ec_execution *execution, const ec_failure *failure);
void ec_observe_retry(ec_execution *execution, const ec_failure *failure);
void ec_observe_commit(ec_execution *execution);

/* What has been done since the last of these is to be added to one of the durations. */
typedef enum ec_phase { EC_PHASE_READ, EC_PHASE_HANDLE, EC_PHASE_APPEND, EC_PHASE_PAUSE } ec_phase;
void ec_observe_phase(ec_execution *execution, ec_phase phase);

/* Its result is going to be taken; or it is abandoned, if it is not done. */
void ec_observe_finish(ec_execution *execution);

#endif
