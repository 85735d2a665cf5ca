/* read.h: a read on a connection, as of the public functions that read. */
#ifndef EC_READ_H
#define EC_READ_H

#include "connection.h"

/*
 * Read within the connection's own timeout. A connection that had died is made anew once: a read
 * can be repeated. The connection keeps the failure, or none.
 */
ec_status ec_read_rows(ec_connection *connection, const ec_call *call, ec_events **events);

#endif
