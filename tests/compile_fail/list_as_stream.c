/* Writing to a list as to one stream. */
/* gcc: expected 'fulfil_writes' but argument is of type 'fulfil_writes_many' */
/* clang: passing 'const fulfil_writes_many' to parameter of incompatible type 'fulfil_writes' */
#define FORBIDDEN fulfil_write(ctx, fulfil_products, &event)
#include "commands.h"
