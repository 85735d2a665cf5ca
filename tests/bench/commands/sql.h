/* sql.h: prepared statements on libpq, one after the other or in a pipeline. */
#ifndef SQL_H
#define SQL_H

#include <libpq-fe.h>
#include <stdbool.h>

typedef struct statement {
    const char *name;
    const char *text;
} statement;

/* Connect as the PG* environment says, and prepare. NULL on failure, which is reported. */
PGconn *sql_connect(const statement *statements, int count);

/* Run a prepared statement. NULL on failure, which is reported. */
PGresult *sql_run(PGconn *connection, const char *name, int count, const char *const *values);

/* As sql_run, where the result does not matter. */
bool sql_do(PGconn *connection, const char *name, int count, const char *const *values);

/* Send a prepared statement into a pipeline. */
bool sql_send(PGconn *connection, const char *name, int count, const char *const *values);

/* The result of the next statement of a pipeline. NULL on failure, which is reported. */
PGresult *sql_receive(PGconn *connection);

/* End the pipeline, whose next `count` results do not matter. */
bool sql_sync(PGconn *connection, int count);

void sql_disconnect(void *connection);

#endif
