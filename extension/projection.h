/* projection.h: what a projection is, and how its functions are called. */
#ifndef EVENTCORE_PROJECTION_H
#define EVENTCORE_PROJECTION_H

#include "errors.h"
#include "log_filter.h"

/* A row of eventcore.projections; see there. Optional texts are NULL if they are not set. */
typedef struct ec_projection {
    text *store;
    char *name;
    char *handler;
    ec_log_filter filter; /* prepared */
    bool is_inline;
    int batch_size;
    enum { EC_ON_ERROR_STOP, EC_ON_ERROR_RETRY, EC_ON_ERROR_PARK } on_error;
    int max_attempts;
    char *reset;
    int64 start;
    char *replaces;
    char *swap;
    char *owner;
    char *search_path;
    bool is_paused;
    Oid function; /* the handler, once it has been looked up */
} ec_projection;

/*
 * Load a projection, as it is now whatever snapshot the caller has, into the current memory
 * context; NULL if there is none.
 */
extern ec_projection *ec_projection_load(text *store, const char *name);

/* Load all that run inline, of all stores. */
extern List *ec_projection_load_inline(void);

/*
 * Give events (of type recorded_event, in order) to the handler, as the projection's owner. Raises
 * projection_unusable if the owner or the handler is gone, was changed, or may not be called, and
 * whatever the handler raises.
 */
extern void ec_projection_handle(ec_projection *projection, Datum *events, int count);

/* Call a function of the projection that takes no arguments, likewise. */
extern void ec_projection_call(const ec_projection *projection, const char *function);

extern bool ec_projection_is_of_store(const ec_projection *projection, const text *store);

/*
 * Raise projection_recursion if a function of this projection is being called. What runs or changes
 * the projection then would start from a checkpoint that does not stand for what it is doing.
 */
extern void ec_projection_refuse_own_call(const text *store, const char *name);

/*
 * The full name of a function that a caller names, with or without argument types: a handler, or
 * one without arguments. Raises projection_unusable if `owner` could not call it.
 */
extern char *ec_projection_find_function(const char *projection, text *given, bool is_handler,
                                         Oid owner);

/*
 * Run a statement on our tables, as their owner; $1 is the store, $2 the name. Returns how many
 * rows it concerned.
 */
extern uint64 ec_projection_execute(const char *sql, text *store, const char *name);

/* Delete a projection from all our tables. */
extern void ec_projection_forget(text *store, const char *name);

/* The SQLSTATEs of projection_unusable, and of what is worth trying again. */
extern bool ec_projection_is_unusable(const ErrorData *error);
extern bool ec_projection_is_transient(const ErrorData *error);

#endif
