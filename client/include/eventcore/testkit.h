/*
 * testkit.h: testing commands: in memory, or on a throwaway server.
 *
 * A test of a command needs no server. Given events, when a command is executed, then these events
 * are written, or it is rejected:
 *
 *     ec_test *test = ec_test_new();
 *     struct transfer command = {.amount = 30};
 *     transfer_streams streams = {.from_account = "account-a", .to_account = "account-b"};
 *
 *     EC_GIVEN(test, EC_EVENT(test, "account-a", "MoneyDeposited", "{s:I}", "amount", 100LL));
 *     EC_WHEN(test, transfer, &streams, &command);
 *     EC_THEN(test, EC_EVENT(test, "account-a", "MoneyWithdrawn", "{s:I}", "amount", 30LL),
 *             EC_EVENT(test, "account-b", "MoneyDeposited", "{s:I}", "amount", 30LL));
 *
 * The command is executed by the state machine that executes it on a connection: retries, repeated
 * appends and all checks are the real ones. In place of the server stands a store in memory that
 * answers as the server does, except that it has no limit on the size of an event, and hands JSON
 * out as it was written. Time does not pass: pauses are noted, not slept.
 *
 * A check that fails says what it expected and what it found on stderr, or to the handler set with
 * ec_test_on_failure(), which can pass it on to the test framework. For cmocka:
 *
 *     static void fail_check(void *argument, const char *message, const char *file, int line)
 *     {
 *         print_error("%s\n", message);
 *         _fail(file, line);
 *     }
 *
 * A plain main() returns `ec_test_failures(test) != 0`.
 *
 * A test belongs to one thread at a time; tests share nothing.
 */
#ifndef EVENTCORE_TESTKIT_H
#define EVENTCORE_TESTKIT_H

#include "eventcore.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ec_test ec_test; /* a store in memory, and what came of the last command */

/** Make a test with an empty store. @return NULL when memory runs out. */
EC_API ec_test *ec_test_new(void);

/** Free a test with all that it handed out. NULL is allowed. */
EC_API void ec_test_free(ec_test *test);

/**
 * What a failed check is told to.
 * @param message  what was expected and what was found: lines without a last newline, which live
 *                 until the test is freed.
 * @param file     where the check stands in the test's source; likewise `line`.
 */
typedef void (*ec_test_handler)(void *argument, const char *message, const char *file, int line);

/**
 * Have failed checks told to a handler, in place of stderr. It may leave the test by longjmp().
 * @param handler   NULL: to stderr again.
 * @param argument  is passed on to it.
 */
EC_API void ec_test_on_failure(ec_test *test, ec_test_handler handler, void *argument);

/** How many checks have failed so far. */
EC_API size_t ec_test_failures(const ec_test *test);

/* ------------------------------------------------------------------ given */

/**
 * Make an event and name its stream: see EC_EVENT. An ec_stream_event that is initialised by hand
 * does as well wherever one is taken.
 * @param format  of jansson's json_pack(), as for ec_record(); NULL: the data is {}.
 * @return an event whose data lives as long as the test. A format that does not fit is a failed
 *         check.
 */
EC_API ec_stream_event ec_test_event(ec_test *test, const char *file, int line,
                                     const char *stream_id, const char *type, const char *format,
                                     ...);

/**
 * Append events to the store: see EC_GIVEN.
 * @return false if they cannot be, which is a failed check.
 */
EC_API bool ec_test_given(ec_test *test, const ec_stream_event *events, size_t count,
                          const char *file, int line);

/* ------------------------------------------------------------------ what comes between */

/*
 * The calls below arrange what the next command will meet. Each concerns one read or one append of
 * it, the first call the first one, and so on; a repeated append is an append of its own. What is
 * left when the command ends is forgotten.
 */

/** What goes wrong with a read or an append. */
typedef enum ec_test_fault {
    EC_FAULT_LOST,       /* the connection is lost before the server did it */
    EC_FAULT_REPLY_LOST, /* the server did it, and the connection is lost before its reply */
    EC_FAULT_LATE,       /* the deadline passes before the server does it */
    EC_FAULT_REPLY_LATE  /* the server does it, and the deadline passes before its reply */
} ec_test_fault;

/** The step of an execution that is to go wrong. */
typedef enum ec_test_step { EC_TEST_READ, EC_TEST_APPEND } ec_test_step;

/**
 * Let somebody else append events right before the next append: see EC_MEANWHILE. If the command
 * declares one of their streams it meets a conflict, reads and decides anew.
 * @return false when memory runs out, which is a failed check; an event that is not valid becomes
 *         the command's failure.
 */
