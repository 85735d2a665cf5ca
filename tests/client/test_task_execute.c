/* test_task_execute.c: the tests of test_execute.c, through tasks. */
#define AS_TASKS
#include "as_task.h"

#include "test_execute.c"
