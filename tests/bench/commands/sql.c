/* sql.c: prepared statements on libpq. */
#include "sql.h"

#include <stdio.h>

static bool succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static bool report(PGconn *connection)
{
    fprintf(stderr, "commands: %s", PQerrorMessage(connection));
    return false;
}

static PGresult *checked(PGconn *connection, PGresult *result)
{
    if (succeeded(result))
        return result;
    report(connection);
    PQclear(result);
    return NULL;
}

static bool discard(PGresult *result)
{
    PQclear(result);
    return result != NULL;
}

PGconn *sql_connect(const statement *statements, int count)
{
    PGconn *connection = PQconnectdb("");
    bool connected = PQstatus(connection) == CONNECTION_OK || report(connection);

    for (int i = 0; i < count && connected; i++)
        connected = discard(checked(
            connection, PQprepare(connection, statements[i].name, statements[i].text, 0, NULL)));
    if (connected)
        return connection;
    PQfinish(connection);
    return NULL;
}

PGresult *sql_run(PGconn *connection, const char *name, int count, const char *const *values)
{
    return checked(connection, PQexecPrepared(connection, name, count, values, NULL, NULL, 0));
}

bool sql_do(PGconn *connection, const char *name, int count, const char *const *values)
{
    return discard(sql_run(connection, name, count, values));
}

bool sql_send(PGconn *connection, const char *name, int count, const char *const *values)
{
    return (PQpipelineStatus(connection) == PQ_PIPELINE_ON || PQenterPipelineMode(connection)) &&
                   PQsendQueryPrepared(connection, name, count, values, NULL, NULL, 0)
               ? true
               : report(connection);
}

PGresult *sql_receive(PGconn *connection)
{
    PGresult *result = checked(connection, PQgetResult(connection));

    /* The null behind each statement's results. */
    if (result != NULL)
        PQclear(PQgetResult(connection));
    return result;
}

bool sql_sync(PGconn *connection, int count)
{
    bool done = PQpipelineSync(connection) || report(connection);
    PGresult *end;

    for (int i = 0; i < count && done; i++)
        done = discard(sql_receive(connection));
    if (!done)
        return false;
    end = PQgetResult(connection);
    done = PQresultStatus(end) == PGRES_PIPELINE_SYNC && PQexitPipelineMode(connection);
    PQclear(end);
    return done || report(connection);
}

void sql_disconnect(void *connection)
{
    PQfinish(connection);
}
