/* command.h: what a command's callbacks work on during one attempt. */
#ifndef EC_COMMAND_H
#define EC_COMMAND_H

#include "call.h"
#include "metadata.h"
#include "streams.h"

/* Of an attempt: the first read, and one after each round of discovery. */
#define EC_MAX_READS (EC_MAX_DISCOVERY_ROUNDS + 1)
/* And those that attempts before it have left. */
#define EC_MAX_KEPT_REPLIES 10
#define EC_MAX_REPLIES (EC_MAX_KEPT_REPLIES + EC_MAX_READS)

struct ec_context {
    ec_stream_set *streams;
    const ec_added_metadata *metadata; /* to all that is written; NULL: none */
    const ec_event_types *event_types; /* in whose schema versions it is written; NULL: in 1 */
    bool resolving;                    /* `resolve` is being called */
    size_t discovered;                 /* places that it has added */
    ec_arena memory;                   /* freed when the attempt ends */
    ec_entry *entries;
    size_t entry_count;
    size_t entry_capacity;
    ec_failure failure; /* the first one sticks, and has the last word over the handler's status */
    const char *rejection_code;
    const char *rejection_message;
};

/* Start an attempt: forget everything but where the streams, the metadata and the types are. */
void ec_context_reset(ec_context *context);

/* As ec_vpack(), for the data of an event of this type, which messages name; NULL: for no event. */
const char *ec_context_pack(ec_context *context, const char *type, const char *format,
                            va_list arguments);

/* Note a failure that fails the command, unless one is noted already; return the noted one. */
ec_status ec_context_fail(ec_context *context, ec_status status, const char *format, ...)
    EC_PRINTF(3, 4);

/*
 * Add an event to be appended: a copy, with an id. A failure is noted.
 */
ec_status ec_context_add(ec_context *context, const char *stream_id, const ec_new_event *event);

#endif
