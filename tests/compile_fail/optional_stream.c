/* Writing to an optional stream as if it were always there. */
/* gcc: expected 'fulfil_writes' but argument is of type 'fulfil_writes_optional' */
/* clang: passing 'const fulfil_writes_optional' to parameter of incompatible type 'fulfil_writes' */
#define FORBIDDEN fulfil_write(ctx, fulfil_voucher, &event)
#include "commands.h"
