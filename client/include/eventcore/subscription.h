/**
 * @file
 * Subscriptions: following the log under a name, with a position that the server keeps.
 *
 * A consumer is a function that is given each event of a subscription:
 *
 *     EC_CONSUMER(balances, bank, struct read_model);
 *
 *     static ec_status balances_handle(struct read_model *model, bank_kind kind,
 *                                      const ec_event *event, ec_delivery *delivery);
 *
 *     ec_create_subscription(connection, "balances", NULL, NULL);
 *     balances_consume(connection, "balances", &model, NULL);
 *
 * The last line runs until it is told to stop. It takes the next events, has them handled, and says
 * that they are done; by default all in one transaction, so that what the handler writes through
 * ec_delivery_pg() is done exactly once.
 */
#ifndef EVENTCORE_SUBSCRIPTION_H
#define EVENTCORE_SUBSCRIPTION_H

#include "connection.h"
#include "execute.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------ subscriptions */

#define EC_FROM_THE_END INT64_C(-1) /**< a start: behind all events that there are */

/** A subscription to be made. Initialise with EC_SUBSCRIPTION_OPTIONS_INIT. */
typedef struct ec_subscription_options {
    size_t struct_size;         /**< sizeof the struct, set by its initialiser */
    const char *const *types;   /**< only events of these types; NULL: of all */
    size_t type_count;          /**< the number of types */
    const char *category;       /**< only streams of this category; NULL: of all */
    const char *prefix;         /**< only streams whose id begins so; NULL: all */
    const char *pattern;        /**< only streams whose id fits this glob pattern; NULL: all */
    const char *correlation_id; /**< only events with this correlation id; NULL: all */
    int64_t start;              /**< begin behind this position, or EC_FROM_THE_END; 0: with the
                                     first event */
    int group_size;             /**< members, from 1 to 1024, that share the streams out */
    bool acknowledge;           /**< consumers compete for single events and acknowledge each */
    int max_attempts;           /**< with acknowledge: deliveries of an event before it is parked */
    int64_t visibility_ms;      /**< with acknowledge: how long a consumer has to acknowledge */
    bool keep_order;            /**< with acknowledge: events of a stream wait for each other */
} ec_subscription_options;

/** The defaults, those of the server: everything, one member with a checkpoint. */
#define EC_SUBSCRIPTION_OPTIONS_INIT                                                               \
    {                                                                                              \
        sizeof(ec_subscription_options), NULL, 0, NULL, NULL, NULL, NULL, 0, 1, false, 10, 30000,  \
            false                                                                                  \
    }

/**
 * Make a subscription, unless the same one is there already, wherever it stands.
 * @param connection  of the thread that calls.
 * @param name        of the subscription, unique in the store.
 * @param options     NULL: the defaults.
 * @param created     is set to whether it was made by this call; may be NULL. When a connection was
 *                    lost meanwhile, it may be false for what this call has made.
 * @return EC_OK; EC_SUBSCRIPTION_EXISTS if there is another one of that name, where `start` does
 *         not count; EC_INVALID_SUBSCRIPTION; EC_INVALID_FILTER; EC_POSITION_BEYOND_LOG;
 *         EC_INVALID_ARGUMENT; EC_CONNECTION_LOST or another server error.
 */
EC_API ec_status ec_create_subscription(ec_connection *connection, const char *name,
                                        const ec_subscription_options *options, bool *created);

#define EC_ANY_MEMBER (-1) /**< a member: any that is free, or all of them */

/** How far a subscription is behind. */
typedef struct ec_lag {
    int64_t events; /**< events that are not done; -1: it cannot be known, as in recovery */
    double seconds; /**< the age of the oldest of them; 0: there is none; -1: likewise */
} ec_lag;

/**
 * Ask how far a subscription, or a member of it, is behind. Far behind, the number of events is
 * rather too large than too small. It needs SELECT on the views eventcore.subscription_status and
 * eventcore.delivery_status.
 * @param connection  of the thread that calls.
 * @param name        of the subscription.
 * @param member      EC_ANY_MEMBER: all together.
 * @param lag         is set.
 * @return EC_OK, EC_SUBSCRIPTION_NOT_FOUND, also if it has no such member, EC_CONNECTION_LOST or
 *         another server error.
 */
EC_API ec_status ec_subscription_lag(ec_connection *connection, const char *name, int member,
                                     ec_lag *lag);

/* ------------------------------------------------------------------ deliveries */

/** Events that a handler is given together, and what it can do with them. It lives until the
    handler returns. */
typedef struct ec_delivery ec_delivery;

/** The number of its events, those that the consumer's types pass over not among them. */
EC_API size_t ec_delivery_count(const ec_delivery *delivery);

/** One of its events; NULL if there are not so many. */
EC_API const ec_event *ec_delivery_event(const ec_delivery *delivery, size_t index);

/**
 * Which try this is, from 1 on, as far as it is known: with acknowledge, how often the first event
 * was handed out; else how often its handler has failed in this run, and 1.
 */
