/* Discovering a stream for a place that takes one stream. */
/* gcc: expected 'fulfil_writes_many' but argument is of type 'fulfil_writes' */
/* clang: passing 'const fulfil_writes' to parameter of incompatible type 'fulfil_writes_many' */
#define FORBIDDEN_DISCOVERY fulfil_discover(resolution, fulfil_order, "order-2", NULL)
#include "commands.h"
