/* An upcaster that leaves a version out. */
/* gcc: size of unnamed array is negative */
/* clang: array size is negative */
#define FORBIDDEN_UPCASTERS(list, upcast) upcast(list, Fulfilled, 3, 5, add_place)
#include "commands.h"
