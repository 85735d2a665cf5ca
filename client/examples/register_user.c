/*
 * register_user.c: a rule over all users, and rejections that the caller can tell apart.
 *
 *     register_user [CONNINFO]
 *
 * No two users may have the same e-mail address. There is no table to put a unique constraint on,
 * but the address can have a stream of its own, `email-<address>`, that must be free: it is written
 * together with the new user, or neither is. Two registrations of one address at the same time both
 * find it free; one append succeeds, the other one conflicts, is decided again, and is rejected.
 *
 * The invitation is only read. Should it be revoked meanwhile, that is a conflict as well.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <eventcore/eventcore.h>

enum { LONGEST_EMAIL = 200, ID_SIZE = 256 };

struct register_user {
    const char *email;
    const char *name;
};

struct registration {
    bool invited;
    bool taken;
};

/* clang-format off */
#define PEOPLE_EVENTS(list, type)                   \
    type(list, Invited, "InvitationIssued")         \
    type(list, Revoked, "InvitationRevoked")        \
    type(list, Registered, "UserRegistered")        \
    type(list, Reserved, "EmailReserved")           \
    type(list, Released, "EmailReleased")
#define REGISTER_STREAMS(command, stream)           \
    stream(command, writes, user)                   \
    stream(command, writes, reservation)            \
    stream(command, reads, invitation)
/* clang-format on */
EC_EVENTS(people, PEOPLE_EVENTS);
EC_COMMAND(register_user, REGISTER_STREAMS, people, struct register_user, struct registration);

static ec_status register_user_apply(const struct register_user *command,
                                     struct registration *state, people_kind kind,
                                     const ec_event *event)
{
    (void)command, (void)event;
    switch (kind) { /* without `default`, the compiler warns of a type that is forgotten */
    case people_Invited:
        state->invited = true;
        break;
    case people_Revoked:
        state->invited = false;
        break;
    case people_Reserved:
        state->taken = true;
        break;
    case people_Released: /* its user is gone, or has another one */
        state->taken = false;
        break;
    case people_Registered:
        break;
    }
    return EC_OK;
}

static bool is_email(const char *text)
{
    const char *at = strchr(text, '@');

    for (const char *c = text; *c != '\0'; c++)
        if (!isgraph((unsigned char)*c))
            return false;
    return at != NULL && at != text && at[1] != '\0' && strlen(text) <= LONGEST_EMAIL;
}

/* Three ways to say no: the command makes no sense, the caller may not, a rule is against it. */
static ec_status register_user_handle(const struct register_user *command,
                                      const struct registration *state, register_user_context ctx)
{
    EC_VALIDATE(ctx, *command->name != '\0', "no_name", "a user has a name");
    EC_VALIDATE(ctx, is_email(command->email), "invalid_email", "\"%s\" is not an e-mail address",
                command->email);
    EC_AUTHORIZE(ctx, state->invited, "not_invited", "there is no such invitation any more");
    EC_REQUIRE(ctx, !state->taken, "email_taken", "this address has a user already");

    register_user_record(ctx, register_user_reservation, people_Reserved, "{s:s}", "user",
                         EC_ID(ctx, register_user_user));
    return register_user_record(ctx, register_user_user, people_Registered, "{s:s, s:s}", "name",
                                command->name, "email", command->email);
}

/* ------------------------------------------------------------------ the program */

/*
 * The stream of an address. What is the same address must have the same stream; and what is none
 * must have a valid id too, since it is rejected by the command, after its streams were read.
 */
static void reservation_id(char id[ID_SIZE], const char *email)
{
    snprintf(id, ID_SIZE, "email-%s", email);
    for (char *c = id; *c != '\0'; c++)
        *c = isgraph((unsigned char)*c) ? (char)tolower((unsigned char)*c) : '?';
}

static void answer(int http_status, const ec_outcome *outcome)
{
    printf("%d %s: %s\n", http_status, ec_outcome_rejection_code(outcome),
           ec_outcome_rejection_message(outcome));
}

/* Register, and answer as a web server might; false if it could not be decided. */
static bool register_user(ec_connection *people, const char *invitation, const char *name,
                          const char *email)
{
    char user[ID_SIZE], reservation[ID_SIZE];
    register_user_streams streams = {
        .user = user, .reservation = reservation, .invitation = invitation};
    struct register_user command = {.email = email, .name = name};
    ec_outcome *outcome = NULL;
    bool decided = true;

    if (ec_stream_id_new("user", user, sizeof user) != EC_OK)
        return false;
    reservation_id(reservation, email);
    switch (register_user_execute(people, &streams, &command, &outcome)) {
    case EC_OK:
        printf("201 welcome, %s\n", name);
        break;
    case EC_INVALID_COMMAND: /* ask the user to correct it */
        answer(400, outcome);
        break;
    case EC_FORBIDDEN: /* ask the user to go away */
        answer(403, outcome);
        break;
    case EC_REJECTED: /* it may be possible another time */
        answer(409, outcome);
        break;
    default: /* no connection, a conflict in every try, ... */
        decided = false;
    }
    ec_outcome_free(outcome);
    return decided;
}

static bool run(ec_connection *people)
{
    char invitation[ID_SIZE], ada[ID_SIZE];
    ec_stream_event issued = {invitation, {.type = people_type(people_Invited)}};
    ec_stream_event revoked = {invitation, {.type = people_type(people_Revoked)}};

    if (ec_stream_id_new("invitation", invitation, sizeof invitation) != EC_OK ||
        ec_stream_id_new("ada", ada, sizeof ada) != EC_OK)
        return false;
    strcat(ada, "@example.org"); /* an address of this run's own, so that it can be run again */
    return ec_append(people, &issued, 1, NULL, 0, NULL) == EC_OK &&
           register_user(people, invitation, "Ada", ada) &&
           register_user(people, invitation, "Ada again", ada) &&
           register_user(people, invitation, "Bob", "at home") &&
           ec_append(people, &revoked, 1, NULL, 0, NULL) == EC_OK &&
           register_user(people, invitation, "Eve", "eve@example.org");
}

int main(int argc, char **argv)
{
    ec_connection *people;
    bool done = ec_connect(&people, argc > 1 ? argv[1] : NULL, NULL) == EC_OK && run(people);

    if (!done)
        fprintf(stderr, "register_user: %s\n", ec_error_message(people));
    ec_close(people);
    return done ? 0 : 1;
}
