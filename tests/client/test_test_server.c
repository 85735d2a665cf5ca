/* test_test_server.c: throwaway servers: that they work, and that nothing of them stays. */
#include "bank.h"

#include <eventcore/testkit.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static ec_test_server *started(const ec_test_server_options *options)
{
    ec_test_server *server;

    if (ec_test_server_start(&server, options) != EC_OK)
        fail_msg("%s", ec_test_server_error(server));
    assert_string_equal(ec_test_server_error(server), "");
    return server;
}

/* The directory, out of a conninfo that begins with host='DIRECTORY'. */
static void directory_of(const char *conninfo, char directory[200])
{
    assert_int_equal(sscanf(conninfo, "host='%199[^']'", directory), 1);
}

static bool exists(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

static void assert_shows(const char *conninfo, const char *query, const char *expected)
{
    PGconn *pg = PQconnectdb(conninfo);
    PGresult *result = PQexec(pg, query);

    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s", PQerrorMessage(pg));
    assert_string_equal(PQgetvalue(result, 0, 0), expected);
    PQclear(result);
    PQfinish(pg);
}

static void test_command(void **state)
{
    const ec_stream_event deposit = {"a", {.type = "MoneyDeposited", .data = "{\"amount\": 50}"}};
    transfer_streams streams = {.from_account = "a", .to_account = "b", .limits = "limits"};
    struct transfer command = {.amount = 30};
    ec_test_server *server = started(NULL);
    ec_connection *connection;
    char directory[200];

    (void)state;
    assert_int_equal(ec_connect(&connection, ec_test_server_conninfo(server), NULL), EC_OK);
    assert_int_equal(ec_append(connection, &deposit, 1, NULL, 0, NULL), EC_OK);
    assert_int_equal(transfer_execute(connection, &streams, &command, NULL), EC_OK);
    assert_int_equal(transfer_execute(connection, &streams, &command, NULL), EC_REJECTED);

    directory_of(ec_test_server_conninfo(server), directory);
    assert_true(exists(directory));
    ec_test_server_stop(server); /* with a connection open */
    assert_false(exists(directory));
    assert_int_equal(transfer_execute(connection, &streams, &command, NULL), EC_CONNECTION_LOST);
    ec_close(connection);
}

static void test_two_servers(void **state)
{
    static const char *const settings[] = {"max_connections=7", "search_path=a, b", NULL};
    ec_test_server_options options = EC_TEST_SERVER_OPTIONS_INIT;
    ec_test_server *one, *other;
    char directory[200];

    (void)state;
    options.settings = settings;
    one = started(&options);
    other = started(NULL);
    assert_shows(ec_test_server_conninfo(one), "SHOW max_connections", "7");
    assert_shows(ec_test_server_conninfo(one), "SHOW search_path", "a, b");
    directory_of(ec_test_server_conninfo(one), directory);
    ec_test_server_stop(one);
    assert_false(exists(directory));
    assert_shows(ec_test_server_conninfo(other), "SHOW max_connections", "100");
    ec_test_server_stop(other);
}

/* A program that starts a server, tells where, and is killed. */
static void program(int tell)
{
    ec_test_server *server;
    const char *conninfo;

    if (ec_test_server_start(&server, NULL) != EC_OK)
        _exit(1);
    conninfo = ec_test_server_conninfo(server);
    if (write(tell, conninfo, strlen(conninfo)) > 0)
        raise(SIGKILL);
    _exit(1);
}

static void test_program_is_killed(void **state)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    char conninfo[1000] = "", directory[200];
    time_t started_at = time(NULL);
    int ends[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0)
        program(ends[1]);
    close(ends[1]);
    assert_true(read(ends[0], conninfo, sizeof conninfo - 1) > 0);
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    directory_of(conninfo, directory);
    while (exists(directory)) {
        assert_in_range(time(NULL), started_at, started_at + 60);
        nanosleep(&moment, NULL);
    }
    assert_int_equal(PQping(conninfo), PQPING_NO_RESPONSE);
}

/* ------------------------------------------------------------------ errors */

static void assert_fails(const ec_test_server_options *options, ec_status status,
                         const char *message)
{
    ec_test_server *server;

    assert_int_equal(ec_test_server_start(&server, options), status);
    if (strstr(ec_test_server_error(server), message) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", message, ec_test_server_error(server));
    assert_string_equal(ec_test_server_conninfo(server), "");
    ec_test_server_stop(server);
}

/* An initdb that runs `script`, and a postgres beside it. */
static void fake_programs(char directory[64], const char *script)
{
    char path[128];
    FILE *file;

    strcpy(directory, "/tmp/eventcore-fake.XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(chmod(directory, 0755), 0);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, i == 0 ? "initdb" : "postgres");
        file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "#!/bin/sh\n%s\n", script);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0755), 0);
    }
}

static void remove_fakes(const char *directory)
{
    char path[128];

    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, i == 0 ? "initdb" : "postgres");
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(directory), 0);
}

