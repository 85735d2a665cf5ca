/*
 * cancel_booking.c: take back what stands in several streams, without a saga.
 *
 *     cancel_booking [CONNINFO]
 *
 * A trip is a booking, seats on a flight, perhaps a hotel room, and a payment. Where each of these
 * can only be changed by itself, cancelling the trip is a process of steps, each with a step that
 * takes it back should a later one fail. Here it is one command: it reads all four streams and
 * writes to all four, or to none. There is no half-cancelled trip that anybody could see.
 *
 * To cancel twice does no harm: the second time there is nothing left to write.
 */
#include <stdio.h>

#include <eventcore/eventcore.h>

enum { ID_SIZE = 64 };

struct cancel {
    const char *reason;
};

struct trip {
    long long seats;
    long long nights;
    long long paid;
    bool departed;
    bool cancelled;
};

/* clang-format off */
#define TRAVEL_EVENTS(list, type)              \
    type(list, Booked, "TripBooked")           \
    type(list, Cancelled, "TripCancelled")     \
    type(list, SeatsTaken, "SeatsTaken")       \
    type(list, SeatsReleased, "SeatsReleased") \
    type(list, Departed, "FlightDeparted")     \
    type(list, RoomTaken, "RoomTaken")         \
    type(list, RoomReleased, "RoomReleased")   \
    type(list, Paid, "PaymentReceived")        \
    type(list, Refunded, "PaymentRefunded")
#define CANCEL_STREAMS(command, stream)        \
    stream(command, writes, booking)           \
    stream(command, writes, flight)            \
    stream(command, writes_optional, hotel)    \
    stream(command, writes, payment)
/* clang-format on */
EC_EVENTS(travel, TRAVEL_EVENTS);
EC_COMMAND(cancel, CANCEL_STREAMS, travel, struct cancel, struct trip);

/* The booking says what was taken; the flight and the hotel also tell of other people's trips. */
static ec_status cancel_apply(const struct cancel *command, struct trip *trip, travel_kind kind,
                              const ec_event *event)
{
    long long amount;

    (void)command;
    switch (kind) {
    case travel_Booked:
        return ec_event_unpack(event, "{s:I, s:I}", "seats", &trip->seats, "nights", &trip->nights);
    case travel_Cancelled:
        trip->cancelled = true;
        return EC_OK;
    case travel_Departed:
        trip->departed = true;
        return EC_OK;
    case travel_Paid:
    case travel_Refunded:
        if (ec_event_unpack(event, "{s:I}", "amount", &amount) != EC_OK)
            return EC_INVALID_EVENT;
        trip->paid += kind == travel_Paid ? amount : -amount;
        return EC_OK;
    case travel_SeatsTaken:
    case travel_SeatsReleased:
    case travel_RoomTaken:
    case travel_RoomReleased:
        return EC_OK;
    }
    return EC_UNKNOWN_EVENT;
}

static ec_status cancel_handle(const struct cancel *command, const struct trip *trip,
                               cancel_context ctx)
{
    const char *booking = EC_ID(ctx, cancel_booking);

    EC_REQUIRE(ctx, trip->seats > 0, "no_booking", "there is no such booking");
    if (trip->cancelled)
        return EC_OK;
    EC_REQUIRE(ctx, !trip->departed, "departed", "the flight has departed");

    cancel_record(ctx, cancel_booking, travel_Cancelled, "{s:s}", "reason", command->reason);
    cancel_record(ctx, cancel_flight, travel_SeatsReleased, "{s:s, s:I}", "booking", booking,
                  "seats", trip->seats);
    if (EC_BOUND(ctx, cancel_hotel))
        cancel_record_optional(ctx, cancel_hotel, travel_RoomReleased, "{s:s, s:I}", "booking",
                               booking, "nights", trip->nights);
    if (trip->paid > 0)
        cancel_record(ctx, cancel_payment, travel_Refunded, "{s:I}", "amount", trip->paid);
    return EC_OK; /* an error of a write that was not looked at fails the command nevertheless */
}

