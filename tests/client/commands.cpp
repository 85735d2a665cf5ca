/*
 * commands.cpp: the library as C++ sees it: two commands with C++ types, one of which discovers
 * streams, and a consumer, on the server that the PG* environment names. Prints what it finds.
 */
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

#include <eventcore/eventcore.h>

#define BOX_EVENTS(list, type)                                                                     \
    type(list, Opened, "BoxOpened") type(list, Filled, "BoxFilled") type(list, Linked, "BoxLinked")
EC_EVENTS(box, BOX_EVENTS);

#define LABEL_EVENTS(list, type) type(list, Printed, "LabelPrinted")
static ec_upcaster add_size;
#define LABEL_UPCASTERS(list, upcast)                                                              \
    upcast(list, Printed, 1, 2, add_size) upcast(list, Printed, 2, 3, nullptr)
EC_SOME_EVENTS_UPCAST(label, LABEL_EVENTS, LABEL_UPCASTERS);

static ec_status add_size(const ec_event *, ec_upcast *upcast)
{
    return ec_upcast_set(upcast, "{s:s}", "size", "A4");
}

/* What only warns in C does not compile in C++. */
static_assert(!std::is_convertible<label_kind, box_kind>::value, "kinds are of their list");

/* ------------------------------------------------------------------ a command */

struct fill {
    long long amount;
    std::vector<std::string> links;
};

struct content {
    long long amount;
};

#define FILL_STREAMS(command, stream)                                                              \
    stream(command, writes, target) stream(command, reads_optional, limit)                         \
        stream(command, writes_optional, log)
EC_COMMAND(fill, FILL_STREAMS, box, fill, content);

static_assert(!std::is_convertible<fill_reads_optional, fill_writes>::value, "tokens are typed");

static ec_status fill_apply(const fill *, content *state, box_kind kind, const ec_event *event)
{
    long long amount;

    switch (kind) {
    case box_Opened:
    case box_Linked:
        return EC_OK;
    case box_Filled:
        if (ec_event_unpack(event, "{s:I}", "amount", &amount) != EC_OK)
            return EC_INVALID_EVENT;
        state->amount += amount;
    }
    return EC_OK;
}

static ec_status fill_handle(const fill *command, const content *state, fill_context ctx)
{
    EC_VALIDATE(ctx, command->amount > 0, "nothing", "%lld is nothing", command->amount);
    EC_REQUIRE(ctx, state->amount + command->amount <= 10, "full", "it holds %lld", state->amount);
    for (const std::string &link : command->links)
        fill_record(ctx, fill_target, box_Linked, "{s:s}", "to", link.c_str());
    if (EC_BOUND(ctx, fill_log))
        fill_record_optional(ctx, fill_log, box_Opened, nullptr);
    return fill_record(ctx, fill_target, box_Filled, "{s:I}", "amount", command->amount);
}

EC_SNAPSHOTS(content, content, 1, 100);

static ec_status content_serialise(const content *state, ec_snapshot *snapshot)
{
    return ec_snapshot_pack(snapshot, "{s:I}", "amount", state->amount);
}

static ec_status content_deserialise(content *state, ec_snapshot *snapshot)
{
    return ec_snapshot_unpack(snapshot, "{s:I}", "amount", &state->amount);
}

/* ------------------------------------------------------------------ one that discovers */

struct empty {
    int unused;
};

struct contents {
    const char *links[4];
    size_t link_count;
    long long amount;
};

#define EMPTY_STREAMS(command, stream)                                                             \
    stream(command, reads, start) stream(command, writes_many, boxes)                              \
        stream(command, reads_many, labels)
EC_RESOLVING_COMMAND(empty, EMPTY_STREAMS, box, empty, contents);

static ec_status empty_apply(const empty *, contents *state, box_kind kind, const ec_event *event)
{
    long long amount = 0;

    if (kind == box_Linked && state->link_count < 4)
        return ec_event_unpack(event, "{s:s}", "to", &state->links[state->link_count++]);
    if (kind == box_Filled && EC_FROM(event, empty_boxes))
        ec_event_unpack(event, "{s:I}", "amount", &amount);
    state->amount += amount;
    return EC_OK;
}

static ec_status empty_resolve(const empty *, const contents *state, empty_resolution resolution)
{
    for (size_t i = 0; i < state->link_count; i++)
        empty_discover(resolution, empty_boxes, state->links[i], nullptr);
    return EC_OK;
}