static void test_programs_fail(void **state)
{
    ec_test_server_options options = EC_TEST_SERVER_OPTIONS_INIT;
    char bindir[64];

    (void)state;
    options.bindir = "/nonexistent";
    assert_fails(&options, EC_FAILED, "there are no programs initdb and postgres in /nonexistent");

    options.bindir = bindir;
    fake_programs(bindir, "echo no space left; exit 1");
    assert_fails(&options, EC_FAILED, "initdb failed; its log:\nno space left");
    remove_fakes(bindir);
    fake_programs(bindir, "[ ${0##*/} = initdb ] || { echo bad luck; exit 1; }");
    assert_fails(&options, EC_FAILED, "the server does not start; its log:\nbad luck");
    remove_fakes(bindir);
    options.timeout_ms = 50;
    fake_programs(bindir, "sleep 1000; exit 1"); /* sleep is to be killed with the shell */
    assert_fails(&options, EC_TIMEOUT, "initdb is not done by the deadline");
    remove_fakes(bindir);
    fake_programs(bindir, "[ ${0##*/} = initdb ] || exec sleep 1000");
    options.timeout_ms = 500;
    assert_fails(&options, EC_TIMEOUT, "the server is not ready by the deadline");
    remove_fakes(bindir);
}

static void test_server_fails(void **state)
{
    static const char *const unknown[] = {"no_such_setting=1", NULL};
    static const char *const read_only[] = {"default_transaction_read_only=on", NULL};
    ec_test_server_options options = EC_TEST_SERVER_OPTIONS_INIT;

    (void)state;
    options.settings = unknown;
    assert_fails(&options, EC_FAILED, "no_such_setting");
    options.settings = read_only;
    assert_fails(&options, EC_SERVER_ERROR, "cannot create the extension: ERROR:  cannot execute");
}

static void set_or_unset(const char *name, char *value)
{
    assert_int_equal(value == NULL ? unsetenv(name) : setenv(name, value, 1), 0);
    free(value);
}

static char *copy_of(const char *name)
{
    const char *value = getenv(name);

    return value == NULL ? NULL : strdup(value);
}

static void test_environment(void **state)
{
    char *path = copy_of("PATH"), *pg_config = copy_of("PG_CONFIG"), *tmpdir = copy_of("TMPDIR");
    char bindir[64], program[128];

    (void)state;
    setenv("TMPDIR", "relative", 1);
    assert_fails(NULL, EC_FAILED, "set TMPDIR to a short absolute path");
    setenv("TMPDIR", "/nonexistent", 1);
    assert_fails(NULL, EC_FAILED, "No such file or directory");
    set_or_unset("TMPDIR", tmpdir);
    setenv("PATH", "/nonexistent", 1);
    setenv("PG_CONFIG", "/nonexistent/pg_config", 1);
    assert_fails(NULL, EC_FAILED, "initdb and postgres are not on PATH");
    fake_programs(bindir, "echo ${0%/*}; exit 1"); /* as initdb, and in place of pg_config */
    snprintf(program, sizeof program, "%s/initdb", bindir);
    setenv("PG_CONFIG", program, 1);
    assert_fails(NULL, EC_FAILED, bindir);
    setenv("PATH", bindir, 1);
    setenv("PG_CONFIG", "/nonexistent/pg_config", 1);
    assert_fails(NULL, EC_FAILED, bindir);
    remove_fakes(bindir);
    set_or_unset("PATH", path);
    set_or_unset("PG_CONFIG", pg_config);
}

/* A program without standard files: what the library opens must not be taken for them. */
static void test_no_standard_files(void **state)
{
    int status;
    pid_t child;

    (void)state;
    child = fork();
    if (child == 0) {
        ec_test_server *server;
        ec_status started;

        for (int i = 0; i < 3; i++)
            close(i);
        started = ec_test_server_start(&server, NULL);
        ec_test_server_stop(server);
        _exit(started == EC_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Root makes the directory where the server's user may not be. */
static void test_forbidden_directory(void **state)
{
    char directory[] = "/tmp/forbidden.XXXXXX", *tmpdir = copy_of("TMPDIR");

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_non_null(mkdtemp(directory)); /* for root alone */
    setenv("TMPDIR", directory, 1);
    assert_fails(NULL, EC_FAILED, "cannot enter $TMPDIR");
    set_or_unset("TMPDIR", tmpdir);
    assert_int_equal(rmdir(directory), 0);
}

static void test_bad_options(void **state)
{
    ec_test_server_options options = {.struct_size = 0};

    (void)state;
    assert_fails(&options, EC_INVALID_ARGUMENT, "options are not initialised");
    options = (ec_test_server_options)EC_TEST_SERVER_OPTIONS_INIT;
    options.timeout_ms = 0;
    assert_fails(&options, EC_INVALID_ARGUMENT, "timeout_ms");
    ec_test_server_stop(NULL);
    assert_string_equal(ec_test_server_conninfo(NULL), "");
}

/* All servers' directories go into one, which must be empty in the end. */
static char parent[] = "/tmp/eventcore-servers.XXXXXX";

static int make_parent(void **state)
{
    (void)state;
    return mkdtemp(parent) == NULL || chmod(parent, 0755) != 0 || setenv("TMPDIR", parent, 1) != 0;
}

static int remove_parent(void **state)
{
    (void)state;
    return rmdir(parent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command),           cmocka_unit_test(test_two_servers),
        cmocka_unit_test(test_program_is_killed), cmocka_unit_test(test_programs_fail),
        cmocka_unit_test(test_server_fails),      cmocka_unit_test(test_environment),
        cmocka_unit_test(test_no_standard_files), cmocka_unit_test(test_forbidden_directory),
        cmocka_unit_test(test_bad_options),
    };

    return cmocka_run_group_tests(tests, make_parent, remove_parent);
}
