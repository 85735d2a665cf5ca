/* Binding an id to a stream that the command does not declare. */
/* gcc: 'fulfil_streams' has no member named 'shipping' */
/* clang: field designator 'shipping' does not refer to any field */
#define FORBIDDEN                                                                                  \
    fulfil_streams streams = {.shipping = "shipping-1"};                                           \
    (void)streams
#include "commands.h"
