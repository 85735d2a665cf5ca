/*
 * shared_read.h: one read for many executions, each of which sees what earlier ones will write.
 *
 * It lives for one round of a batch. The bytes of events stay in the reply; every execution is
 * given rows of its own over them, since it keeps in them what it makes of an event.
 */
#ifndef EC_SHARED_READ_H
#define EC_SHARED_READ_H

#include "execution.h"

/* A stream of any of the executions. */
typedef struct ec_shared_stream {
    const char *id;
    bool wanted;           /* in the read that is being made up ... */
    int64_t after;         /* ... behind this version */
    int64_t version;       /* as last read; -1: not yet */
    const ec_row **events; /* of the last read */
    size_t event_count;
    struct ec_pending *pending; /* what executions that have decided will append */
    size_t pending_count;
    size_t pending_capacity;
    int64_t pending_after;   /* the version behind which it goes */
    size_t writer;           /* the last that wrote it, if there is anything pending */
    size_t group;            /* for batch.c: the last that expects ... */
    int64_t expected;        /* ... it to be at this version, */
    const ec_row *violation; /* and what became of that */
} ec_shared_stream;

typedef struct ec_shared_read {
    ec_arena memory;
    ec_shared_stream **table; /* by id: open addressing, a power of two */
    size_t capacity;
    ec_shared_stream **streams;
    size_t count;
    ec_events *reply; /* the last one */
    ec_events **replies;
    size_t reply_count;
    size_t reply_capacity;
    size_t pending_count; /* of all streams */
} ec_shared_read;

/* A stream as one execution sees it. */
typedef struct ec_view {
    ec_shared_stream *stream;
    int64_t version; /* as read, without what is pending */
    bool pending;    /* it was given events that are pending */
} ec_view;

/* The stream of this id, or NULL. */
ec_shared_stream *ec_shared_read_find(const ec_shared_read *read, const char *id);

/*
 * Want the streams that an execution is to read. `views`, one for each of its streams, are filled
 * in. False when memory runs out.
 */
bool ec_shared_read_want(ec_shared_read *read, const ec_execution *execution, ec_view *views);

/* The statement that reads what is wanted, encoded into `memory`. */
ec_status ec_shared_read_encode(ec_shared_read *read, ec_call *call, ec_arena *memory,
                                const char *store, ec_failure *failure);

/* Take the reply over. */
ec_status ec_shared_read_take(ec_shared_read *read, ec_events *reply, ec_failure *failure);

/*
 * The rows of one execution, whose `views` are completed: those that it asked for, in global
 * order, and behind them what is pending. NULL when memory runs out. They must not outlive `read`.
 */
ec_events *ec_shared_read_rows(ec_shared_read *read, const ec_execution *execution, ec_view *views);

/*
 * Whether what an execution has folded still holds after another read: false if that were pending
 * events of a stream to which somebody else has appended meanwhile.
 */
bool ec_shared_read_holds(const ec_view *views, size_t count);

/* The execution, the `writer`, has decided: its events are pending. False when memory runs out. */
bool ec_shared_read_write(ec_shared_read *read, const ec_execution *execution, const ec_view *views,
                          size_t writer);

/* Rows of one execution out of a reply, which they must not outlive; NULL when memory runs out. */
ec_events *ec_rows_copy(const ec_row *rows, size_t count);

void ec_shared_read_free(ec_shared_read *read);

#endif
