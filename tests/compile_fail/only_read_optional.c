/* Writing to an optional stream that is declared as only read. */
/* gcc: expected 'fulfil_writes_optional' but argument is of type 'fulfil_reads_optional' */
/* clang: 'const fulfil_reads_optional' to parameter of incompatible type 'fulfil_writes_optional' */
#define FORBIDDEN fulfil_record_optional(ctx, fulfil_referrer, shop_Fulfilled, NULL)
#include "commands.h"
