/* Writing to a list as to one stream. */
/* gcc: expected 'fulfil_written' but argument is of type 'fulfil_written_many' */
/* clang: passing 'const fulfil_written_many' to parameter of incompatible type 'fulfil_written' */
#define FORBIDDEN fulfil_write(ctx, fulfil_products, &event)
#include "commands.h"
