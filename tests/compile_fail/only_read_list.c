/* Writing to a list that is declared as only read. */
/* gcc: expected 'fulfil_writes_many' but argument is of type 'fulfil_reads_many' */
/* clang: 'const fulfil_reads_many' to parameter of incompatible type */
#define FORBIDDEN fulfil_write_at(ctx, fulfil_catalogue, 0, &event)
#include "commands.h"