EC_API bool ec_test_meanwhile(ec_test *test, const ec_stream_event *events, size_t count,
                              const char *file, int line);

/**
 * Let the next `count` appends meet a conflict, at the first stream that they expect a version of.
 * There is no event behind it: the command will decide as before.
 * @return false when memory runs out.
 */
EC_API bool ec_test_conflict(ec_test *test, int count);

/** Let the next read or append go wrong. @return false when memory runs out. */
EC_API bool ec_test_fail(ec_test *test, ec_test_step step, ec_test_fault fault);

/**
 * Let the next read or append fail with an error of the server, such as "40001".
 * @param sqlstate  five characters.
 * @return false for another SQLSTATE, or when memory runs out.
 */
EC_API bool ec_test_fail_with(ec_test *test, ec_test_step step, const char *sqlstate);

/* ------------------------------------------------------------------ when */

/**
 * Execute a command, as ec_execute() does on a connection: see EC_WHEN.
 * @param command  as its NAME_prepare() makes it; its `status` and `outcome` are not used.
 * @param options  as for ec_execute(); NULL: the defaults. Streams are never locked (lock_after).
 *                 Against deadline_ms count the pauses that would have been made.
 * @return as ec_execute().
 */
EC_API ec_status ec_test_execute(ec_test *test, ec_command command,
                                 const ec_execute_options *options);

/* ------------------------------------------------------------------ then */

/*
 * Checks of the last command. Each returns whether it holds; see the macros below, which add the
 * place. Events are those that it left in the store: written twice, they are there twice.
 */

/**
 * It succeeded and wrote exactly these events, in this order: see EC_THEN. Data is compared as
 * JSON, so that white space and the order of keys do not matter; metadata and the event id only if
 * the expected event has them.
 */
EC_API bool ec_test_then(ec_test *test, const ec_stream_event *events, size_t count,
                         const char *file, int line);

/** It was rejected with this status and code, and wrote nothing: see EC_THEN_REJECTED. */
EC_API bool ec_test_then_rejected(ec_test *test, ec_status status, const char *code,
                                  const char *file, int line);

/**
 * It failed with this status: see EC_THEN_FAILED. It wrote nothing, unless its outcome is in doubt
 * (ec_outcome_in_doubt()): then either is right.
 */
EC_API bool ec_test_then_failed(ec_test *test, ec_status status, const char *file, int line);

/** It was tried so often, and lost to other writers in so many of the tries: see EC_THEN_TRIED. */
EC_API bool ec_test_then_tried(ec_test *test, int attempts, int conflicts, const char *file,
                               int line);

/** A stream is at this version, whoever wrote it: see EC_THEN_VERSION. */
EC_API bool ec_test_then_version(ec_test *test, const char *stream_id, int64_t version,
                                 const char *file, int line);

/** What came of the last command, for ec_outcome_*(). NULL before the first one. */
EC_API const ec_outcome *ec_test_outcome(const ec_test *test);

/**
 * The events that the last command left in the store, for checks of one's own.
 * @return a list that lives until the next call of this function, or of ec_test_free(); NULL when
 *         memory runs out.
 */
EC_API const ec_events *ec_test_written(ec_test *test);

/** The version of a stream; 0 without events. */
EC_API int64_t ec_test_version(const ec_test *test, const char *stream_id);

/** How many pauses the last command made before it tried again. */
EC_API size_t ec_test_pause_count(const ec_test *test);

/** One of them, in microseconds; -1 if there are not so many. */
EC_API int64_t ec_test_pause_us(const ec_test *test, size_t index);

/* ------------------------------------------------------------------ a throwaway server */

typedef struct ec_test_server ec_test_server;

/** Options of ec_test_server_start(). Initialise with EC_TEST_SERVER_OPTIONS_INIT. */
typedef struct ec_test_server_options {
    size_t struct_size;          /**< sizeof the struct, set by its initialiser */
    const char *bindir;          /**< where initdb and postgres are; NULL: see below */
    const char *const *settings; /**< "name=value" each, NULL behind the last; NULL: none */
    int64_t timeout_ms;          /**< for the server to be made and started */
} ec_test_server_options;

#define EC_TEST_SERVER_OPTIONS_INIT                                                                \
    {                                                                                              \
        sizeof(ec_test_server_options), NULL, NULL, 60000                                          \
    }

