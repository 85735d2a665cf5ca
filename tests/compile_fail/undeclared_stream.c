/* Writing to a stream that no command declares. */
/* gcc: 'fulfil_shipping' undeclared */
/* clang: use of undeclared identifier 'fulfil_shipping' */
#define FORBIDDEN fulfil_write(ctx, fulfil_shipping, &event)
#include "commands.h"
