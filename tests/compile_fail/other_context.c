/* Writing with another command's context. */
/* gcc: expected 'transfer_context' but argument is of type 'fulfil_context' */
/* clang: passing 'fulfil_context' to parameter of incompatible type 'transfer_context' */
#define FORBIDDEN transfer_write(ctx, transfer_from_account, &event)
#include "commands.h"
