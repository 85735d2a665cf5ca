/* test_task_lost_server.c: the tests of test_lost_server.c, through tasks. */
#define AS_TASKS
#include "as_task.h"

#include "test_lost_server.c"
