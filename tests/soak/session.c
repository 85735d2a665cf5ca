/*
 * session.c: a connection, and what becomes of statements.
 *
 * Whoever connects anew waits until the server process of the connection before has ended, and
 * settles what that one may have left prepared. From the moment that it records as settled, nothing
 * that was asked on earlier connections can happen any more.
 */
#include <stdlib.h>
#include <string.h>

#include "soak.h"

static void ignore_notice(void *nothing, const char *message)
{
    (void)nothing;
    (void)message;
}

static bool exists(session *session, const char *sql)
{
    PGresult *result = PQexec(session->pg, sql);
    bool found = PQntuples(result) > 0 && !PQgetisnull(result, 0, 0);

    PQclear(result);
    return found;
}

static void settle_prepared(session *session)
{
    text sql = {0}, line = {0};
    PGresult *prepared;

    text_clear(&sql);
    text_add(&sql,
             "SELECT gid FROM pg_prepared_xacts WHERE database = current_database() "
             "AND gid LIKE '%d.%%'",
             session->writer);
    prepared = PQexec(session->pg, sql.bytes);
    for (int i = 0; i < PQntuples(prepared); i++) {
        const char *how = percent(50) ? "commit prepared" : "rollback prepared";
        const char *gid = PQgetvalue(prepared, i, 0);
        bool worked;

        text_clear(&line);
        text_add(&line, "{\"k\":\"end\",\"x\":\"%s\",\"w\":%d,\"c\":%d,\"how\":\"%s\",\"t\":%ld}",
                 gid, session->writer, session->connection, how, (long)now_ns());
        history_write(&line);
        text_clear(&sql);
        text_add(&sql, "%s '%s'", how, gid);
        worked = session_do(session, sql.bytes);
        text_clear(&line);
        text_add(&line, "{\"k\":\"ended\",\"x\":\"%s\",\"how\":\"%s\",\"code\":\"%s\",\"t\":%ld}",
                 gid, how, worked ? "" : "lost", (long)now_ns());
        history_write(&line);
    }
    PQclear(prepared);
    free(sql.bytes);
    free(line.bytes);
}

static void settle(session *session)
{
    text sql = {0}, line = {0};

    text_clear(&sql);
    text_add(&sql,
             "SELECT 1 FROM pg_stat_activity WHERE application_name = 'writer %d' "
             "AND pid <> pg_backend_pid()",
             session->writer);
    while (exists(session, sql.bytes))
        nap_ms(2);
    settle_prepared(session);
    if (!session_is_lost(session)) {
        text_clear(&line);
        text_add(&line, "{\"k\":\"settled\",\"w\":%d,\"c\":%d,\"t\":%ld}", session->writer,
                 session->connection - 1, (long)now_ns());
        history_write(&line);
    }
    free(sql.bytes);
    free(line.bytes);
}

void session_open(session *session, int writer)
{
    char options[64];

    session->writer = writer;
    snprintf(options, sizeof options, "application_name='writer %d'", writer);
    do {
        PQfinish(session->pg);
        session->pg = PQconnectdb(options);
        if (PQstatus(session->pg) != CONNECTION_OK) {
            fprintf(stderr, "soak: %s", PQerrorMessage(session->pg));
            exit(2);
        }
        PQsetNoticeProcessor(session->pg, ignore_notice, NULL);
        /* Nothing here takes half a minute: what does, hangs. */
        session_do(session, "SET statement_timeout = '30s'");
        session_do(session, "SET client_min_messages = warning");
        if (writer >= 0) {
            shared->writers[writer].backend = PQbackendPID(session->pg);
            session->connection = ++shared->writers[writer].connection;
            settle(session);
        }
    } while (session_is_lost(session));
}

bool session_do(session *session, const char *sql)
{
    PGresult *result = PQexec(session->pg, sql);
    bool worked =
        PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;

    PQclear(result);
    return worked;
}

bool session_is_lost(const session *session)
{
    return PQstatus(session->pg) != CONNECTION_OK;
}

const char *result_code(const PGresult *result)
{
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    return code != NULL ? code : "";
}

bool result_integer(const PGresult *result, int row, const char *column, int64_t *value)
{
    int number = PQfnumber(result, column);

    if (number < 0 || PQgetisnull(result, row, number))
        return false;
    *value = strtoll(PQgetvalue(result, row, number), NULL, 10);
    return true;
}

/*
 * Read streams in one call, and record it. A serializable transaction sees them as of its
 * beginning, `since`; all others as of now. Gives the versions. Returns whether it worked.
 */
bool read_streams(session *session, const int *streams, int count, const char *isolation,
                  int64_t since, int64_t *versions)
{
    static long reads;
    text sql = {0}, line = {0};
    PGresult *result;
    int64_t asked;
    bool worked;

    text_clear(&sql);
    text_add(&sql, "SELECT stream_id, version, global_position, stream_version "
                   "FROM eventcore.read_streams('{");
    for (int i = 0; i < count; i++)
        text_add(&sql, "%ss-%d", i > 0 ? "," : "", streams[i]);
    text_add(&sql, "}','{");
    for (int i = 0; i < count; i++) {
        int64_t hint = board_hint(streams[i]);

        text_add(&sql, "%s%ld", i > 0 ? "," : "", hint > 3 ? (long)hint - 3 : 0);
    }
    text_add(&sql, "}')");
    asked = now_ns();
    result = PQexec(session->pg, sql.bytes);
    worked = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (worked) {
        text_clear(&line);
        text_add(&line,
                 "{\"k\":\"read\",\"op\":\"%d.%d.r%ld\",\"iso\":\"%s\",\"t0\":%ld,\"t1\":%ld,"
                 "\"rows\":[",
                 session->writer, session->connection, ++reads, isolation,
                 isolation[0] == 's' ? (long)since : (long)asked, (long)now_ns());
        for (int i = 0; i < PQntuples(result); i++) {
            const char *stream = PQgetvalue(result, i, 0);

            text_add(&line, "%s[\"%s\",%s,%s,%s]", i > 0 ? "," : "", stream,
                     PQgetisnull(result, i, 1) ? "null" : PQgetvalue(result, i, 1),
                     PQgetisnull(result, i, 2) ? "null" : PQgetvalue(result, i, 2),
                     PQgetvalue(result, i, 3));
            for (int k = 0; k < count; k++)
                if (streams[k] == atoi(stream + 2)) {
                    result_integer(result, i, "stream_version", &versions[k]);
                    board_set_hint(streams[k], versions[k]);
                }
        }
        text_add(&line, "]}");
        history_write(&line);
    }
    PQclear(result);
    free(sql.bytes);
    free(line.bytes);
    return worked;
}
