/* writer.c: transactions at random, and what they were told. */
#include <stdlib.h>
#include <string.h>

#include "soak.h"

#define MOST_OWN 256 /* more than a transaction writes */

typedef enum { DONE, REFUSED, LOST } fate;

typedef struct writer {
    session session;
    long transactions;
    char x[KEY_LENGTH]; /* of the current transaction */
    int step;
    bool open; /* inside BEGIN */
    int own[MOST_OWN], own_count;
    bool wrote; /* the last append did, or found that it had */
    struct {
        int slot;
        request request;
    } made[8]; /* published requests that this transaction has written */
    int made_count;
    text sql, line;
} writer;

static void name_transaction(writer *w)
{
    snprintf(w->x, KEY_LENGTH, "%d.%d.%ld", w->session.writer, w->session.connection,
             ++w->transactions);
    w->step = 0;
    w->own_count = 0;
    w->made_count = 0;
}

static void reconnect(writer *w)
{
    session_open(&w->session, w->session.writer);
    w->open = false;
}

/* Mark the expectations of a request that rest on events which only this transaction sees. */
static void mark_own(writer *w, request *request)
{
    for (int i = 0; i < request->expectation_count; i++) {
        request->expectations[i].own = false;
        for (int k = 0; k < w->own_count; k++)
            request->expectations[i].own |= w->own[k] == request->expectations[i].stream;
    }
}

static void add_own(writer *w, const request *request)
{
    for (int i = 0; i < request->event_count && w->own_count < MOST_OWN; i++)
        w->own[w->own_count++] = request->streams[i];
}

static void record_ask(writer *w, const char *op, const char *call, const char *flags,
                       const request *request)
{
    shared->asked++;
    text_clear(&w->line);
    text_add(&w->line,
             "{\"k\":\"ask\",\"op\":\"%s\",\"x\":\"%s\",\"w\":%d,\"c\":%d,\"n\":%d,\"auto\":%s,"
             "\"call\":\"%s\",\"flags\":\"%s\",\"t\":%ld,",
             op, w->x, w->session.writer, w->session.connection, w->step,
             w->open ? "false" : "true", call, flags, (long)now_ns());
    request_record(request, &w->line);
    text_add(&w->line, "}");
    history_write(&w->line);
}

/* The rows of a result, all or those of one command of a batch: [stream, version, position] of
 * events, [stream, expected, actual] of failing streams. */
static const char *add_rows(const PGresult *result, int command, text *line)
{
    const char *outcome = "done", *separator = "";
    int outcome_column = PQfnumber(result, "outcome");

    text_add(line, ",\"rows\":[");
    for (int i = 0; i < PQntuples(result); i++) {
        int64_t of = 0, first, second;

        if (command > 0 && (!result_integer(result, i, "command", &of) || of != command))
            continue;
        if (outcome_column >= 0)
            outcome = PQgetvalue(result, i, outcome_column);
        if ((result_integer(result, i, "version", &first) &&
             result_integer(result, i, "global_position", &second)) ||
            (result_integer(result, i, "expected_version", &first) &&
             result_integer(result, i, "actual_version", &second))) {
            const char *stream = PQgetvalue(result, i, PQfnumber(result, "stream_id"));

            text_add(line, "%s[\"%s\",%ld,%ld]", separator, stream, (long)first, (long)second);
            separator = ",";
            board_set_hint(atoi(stream + 2), strcmp(outcome, "conflict") == 0 ? second : first);
        }
    }
    text_add(line, "]");
    return outcome;
}

static const char *command_code(const PGresult *result, int command)
{
    for (int i = 0; command > 0 && i < PQntuples(result); i++) {
        int64_t of;

        if (result_integer(result, i, "command", &of) && of == command)
            return PQgetvalue(result, i, PQfnumber(result, "error_code"));
    }
    return "";
}

