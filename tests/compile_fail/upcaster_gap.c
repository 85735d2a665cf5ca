/* A chain of upcasters with a gap: nothing gives the version that one takes. */
/* gcc: 'shop_Fulfilled_version_4' undeclared */
/* clang: use of undeclared identifier 'shop_Fulfilled_version_4' */
#define FORBIDDEN_UPCASTERS(list, upcast) upcast(list, Fulfilled, 4, 5, add_place)
#include "commands.h"
