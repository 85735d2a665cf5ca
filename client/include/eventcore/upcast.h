/**
 * @file
 * Events of earlier schema versions.
 */
#ifndef EVENTCORE_UPCAST_H
#define EVENTCORE_UPCAST_H

#include "event.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The step of an event to the next version of its schema. It lives until the upcaster returns. A
 * failure of the functions below sticks: the event cannot be understood, whatever the upcaster
 * returns.
 */
typedef struct ec_upcast ec_upcast;

/**
 * An upcaster: gives an event's data in the form of the next schema version. It is called once an
 * event and list of types, with the data in the version before, as the upcasters before it gave it.
 * Without a call of the functions below the data stays as it is. It must not look at anything but
 * the event: what it gives must be the same whenever it is called.
 *
 * @param event   what is read: ec_event_unpack() and ec_event_data() tell the data in the version
 *                before, for as long as the upcaster runs.
 * @param upcast  takes the data in the next version.
 * @return EC_OK; any other status makes the event one that cannot be understood, which ends a
 *         command with that status.
 */
typedef ec_status ec_upcaster(const ec_event *event, ec_upcast *upcast);

/**
 * Set keys of the data, those that it has and new ones, by a format of jansson's json_pack() that
 * makes an object, such as `ec_upcast_set(upcast, "{s:s}", "currency", "EUR")`. The others stay.
 * @return EC_OK, EC_INVALID_EVENT if the data is not a JSON object, EC_INVALID_ARGUMENT for a
 *         format that does not fit, or EC_NO_MEMORY.
 */
EC_API ec_status ec_upcast_set(ec_upcast *upcast, const char *format, ...);

/**
 * Take a key away from the data, if it is there.
 * @return EC_OK, EC_INVALID_EVENT if the data is not a JSON object, or EC_NO_MEMORY.
 */
EC_API ec_status ec_upcast_unset(ec_upcast *upcast, const char *key);

/**
 * Replace all data, by a format of jansson's json_pack(). By "o" that is a json_t, which is taken
 * over: then a program that includes jansson.h may do as it likes.
 * @return EC_OK, EC_INVALID_ARGUMENT for a format that does not fit, or EC_NO_MEMORY.
 */
EC_API ec_status ec_upcast_replace(ec_upcast *upcast, const char *format, ...);

/** An upcaster in its place. EC_EVENTS_UPCAST writes it. */
typedef struct ec_upcast_step {
    int kind;            /**< of the events that it is for */
    int from;            /**< the version that it takes; it gives the next one */
    ec_upcaster *upcast; /**< NULL: the data stays as it is */
} ec_upcast_step;

/**
 * The schema version that a list knows a kind in: one more than its last upcaster takes, 1 without.
 * What a command writes, of a type in its list, has it in the metadata, if it is above 1, unless
 * the metadata of the event itself has that key.
 */
EC_API int ec_schema_version(const ec_event_types *types, int kind);

#ifdef __cplusplus
}
#endif

/**
 * Declare types of events whose schemas have changed: as EC_EVENTS, with the upcasters that bring
 * what was written earlier to the current version. Each is declared before, and stands behind the
 * one that gives what it takes:
 *
 *     static ec_upcaster add_currency, rename_amount;
 *
 *     #define BANK_UPCASTERS(list, upcast)
 *         upcast(list, Deposited, 1, 2, add_currency)
 *         upcast(list, Deposited, 2, 3, rename_amount)
 *         upcast(list, Withdrawn, 1, 2, add_currency)
 *     EC_EVENTS_UPCAST(bank, BANK_EVENTS, BANK_UPCASTERS);
 *
 *     static ec_status add_currency(const ec_event *event, ec_upcast *upcast)
 *     {
 *         return ec_upcast_set(upcast, "{s:s}", "currency", "EUR");
 *     }
 *
 * Versions are literal numbers. A gap in a chain, a step by more than one version, two upcasters
 * for one version or an upcaster for a type that is not in the list do not compile. NULL in place
 * of an upcaster leaves the data as it is.
 *
 * The version of an event is in its metadata, under the key `schema_version`; without that key it
 * is 1. When the event is folded, or bank_kind_of() is asked for its kind, it is brought to the
 * version that the list knows. One that is newer ends a command with EC_UNKNOWN_EVENT. A payload is
 * not upcast: where it would have to be, that is EC_INVALID_EVENT. Numbers that an upcaster passes
 * on are a `long long` or a double.
 *
 * An upcaster does not change the type. A type is renamed by renaming its enumerator, since what is
 * stored is the string beside it; one that was stored under two names stands in the list twice.
 */
#define EC_EVENTS_UPCAST(name, TYPES, UPCASTERS) EC_UPCAST_EVENTS_(name, TYPES, false, UPCASTERS)

/** As EC_EVENTS_UPCAST, but a command passes events of other types over. */
#define EC_SOME_EVENTS_UPCAST(name, TYPES, UPCASTERS)                                              \
    EC_UPCAST_EVENTS_(name, TYPES, true, UPCASTERS)

/**
 * @cond the parts of EC_EVENTS_UPCAST. The enumerators of the versions count from the one before,
 * which must be there; an array of negative size is a version that is not the next one.
 */
#define EC_UPCAST_EVENTS_(name, TYPES, selects, UPCASTERS)                                         \
    EC_KINDS_(name, TYPES)                                                                         \
    enum { TYPES(name, EC_FIRST_VERSION_) UPCASTERS(name, EC_NEXT_VERSION_) };                     \
    static const ec_upcast_step name##_upcasters[] = {UPCASTERS(name, EC_UPCAST_STEP_)};           \
    EC_EVENT_TYPES_(name, selects, name##_upcasters,                                               \
                    sizeof name##_upcasters / sizeof *name##_upcasters)

#define EC_FIRST_VERSION_(name, kind, type) name##_##kind##_version_1 = 1,
#define EC_NEXT_VERSION_(name, kind, from, to, upcast)                                             \
    name##_##kind##_version_##to = name##_##kind##_version_##from + 1,
#define EC_UPCAST_STEP_(name, kind, from, to, upcast)                                              \
    {name##_##kind, from * (int)sizeof(char[(to) == (from) + 1 ? 1 : -1]), upcast},
/** @endcond */

#endif
