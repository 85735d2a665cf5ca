/* upcast.h: events of earlier schema versions, seen as of the current one. */
#ifndef EC_UPCAST_H
#define EC_UPCAST_H

#include "event.h"

/* The data of an event as a list of types sees it, or why it cannot. In the event's memory. */
struct ec_upcast {
    const ec_event_types *types;
    ec_arena *memory;
    ec_status status; /* the first failure sticks */
    const char *problem;
    json_t *json;     /* in the version reached so far */
    json_t *next;     /* in the next one, while its upcaster runs; NULL: unchanged */
    const char *text; /* of `json`, once it was asked for */
    struct ec_upcast *other;
};

/* Have the event seen as a list of types sees it, in which it is of this kind. */
void ec_upcast_event(ec_event *event, const ec_event_types *types, int kind);

/* The data of an event that is seen upcast; NULL if that failed, or when memory runs out. */
const char *ec_upcast_data(const ec_event *event);

/* The schema version to write a type in: 1 if it is not in the list, or the list is NULL. */
int ec_schema_version_of_type(const ec_event_types *types, const char *type);

/* Free what its upcasts hold beside the event's memory. */
void ec_upcast_release(ec_event *event);

#endif
