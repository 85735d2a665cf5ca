/* batch.h: a batch of commands in one of its rounds. */
#ifndef EC_BATCH_H
#define EC_BATCH_H

#include "command_list.h"
#include "shared_read.h"

/* A command in a round. Groups are a disjoint-set forest, and a chain of members. */
typedef struct ec_batch_member {
    ec_view *views; /* one for each of its streams */
    size_t view_count;
    size_t parent;  /* towards the root of its group */
    size_t last;    /* of a root: the highest place of its group in the order of decision */
    size_t head;    /* of a root: the first member of its group */
    size_t next;    /* the next member; EC_NO_MEMBER: none */
    bool dependent; /* it was given events of others that are pending */
    bool appends;   /* it has something to append or to verify: `sent` events */
    bool alone;     /* it is to be executed by itself, after the round */
    size_t sent;
} ec_batch_member;

#define EC_NO_MEMBER SIZE_MAX

typedef struct ec_batch {
    ec_command_list list;
    ec_batch_member *members;
    size_t *active; /* the commands that are not finished */
    size_t active_count;

    ec_arena memory; /* of the round, as what follows */
    ec_shared_read read;
    size_t *order; /* the commands that have decided */
    size_t order_count;
    size_t *groups; /* those that are sent: the first member of each */
    size_t group_count;
} ec_batch;

static inline ec_execution *ec_batch_execution(const ec_batch *batch, size_t command)
{
    return &batch->list.executions[command];
}

/* The root of a command's group. */
size_t ec_batch_root(ec_batch *batch, size_t command);

/* Make one group of the groups of two commands. */
void ec_batch_join(ec_batch *batch, size_t one, size_t other);

/* One round trip; `maybe_done` as of ec_connection_call(). */
ec_status ec_batch_call(ec_batch *batch, const ec_call *call, ec_events **rows, ec_failure *failure,
                        bool *maybe_done);

/* Pass a copy of the failure on. */
void ec_batch_fail(ec_batch *batch, size_t command, const ec_failure *failure, bool maybe_done);
void ec_batch_fail_out_of_memory(ec_batch *batch, size_t command);

/* Make the failure of a command that folded events which will never be: it has lost a race. */
void ec_batch_fail_stale(ec_failure *failure);

/* Whether an error may be due to one of many commands, so that each is to be executed alone. */
bool ec_batch_is_due_to_one(const ec_failure *failure);

/* Append what has been decided, and pass the results on. */
void ec_batch_append(ec_batch *batch);

#endif
