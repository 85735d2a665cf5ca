/* Recording an event of another list: by -Wextra of gcc, always of clang; in C++ by the language. */
/* flag: -Werror=enum-conversion */
/* gcc: implicit conversion from 'enum bank_kind' to 'shop_kind' */
/* clang: to different enumeration type 'shop_kind' */
#include <eventcore/eventcore.h>

#define BANK_EVENTS(list, type) type(list, Deposited, "MoneyDeposited")
EC_EVENTS(bank, BANK_EVENTS);

#define FORBIDDEN fulfil_record(ctx, fulfil_order, bank_Deposited, NULL)
#include "commands.h"
