/* request.c: what can be asked of append: made at random, as SQL, and as history. */
#include <string.h>

#include "soak.h"

#define HOT_STREAMS 12
#define STORM_STREAMS 64
#define STORM_FIRST_STREAM 1000000

/* Half of the hot streams are replaced every two seconds, so that there are always new ones. */
int stream_at_random(void)
{
    int age = (int)((now_ns() - shared->started) / 2000000000);

    if (percent(5))
        return chance((age + 2) * HOT_STREAMS / 2);
    return age * HOT_STREAMS / 2 + chance(HOT_STREAMS);
}

static int64_t version_at_random(int stream)
{
    int64_t hint = board_hint(stream);

    switch (chance(12)) {
    case 0:
        return ANY;
    case 1:
        return EXISTS;
    case 2:
        return NO_STREAM;
    case 3:
        return hint > 1 ? hint - 1 : 1; /* stale */
    case 4:
        return hint + 1; /* not there yet, or just now */
    default:
        return hint;
    }
}

static bool expects(const request *request, int stream)
{
    for (int i = 0; i < request->expectation_count; i++)
        if (request->expectations[i].stream == stream)
            return true;
    return false;
}

static void expect(request *request, int stream, int64_t version)
{
    request->expectations[request->expectation_count++] = (expectation){stream, version, false};
}

static void declare(request *request, int (*pick)(void))
{
    int only_read = chance(3);

    request->declares = true;
    for (int i = 0; i < request->event_count; i++)
        if (!expects(request, request->streams[i]))
            expect(request, request->streams[i], version_at_random(request->streams[i]));
    for (int i = 0; i < only_read && request->expectation_count < MOST_EXPECTATIONS; i++) {
        int stream = pick();

        if (!expects(request, stream))
            expect(request, stream, version_at_random(stream));
    }
    /* Not in the order in which they are written. */
    for (int i = request->expectation_count - 1; i > 0; i--) {
        int other = chance(i + 1);
        expectation moved = request->expectations[i];

        request->expectations[i] = request->expectations[other];
        request->expectations[other] = moved;
    }
}

static void make_flawed(request *request, flaw flaw)
{
    expectation *last = &request->expectations[request->expectation_count - 1];
    struct request known;

    switch (flaw) {
    case UNDECLARED:
        request->streams[0] = HOT_STREAMS * 100000 - 1; /* that nobody declares */
        break;
    case CONTRADICTORY:
        if (request->expectation_count == MOST_EXPECTATIONS)
            return;
        expect(request, last->stream, last->version == 7 ? 8 : 7);
        break;
    default:
        for (int tries = 0; !board_pick(&known, true); tries++)
            if (tries == BOARD_SLOTS)
                return;
        memcpy(known.key, request->key, KEY_LENGTH);
        *request = known;
        break;
    }
    request->flaw = flaw;
}

void request_make(request *request, const char *key)
{
    *request = (struct request){.event_count = percent(4) ? 0 : 1 + chance(MOST_EVENTS - 2)};
    snprintf(request->key, KEY_LENGTH, "%s", key);
    for (int i = 0; i < request->event_count; i++) /* a, b, a: a stream may come again */
        request->streams[i] = i > 1 && percent(40) ? request->streams[i - 2] : stream_at_random();
    if (percent(50))
        memcpy(request->ids_of, request->key, KEY_LENGTH);
    if (percent(85) || request->event_count == 0)
        declare(request, stream_at_random);
    if (request->event_count == 0 && request->expectation_count == 0)
        expect(request, stream_at_random(), EXISTS);
    if (request->declares && request->event_count > 0 && percent(4))
        make_flawed(request, UNDECLARED + chance(REUSED_IDS));
    else if (request->declares && percent(5) && request->expectation_count < MOST_EXPECTATIONS)
        request->expectations[request->expectation_count++] =
            request->expectations[0]; /* twice the same is one */
}

static int storm_stream(void)
{
    return STORM_FIRST_STREAM + chance(STORM_STREAMS);
}

/* Two to six streams in any order: what would deadlock if locks were taken in the order given. */
void request_make_storm(request *request, const char *key)
{
    *request = (struct request){.event_count = 2 + chance(MOST_EVENTS - 1)};
    snprintf(request->key, KEY_LENGTH, "%s", key);
    for (int i = 0; i < request->event_count; i++)
        request->streams[i] = storm_stream();
    if (percent(30))
        memcpy(request->ids_of, request->key, KEY_LENGTH);
    if (percent(60))
        declare(request, storm_stream);
    for (int i = 0; i < request->expectation_count; i++)
        if (percent(80))
            request->expectations[i].version = ANY;
}

bool request_fits_single(const request *request)
{
    return request->event_count == 1 && request->expectation_count == 1 &&
           request->expectations[0].stream == request->streams[0];
}

static void event_id_sql(const request *request, int i, text *sql)
{
    /* Ids that are reused are all of them known, or all but the last. */
    bool is_new = request->flaw == REUSED_IDS && i % 2 == 1 && i == request->event_count - 1;

    text_add(sql, "md5('%s:%d')::uuid", is_new ? request->key : request->ids_of, i);
}

static void data_sql(const request *request, int i, text *sql)
{
    text_add(sql, "'{\"r\":\"%s\",\"i\":%d}'", request->key, i);
}

