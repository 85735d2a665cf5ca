/* Writing to one stream as to a list. */
/* gcc: expected 'fulfil_written_many' but argument is of type 'fulfil_written' */
/* clang: passing 'const fulfil_written' to parameter of incompatible type 'fulfil_written_many' */
#define FORBIDDEN fulfil_write_at(ctx, fulfil_order, 0, &event)
#include "commands.h"
