/* event_id.h: random numbers and the ids made of them. */
#ifndef EC_EVENT_ID_H
#define EC_EVENT_ID_H

#include <stdbool.h>
#include <stddef.h>

#include "eventcore/eventcore.h"

/* Fill with random bytes of the system; false if it has none. */
bool ec_random(void *bytes, size_t size);

#endif
