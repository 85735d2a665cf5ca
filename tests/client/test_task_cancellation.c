/* test_task_cancellation.c: the tests of test_cancellation.c, through tasks. */
#define AS_TASKS
#include "as_task.h"

#include "test_cancellation.c"
