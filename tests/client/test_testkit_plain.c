/* test_testkit_plain.c: a command tested from a plain main(), without a framework. Prints TAP. */
#include <eventcore/testkit.h>
#include <stdio.h>
#include <string.h>

struct rename {
    const char *name;
};

struct profile {
    char name[40];
};

/* clang-format off */
#define PROFILE_EVENTS(list, type) type(list, Renamed, "Renamed")
#define RENAME_STREAMS(command, stream) stream(command, writes, user)
/* clang-format on */
EC_EVENTS(profile, PROFILE_EVENTS);
EC_COMMAND(rename_user, RENAME_STREAMS, profile, struct rename, struct profile);

static ec_status rename_user_apply(const struct rename *command, struct profile *state,
                                   profile_kind kind, const ec_event *event)
{
    const char *name;
    ec_status status = ec_event_unpack(event, "{s:s}", "name", &name);

    (void)command, (void)kind;
    if (status == EC_OK)
        snprintf(state->name, sizeof state->name, "%s", name);
    return status;
}

static ec_status rename_user_handle(const struct rename *command, const struct profile *state,
                                    rename_user_context ctx)
{
    EC_VALIDATE(ctx, *command->name != '\0', "no_name", "a user has a name");
    if (strcmp(command->name, state->name) == 0)
        return EC_OK;
    return rename_user_record(ctx, rename_user_user, profile_Renamed, "{s:s}", "name",
                              command->name);
}

static const rename_user_streams streams = {.user = "user-1"};

static void is_renamed(ec_test *test)
{
    const struct rename command = {"Ann"};

    EC_WHEN(test, rename_user, &streams, &command);
    EC_THEN(test, EC_EVENT(test, "user-1", "Renamed", "{s:s}", "name", "Ann"));
}

static void has_that_name_already(ec_test *test)
{
    const struct rename command = {"Ann"};

    EC_GIVEN(test, EC_EVENT(test, "user-1", "Renamed", "{s:s}", "name", "Ann"));
    EC_WHEN(test, rename_user, &streams, &command);
    EC_THEN_UNCHANGED(test);
}

static void needs_a_name(ec_test *test)
{
    const struct rename command = {""};

    EC_WHEN(test, rename_user, &streams, &command);
    EC_THEN_REJECTED(test, EC_INVALID_COMMAND, "no_name");
}

static void is_renamed_once_though_the_reply_is_lost(ec_test *test)
{
    const struct rename command = {"Eve"};

    ec_test_fail(test, EC_TEST_APPEND, EC_FAULT_REPLY_LOST);
    EC_WHEN(test, rename_user, &streams, &command);
    EC_THEN(test, EC_EVENT(test, "user-1", "Renamed", "{s:s}", "name", "Eve"));
    EC_THEN_TRIED(test, 2, 0);
    EC_THEN_VERSION(test, "user-1", 1);
}

int main(void)
{
    static void (*const tests[])(ec_test *) = {is_renamed, has_that_name_already, needs_a_name,
                                               is_renamed_once_though_the_reply_is_lost};
    bool failed = false;

    printf("1..%zu\n", sizeof tests / sizeof *tests);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        ec_test *test = ec_test_new();

        if (test == NULL)
            return 1;
        tests[i](test);
        printf("%s %zu\n", ec_test_failures(test) == 0 ? "ok" : "not ok", i + 1);
        failed = failed || ec_test_failures(test) > 0;
        ec_test_free(test);
    }
    return failed;
}
