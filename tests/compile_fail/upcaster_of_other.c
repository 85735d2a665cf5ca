/* An upcaster for a type that is not in the list. */
/* gcc: 'shop_Packed_version_1' undeclared */
/* clang: use of undeclared identifier 'shop_Packed_version_1' */
#define FORBIDDEN_UPCASTERS(list, upcast) upcast(list, Packed, 1, 2, add_place)
#include "commands.h"