static fate record_told(writer *w, const char *op, const PGresult *result, int command)
{
    int64_t told = now_ns();
    const char *outcome, *code = result_code(result);
    fate fate = DONE;

    text_clear(&w->line);
    text_add(&w->line, "{\"k\":\"told\",\"op\":\"%s\",\"t\":%ld", op, (long)told);
    if (session_is_lost(&w->session)) {
        outcome = "lost";
        fate = LOST;
    } else if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        outcome = add_rows(result, command, &w->line);
        code = command_code(result, command);
    } else {
        const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);

        outcome = "raised";
        fate = REFUSED;
        if (detail != NULL && detail[0] == '{')
            text_add(&w->line, ",\"detail\":%s", detail);
    }
    w->wrote = strcmp(outcome, "appended") == 0 || strcmp(outcome, "repeated") == 0 ||
               strcmp(outcome, "done") == 0;
    text_add(&w->line, ",\"outcome\":\"%s\",\"code\":\"%s\"}", outcome, code);
    history_write(&w->line);
    return fate;
}

/* Offer a request to others, to be repeated. Returns its slot, or -1. */
static int publish(const request *request)
{
    if (request->flaw != SOUND || request->ids_of[0] == '\0' || request->event_count == 0 ||
        !percent(40))
        return -1;
    return board_publish(request);
}

static void remember(writer *w, int slot, const request *request)
{
    if (slot >= 0 && w->wrote && w->made_count < 8) {
        w->made[w->made_count].slot = slot;
        w->made[w->made_count++].request = *request;
    }
}

static void committed(writer *w)
{
    for (int i = 0; i < w->made_count; i++)
        board_committed(w->made[i].slot, &w->made[i].request);
}

/* A new request, or one that somebody has made before or is making right now. Returns the slot of
 * one that others may make as well, or -1. */
static int make_request(request *request, const char *key)
{
    if (percent(20) && board_pick(request, false)) {
        if (percent(50)) {
            request->declares = false;
            request->expectation_count = 0;
        }
        return -1;
    }
    request_make(request, key);
    return publish(request);
}

/* Read what a request expects, and expect what was read. */
static void decide_afresh(writer *w, request *request)
{
    int streams[MOST_EXPECTATIONS], count = 0;
    int64_t versions[MOST_EXPECTATIONS];

    for (int i = 0; i < request->expectation_count; i++) {
        int k = 0;

        while (k < count && streams[k] != request->expectations[i].stream)
            k++;
        if (k == count)
            streams[count++] = request->expectations[i].stream;
    }
    if (count == 0 || request->flaw != SOUND ||
        !read_streams(&w->session, streams, count, "read committed", 0, versions))
        return;
    for (int i = 0; i < request->expectation_count; i++)
        for (int k = 0; k < count; k++)
            if (streams[k] == request->expectations[i].stream)
                request->expectations[i].version = versions[k];
}

static fate run_append(writer *w, request *request, const char *flags)
{
    static const char *const calls[] = {"append_columns", "append", "append_event"};
    call_form form = request_fits_single(request) && percent(50) ? SINGLE : chance(SINGLE);
    bool try = form != SINGLE && percent(60), wide = strcmp(flags, "wide") == 0;
    char op[KEY_LENGTH + 12], call[32];
    PGresult *result;
    fate fate;

    if (wide)
        form = COLUMNS;
    snprintf(op, sizeof op, "%s.%d", w->x, w->step);
    snprintf(call, sizeof call, "%s%s", try ? "try_" : "", calls[form]);
    mark_own(w, request);
    request_call_sql(request, form, try, wide, &w->sql);
    record_ask(w, op, call, flags, request);
    result = PQexec(w->session.pg, w->sql.bytes);
    fate = record_told(w, op, result, 0);
    add_own(w, request);
    PQclear(result);
    return fate;
}

static fate append(writer *w)
{
    char key[KEY_LENGTH + 12];
    request request;
    bool wide;
    int slot;
    fate fate;

    snprintf(key, sizeof key, "%s.%d", w->x, ++w->step);
    slot = make_request(&request, key);
    if (!w->open && percent(40))
        decide_afresh(w, &request);
    wide = !w->open && request.declares && chance(80) == 0;
    if (wide)
        session_do(&w->session, "SET statement_timeout = '3s'");
    fate = run_append(w, &request, wide ? "wide" : "");
    if (wide)
        session_do(&w->session, "SET statement_timeout = '30s'");
    remember(w, slot, &request);
    return fate;
}

