/* Writing with the untyped context. */
/* gcc: expected 'fulfil_context' but argument is of type 'ec_context *' */
/* clang: 'ec_context *' (aka 'struct ec_context *') to parameter of incompatible type */
#define FORBIDDEN fulfil_write(ctx.context, fulfil_order, &event)
#include "commands.h"
