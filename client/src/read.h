/* read.h: a read without a command, as it is driven without blocking; see exchange.h. */
#ifndef EC_READ_H
#define EC_READ_H

#include "exchange.h"

typedef struct ec_read {
    ec_connection *connection;
    ec_until until;
    ec_arena memory;
    ec_round_trip trip; /* one call, in `memory` */
    ec_exchange exchange;
    bool repeated;
    ec_failure failure;
} ec_read;

/* Start a read; the arguments are those of the public functions. It is done if they are wrong. */
void ec_read_start_stream(ec_read *read, ec_connection *connection, const char *stream_id,
                          const ec_read_options *given);
void ec_read_start_streams(ec_read *read, ec_connection *connection, const char *const *stream_ids,
                           size_t stream_count, const int64_t *after_versions);
void ec_read_start_all(ec_read *read, ec_connection *connection, int64_t after, int64_t max_count);

/* Go as far as it goes without waiting. True when it is done, else `*wait` says what for. */
bool ec_read_advance(ec_read *read, ec_wait *wait);

/* Take the result, and free the rest; the failure goes to the handle. */
ec_status ec_read_finish(ec_read *read, ec_events **events);

/* Read, and wait for it, within the connection's own timeout; of `call` nothing is kept. */
ec_status ec_read_rows(ec_connection *connection, const ec_call *call, ec_events **events);

/* End it where it is, and free it. */
void ec_read_abandon(ec_read *read);

#endif
