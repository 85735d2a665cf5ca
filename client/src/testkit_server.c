/*
 * testkit_server.c: making a throwaway server: whose programs, where, as whom; and waiting for it.
 *
 * A directory of its own, which only its user can enter, holds cluster, socket and log. Who keeps
 * it, and removes it, is in testkit_keeper.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"
#include "testkit_server.h"
#include "until.h"

#define LOG_SHOWN 2000 /* bytes of its end */
#define LOOK_AGAIN_MS 10
#define SOCKET_NAME "/.s.PGSQL.5432"

extern char **environ;

static ec_status out_of_memory(ec_test_server *server)
{
    return ec_fail(&server->failure, EC_NO_MEMORY, "out of memory for a server");
}

static char *format(ec_test_server *server, const char *text, ...) EC_PRINTF(2, 3);
static char *format(ec_test_server *server, const char *text, ...)
{
    va_list arguments;
    char *made;

    va_start(arguments, text);
    made = ec_arena_format(&server->memory, text, arguments);
    va_end(arguments);
    return made;
}

/* Fail with the end of the server's log. */
static ec_status fail_with_log(ec_test_server *server, ec_status status, const char *problem)
{
    char end[LOG_SHOWN + 1] = "";
    FILE *log = fopen(server->log, "r");

    if (log != NULL) {
        size_t size;

        if (fseek(log, -LOG_SHOWN, SEEK_END) != 0)
            rewind(log);
        size = fread(end, 1, LOG_SHOWN, log);
        while (size > 0 && end[size - 1] == '\n')
            size--;
        end[size] = '\0';
        fclose(log);
    }
    return ec_fail(&server->failure, status, "%s%s%s", problem, *end == '\0' ? "" : "; its log:\n",
                   end);
}

/* ------------------------------------------------------------------ the programs */

static bool has_programs(ec_test_server *server, const char *directory)
{
    const char *initdb = format(server, "%s/initdb", directory);
    const char *postgres = format(server, "%s/postgres", directory);

    return initdb != NULL && postgres != NULL && access(initdb, X_OK) == 0 &&
           access(postgres, X_OK) == 0;
}

static const char *bindir_of_path(ec_test_server *server)
{
    const char *path = getenv("PATH");
    char *left = path == NULL ? NULL : ec_arena_string(&server->memory, path), *place;

    for (char *next = left; (place = strtok_r(next, ":", &left)) != NULL; next = NULL)
        if (has_programs(server, place))
            return place;
    return NULL;
}

