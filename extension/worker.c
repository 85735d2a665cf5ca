/* worker.c: the background worker of a database. */
#include "postgres.h"

#include "worker.h"

void ec_worker_wake(void)
{
}