/**
 * Make a PostgreSQL server with the extension, for this program alone: a new cluster in a new
 * directory of $TMPDIR (else /tmp), on a socket there and without a network port, fast because it
 * does not survive a crash. It ends, and its directory is removed, with ec_test_server_stop(), and
 * also when the program ends in any other way.
 *
 * Its programs are taken from the option bindir, else from the first directory of $PATH that has
 * them, else from where $PG_CONFIG or pg_config says; the extension must be installed there. Under
 * root the server runs as the user postgres or nobody. It trusts everyone who reaches its socket,
 * which is only its user and root.
 *
 * @param server   is set to a new handle, on failure too, so that its error can be read; only when
 *                 memory runs out to NULL. Give it to ec_test_server_stop() in every case.
 * @param options  NULL: the defaults.
 * @return EC_OK; EC_INVALID_ARGUMENT; EC_FAILED if programs are missing or fail; EC_TIMEOUT;
 *         EC_SERVER_ERROR if the extension cannot be created; EC_NO_MEMORY.
 */
EC_API ec_status ec_test_server_start(ec_test_server **server,
                                      const ec_test_server_options *options);

/** How to reach it, for ec_connect(): a database with the extension. "" if it did not start. */
EC_API const char *ec_test_server_conninfo(const ec_test_server *server);

/** Why it did not start, with the end of its log; "" if it did. Never NULL. */
EC_API const char *ec_test_server_error(const ec_test_server *server);

/** End the server, remove its directory and free the handle. NULL is allowed. */
EC_API void ec_test_server_stop(ec_test_server *server);

#ifdef __cplusplus
}
#endif

/** An event and its stream: EC_EVENT(test, stream_id, type, format, ...). See ec_test_event(). */
#define EC_EVENT(test, ...) ec_test_event(test, __FILE__, __LINE__, __VA_ARGS__)

/** EC_GIVEN(test, event, ...): the store holds these events, behind those that it has. */
#define EC_GIVEN(test, ...) EC_TEST_EVENTS_(ec_test_given, test, __VA_ARGS__)

/** EC_MEANWHILE(test, event, ...): somebody else appends them. See ec_test_meanwhile(). */
#define EC_MEANWHILE(test, ...) EC_TEST_EVENTS_(ec_test_meanwhile, test, __VA_ARGS__)

/** EC_WHEN(test, transfer, &streams, &command), with the types of transfer_execute(). */
#define EC_WHEN(test, name, ...) EC_WHEN_WITH(test, NULL, name, __VA_ARGS__)

/** EC_WHEN_WITH(test, &options, transfer, &streams, &command). */
#define EC_WHEN_WITH(test, options, name, ...)                                                     \
    ec_test_execute(test, name##_prepare(__VA_ARGS__), options)

/** EC_THEN(test, event, ...): it wrote exactly these. See ec_test_then(). */
#define EC_THEN(test, ...) EC_TEST_EVENTS_(ec_test_then, test, __VA_ARGS__)

/** It succeeded and wrote nothing. */
#define EC_THEN_UNCHANGED(test) ec_test_then(test, NULL, 0, __FILE__, __LINE__)

/** EC_THEN_REJECTED(test, EC_REJECTED, "insufficient_funds"): see ec_test_then_rejected(). */
#define EC_THEN_REJECTED(test, status, code)                                                       \
    ec_test_then_rejected(test, status, code, __FILE__, __LINE__)

/** EC_THEN_FAILED(test, EC_VERSION_CONFLICT): see ec_test_then_failed(). */
#define EC_THEN_FAILED(test, status) ec_test_then_failed(test, status, __FILE__, __LINE__)

/** EC_THEN_TRIED(test, 2, 1): in two tries, one of them lost. See ec_test_then_tried(). */
#define EC_THEN_TRIED(test, attempts, conflicts)                                                   \
    ec_test_then_tried(test, attempts, conflicts, __FILE__, __LINE__)

/** EC_THEN_VERSION(test, "account-a", 2): see ec_test_then_version(). */
#define EC_THEN_VERSION(test, stream_id, version)                                                  \
    ec_test_then_version(test, stream_id, version, __FILE__, __LINE__)

#define EC_TEST_EVENTS_(function, test, ...)                                                       \
    do {                                                                                           \
        const ec_stream_event ec_test_events_[] = {__VA_ARGS__};                                   \
        function(test, ec_test_events_, sizeof ec_test_events_ / sizeof *ec_test_events_,          \
                 __FILE__, __LINE__);                                                              \
    } while (0)

#endif