static fate append_batch(writer *w)
{
    int count = 2 + chance(6), slots[8];
    char op[KEY_LENGTH + 24];
    request requests[8];
    PGresult *result;
    fate fate = DONE;

    w->step++;
    for (int i = 0; i < count; i++) {
        snprintf(op, sizeof op, "%s.%d.%d", w->x, w->step, i + 1);
        slots[i] = make_request(&requests[i], op);
        for (int k = 0; k < i; k++) /* the ids of another command of the batch are another test's */
            if (requests[i].ids_of[0] != '\0' &&
                strcmp(requests[k].ids_of, requests[i].ids_of) == 0) {
                request_make(&requests[i], op);
                slots[i] = -1;
            }
        mark_own(w, &requests[i]);
        add_own(w, &requests[i]);
    }
    text_clear(&w->sql);
    text_add(&w->sql, "SELECT * FROM eventcore.append_batch(ARRAY[");
    for (int i = 0; i < count; i++) {
        text_add(&w->sql, "%seventcore.new_command(", i > 0 ? "," : "");
        request_events_sql(&requests[i], &w->sql);
        if (requests[i].declares) {
            text_add(&w->sql, ",");
            request_expected_sql(&requests[i], &w->sql);
        }
        text_add(&w->sql, ")");
        snprintf(op, sizeof op, "%s.%d.%d", w->x, w->step, i + 1);
        record_ask(w, op, "append_batch", "", &requests[i]);
    }
    text_add(&w->sql, "])");
    result = PQexec(w->session.pg, w->sql.bytes);
    for (int i = 0; i < count; i++) {
        snprintf(op, sizeof op, "%s.%d.%d", w->x, w->step, i + 1);
        fate = record_told(w, op, result, i + 1);
        remember(w, slots[i], &requests[i]);
    }
    PQclear(result);
    return fate;
}

/* Lock, look, and append what rests on what was seen: it cannot conflict. */
static fate append_locked(writer *w)
{
    char key[KEY_LENGTH + 12];
    request request;
    PGresult *result;
    const char *separator = "";

    snprintf(key, sizeof key, "%s.%d", w->x, ++w->step);
    do
        request_make(&request, key);
    while (!request.declares || request.flaw != SOUND || request.event_count == 0);
    text_clear(&w->sql);
    text_add(&w->sql, "SELECT * FROM eventcore.lock_streams('{");
    for (int i = 0; i < request.event_count; i++)
        text_add(&w->sql, "%ss-%d", i > 0 ? "," : "", request.streams[i]);
    text_add(&w->sql, "}','{");
    for (int i = 0; i < request.expectation_count; i++) {
        bool is_written = false;

        for (int k = 0; k < request.event_count; k++)
            is_written |= request.streams[k] == request.expectations[i].stream;
        if (!is_written) {
            text_add(&w->sql, "%ss-%d", separator, request.expectations[i].stream);
            separator = ",";
        }
    }
    text_add(&w->sql, "}')");
    result = PQexec(w->session.pg, w->sql.bytes);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        PQclear(result);
        return session_is_lost(&w->session) ? LOST : REFUSED;
    }
    for (int i = 0; i < PQntuples(result); i++)
        for (int k = 0; k < request.expectation_count; k++)
            if (atoi(PQgetvalue(result, i, 0) + 2) == request.expectations[k].stream)
                result_integer(result, i, "version", &request.expectations[k].version);
    PQclear(result);
    return run_append(w, &request, "locked");
}

static fate any_append(writer *w)
{
    return percent(15) ? append_batch(w) : append(w);
}