/* ------------------------------------------------------------------ the program */

/* Execute the command; false if it could not be decided. */
static bool cancel(ec_connection *travel, const cancel_streams *trip, const char *reason)
{
    struct cancel command = {.reason = reason};
    ec_outcome *outcome = NULL;
    ec_status status = cancel_execute(travel, trip, &command, &outcome);

    if (status == EC_OK)
        fputs(ec_outcome_event_count(outcome) == 0 ? "nothing left to do" : "cancelled:", stdout);
    for (size_t i = 0; i < ec_outcome_event_count(outcome); i++)
        printf(" %s", ec_event_type(ec_outcome_event(outcome, i)));
    if (status == EC_REJECTED)
        printf("rejected: %s", ec_outcome_rejection_message(outcome));
    putchar('\n');
    ec_outcome_free(outcome);
    return status == EC_OK || status == EC_REJECTED;
}

/* Book a trip, with a hotel or without; `id` is its new id. */
static bool book(ec_connection *travel, cancel_streams *trip, char id[ID_SIZE])
{
    const ec_stream_event events[] = {
        {id, {.type = travel_type(travel_Booked), .data = "{\"seats\": 2, \"nights\": 7}"}},
        {trip->flight, {.type = travel_type(travel_SeatsTaken), .data = "{\"seats\": 2}"}},
        {trip->payment, {.type = travel_type(travel_Paid), .data = "{\"amount\": 450}"}},
        {trip->hotel, {.type = travel_type(travel_RoomTaken), .data = "{\"nights\": 7}"}},
    };

    trip->booking = id;
    return ec_stream_id_new("booking", id, ID_SIZE) == EC_OK &&
           ec_append(travel, events, trip->hotel == NULL ? 3 : 4, NULL, 0, NULL) == EC_OK;
}

/* Who did it is not in the event, but in its metadata. */
static bool print_who(ec_connection *travel, const char *booking)
{
    ec_read_options last = EC_READ_OPTIONS_INIT;
    ec_metadata metadata;
    ec_events *events;
    bool read;

    last.backward = true;
    last.max_count = 1;
    read = ec_read_stream(travel, booking, &last, &events) == EC_OK &&
           ec_event_read_metadata(ec_events_at(events, 0), &metadata) == EC_OK;
    if (read)
        printf("%s by %s\n", ec_event_type(ec_events_at(events, 0)), metadata.user_id);
    ec_events_free(events);
    return read;
}

static bool run(ec_connection *travel)
{
    const ec_stream_event departure = {"flight-100", {.type = travel_type(travel_Departed)}};
    const ec_metadata metadata = {.user_id = "agent-7"}; /* for all that is written from here on */
    char id[ID_SIZE], other_id[ID_SIZE], payment[ID_SIZE];
    cancel_streams trip = {.flight = "flight-101", .hotel = "hotel-sea-view", .payment = payment};
    cancel_streams departed = {.flight = "flight-100", .payment = payment}; /* without a hotel */

    return ec_set_metadata(travel, &metadata) == EC_OK &&
           ec_stream_id_new("payment", payment, sizeof payment) == EC_OK &&
           book(travel, &trip, id) && cancel(travel, &trip, "changed plans") &&
           cancel(travel, &trip, "pressed the button again") && print_who(travel, trip.booking) &&
           book(travel, &departed, other_id) &&
           ec_append(travel, &departure, 1, NULL, 0, NULL) == EC_OK &&
           cancel(travel, &departed, "overslept");
}

int main(int argc, char **argv)
{
    ec_connection *travel;
    bool done = ec_connect(&travel, argc > 1 ? argv[1] : NULL, NULL) == EC_OK && run(travel);

    if (!done)
        fprintf(stderr, "cancel_booking: %s\n", ec_error_message(travel));
    ec_close(travel);
    return done ? 0 : 1;
}