EC_API int ec_delivery_attempt(const ec_delivery *delivery);

/**
 * libpq's connection, for the handler's own statements. By default it is in the transaction in
 * which the events become done: the handler must not end that transaction, and does not catch the
 * errors of its statements otherwise than by savepoints. With at_least_once it is in no
 * transaction; one that the handler begins it must end. The handler uses the connection itself
 * (`ec_execute` and the like) in neither case: commands run on a connection of their own.
 */
EC_API struct pg_conn *ec_delivery_pg(const ec_delivery *delivery);

/**
 * Fail: these events cannot be handled now. What the handler wrote is rolled back, and they come
 * again; with acknowledge not before the delay, and not for ever.
 * @param delivery  what the handler was given.
 * @param delay_ms  not before so long from now; -1: after the backoff of the options.
 * @param format    the reason, as for printf; see eventcore.subscription_status and
 *                  eventcore.parked.
 * @return EC_FAILED, to be returned from the handler. A handler may also return any other status
 *         but EC_OK, with the same effect and the default delay.
 */
EC_API ec_status ec_delivery_fail(ec_delivery *delivery, int64_t delay_ms, const char *format, ...)
    EC_PRINTF(3, 4);

/**
 * Park: these events cannot be handled, now or later. What the handler wrote is rolled back, and
 * they are set aside for eventcore.replay_parked(). Only with acknowledge; without, there is no
 * place to set them aside, and it is the same as ec_delivery_fail().
 * @param delivery  what the handler was given.
 * @param format    the reason, as for printf.
 * @return EC_FAILED, to be returned from the handler.
 */
EC_API ec_status ec_delivery_park(ec_delivery *delivery, const char *format, ...) EC_PRINTF(2, 3);

/**
 * Keep the events for longer, in work that takes long. Waits for the server. In a transaction they
 * are kept until it ends, and there is nothing to do.
 * @param delivery       what the handler was given.
 * @param visibility_ms  from now on; 0: as the subscription says.
 * @return EC_OK; EC_NOT_DELIVERED if somebody else has one of them by now; EC_CONNECTION_LOST or
 *         another server error.
 */
EC_API ec_status ec_delivery_extend(ec_delivery *delivery, int64_t visibility_ms);

/* ------------------------------------------------------------------ consuming */

/** A consumer as the library sees it. EC_CONSUMER writes it; a binding may build it by hand. */
typedef struct ec_consumer {
    size_t struct_size; /**< sizeof(ec_consumer) */
    const char *name;   /**< for messages */
    /** The types that it knows; NULL: every event is handled, with kind -1. */
    const ec_event_types *event_types;
    /** Handle one event; NULL: `handle_all` does. */
    ec_status (*handle)(void *argument, int kind, const ec_event *event, ec_delivery *delivery);
    /** Handle all events of the delivery, at least one. */
    ec_status (*handle_all)(void *argument, ec_delivery *delivery);
} ec_consumer;

/** What was done, after each step forward. */
typedef struct ec_progress {
    int member;       /**< of the group; -1 with acknowledge */
    int64_t position; /**< the last event that was done; 0: none yet */
    int64_t handled;  /**< the events done in this run, those passed over included */
} ec_progress;

/** How a subscription is consumed. Initialise with EC_CONSUME_OPTIONS_INIT. */
typedef struct ec_consume_options {
    size_t struct_size; /**< sizeof the struct, set by its initialiser */
    bool acknowledge;   /**< the subscription is of that kind */
    bool at_least_once; /**< no transaction: the handler works elsewhere, and what it has done is
                             noted behind it. What is done, but was not noted yet when something
                             broke, comes again */
    int member;         /**< EC_ANY_MEMBER: claim one that is free, wait for one if there is none;
                             else this one, without a claim, as behind a pooler in transaction
                             mode. With acknowledge there are no members */
    int max_count;      /**< events to take at a time; 0: 100; with acknowledge, 1 */
    int64_t wait_ms;    /**< how long one statement waits for events, up to a day; it is repeated.
                             Told to stop just when it sends one, it may take so long */
    int64_t visibility_ms; /**< with acknowledge; 0: as the subscription says */
    bool until_caught_up;  /**< end with EC_OK when there are no more events */
    int max_attempts;      /**< failures in a row before the run ends with the last; 0: no limit */
    int64_t backoff_base_ms; /**< before retry n at most base * 2^(n-1) ... */
    int64_t backoff_cap_ms;  /**< ... and never above the cap */
    int jitter_percent;      /**< how much of the pause is random: 100: all of it, 0: nothing */
    ec_cancellation *cancellation; /**< what stops it; NULL: nothing */
    /** Told of each failure that is to be tried again, and asked whether to; NULL: yes. With
        acknowledge, an event that fails is given back before this is asked. */
    bool (*retry)(void *argument, const ec_failed_attempt *attempt);
    void *retry_argument; /**< is passed on to `retry` */
    /** Told of each step forward. The connection is free for use, as for ec_subscription_lag(). */
    void (*progress)(void *argument, const ec_progress *progress);
    void *progress_argument; /**< is passed on to `progress` */
} ec_consume_options;

