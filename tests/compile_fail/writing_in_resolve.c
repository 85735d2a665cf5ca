/* Writing in `resolve`. */
/* gcc: expected 'fulfil_context' but argument is of type 'fulfil_resolution' */
/* clang: passing 'fulfil_resolution' to parameter of incompatible type 'fulfil_context' */
#define FORBIDDEN_DISCOVERY fulfil_record_at(resolution, fulfil_products, 0, shop_Fulfilled, NULL)
#include "commands.h"
