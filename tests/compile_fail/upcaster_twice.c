/* Two upcasters for one version. */
/* gcc: redeclaration of enumerator 'shop_Fulfilled_version_2' */
/* clang: redefinition of enumerator 'shop_Fulfilled_version_2' */
#define FORBIDDEN_UPCASTERS(list, upcast) upcast(list, Fulfilled, 1, 2, add_place)
#include "commands.h"
