/* Discovering a stream that may be written for a list that is only read. */
/* gcc: expected 'fulfil_writes_many' but argument is of type 'fulfil_reads_many' */
/* clang: 'const fulfil_reads_many' to parameter of incompatible type 'fulfil_writes_many' */
#define FORBIDDEN_DISCOVERY fulfil_discover(resolution, fulfil_catalogue, "catalogue-2", NULL)
#include "commands.h"
