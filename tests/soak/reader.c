/* reader.c: those who follow the log, read streams, or sit idle in old transactions beside them. */
#include <stdlib.h>
#include <string.h>

#include "soak.h"

/* Read on from `position`, and record it. Returns how many events there were, or -1. */
static int follow(session *session, int reader, int64_t *position, int max_count)
{
    text sql = {0}, line = {0};
    int64_t asked = now_ns();
    PGresult *result;
    int count = -1;

    text_clear(&sql);
    text_add(&sql, "SELECT global_position, version FROM eventcore.read_all(%ld, %d)",
             (long)*position, max_count);
    result = PQexec(session->pg, sql.bytes);
    text_clear(&line);
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        count = PQntuples(result);
        text_add(
            &line,
            "{\"k\":\"log\",\"w\":%d,\"after\":%ld,\"max\":%d,\"t0\":%ld,\"t1\":%ld,\"rows\":[",
            reader, (long)*position, max_count, (long)asked, (long)now_ns());
        for (int i = 0; i < count; i++) {
            text_add(&line, "%s[%s,%s]", i > 0 ? "," : "", PQgetvalue(result, i, 0),
                     PQgetvalue(result, i, 1));
            result_integer(result, i, "global_position", position);
        }
        text_add(&line, "]}");
    } else {
        text_add(&line, "{\"k\":\"failed\",\"what\":\"read_all\",\"code\":\"%s\"}",
                 result_code(result));
    }
    history_write(&line);
    PQclear(result);
    free(sql.bytes);
    free(line.bytes);
    return count;
}

/* Reader 0 asks as fast as it can, reader 1 with a snapshot that grows old, reader 2 by small
 * pages. */
void read_log(int reader)
{
    session session = {0};
    int64_t position = 0;
    bool old_snapshot = reader == 1, drained = false;
    int max_count = reader == 2 ? 20 : 5000, count;

    session_open(&session, -1);
    while (!drained) {
        bool last_round = shared->drain;

        if (old_snapshot)
            session_do(&session, "BEGIN ISOLATION LEVEL REPEATABLE READ; "
                                 "SELECT count(*) FROM soak_elsewhere");
        for (int i = 0; i < 50; i++) {
            count = follow(&session, reader, &position, max_count);
            if (count < max_count)
                nap_ms(reader == 0 ? 1 : chance(10));
            drained = last_round && count <= 0;
            if (drained)
                break;
        }
        if (old_snapshot)
            session_do(&session, "COMMIT");
    }
    PQfinish(session.pg);
}

/* Read several streams at once, as commands do, in all isolation levels. */
void read_at_random(int reader)
{
    static const char *const levels[] = {"read committed", "repeatable read", "serializable"};
    session session = {.connection = reader};
    text sql = {0};

    session_open(&session, -1);
    while (!shared->stop) {
        const char *isolation = levels[chance(3)];
        int64_t since = now_ns();

        text_clear(&sql);
        text_add(&sql, "BEGIN ISOLATION LEVEL %s", isolation);
        session_do(&session, sql.bytes);
        for (int i = chance(4); i >= 0; i--) {
            int streams[MOST_EVENTS], count = 2 + chance(MOST_EVENTS - 1);
            int64_t versions[MOST_EVENTS];

            for (int k = 0; k < count; k++) {
                streams[k] = stream_at_random();
                for (int m = 0; m < k;
                     m++) /* one read twice has to be read after the same version */
                    if (streams[m] == streams[k]) {
                        k--;
                        count--;
                        break;
                    }
            }
            if (!read_streams(&session, streams, count, isolation, since, versions))
                break;
            nap_ms(chance(8));
        }
        session_do(&session, "COMMIT");
    }
    PQfinish(session.pg);
}

/* An old transaction that has written, though not appended; and an old snapshot. */
void idle_beside(int reader)
{
    session session = {0};

    session_open(&session, -1);
    while (!shared->drain) {
        session_do(&session, "BEGIN ISOLATION LEVEL REPEATABLE READ; "
                             "INSERT INTO soak_elsewhere DEFAULT VALUES");
        for (int i = 0; !shared->drain && (reader == 0 || i < 20); i++)
            nap_ms(100);
        session_do(&session, percent(50) ? "COMMIT" : "ROLLBACK");
    }
    PQfinish(session.pg);
}

/* End the server processes of writers at random, whatever they are doing. */
void terminate_backends(void)
{
    session session = {0};
    text sql = {0};

    session_open(&session, -1);
    while (!shared->stop) {
        int backend = shared->writers[chance(MOST_WRITERS)].backend;

        if (backend == 0)
            continue;
        text_clear(&sql);
        text_add(&sql, "SELECT pg_terminate_backend(%d)", backend);
        session_do(&session, sql.bytes);
        nap_ms(300 + chance(1000));
    }
    PQfinish(session.pg);
}
