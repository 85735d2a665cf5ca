/*
 * testkit_keeper.c: the process that ends a throwaway server when its program ends.
 *
 *     the program --fork--> keeper --fork--> initdb, then postgres
 *
 * The keeper holds nothing of the program but the ends of two sockets. One it reads: something
 * comes, or the end, when the program wants the server to stop, or is gone in whatever way. Then it
 * ends the server and becomes the command that removes the directory. To the other it writes once
 * the cluster is made; after that only the server has it open, so that its end tells the program
 * that the server is gone. Should the keeper itself be killed, the system ends the server.
 *
 * Behind fork() the program's other threads are missing, with whatever locks they held: the child
 * calls only what a signal handler may call. What else it needs is prepared before.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "testkit_server.h"

/* ------------------------------------------------------------------ in the keeper */

static void complain(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        _exit(126);
}

/* A command, and the end of a pipe whose other end only it and its descendants have. */
typedef struct {
    pid_t pid; /* the leader of a process group; -1: it could not be started */
    int alive;
} child;

/* What follows fork(): become the command, as the server's user, with its output in the log. */
static void become(const ec_test_server *server, char *const *command, pid_t keeper)
{
    int log;

    setpgid(0, 0);
    if (server->user != EC_NOBODY && (setgroups(1, &server->group) != 0 ||
                                      setgid(server->group) != 0 || setuid(server->user) != 0))
        _exit(126);
    log = open(server->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (chdir(server->directory) != 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0)
        _exit(126);
    close(log);
    prctl(PR_SET_PDEATHSIG, SIGQUIT); /* not before: changing the user clears it */
    if (getppid() != keeper)
        _exit(126);
    execv(command[0], command);
    complain(command[0]);
    complain(": user ");
    complain(server->user == EC_NOBODY ? "of the program" : "of the server");
    complain(" cannot execute it\n");
    _exit(127);
}

static child run(const ec_test_server *server, char *const *command)
{
    pid_t keeper = getpid();
    child started = {.pid = -1, .alive = -1};
    int ends[2];

    if (pipe(ends) != 0)
        return started;
    started.alive = ends[0];
    started.pid = fork();
    if (started.pid == 0) {
        close(ends[0]);
        become(server, command, keeper);
    }
    if (started.pid > 0)
        setpgid(started.pid, started.pid); /* here as well: it is to be so before a kill() */
    close(ends[1]);
    return started;
}

static bool wait_for_exit(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Wait until it has ended with all its descendants; returns whether it succeeded. */
static bool wait_for(child started)
{
    bool done = started.pid > 0 && wait_for_exit(started.pid);
    char nothing;

    while (started.pid > 0 && read(started.alive, &nothing, 1) < 0 && errno == EINTR)
        ;
    return done;
}

/* Whether the program wants the end before the command has ended. */
static bool is_interrupted(child started, int control)
{
    struct pollfd ends[] = {{.fd = control, .events = POLLIN},
                            {.fd = started.alive, .events = POLLIN}};

    while (poll(ends, 2, -1) < 0)
        if (errno != EINTR)
            return true;
    return ends[0].revents != 0;
}

/* In one system call where there is it: the limit of open files can be a billion. */
static void close_between(unsigned first, unsigned last)
{
#ifdef SYS_close_range
    if (first > last || syscall(SYS_close_range, first, last, 0U) == 0)
        return;
#endif
    if (last == UINT_MAX)
        last = (unsigned)sysconf(_SC_OPEN_MAX);
    for (unsigned file = first; file <= last && file <= INT_MAX; file++)
        close((int)file);
}

/* Let go of the program: its terminal's signals, its handling of others, its files. */
static void detach(int control, int report)
{
    static const int signals[] = {SIGINT,  SIGTERM, SIGQUIT, SIGHUP, SIGCHLD,
                                  SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2};
    const int low = control < report ? control : report, high = control + report - low;
    int nothing = open("/dev/null", O_RDWR);
    sigset_t none;

    setsid();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
        if (dup2(nothing, file) < 0)
            _exit(126);
    close_between(STDERR_FILENO + 1, (unsigned)low - 1);
    close_between((unsigned)low + 1, (unsigned)high - 1);
    close_between((unsigned)high + 1, UINT_MAX);
    fcntl(report, F_SETFD, 0); /* for the server */
}

static void keep(const ec_test_server *server, int control, int report)
{
    child command;
    char message;

    detach(control, report);
    command = run(server, server->initdb);
    if (command.pid > 0 && is_interrupted(command, control))
        kill(-command.pid, SIGKILL);
    message = wait_for(command) ? EC_CLUSTER_MADE : EC_CLUSTER_NOT_MADE;
    command.pid = -1;
    if (message == EC_CLUSTER_MADE)
        command = run(server, server->postgres);
    send(report, &message, 1, MSG_NOSIGNAL);
    close(report);
    while (read(control, &message, 1) < 0 && errno == EINTR)
        ;
    if (command.pid > 0)
        kill(command.pid, SIGQUIT); /* at once: the data is thrown away */
    wait_for(command);
    execv("/bin/rm", server->remove_directory);
    execvp("rm", server->remove_directory); /* where it is elsewhere */
    _exit(127);
}

/* ------------------------------------------------------------------ in the program */

static void close_pair(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

/* Behind the standard files, which the keeper replaces: the program may have closed them. */
static bool connect_pair(int ends[2])
{
    int made[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, made) != 0)
        return false;
    for (int i = 0; i < 2; i++)
        ends[i] = fcntl(made[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    close_pair(made);
    if (ends[0] >= 0 && ends[1] >= 0)
        return true;
    close_pair(ends);
    return false;
}

ec_status ec_test_keeper_start(ec_test_server *server)
{
    int control[2], report[2];

    if (!connect_pair(control))
        return ec_fail(&server->failure, EC_FAILED, "socketpair: %s", strerror(errno));
    if (!connect_pair(report)) {
        ec_fail(&server->failure, EC_FAILED, "socketpair: %s", strerror(errno));
        close_pair(control);
        return EC_FAILED;
    }
    server->keeper = fork();
    if (server->keeper == 0)
        keep(server, control[1], report[1]);
    if (server->keeper < 0) {
        ec_fail(&server->failure, EC_FAILED, "fork: %s", strerror(errno));
        server->keeper = 0;
        close_pair(control);
        close_pair(report);
        return EC_FAILED;
    }
    close(control[1]);
    close(report[1]);
    server->control = control[0];
    server->report = report[0];
    return EC_OK;
}

void ec_test_keeper_stop(ec_test_server *server)
{
    if (server->keeper == 0)
        return;
    /* A word, since a process forked by the program may keep the socket open. */
    send(server->control, "", 1, MSG_NOSIGNAL);
    close(server->control);
    close(server->report);
    wait_for_exit(server->keeper);
    server->keeper = 0;
}
