/* testkit_server.h: a throwaway server, and the process that keeps it. */
#ifndef EC_TESTKIT_SERVER_H
#define EC_TESTKIT_SERVER_H

#include <sys/types.h>

#include "eventcore/testkit.h"
#include "failure.h"

#define EC_NOBODY ((uid_t)-1)

struct ec_test_server {
    ec_arena memory;
    ec_failure failure;
    const char *conninfo; /* NULL: it did not start */

    char *directory;
    char *log;     /* a file in it */
    uid_t user;    /* whom it runs as; EC_NOBODY: the program's user */
    gid_t group;   /* likewise */
    char **initdb; /* commands, with NULL behind the last argument */
    char **postgres;
    char **remove_directory;

    pid_t keeper; /* 0: there is none */
    int control;  /* to the keeper: its end ends the server */
    int report;   /* from the keeper: whether the cluster was made; its end: the server is gone */
};

/* What the keeper reports. */
#define EC_CLUSTER_MADE 'y'
#define EC_CLUSTER_NOT_MADE 'n'

/* Start the keeper, which carries the commands out. EC_OK or EC_FAILED. */
ec_status ec_test_keeper_start(ec_test_server *server);

/* Have it end the server and remove the directory, and wait until that is done. */
void ec_test_keeper_stop(ec_test_server *server);

#endif
