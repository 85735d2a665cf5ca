/* command_list.c: starting many commands, and taking their results. */
#include "command_list.h"

#include <stdlib.h>

#include "observe.h"
#include "options.h"

static ec_status fail_all(ec_connection *connection, ec_command *commands, size_t count,
                          ec_status status, const char *message)
{
    ec_fail(&connection->failure, status, "%s", message);
    for (size_t i = 0; commands != NULL && i < count; i++) {
        commands[i].status = status;
        if (ec_outcome_prepare(&commands[i].outcome) != NULL)
            ec_outcome_end(commands[i].outcome, &connection->failure);
        ec_outcome_forget(commands[i].outcome);
    }
    return status;
}

ec_status ec_command_list_open(ec_command_list *list, ec_connection *connection,
                               ec_command *commands, size_t count, const ec_execute_options *given)
{
    *list = (ec_command_list){.connection = connection,
                              .commands = commands,
                              .count = count,
                              .options = EC_EXECUTE_OPTIONS_INIT,
                              .failed = count};
    if (commands == NULL && count > 0)
        return fail_all(connection, commands, count, EC_INVALID_ARGUMENT, "commands is NULL");
    if (!ec_options_take(&list->options, sizeof list->options, given))
        return fail_all(connection, commands, count, EC_INVALID_ARGUMENT,
                        "the options are not initialised");
    list->executions = calloc(count == 0 ? 1 : count, sizeof *list->executions);
    list->aside = calloc(count == 0 ? 1 : count, sizeof *list->aside);
    if (list->executions == NULL || list->aside == NULL) {
        free(list->executions);
        free(list->aside);
        return fail_all(connection, commands, count, EC_NO_MEMORY,
                        "out of memory for the executions of commands");
    }
    list->metadata = ec_metadata_merge(list->options.metadata, &connection->metadata);
    list->options.metadata = &list->metadata;
    list->options.snapshots = NULL; /* they are of one command's state */
    list->options.hooks = ec_connection_hooks(connection, list->options.hooks);
    list->until = ec_until_after(list->options.deadline_ms, list->options.cancellation);
    return EC_OK;
}

void ec_command_list_start(ec_command_list *list, size_t index)
{
    ec_command *command = &list->commands[index];
    ec_execution *execution = &list->executions[index];
    ec_outcome *outcome = ec_outcome_prepare(&command->outcome);

    if (outcome == NULL) {
        execution->step = EC_STEP_DONE;
        ec_fail(&execution->failure, EC_NO_MEMORY, "out of memory for an outcome");
    } else if (!ec_definition_is_complete(command->definition) || command->streams == NULL) {
        execution->step = EC_STEP_DONE;
        ec_fail(&execution->failure, EC_INVALID_ARGUMENT,
                "command %zu: its definition is not initialised, or its streams are NULL", index);
        ec_outcome_end(outcome, &execution->failure);
    } else
        ec_execution_start(execution, command->definition, command->streams, command->command,
                           &list->options, list->connection->store, outcome);
}

void ec_command_list_finish(ec_command_list *list, size_t index)
{
    ec_execution *execution = &list->executions[index];

    ec_observe_finish(execution);
    list->commands[index].status = execution->failure.status;
    if (execution->failure.status != EC_OK && index < list->failed) {
        ec_failure_move(&list->connection->failure, &execution->failure);
        list->failed = index;
    }
    ec_execution_free(execution);
}

ec_status ec_command_list_close(ec_command_list *list)
{
    if (list->failed == list->count)
        ec_failure_clear(&list->connection->failure);
    for (size_t i = 0; i < list->count; i++)
        ec_outcome_forget(list->commands[i].outcome);
    free(list->executions);
    free(list->aside);
    return list->connection->failure.status;
}
