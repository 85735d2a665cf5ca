/*
 * test_lost_server.c: a server that starts up or goes away, as libpq shows it.
 *
 * The server here only says what a real one says then: it refuses connections, or answers the first
 * round trip with an error.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bank.h"
#include "connection.h"

struct fake {
    char directory[40], path[100], conninfo[100];
    int listener;
    pthread_t thread;
    const char *sqlstate;
    bool refuses; /* at the start, or else at the first round trip */
    bool closes;  /* behind its error */
    int connections;
    ec_connection *connection;
    ec_outcome *outcome;
};

static bool receive_bytes(int peer, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(peer, (char *)bytes + done, size - done);

        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* Read the rest of a message; false at the end of the connection. */
static bool skip_message(int peer)
{
    unsigned char length[4], byte;

    if (!receive_bytes(peer, length, sizeof length))
        return false;
    for (size_t left = (size_t)length[2] << 8 | length[3]; left > 4; left--)
        if (!receive_bytes(peer, &byte, 1))
            return false;
    return true;
}

static void send_message(int peer, char type, const void *body, size_t size)
{
    char message[200] = {type, 0, 0, 0, (char)(size + 4)};

    memcpy(message + 5, body, size);
    send(peer, message, size + 5, MSG_NOSIGNAL);
}

static void send_error(int peer, const char *sqlstate)
{
    char body[100] = "SFATAL";
    size_t size = 7;

    size += (size_t)sprintf(body + size, "C%s", sqlstate) + 1;
    size += (size_t)sprintf(body + size, "Mgoing away") + 1;
    send_message(peer, 'E', body, size + 1);
}

static void serve(struct fake *fake, int peer)
{
    char type = 0;

    if (!skip_message(peer))
        return;
    if (fake->refuses) {
        send_error(peer, fake->sqlstate);
        return;
    }
    send_message(peer, 'R', "\0\0\0\0", 4);
    send_message(peer, 'Z', "I", 1);
    while (receive_bytes(peer, &type, 1) && skip_message(peer))
        if (type == 'S') {
            send_error(peer, fake->sqlstate);
            if (fake->closes)
                return;
            send_message(peer, 'Z', "I", 1);
        }
}

static void *accept_all(void *argument)
{
    struct fake *fake = argument;
    int peer;

    while ((peer = accept(fake->listener, NULL, NULL)) >= 0) {
        fake->connections++;
        serve(fake, peer);
        close(peer);
    }
    return NULL;
}

static void start_fake(struct fake *fake)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(fake->directory, "/tmp/lost_server.XXXXXX");
    assert_non_null(mkdtemp(fake->directory));
    snprintf(fake->path, sizeof fake->path, "%s/.s.PGSQL.1", fake->directory);
    snprintf(fake->conninfo, sizeof fake->conninfo, "host=%s port=1 user=u", fake->directory);
    strcpy(address.sun_path, fake->path);
    fake->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fake->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fake->listener, 5), 0);
    assert_int_equal(pthread_create(&fake->thread, NULL, accept_all, fake), 0);
}

static void stop_fake(struct fake *fake)
{
    ec_close(fake->connection);
    ec_outcome_free(fake->outcome);
    shutdown(fake->listener, SHUT_RDWR);
    pthread_join(fake->thread, NULL);
    close(fake->listener);
    unlink(fake->path);
    rmdir(fake->directory);
}

static ec_status transfer_three_times(struct fake *fake)
{
    const transfer_streams streams = {.from_account = "a", .to_account = "b", .limits = "c"};
    struct transfer command = {.amount = 1};
    ec_execute_options options = EC_EXECUTE_OPTIONS_INIT;

    options.max_attempts = 3;
    return transfer_execute_with(fake->connection, &streams, &command, &options, &fake->outcome);
}

static void test_server_starts_up(void **state)
{
    struct fake fake = {.sqlstate = "57P03", .refuses = true};

    (void)state;
    start_fake(&fake);
    assert_int_equal(ec_connect(&fake.connection, fake.conninfo, NULL), EC_CONNECTION_LOST);
    assert_non_null(strstr(ec_error_message(fake.connection), "FATAL:  going away"));
    assert_true(ec_error_is_retriable(fake.connection));
    assert_int_equal(transfer_three_times(&fake), EC_CONNECTION_LOST);
    assert_int_equal(ec_outcome_attempts(fake.outcome), 3);
    assert_true(ec_error_is_retriable(fake.connection));
    stop_fake(&fake);
    assert_int_equal(fake.connections, 4);
}

static void lose_server(const char *sqlstate, bool closes)
{
    struct fake fake = {.sqlstate = sqlstate, .closes = closes};
    const ec_stream_event event = {"a", {.type = "T"}};

    start_fake(&fake);
    assert_int_equal(ec_connect(&fake.connection, fake.conninfo, NULL), EC_OK);
    assert_int_equal(transfer_three_times(&fake), EC_CONNECTION_LOST);
    assert_int_equal(ec_outcome_attempts(fake.outcome), 3);
    assert_string_equal(ec_error_sqlstate(fake.connection), sqlstate);
    assert_string_equal(ec_error_message(fake.connection), "going away");
    assert_true(ec_error_is_retriable(fake.connection));
    assert_false(ec_outcome_in_doubt(fake.outcome));

    /* Of an append it is not known what became. */
    assert_int_equal(ec_append(fake.connection, &event, 1, NULL, 0, &fake.outcome),
                     EC_CONNECTION_LOST);
    assert_true(ec_outcome_in_doubt(fake.outcome));
    assert_null(fake.connection->pg);
    stop_fake(&fake);
    assert_int_equal(fake.connections, 3 + 10);
}

static void test_server_goes_away(void **state)
{
    (void)state;
    lose_server("57P01", true);
    lose_server("57P02", true);
}

/* As through a pooler, which keeps its client's connection. */
static void test_server_is_gone_behind_a_pooler(void **state)
{
    (void)state;
    lose_server("57P01", false);
    lose_server("08006", false);
}

static void test_other_errors_are_told(void **state)
{
    struct fake fake = {.sqlstate = "08P01"};

    (void)state;
    start_fake(&fake);
    assert_int_equal(ec_connect(&fake.connection, fake.conninfo, NULL), EC_OK);
    assert_int_equal(transfer_three_times(&fake), EC_SERVER_ERROR);
    assert_int_equal(ec_outcome_attempts(fake.outcome), 1);
    assert_non_null(fake.connection->pg);
    stop_fake(&fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_starts_up),
        cmocka_unit_test(test_server_goes_away),
        cmocka_unit_test(test_server_is_gone_behind_a_pooler),
        cmocka_unit_test(test_other_errors_are_told),
    };

    return cmocka_run_group_tests_name("lost server", tests, NULL, NULL);
}
