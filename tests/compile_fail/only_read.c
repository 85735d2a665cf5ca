/* Writing to a stream that is declared as only read. */
/* gcc: expected 'fulfil_writes' but argument is of type 'fulfil_reads' */
/* clang: passing 'const fulfil_reads' to parameter of incompatible type 'fulfil_writes' */
#define FORBIDDEN fulfil_write(ctx, fulfil_customer, &event)
#include "commands.h"
