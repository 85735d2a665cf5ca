/* A `switch` over the kinds of events that leaves one out: by -Wall of gcc, always of clang. */
/* flag: -Werror=switch */
/* gcc: enumeration value 'shop_Fulfilled' not handled in switch */
/* clang: enumeration value 'shop_Fulfilled' not handled in switch */
#define FORBIDDEN                                                                                  \
    switch ((shop_kind)fulfil->product_count) {                                                    \
    case shop_Moved:                                                                               \
        break;                                                                                     \
    }
#include "commands.h"
