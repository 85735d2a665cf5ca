/* Discovering a stream as only read for a list that is written. */
/* gcc: expected 'fulfil_reads_many' but argument is of type 'fulfil_writes_many' */
/* clang: 'const fulfil_writes_many' to parameter of incompatible type 'fulfil_reads_many' */
#define FORBIDDEN_DISCOVERY fulfil_discover_read(resolution, fulfil_products, "product-4", NULL)
#include "commands.h"