/** The default: exactly once, with a claim, for ever; pauses of 100 ms to 30 s after failures. */
#define EC_CONSUME_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(ec_consume_options), false, false, EC_ANY_MEMBER, 0, 900, 0, false, 0, 100, 30000,  \
            100, NULL, NULL, NULL, NULL, NULL                                                      \
    }

/**
 * Consume a subscription, until it is told to stop.
 *
 * Exactly once, by default: events are taken, handled and done in one transaction. What the handler
 * writes through ec_delivery_pg() is committed together with the checkpoint, or not at all; keep
 * other effects out of it, since it may be rolled back and called again. With acknowledge, each
 * delivery is acknowledged before it is handled, so that nobody else can have it meanwhile.
 *
 * A lost connection is made again, after a pause; a member is claimed again; after a resize or a
 * reset what was taken before is dropped and taken anew.
 *
 * When a handler fails, the events before the failed one become done first: those that are handled
 * together are taken in smaller parts. Then the failure is shown in eventcore.subscription_status,
 * and after a pause the event comes again. With acknowledge it is given back instead and others are
 * handled meanwhile, until it was handed out max_attempts times and is parked. An event of a type
 * that is not in the consumer's list is an error, unless that is of EC_SOME_EVENTS, which passes it
 * over: without acknowledge the run ends, for it would never get on; with it, the event is given
 * back like any other failure.
 *
 * When it is told to stop, the handler that runs is let end, and what is handled becomes done; a
 * statement that waits is cancelled.
 *
 * @param connection    of the thread that calls; it is not used otherwise meanwhile.
 * @param subscription  its name.
 * @param consumer      lives until the call returns, like all that follows.
 * @param argument      is passed on to the handler.
 * @param options       NULL: the defaults.
 * @return EC_CANCELLED when told to stop; EC_OK with until_caught_up; EC_UNKNOWN_EVENT; the last
 *         failure when max_attempts are used up or `retry` says no; EC_MEMBER_CLAIMED if no member
 *         is free, with until_caught_up; EC_SUBSCRIPTION_NOT_FOUND, EC_INVALID_SUBSCRIPTION (it is
 *         of the other kind), EC_MEMBER_NOT_FOUND, EC_INVALID_ARGUMENT or another server error.
 */
EC_API ec_status ec_consume(ec_connection *connection, const char *subscription,
                            const ec_consumer *consumer, void *argument,
                            const ec_consume_options *options);

#ifdef __cplusplus
}
#endif

/**
 * Declare a consumer of events of a list that was declared with EC_EVENTS or EC_SOME_EVENTS, which
 * handles one at a time:
 *
 *     EC_CONSUMER(balances, bank, struct read_model);
 *
 * It makes
 *
 *     balances_consume(connection, subscription, &model, &options)    see ec_consume()
 *     balances_consumer    for ec_consume
 *
 * and declares what is left to be written:
 *
 *     static ec_status balances_handle(struct read_model *, bank_kind, const ec_event *,
 *                                      ec_delivery *);
 */
#define EC_CONSUMER(name, events, argument_type)                                                   \
    static ec_status name##_handle(argument_type *argument, events##_kind kind,                    \
                                   const ec_event *event, ec_delivery *delivery);                  \
    static ec_status name##_call_handle(void *argument, int kind, const ec_event *event,           \
                                        ec_delivery *delivery)                                     \
    {                                                                                              \
        return name##_handle((argument_type *)argument, (events##_kind)kind, event, delivery);     \
    }                                                                                              \
    EC_CONSUMER_(name, events, argument_type, name##_call_handle, NULL)

/**
 * As EC_CONSUMER, for a consumer that handles all events of a delivery together, such as to write
 * them with one statement. BANK_kind_of() tells their kinds.
 *
 *     static ec_status balances_handle(struct read_model *, ec_delivery *);
 */
#define EC_BATCH_CONSUMER(name, events, argument_type)                                             \
    static ec_status name##_handle(argument_type *argument, ec_delivery *delivery);                \
    static ec_status name##_call_handle(void *argument, ec_delivery *delivery)                     \
    {                                                                                              \
        return name##_handle((argument_type *)argument, delivery);                                 \
    }                                                                                              \
    EC_CONSUMER_(name, events, argument_type, NULL, name##_call_handle)

/** @cond what consumers have in common */
#define EC_CONSUMER_(name, events, argument_type, one, all)                                        \
    static const ec_consumer name##_consumer = {sizeof(ec_consumer), #name, &events##_event_types, \
                                                one, all};                                         \
    static inline EC_UNUSED ec_status name##_consume(                                              \
        ec_connection *connection, const char *subscription, argument_type *argument,              \
        const ec_consume_options *options)                                                         \
    {                                                                                              \
        return ec_consume(connection, subscription, &name##_consumer, argument, options);          \
    }                                                                                              \
    struct name##_consumer_is_declared
/** @endcond */

#endif
