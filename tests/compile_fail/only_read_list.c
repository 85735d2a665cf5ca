/* Writing to a list that is declared as only read. */
/* gcc: expected 'fulfil_written_many' but argument is of type 'fulfil_only_read_many' */
/* clang: 'const fulfil_only_read_many' to parameter of incompatible type */
#define FORBIDDEN fulfil_write_at(ctx, fulfil_catalogue, 0, &event)
#include "commands.h"