/* Append inside a savepoint, and mostly take it back. */
static fate append_in_savepoint(writer *w)
{
    int from = w->step + 1, made_count = w->made_count;
    fate fate = DONE;

    session_do(&w->session, "SAVEPOINT s");
    for (int i = chance(2); i >= 0 && fate == DONE; i--)
        fate = any_append(w);
    if (fate == LOST || (fate == DONE && percent(40)))
        return fate;
    if (!session_do(&w->session, "ROLLBACK TO s"))
        return LOST;
    w->made_count = made_count;
    text_clear(&w->line);
    text_add(&w->line, "{\"k\":\"undo\",\"x\":\"%s\",\"from\":%d,\"to\":%d}", w->x, from, w->step);
    history_write(&w->line);
    return DONE;
}

/* Ask for the end of a transaction. Returns whether it ended that way. */
static bool end(writer *w, const char *how, const char *suffix)
{
    PGresult *result;
    bool worked;

    text_clear(&w->sql);
    text_add(&w->sql, "%s%s", how, suffix);
    text_clear(&w->line);
    text_add(&w->line, "{\"k\":\"end\",\"x\":\"%s\",\"w\":%d,\"c\":%d,\"how\":\"%s\",\"t\":%ld}",
             w->x, w->session.writer, w->session.connection, how, (long)now_ns());
    history_write(&w->line);
    result = PQexec(w->session.pg, w->sql.bytes);
    worked = PQresultStatus(result) == PGRES_COMMAND_OK &&
             (strcmp(how, "commit") != 0 || strcmp(PQcmdStatus(result), "COMMIT") == 0);
    text_clear(&w->line);
    text_add(&w->line, "{\"k\":\"ended\",\"x\":\"%s\",\"how\":\"%s\",\"code\":\"%s\",\"t\":%ld}",
             w->x, how,
             session_is_lost(&w->session)                  ? "lost"
             : PQresultStatus(result) == PGRES_FATAL_ERROR ? result_code(result)
             : worked                                      ? ""
                                                           : "rollback",
             (long)now_ns());
    history_write(&w->line);
    PQclear(result);
    w->open = false;
    return worked;
}

static void finish(writer *w)
{
    char gid[KEY_LENGTH + 4];
    int chosen = chance(100);

    if (percent(50))
        nap_ms(1 + chance(6));
    snprintf(gid, sizeof gid, " '%s'", w->x);
    if (chosen < 3)
        reconnect(w); /* drop the connection in the middle of it */
    else if (chosen < 15)
        end(w, "rollback", "");
    else if (chosen < 30) {
        if (!end(w, "prepare transaction", gid))
            return;
        nap_ms(chance(30));
        if (percent(30))
            end(w, "rollback prepared", gid);
        else if (end(w, "commit prepared", gid))
            committed(w);
    } else if (end(w, "commit", ""))
        committed(w);
}

static void transact(writer *w)
{
    bool locks = percent(20);
    int isolation = locks ? 0 : chance(10);
    fate fate = DONE;

    session_do(&w->session, isolation < 5   ? "BEGIN"
                            : isolation < 8 ? "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1"
                                            : "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT 1");
    w->open = true;
    if (percent(20))
        nap_ms(1 + chance(4));
    if (locks)
        fate = append_locked(w);
    else
        for (int i = chance(4); i >= 0 && fate == DONE; i--)
            fate = percent(40) ? append_in_savepoint(w) : any_append(w);
    if (fate == DONE)
        finish(w);
    else if (fate == REFUSED)
        end(w, "rollback", "");
}

void write_at_random(int writer_number, bool storm)
{
    writer w = {0};

    session_open(&w.session, writer_number);
    while (storm ? shared->storm_left-- > 0 : !shared->stop) {
        name_transaction(&w);
        if (storm) {
            char key[KEY_LENGTH + 12];
            request request;

            snprintf(key, sizeof key, "%s.%d", w.x, ++w.step);
            request_make_storm(&request, key);
            run_append(&w, &request, "storm");
        } else if (percent(55))
            transact(&w);
        else if (any_append(&w) == DONE)
            committed(&w);
        if (session_is_lost(&w.session))
            reconnect(&w);
    }
    PQfinish(w.session.pg);
}
