/* Writing to a stream that is always there as to an optional one. */
/* gcc: expected 'fulfil_writes_optional' but argument is of type 'fulfil_writes' */
/* clang: passing 'const fulfil_writes' to parameter of incompatible type 'fulfil_writes_optional' */
#define FORBIDDEN fulfil_record_optional(ctx, fulfil_order, shop_Fulfilled, NULL)
#include "commands.h"