/* What `pg_config --bindir` says; NULL if it says nothing. */
static const char *bindir_of_pg_config(ec_test_server *server)
{
    char *named = getenv("PG_CONFIG"), line[4096] = "";
    char *program = named == NULL || *named == '\0' ? (char *)"pg_config" : named;
    char *command[] = {program, (char *)"--bindir", NULL};
    posix_spawn_file_actions_t actions;
    size_t size = 0;
    ssize_t got;
    int ends[2];
    pid_t child;
    bool started;

    if (pipe(ends) != 0)
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    started = posix_spawnp(&child, program, &actions, NULL, command, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (started && size < sizeof line - 1 &&
           ((got = read(ends[0], line + size, sizeof line - 1 - size)) > 0 ||
            (got < 0 && errno == EINTR)))
        size += got > 0 ? (size_t)got : 0;
    close(ends[0]);
    while (started && waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    line[strcspn(line, "\n")] = '\0';
    return *line == '\0' ? NULL : ec_arena_string(&server->memory, line);
}

static const char *find_bindir(ec_test_server *server, const char *given)
{
    const char *bindir = given;

    if (bindir == NULL)
        bindir = bindir_of_path(server);
    if (bindir == NULL)
        bindir = bindir_of_pg_config(server);
    if (bindir == NULL)
        ec_fail(&server->failure, EC_FAILED,
                "initdb and postgres are not on PATH, and there is no pg_config to ask: set the "
                "option bindir, or PG_CONFIG");
    else if (!has_programs(server, bindir)) {
        ec_fail(&server->failure, EC_FAILED, "there are no programs initdb and postgres in %s",
                bindir);
        bindir = NULL;
    }
    return bindir;
}

/* ------------------------------------------------------------------ where, and as whom */

/* PostgreSQL refuses to run as root, so root has the server run as somebody else. */
static ec_status choose_user(ec_test_server *server)
{
    static const char *const names[] = {"postgres", "nobody"};

    server->user = EC_NOBODY;
    if (geteuid() != 0)
        return EC_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct passwd entry, *found = NULL;
        char *strings = ec_arena_alloc(&server->memory, 16384);

        if (strings == NULL)
            return out_of_memory(server);
        if (getpwnam_r(names[i], &entry, strings, 16384, &found) == 0 && found != NULL) {
            server->user = found->pw_uid;
            server->group = found->pw_gid;
            return EC_OK;
        }
    }
    return ec_fail(&server->failure, EC_FAILED,
                   "a server cannot run as root, and there is no user postgres or nobody");
}

static ec_status make_directory(ec_test_server *server)
{
    const char *given = getenv("TMPDIR");
    const char *parent = given == NULL || *given == '\0' ? "/tmp" : given;
    char *directory = format(server, "%s/eventcore-test.XXXXXX", parent);

    if (directory == NULL)
        return out_of_memory(server);
    if (*parent != '/' || strpbrk(parent, "'\\\",") != NULL ||
        strlen(directory) + sizeof SOCKET_NAME > sizeof((struct sockaddr_un *)NULL)->sun_path)
        return ec_fail(&server->failure, EC_FAILED,
                       "a server's socket cannot be in %s: set TMPDIR to a short absolute path "
                       "without quotes, commas and backslashes",
                       parent);
    if (mkdtemp(directory) == NULL)
        return ec_fail(&server->failure, EC_FAILED, "no directory %s: %s", directory,
                       strerror(errno));
    server->directory = directory;
    if (server->user != EC_NOBODY && chown(directory, server->user, server->group) != 0)
        return ec_fail(&server->failure, EC_FAILED, "chown %s: %s", directory, strerror(errno));
    server->log = format(server, "%s/log", directory);
    return server->log == NULL ? out_of_memory(server) : EC_OK;
}

/* ------------------------------------------------------------------ the commands */

static size_t count_settings(const char *const *settings)
{
    size_t count = 0;

    while (settings != NULL && settings[count] != NULL)
        count++;
    return count;
}

/* A command of `count` arguments, the first ones of which are given. */
static char **make_command(ec_test_server *server, char *const *arguments, size_t given,
                           size_t count)
{
    char **command = ec_arena_array(&server->memory, count + 1, sizeof *command);

    for (size_t i = 0; command != NULL && i < given; i++) {
        if (arguments[i] == NULL)
            return NULL;
        command[i] = arguments[i];
    }
    return command;
}

#define COMMAND(server, arguments, more)                                                           \
    make_command(server, arguments, sizeof arguments / sizeof *arguments,                          \
                 sizeof arguments / sizeof *arguments + (more))

static ec_status make_commands(ec_test_server *server, const char *bindir,
                               const char *const *settings)
{
    char *data = format(server, "%s/data", server->directory);
    char *initdb[] = {format(server, "%s/initdb", bindir),
                      "-D",
                      data,
                      "-U",
                      "postgres",
                      "-A",
                      "trust",
                      "-E",
                      "UTF8",
                      "--no-locale",
                      "--no-sync",
                      "--no-instructions"};
    char *postgres[] = {format(server, "%s/postgres", bindir),
                        "-D",
                        data,
                        "-c",
                        "listen_addresses=",
                        "-c",
                        "port=5432",
                        "-c",
                        format(server, "unix_socket_directories=%s", server->directory),
                        "-c",
                        "fsync=off",
                        "-c",
                        "full_page_writes=off"};
    char *remove_directory[] = {"rm", "-rf", "--", server->directory};
    size_t setting_count = count_settings(settings), next;

    server->initdb = COMMAND(server, initdb, 0);
    server->postgres = COMMAND(server, postgres, 2 * setting_count);
    server->remove_directory = COMMAND(server, remove_directory, 0);
    if (server->initdb == NULL || server->postgres == NULL || server->remove_directory == NULL)
        return out_of_memory(server);
    next = sizeof postgres / sizeof *postgres;
    for (size_t i = 0; i < setting_count; i++) {
        server->postgres[next++] = "-c";
        server->postgres[next] = ec_arena_string(&server->memory, settings[i]);
        if (server->postgres[next++] == NULL)
            return out_of_memory(server);
    }
    return EC_OK;
}

/* ------------------------------------------------------------------ waiting for it */

/* Wait for the keeper's report, or its end, at most until the deadline. */
static bool wait_for_report(const ec_test_server *server, int64_t wait_ms)
{
    struct pollfd report = {.fd = server->report, .events = POLLIN};
    int64_t until = ec_now_us() + wait_ms * 1000;
    int ready;

    do {
        int64_t left = until - ec_now_us();

        ready = poll(&report, 1, left <= 0 ? 0 : (int)(left / 1000) + 1);
    } while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static ec_status wait_until_made(ec_test_server *server, int64_t timeout_ms)
{
    char message = EC_CLUSTER_NOT_MADE;

    if (!wait_for_report(server, timeout_ms))
        return fail_with_log(server, EC_TIMEOUT, "initdb is not done by the deadline");
    if (read(server->report, &message, 1) != 1 || message != EC_CLUSTER_MADE)
        return fail_with_log(server, EC_FAILED,
                             access(server->log, F_OK) == 0
                                 ? "initdb failed"
                                 : "initdb did not start: its user cannot enter $TMPDIR");
    return EC_OK;
}

static ec_status wait_until_ready(ec_test_server *server, int64_t deadline)
{
    while (PQping(server->conninfo) != PQPING_OK) {
        if (wait_for_report(server, LOOK_AGAIN_MS))
            return fail_with_log(server, EC_FAILED, "the server does not start");
        if (ec_now_us() >= deadline)
            return fail_with_log(server, EC_TIMEOUT, "the server is not ready by the deadline");
    }
    return EC_OK;
}

/* A library does not write to the program's stderr. */
static void ignore_notice(void *argument, const PGresult *notice)
{
    (void)argument;
    (void)notice;
}

static ec_status create_extension(ec_test_server *server, const char *bindir)
{
    PGconn *pg = PQconnectdb(server->conninfo);
    PGresult *result = NULL;
    ec_status status = EC_OK;

    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    if (PQstatus(pg) == CONNECTION_OK)
        result = PQexec(pg, "CREATE EXTENSION eventcore");
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        const char *message = PQerrorMessage(pg);

        status = ec_fail(&server->failure, EC_SERVER_ERROR,
                         "the PostgreSQL of %s cannot create the extension: %.*s", bindir,
                         (int)strcspn(message, "\n"), message);
    }
    PQclear(result);
    PQfinish(pg);
    return status;
}

/* ------------------------------------------------------------------ its life */

static ec_status start(ec_test_server *server, const ec_test_server_options *options)
{
    int64_t deadline = ec_now_us() + options->timeout_ms * 1000;
    const char *bindir = find_bindir(server, options->bindir);
    ec_status status = bindir == NULL ? server->failure.status : choose_user(server);

    if (status == EC_OK)
        status = make_directory(server);
    if (status == EC_OK)
        status = make_commands(server, bindir, options->settings);
    if (status == EC_OK)
        status = ec_test_keeper_start(server);
    if (status == EC_OK)
        status = wait_until_made(server, options->timeout_ms);
    if (status != EC_OK)
        return status;
    server->conninfo =
        format(server, "host='%s' port=5432 user=postgres dbname=postgres", server->directory);
    if (server->conninfo == NULL)
        return out_of_memory(server);
    status = wait_until_ready(server, deadline);
    return status == EC_OK ? create_extension(server, bindir) : status;
}

/* End what was started, and remove what was made. */
static void end(ec_test_server *server)
{
    if (server->keeper != 0)
        ec_test_keeper_stop(server);
    else if (server->directory != NULL)
        rmdir(server->directory); /* nothing is in it yet */
    server->directory = NULL;
    server->conninfo = NULL;
}

ec_status ec_test_server_start(ec_test_server **server, const ec_test_server_options *given)
{
    ec_test_server_options options = EC_TEST_SERVER_OPTIONS_INIT;
    ec_test_server *made = calloc(1, sizeof *made);
    ec_status status;

    *server = made;
    if (made == NULL)
        return EC_NO_MEMORY;
    if (!ec_options_take(&options, sizeof options, given) || options.timeout_ms < 1 ||
        options.timeout_ms > INT32_MAX)
        return ec_fail(&made->failure, EC_INVALID_ARGUMENT,
                       "the server's options are not initialised, or timeout_ms is out of range");
    status = start(made, &options);
    if (status != EC_OK)
        end(made);
    return status;
}

const char *ec_test_server_conninfo(const ec_test_server *server)
{
    return server == NULL || server->conninfo == NULL ? "" : server->conninfo;
}

const char *ec_test_server_error(const ec_test_server *server)
{
    if (server == NULL)
        return ec_status_description(EC_NO_MEMORY);
    return server->failure.message == NULL ? "" : server->failure.message;
}

void ec_test_server_stop(ec_test_server *server)
{
    if (server == NULL)
        return;
    end(server);
    ec_failure_clear(&server->failure);
    ec_arena_free(&server->memory);
    free(server);
}
