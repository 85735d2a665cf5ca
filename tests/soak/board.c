/*
 * board.c: what the processes share: hints at versions, and requests for others to repeat.
 *
 * Anybody may be killed at any moment, so nobody waits for anybody: a slot that is being changed is
 * left alone, for ever if need be.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "soak.h"

board *shared;

void board_create(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    shared->started = now_ns();
}

int64_t board_hint(int stream)
{
    return shared->hints[stream % BOARD_HINTS];
}

void board_set_hint(int stream, int64_t version)
{
    shared->hints[stream % BOARD_HINTS] = version;
}

int board_publish(const request *request)
{
    int slot = chance(BOARD_SLOTS);
    unsigned change = shared->slots[slot].change;

    if (change % 2 == 1 ||
        !atomic_compare_exchange_strong(&shared->slots[slot].change, &change, change + 1))
        return -1;
    shared->slots[slot].committed = false;
    shared->slots[slot].request = *request;
    shared->slots[slot].change = change + 2;
    return slot;
}

void board_committed(int slot, const request *request)
{
    unsigned change = shared->slots[slot].change;

    if (change % 2 == 0 &&
        atomic_compare_exchange_strong(&shared->slots[slot].change, &change, change + 1)) {
        if (strcmp(shared->slots[slot].request.key, request->key) == 0)
            shared->slots[slot].committed = true;
        shared->slots[slot].change = change + 2;
    }
}

bool board_pick(request *request, bool must_be_committed)
{
    int slot = chance(BOARD_SLOTS);
    unsigned change = shared->slots[slot].change;
    bool committed;

    if (change == 0 || change % 2 == 1)
        return false;
    *request = shared->slots[slot].request;
    committed = shared->slots[slot].committed;
    return shared->slots[slot].change == change && (committed || !must_be_committed);
}
