/*
 * preload.c: what the library does more when the server loads it at its start, with
 * shared_preload_libraries = 'eventcore': memory that is shared by all sessions, and workers.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "preload.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "wakeup.h"
#include "worker.h"

static shmem_request_hook_type next_request_hook;
static shmem_startup_hook_type next_startup_hook;

static void request_memory(void)
{
    if (next_request_hook != NULL)
        next_request_hook();
    RequestAddinShmemSpace(
        add_size(MAXALIGN(ec_wakeup_shared_size()), MAXALIGN(ec_worker_shared_size())));
    RequestNamedLWLockTranche("eventcore", 1);
}

static void attach_memory(void)
{
    void *shared;
    bool found;

    if (next_startup_hook != NULL)
        next_startup_hook();
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    shared = ShmemInitStruct("eventcore wakeup", ec_wakeup_shared_size(), &found);
    ec_wakeup_attach(shared, !found);
    shared = ShmemInitStruct("eventcore workers", ec_worker_shared_size(), &found);
    ec_worker_attach(shared, !found, &GetNamedLWLockTranche("eventcore")->lock);
    LWLockRelease(AddinShmemInitLock);
}

void ec_preload(void)
{
    if (!process_shared_preload_libraries_in_progress)
        return;
    next_request_hook = shmem_request_hook;
    shmem_request_hook = request_memory;
    next_startup_hook = shmem_startup_hook;
    shmem_startup_hook = attach_memory;
    ec_wakeup_init();
    ec_worker_init();
}
