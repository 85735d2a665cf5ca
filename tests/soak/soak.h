/*
 * soak.h: random concurrent histories, recorded by those who made them.
 *
 * Processes that share nothing but a server and a board in shared memory append, roll back,
 * prepare, repeat, read and are killed at random. Each writes what it asked, when, and what it was
 * told, as JSON lines into a file of its own: one write(2) a line, before and after each request,
 * so that a killed process leaves behind all that it knew. check.sql judges the files afterwards.
 */
#ifndef SOAK_H
#define SOAK_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define MOST_WRITERS 32
#define MOST_EVENTS 6
#define MOST_EXPECTATIONS 8
#define KEY_LENGTH 40

/* history.c: text that grows, lines of history, time and chance. */

typedef struct text {
    char *bytes;
    size_t length, capacity;
} text;

void text_clear(text *text);
void text_add(text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

void history_open(const char *directory, const char *process);
void history_write(text *line); /* adds the newline */

int64_t now_ns(void); /* of a clock that all processes share */
void nap_ms(int ms);
void chance_seed(uint64_t seed);
int chance(int below);    /* 0 .. below - 1 */
bool percent(int likely); /* true that often */

/* request.c: what can be asked of append. */

typedef enum { SOUND, UNDECLARED, CONTRADICTORY, REUSED_IDS } flaw;

typedef struct expectation {
    int stream;
    int64_t version;
    bool own; /* the transaction has written it before, and so sees what nobody else does */
} expectation;

/* May be made several times, by several processes. The data of its events carry its key. */
typedef struct request {
    char key[KEY_LENGTH];
    char ids_of[KEY_LENGTH]; /* the request whose event ids it carries; empty: the server's own */
    flaw flaw;
    bool declares; /* with expectations; without, it may write anywhere */
    int event_count, expectation_count;
    int streams[MOST_EVENTS];
    expectation expectations[MOST_EXPECTATIONS];
} request;

/* Expected versions other than exact ones. */
enum { NO_STREAM = 0, ANY = -1, EXISTS = -2 };

typedef enum { COLUMNS, COMPOSITES, SINGLE } call_form;

void request_make(request *request, const char *key);
void request_make_storm(request *request, const char *key);
bool request_fits_single(const request *request);
void request_events_sql(const request *request, text *sql);
void request_expected_sql(const request *request, text *sql);
void request_call_sql(const request *request, call_form form, bool try, bool wide, text *sql);
void request_record(const request *request, text *line);
int stream_at_random(void);

/* board.c: what the processes share. */

#define BOARD_SLOTS 64
#define BOARD_HINTS 65536

typedef struct board {
    _Atomic bool stop;       /* writers: finish what is begun, and end */
    _Atomic bool drain;      /* readers: read what is left, and end */
    _Atomic long asked;      /* appends */
    _Atomic long storm_left; /* appends */
    int64_t started;
    struct {
        _Atomic int backend;    /* of the current connection; 0: none yet */
        _Atomic int connection; /* number of the last one */
    } writers[MOST_WRITERS];
    _Atomic int64_t hints[BOARD_HINTS]; /* a version that the stream has, had or never got */
    struct {
        _Atomic unsigned change; /* odd while it is written */
        _Atomic bool committed;
        request request;
    } slots[BOARD_SLOTS]; /* requests for others to make as well */
} board;

extern board *shared;

void board_create(void);
int64_t board_hint(int stream);
void board_set_hint(int stream, int64_t version);
int board_publish(const request *request);              /* a slot, or -1 */
void board_committed(int slot, const request *request); /* others may rely on it */
bool board_pick(request *request, bool must_be_committed);

/* session.c: a connection, and what becomes of statements. */

typedef struct session {
    PGconn *pg;
    int writer; /* -1: a reader */
    int connection;
} session;

void session_open(session *session, int writer);
bool session_do(session *session, const char *sql); /* returns whether it worked */
bool session_is_lost(const session *session);
const char *result_code(const PGresult *result); /* SQLSTATE, or "" */
bool result_integer(const PGresult *result, int row, const char *column, int64_t *value);
bool read_streams(session *session, const int *streams, int count, const char *isolation,
                  int64_t since, int64_t *versions);

/* What a process does until it is told to stop. */
void write_at_random(int writer, bool storm);
void read_log(int reader);
void read_at_random(int reader);
void idle_beside(int reader);
void terminate_backends(void);

#endif
