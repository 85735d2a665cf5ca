/* Discovering a stream in `handle`. */
/* gcc: expected 'fulfil_resolution' but argument is of type 'fulfil_context' */
/* clang: passing 'fulfil_context' to parameter of incompatible type 'fulfil_resolution' */
#define FORBIDDEN fulfil_discover(ctx, fulfil_products, "product-4", NULL)
#include "commands.h"