static void event_sql(const request *request, int i, text *sql)
{
    text_add(sql, "%seventcore.new_event('s-%d','T',", i > 0 ? "," : "", request->streams[i]);
    data_sql(request, i, sql);
    if (request->ids_of[0] != '\0') {
        text_add(sql, ",event_id=>");
        event_id_sql(request, i, sql);
    }
    text_add(sql, ")");
}

void request_events_sql(const request *request, text *sql)
{
    text_add(sql, "ARRAY[");
    for (int i = 0; i < request->event_count; i++)
        event_sql(request, i, sql);
    text_add(sql, "]::eventcore.new_event[]");
}

void request_expected_sql(const request *request, text *sql)
{
    text_add(sql, "ARRAY[");
    for (int i = 0; i < request->expectation_count; i++) {
        const expectation *expectation = &request->expectations[i];
        const char *separator = i > 0 ? "," : "";

        if (expectation->version == ANY)
            text_add(sql, "%seventcore.expect_any('s-%d')", separator, expectation->stream);
        else if (expectation->version == EXISTS)
            text_add(sql, "%seventcore.expect_exists('s-%d')", separator, expectation->stream);
        else if (expectation->version == NO_STREAM)
            text_add(sql, "%seventcore.expect_none('s-%d')", separator, expectation->stream);
        else
            text_add(sql, "%seventcore.expect('s-%d',%ld)", separator, expectation->stream,
                     (long)expectation->version);
    }
    text_add(sql, "]::eventcore.expected_version[]");
}

/* More streams than the lock budget, checked for nothing: the append has to take the gate. */
#define WIDTH                                                                                      \
    "current_setting('max_locks_per_transaction')::int"                                            \
    "*(current_setting('max_connections')::int+current_setting('max_prepared_transactions')::int+" \
    "current_setting('max_worker_processes')::int+current_setting('max_wal_senders')::int+20)/16"

static void columns_sql(const request *request, bool wide, text *sql)
{
    text_add(sql, "'{");
    for (int i = 0; i < request->event_count; i++)
        text_add(sql, "%ss-%d", i > 0 ? "," : "", request->streams[i]);
    text_add(sql, "}','{");
    for (int i = 0; i < request->event_count; i++)
        text_add(sql, "%sT", i > 0 ? "," : "");
    text_add(sql, "}',ARRAY[");
    for (int i = 0; i < request->event_count; i++) {
        text_add(sql, i > 0 ? "," : "");
        data_sql(request, i, sql);
    }
    text_add(sql, "]::jsonb[]");
    if (request->ids_of[0] != '\0') {
        text_add(sql, ",event_ids=>ARRAY[");
        for (int i = 0; i < request->event_count; i++) {
            text_add(sql, i > 0 ? "," : "");
            event_id_sql(request, i, sql);
        }
        text_add(sql, "]::uuid[]");
    }
    if (!request->declares)
        return;
    text_add(sql, ",expected_streams=>'{");
    for (int i = 0; i < request->expectation_count; i++)
        text_add(sql, "%ss-%d", i > 0 ? "," : "", request->expectations[i].stream);
    text_add(sql, "}'::text[]");
    if (wide)
        text_add(sql, "||ARRAY(SELECT 'wide-'||g FROM generate_series(1," WIDTH ")g)");
    text_add(sql, ",expected_versions=>'{");
    for (int i = 0; i < request->expectation_count; i++)
        text_add(sql, "%s%ld", i > 0 ? "," : "", (long)request->expectations[i].version);
    text_add(sql, "}'::bigint[]");
    if (wide)
        text_add(sql, "||array_fill(-1::bigint,ARRAY[" WIDTH "])");
}

void request_call_sql(const request *request, call_form form, bool try, bool wide, text *sql)
{
    text_clear(sql);
    switch (form) {
    case SINGLE:
        text_add(sql, "SELECT * FROM eventcore.append('s-%d',%ld,'T',", request->streams[0],
                 (long)request->expectations[0].version);
        data_sql(request, 0, sql);
        if (request->ids_of[0] != '\0') {
            text_add(sql, ",event_id=>");
            event_id_sql(request, 0, sql);
        }
        break;
    case COLUMNS:
        text_add(sql, "SELECT * FROM eventcore.%sappend_columns(", try ? "try_" : "");
        columns_sql(request, wide, sql);
        break;
    default:
        text_add(sql, "SELECT * FROM eventcore.%sappend(", try ? "try_" : "");
        request_events_sql(request, sql);
        if (request->declares) {
            text_add(sql, ",");
            request_expected_sql(request, sql);
        }
        break;
    }
    text_add(sql, ")");
}

void request_record(const request *request, text *line)
{
    static const char *const flaws[] = {"", "VE002", "VE003", "VE006"};

    text_add(line, "\"r\":\"%s\",\"flaw\":\"%s\",\"ids\":%s,\"events\":[", request->key,
             flaws[request->flaw], request->ids_of[0] != '\0' ? "true" : "false");
    for (int i = 0; i < request->event_count; i++)
        text_add(line, "%s\"s-%d\"", i > 0 ? "," : "", request->streams[i]);
    text_add(line, "],\"expect\":[");
    for (int i = 0; i < request->expectation_count; i++)
        text_add(line, "%s[\"s-%d\",%ld,%s]", i > 0 ? "," : "", request->expectations[i].stream,
                 (long)request->expectations[i].version,
                 request->expectations[i].own ? "true" : "false");
    text_add(line, "]");
}
