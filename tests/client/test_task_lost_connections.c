/* test_task_lost_connections.c: the tests of test_lost_connections.c, through tasks. */
#define AS_TASKS
#include "as_task.h"

#include "test_lost_connections.c"
