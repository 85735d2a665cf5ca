/* Writing to a stream that is declared as only read. */
/* gcc: expected 'fulfil_written' but argument is of type 'fulfil_only_read' */
/* clang: passing 'const fulfil_only_read' to parameter of incompatible type 'fulfil_written' */
#define FORBIDDEN fulfil_write(ctx, fulfil_customer, &event)
#include "commands.h"
