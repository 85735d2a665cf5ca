/* cancellation.h: the switch that stops executions, as those who wait see it. */
#ifndef EC_CANCELLATION_H
#define EC_CANCELLATION_H

#include "eventcore/eventcore.h"

/* A descriptor that is readable from the moment the switch is thrown. */
int ec_cancellation_descriptor(const ec_cancellation *cancellation);

#endif
