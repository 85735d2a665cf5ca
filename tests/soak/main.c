/*
 * main.c: start the processes, kill some, and bring it to an end.
 *
 *   soak --directory DIR [--seconds 600] [--appends 1000000] [--writers 8] [--seed N]
 *
 * First the histories at random for so many seconds, then so many appends from sixteen sessions, in
 * which nobody is killed. libpq's variables say where the server is.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

#define STORM_SESSIONS 16
#define LOG_READERS 3
#define STREAM_READERS 2
#define IDLERS 2
#define ENOUGH 8000
#define PATIENCE_S 90

static const char *directory;
static uint64_t seed = 1;

typedef enum { WRITER, STORM, LOG_READER, STREAM_READER, IDLER, TERMINATOR } role;

static pid_t start(role role, int number)
{
    static const char *const names[] = {"writer", "storm", "log", "reader", "idle", "terminator"};
    static int started;
    pid_t pid;
    char process[64];

    started++;
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    chance_seed(seed * 1000003 + started);
    snprintf(process, sizeof process, "%s%d.%d", names[role], number, started);
    history_open(directory, process);
    switch (role) {
    case WRITER:
    case STORM:
        write_at_random(number, role == STORM);
        break;
    case LOG_READER:
        read_log(number);
        break;
    case STREAM_READER:
        read_at_random(100 + number);
        break;
    case IDLER:
        idle_beside(number);
        break;
    case TERMINATOR:
        terminate_backends();
        break;
    }
    exit(0);
}

/* Wait for processes of ours to end by themselves. Those that do not in time hang: kill them. */
static bool all_end(pid_t *processes, int count, int seconds)
{
    bool well = true;
    int64_t patience = now_ns() + seconds * 1000000000L;

    for (int i = 0; i < count; i++) {
        int status = 0;

        while (waitpid(processes[i], &status, WNOHANG) == 0) {
            if (now_ns() > patience) {
                fprintf(stderr, "soak: a process hangs\n");
                kill(processes[i], SIGKILL);
            }
            nap_ms(5);
        }
        well = well && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }
    return well;
}

/* Let writers come and go by SIGKILL until the time is over; on a slow machine until they have
 * asked for enough to mean something. */
static bool run_writers(int count, int seconds)
{
    int64_t until = now_ns() + seconds * 1000000000L;
    pid_t writers[MOST_WRITERS];
    bool well = true;

    for (int i = 0; i < count; i++)
        writers[i] = start(WRITER, i);
    while (now_ns() < until ||
           (shared->asked < ENOUGH && now_ns() < until + PATIENCE_S * 1000000000L)) {
        int victim = chance(count), status = 0;

        nap_ms(200 + chance(600));
        kill(writers[victim], SIGKILL);
        waitpid(writers[victim], &status, 0);
        well = well && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; /* not by itself */
        writers[victim] = start(WRITER, victim);
    }
    shared->stop = true;
    return all_end(writers, count, PATIENCE_S) && well;
}

static bool run_storm(long appends)
{
    pid_t sessions[STORM_SESSIONS];
    bool well;
    int64_t started = now_ns();

    shared->storm_left = appends;
    for (int i = 0; i < STORM_SESSIONS; i++)
        sessions[i] = start(STORM, i);
    well = all_end(sessions, STORM_SESSIONS, PATIENCE_S + (int)(appends / 100));
    printf("# %ld appends from %d sessions in %.0f s\n", appends, STORM_SESSIONS,
           (double)(now_ns() - started) / 1e9);
    return well;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"directory", required_argument, NULL, 'd'}, {"seconds", required_argument, NULL, 's'},
        {"appends", required_argument, NULL, 'a'},   {"writers", required_argument, NULL, 'w'},
        {"seed", required_argument, NULL, 'r'},      {0},
    };
    pid_t others[LOG_READERS + IDLERS], until_stop[STREAM_READERS + 1];
    int option, seconds = 600, writers = 8, count = 0;
    long appends = 1000000;
    bool well;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'd':
            directory = optarg;
            break;
        case 's':
            seconds = atoi(optarg);
            break;
        case 'a':
            appends = atol(optarg);
            break;
        case 'w':
            writers = atoi(optarg);
            break;
        case 'r':
            seed = strtoull(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    if (directory == NULL || writers < 1 || writers > MOST_WRITERS) {
        fprintf(stderr, "soak: --directory is needed, and 1 to %d writers\n", MOST_WRITERS);
        return 2;
    }
    chance_seed(seed);
    board_create();
    for (int i = 0; i < LOG_READERS; i++)
        others[count++] = start(LOG_READER, i);
    for (int i = 0; i < IDLERS; i++)
        others[count++] = start(IDLER, i);
    for (int i = 0; i < STREAM_READERS; i++)
        until_stop[i] = start(STREAM_READER, i);
    until_stop[STREAM_READERS] = start(TERMINATOR, 0);

    well = run_writers(writers, seconds);
    well = all_end(until_stop, STREAM_READERS + 1, PATIENCE_S) && well;
    well = run_storm(appends) && well;
    shared->drain = true;
    return all_end(others, count, PATIENCE_S) && well ? 0 : 1;
}
