/* connection.h: the handle, and one round trip on it. */
#ifndef EC_CONNECTION_H
#define EC_CONNECTION_H

#include "statement.h"

#define EC_NO_DEADLINE INT64_MAX

struct ec_connection {
    PGconn *pg; /* NULL between a connection given up and the next */
    char *conninfo;
    char *store; /* NULL: the default one */
    ec_connect_options options;
    ec_metadata metadata; /* of all that is written, in metadata_memory */
    ec_arena metadata_memory;
    ec_failure failure;                /* of the last call */
    bool prepared[EC_STATEMENT_COUNT]; /* on `pg` */
};

/* Microseconds on a clock that never jumps: what deadlines are measured on. */
int64_t ec_now_us(void);

/* The deadline `timeout_ms` from now; 0 means none. */
int64_t ec_deadline_after(int64_t timeout_ms);

/* Connect unless connected. EC_OK, EC_CONNECTION_LOST or EC_TIMEOUT. */
ec_status ec_connection_open(ec_connection *connection, int64_t deadline, ec_failure *failure);

/*
 * Send a call and wait for its rows, until the deadline: then it is cancelled. `maybe_done` is set
 * if there was no definite answer though it may have been carried out. `connection` is open.
 */
ec_status ec_connection_call(ec_connection *connection, const ec_call *call, int64_t deadline,
                             ec_events **rows, ec_failure *failure, bool *maybe_done);

#endif
