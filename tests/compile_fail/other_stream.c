/* Writing to another command's stream. */
/* gcc: expected 'fulfil_writes' but argument is of type 'transfer_writes' */
/* clang: passing 'const transfer_writes' to parameter of incompatible type 'fulfil_writes' */
#define FORBIDDEN fulfil_write(ctx, transfer_from_account, &event)
#include "commands.h"
