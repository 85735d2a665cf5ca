/* Writing to one stream as to a list. */
/* gcc: expected 'fulfil_writes_many' but argument is of type 'fulfil_writes' */
/* clang: passing 'const fulfil_writes' to parameter of incompatible type 'fulfil_writes_many' */
#define FORBIDDEN fulfil_write_at(ctx, fulfil_order, 0, &event)
#include "commands.h"
