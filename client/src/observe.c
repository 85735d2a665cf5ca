/* observe.c: telling the hooks of an execution what happens to it, and how long that took. */
#include "observe.h"

#include "options.h"
#include "until.h"

static const ec_failure no_failure = {.status = EC_OK};

bool ec_observe_start(ec_execution *execution, const ec_hooks *hooks)
{
    ec_observation *observation = &execution->observation;

    observation->hooks = (ec_hooks)EC_HOOKS_INIT;
    if (!ec_options_take(&observation->hooks, sizeof observation->hooks, hooks))
        return false;
    observation->on = hooks != NULL;
    if (observation->on)
        observation->started = observation->last = ec_now_us();
    return true;
}

static void tell(ec_execution *execution, ec_hook *hook, const ec_failure *failure,
                 ec_hook_info info)
{
    const ec_observation *observation = &execution->observation;
    const ec_outcome *outcome = execution->outcome;

    if (hook == NULL)
        return;
    info.command = execution->definition == NULL ? "ec_append" : execution->definition->name;
    info.execution = execution;
    info.metadata = &execution->metadata.keys;
    info.status = failure->status;
    info.sqlstate = failure->sqlstate;
    info.message = failure->message == NULL ? "" : failure->message;
    info.attempts = outcome->attempts;
    info.conflicts = outcome->conflicts;
    info.locked = execution->locked;
    info.read_us = observation->phase_us[EC_PHASE_READ];
    info.handle_us = observation->phase_us[EC_PHASE_HANDLE];
    info.append_us = observation->phase_us[EC_PHASE_APPEND];
    info.paused_us = observation->phase_us[EC_PHASE_PAUSE];
    info.total_us = ec_now_us() - observation->started;
    hook(observation->hooks.argument, &info);
}

void ec_observe_attempt(ec_execution *execution)
{
    ec_observation *observation = &execution->observation;

    if (!observation->on)
        return;
    for (int i = EC_PHASE_READ; i <= EC_PHASE_APPEND; i++)
        observation->phase_us[i] = 0;
    observation->last = ec_now_us();
    tell(execution, observation->hooks.on_attempt, &no_failure, (ec_hook_info){.delay_us = 0});
}

void ec_observe_conflict(ec_execution *execution, const ec_failure *failure)
{
    if (execution->observation.on)
        tell(execution, execution->observation.hooks.on_conflict, failure,
             (ec_hook_info){.violations = failure->violations,
                            .violation_count = failure->violation_count});
}

void ec_observe_retry(ec_execution *execution, const ec_failure *failure)
{
    if (execution->observation.on)
        tell(execution, execution->observation.hooks.on_retry, failure,
             (ec_hook_info){.delay_us = execution->delay_us});
}

void ec_observe_commit(ec_execution *execution)
{
    if (execution->observation.on)
        tell(execution, execution->observation.hooks.on_commit, &no_failure,
             (ec_hook_info){.event_count = execution->outcome->event_count});
}

void ec_observe_phase(ec_execution *execution, ec_phase phase)
{
    ec_observation *observation = &execution->observation;
    int64_t now;

    if (!observation->on)
        return;
    now = ec_now_us();
    observation->phase_us[phase] += now - observation->last;
    observation->last = now;
}

void ec_observe_finish(ec_execution *execution)
{
    static const ec_failure abandoned = {.status = EC_CANCELLED, .message = "abandoned"};

    if (execution->observation.on)
        tell(execution, execution->observation.hooks.on_finish,
             execution->step == EC_STEP_DONE ? &execution->failure : &abandoned,
             (ec_hook_info){.event_count = execution->outcome->event_count});
    execution->observation.on = false;
}
