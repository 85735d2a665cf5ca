/* Writing to another command's stream. */
/* gcc: expected 'fulfil_written' but argument is of type 'transfer_written' */
/* clang: passing 'const transfer_written' to parameter of incompatible type 'fulfil_written' */
#define FORBIDDEN fulfil_write(ctx, transfer_from_account, &event)
#include "commands.h"