static ec_status empty_handle(const empty *, const contents *state, empty_context ctx)
{
    size_t count = ec_stream_count(ctx.context, empty_boxes.slot);

    EC_AUTHORIZE(ctx, count > 0, "no_boxes", "none of %zu", count);
    for (size_t i = 0; i < count; i++) {
        ec_new_event event = {};

        event.type = box_type(box_Opened);
        empty_write_at(ctx, empty_boxes, i, &event);
    }
    return empty_record_at(ctx, empty_boxes, 0, box_Filled, "{s:I}", "amount", -state->amount);
}

/* ------------------------------------------------------------------ */

/* The outcome is taken by reference since the call that makes it is an argument, too. */
static void tell(const char *what, ec_status status, ec_outcome *const &outcome)
{
    std::printf("%s: %s, %zu events%s%s\n", what, ec_status_name(status),
                ec_outcome_event_count(outcome), status == EC_OK ? "" : ", ",
                ec_outcome_message(outcome));
}

/* ------------------------------------------------------------------ a consumer */

EC_CONSUMER(boxes, box, std::vector<std::string>);

static ec_status boxes_handle(std::vector<std::string> *types, box_kind kind, const ec_event *,
                              ec_delivery *)
{
    types->push_back(box_type(kind));
    return EC_OK;
}

static void follow(ec_connection *connection, const std::string &box)
{
    ec_subscription_options subscription = EC_SUBSCRIPTION_OPTIONS_INIT;
    ec_consume_options options = EC_CONSUME_OPTIONS_INIT;
    std::vector<std::string> types;

    subscription.prefix = box.c_str();
    options.until_caught_up = true;
    ec_create_subscription(connection, box.c_str(), &subscription, nullptr);
    ec_status status = boxes_consume(connection, box.c_str(), &types, &options);
    std::printf("followed: %s, %zu events, %s first\n", ec_status_name(status), types.size(),
                types.empty() ? "none" : types.front().c_str());
}

int main()
{
    ec_connection *connection;
    ec_connect_options connect_options = EC_CONNECT_OPTIONS_INIT;
    ec_read_options read_options = EC_READ_OPTIONS_INIT;
    ec_execute_options options = EC_EXECUTE_INTERACTIVE_INIT;
    ec_metadata metadata = {};
    ec_outcome *outcome = nullptr;
    ec_events *events = nullptr;
    ec_uuid uuid;
    char id[EC_UUID_TEXT_SIZE];

    ec_uuid_new(&uuid);
    ec_uuid_format(&uuid, id);
    const std::string target = std::string("box-") + id, linked = target + "-linked";
    fill_streams filled = {target.c_str(), nullptr, nullptr};
    empty_streams emptied = {target.c_str(), EC_NO_IDS, EC_NO_IDS};
    fill command = {7, {linked}};
    empty nothing = {};

    metadata.user_id = "stroustrup";
    connect_options.timeout_ms = 60000;
    if (ec_connect(&connection, nullptr, &connect_options) != EC_OK ||
        ec_set_metadata(connection, &metadata) != EC_OK) {
        std::printf("%s\n", ec_error_message(connection));
        ec_close(connection);
        return 1;
    }
    options.snapshots = &content_snapshots;
    tell("fill", fill_execute(connection, &filled, &command, &outcome), outcome);
    tell("again", fill_execute_with(connection, &filled, &command, &options, &outcome), outcome);
    filled.target = linked.c_str();
    command = {3, {}};
    tell("link", fill_execute(connection, &filled, &command, &outcome), outcome);
    command = {0, {}};
    tell("nothing", fill_execute(connection, &filled, &command, &outcome), outcome);
    tell("empty", empty_execute(connection, &emptied, &nothing, &outcome), outcome);
    read_options.backward = true;
    if (ec_read_stream(connection, linked.c_str(), &read_options, &events) == EC_OK) {
        const ec_event *last = ec_events_at(events, 0);
        box_kind kind;

        ec_event_read_metadata(last, &metadata);
        std::printf("%s %s by %s\n", box_kind_of(last, &kind) ? box_type(kind) : "?",
                    ec_event_data(last), metadata.user_id);
    }
    ec_events_free(events);
    ec_outcome_free(outcome);
    follow(connection, target);
    ec_close(connection);
    return 0;
}
