/* test_task_locked.c: the tests of test_locked.c, through tasks. */
#define AS_TASKS
#include "as_task.h"

#include "test_locked.c"
