/* Writing to a stream by its id. */
/* gcc: expected 'fulfil_writes' but argument is of type 'char *' */
/* clang: to parameter of incompatible type 'fulfil_writes' */
#define FORBIDDEN fulfil_write(ctx, "order-1", &event)
#include "commands.h"
