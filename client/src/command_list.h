/* command_list.h: the executions of many commands that one call was given. */
#ifndef EC_COMMAND_LIST_H
#define EC_COMMAND_LIST_H

#include "driver.h"

typedef struct ec_command_list {
    ec_connection *connection;
    ec_command *commands;
    size_t count;
    ec_execute_options options;
    ec_metadata metadata; /* the options', and behind them the connection's */
    ec_until until;
    ec_execution *executions; /* one a command; they stay where they are */
    bool *aside;              /* those that are left to be executed by themselves */
    size_t failed;            /* the first command that failed; `count`: none */
} ec_command_list;

/*
 * Take the arguments of a call. If that fails, so do all commands; the status is returned, and
 * nothing is to be freed.
 */
ec_status ec_command_list_open(ec_command_list *list, ec_connection *connection,
                               ec_command *commands, size_t count, const ec_execute_options *given);

/* Start a command: its execution is done at once if the command is not valid. */
void ec_command_list_start(ec_command_list *list, size_t index);

/* The command's execution is done: take its result, and free it. */
void ec_command_list_finish(ec_command_list *list, size_t index);

/* All are finished. The status of the first command that failed; its error goes to the handle. */
ec_status ec_command_list_close(ec_command_list *list);

#endif
