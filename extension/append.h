/* append.h: carry out a request. */
#ifndef EVENTCORE_APPEND_H
#define EVENTCORE_APPEND_H

#include "request.h"

/*
 * Append the events of every command whose expectations hold; what became of each is left in it.
 * A conflict or a problem is a value, not an error.
 */
extern void ec_append(ec_request *request);

/* Raise an error where nothing can be appended: in recovery, read only, in parallel mode. */
extern void ec_append_check_context(void);

#endif
