/* Writing to a stream by its id. */
/* gcc: expected 'fulfil_written' but argument is of type 'char *' */
/* clang: to parameter of incompatible type 'fulfil_written' */
#define FORBIDDEN fulfil_write(ctx, "order-1", &event)
#include "commands.h"
