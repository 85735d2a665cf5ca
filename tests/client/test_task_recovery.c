/* test_task_recovery.c: the tests of test_recovery.c, through tasks. */
#define AS_TASKS
#include "as_task.h"

#include "test_recovery.c"
