/* event_id.h: identities for events that come without one. */
#ifndef EVENTCORE_EVENT_ID_H
#define EVENTCORE_EVENT_ID_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

/*
 * Make a UUID of version 7 (RFC 9562). Ids that one backend makes always ascend, so the index on
 * them grows at its end.
 */
extern void ec_event_id_make(pg_uuid_t *id, TimestampTz now);

#endif
