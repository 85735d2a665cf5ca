/* call.c: the parameters of each statement, in the order of its SQL (statement.c). */
#include "call.h"

#include "parameter.h"

static const char *store_or_default(const char *store)
{
    return store == NULL ? "default" : store;
}

static ec_status out_of_memory(ec_failure *failure)
{
    return ec_fail(failure, EC_NO_MEMORY, "out of memory for the parameters of a statement");
}

static ec_status encode_texts(ec_call *call, int parameter, ec_arena *memory,
                              const char *const *texts, size_t count, ec_failure *failure)
{
    ec_value *values = ec_arena_array(memory, count, sizeof *values);

    if (values == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < count; i++)
        values[i] = ec_text_value(texts[i]);
    return ec_encode_array(call, parameter, memory, EC_OID_TEXT, values, count, failure);
}

ec_status ec_call_read_streams(ec_call *call, ec_arena *memory, const char *const *stream_ids,
                               size_t count, const int64_t *after_versions, const char *store,
                               ec_failure *failure)
{
    ec_status status;

    *call = (ec_call){.statement = EC_STATEMENT_READ_STREAMS};
    status = encode_texts(call, 0, memory, stream_ids, count, failure);
    if (status == EC_OK && after_versions != NULL)
        status = ec_encode_bigints(call, 1, memory, after_versions, count, failure);
    if (status == EC_OK)
        status = ec_encode_text(call, 2, store_or_default(store), failure);
    return status;
}

ec_status ec_call_lock_streams(ec_call *call, ec_arena *memory, const char *const *written,
                               size_t written_count, const char *const *read, size_t read_count,
                               const char *store, ec_failure *failure)
{
    ec_status status;

    *call = (ec_call){.statement = EC_STATEMENT_LOCK_STREAMS};
    status = encode_texts(call, 0, memory, written, written_count, failure);
    if (status == EC_OK)
        status = encode_texts(call, 1, memory, read, read_count, failure);
    if (status == EC_OK)
        status = ec_encode_text(call, 2, store_or_default(store), failure);
    return status;
}

ec_status ec_call_read_stream(ec_call *call, ec_arena *memory, const char *stream_id,
                              const ec_read_options *options, const char *store,
                              ec_failure *failure)
{
    ec_status status;

    *call = (ec_call){.statement = EC_STATEMENT_READ_STREAM};
    status = ec_encode_text(call, 0, stream_id, failure);
    if (status == EC_OK && options->after_version != 0)
        status = ec_encode_bigint(call, 1, memory, options->after_version, failure);
    if (status == EC_OK && options->max_count != 0)
        status = ec_encode_bigint(call, 2, memory, options->max_count, failure);
    if (status == EC_OK)
        status = ec_encode_bool(call, 3, options->backward);
    if (status == EC_OK)
        status = ec_encode_text(call, 4, store_or_default(store), failure);
    return status;
}

ec_status ec_call_read_all(ec_call *call, ec_arena *memory, const ec_log_options *options,
                           const char *store, ec_failure *failure)
{
    const char *const texts[] = {options->category, options->prefix, options->pattern,
                                 options->correlation_id};
    bool is_shared_out = options->member != 0 || options->group_size != 0;
    ec_status status = EC_OK;

    *call = (ec_call){.statement = EC_STATEMENT_READ_ALL};
    if (options->after != 0)
        status = ec_encode_bigint(call, 0, memory, options->after, failure);
    if (status == EC_OK && options->max_count != 0)
        status = ec_encode_bigint(call, 1, memory, options->max_count, failure);
    if (status == EC_OK && options->types != NULL)
        status = encode_texts(call, 2, memory, options->types, options->type_count, failure);
    for (int i = 0; i < 4 && status == EC_OK; i++)
        status = ec_encode_text(call, 3 + i, texts[i], failure);
    if (status == EC_OK)
        status = ec_encode_bool(call, 7, options->backward);
    if (status == EC_OK && is_shared_out)
        status = ec_encode_bigint(call, 8, memory, options->member, failure);
    if (status == EC_OK && is_shared_out)
        status = ec_encode_bigint(call, 9, memory, options->group_size, failure);
    if (status == EC_OK)
        status = ec_encode_text(call, 10, store_or_default(store), failure);
    return status;
}

static ec_value entry_stream_id(const ec_entry *entry)
{
    return ec_text_value(entry->stream_id);
}

static ec_value entry_type(const ec_entry *entry)
{
    return ec_text_value(entry->event.type);
}

static ec_value entry_data(const ec_entry *entry)
{
    return ec_text_value(entry->event.data);
}

static ec_value entry_metadata(const ec_entry *entry)
{
    return ec_text_value(entry->event.metadata);
}

static ec_value entry_id(const ec_entry *entry)
{
    return (ec_value){entry->id.bytes, sizeof entry->id.bytes};
}

static ec_value entry_payload(const ec_entry *entry)
{
    return (ec_value){entry->event.payload, entry->event.payload_size};
}

/* The events as columns: in the order of the parameters. */
static const struct {
    Oid element;
    ec_value (*value)(const ec_entry *entry);
} columns[] = {
    {EC_OID_TEXT, entry_stream_id}, {EC_OID_TEXT, entry_type}, {EC_OID_JSONB, entry_data},
    {EC_OID_JSONB, entry_metadata}, {EC_OID_UUID, entry_id},   {EC_OID_BYTEA, entry_payload},
};

#define REQUIRED_COLUMN_COUNT 2 /* stream and type; the server takes null for any other column */
#define COLUMN_COUNT ((int)(sizeof columns / sizeof *columns))

static ec_status encode_entries(ec_call *call, int parameter, ec_arena *memory,
                                const ec_entry *entries, size_t count, ec_failure *failure)
{
    ec_value *values = ec_arena_array(memory, count, sizeof *values);
    ec_status status = EC_OK;

    if (values == NULL)
        return out_of_memory(failure);
    for (int i = 0; i < COLUMN_COUNT && status == EC_OK; i++) {
        bool is_there = i < REQUIRED_COLUMN_COUNT;

        for (size_t j = 0; j < count; j++) {
            values[j] = columns[i].value(&entries[j]);
            is_there |= values[j].bytes != NULL;
        }
        if (is_there) /* else null instead of an array of nulls: less for the server to take in */
            status = ec_encode_array(call, parameter + i, memory, columns[i].element, values, count,
                                     failure);
    }
    return status;
}

static ec_status encode_expectations(ec_call *call, int parameter, ec_arena *memory,
                                     const ec_expectation *expected, size_t count,
                                     ec_failure *failure)
{
    const char **stream_ids = ec_arena_array(memory, count, sizeof *stream_ids);
    int64_t *versions = ec_arena_array(memory, count, sizeof *versions);
    ec_status status;

    if (stream_ids == NULL || versions == NULL)
        return out_of_memory(failure);
    for (size_t i = 0; i < count; i++) {
        stream_ids[i] = expected[i].stream_id;
        versions[i] = expected[i].version;
    }
    status = encode_texts(call, parameter, memory, stream_ids, count, failure);
    if (status == EC_OK)
        status = ec_encode_bigints(call, parameter + 1, memory, versions, count, failure);
    return status;
}

ec_status ec_call_try_append(ec_call *call, ec_arena *memory, const ec_entry *entries,
                             size_t entry_count, const ec_expectation *expected,
                             size_t expected_count, const char *store, ec_failure *failure)
{
    static const ec_expectation none[] = {{NULL, EC_EXPECT_ANY}};
    ec_status status;

    if (expected == NULL) {
        expected = none;
        expected_count = 1;
    }
    *call = (ec_call){.statement = EC_STATEMENT_TRY_APPEND};
    status = encode_entries(call, 0, memory, entries, entry_count, failure);
    if (status == EC_OK)
        status = encode_expectations(call, COLUMN_COUNT, memory, expected, expected_count, failure);
    if (status == EC_OK)
        status = ec_encode_text(call, COLUMN_COUNT + 2, store_or_default(store), failure);
    return status;
}

ec_status ec_call_append_batch(ec_call *call, ec_arena *memory, const ec_append_batch *batch,
                               const char *store, ec_failure *failure)
{
    const int expectations = 1 + COLUMN_COUNT;
    ec_status status;

    *call = (ec_call){.statement = EC_STATEMENT_APPEND_BATCH};
    status =
        ec_encode_integers(call, 0, memory, batch->entry_commands, batch->entry_count, failure);
    if (status == EC_OK)
        status = encode_entries(call, 1, memory, batch->entries, batch->entry_count, failure);
    if (status == EC_OK)
        status = ec_encode_integers(call, expectations, memory, batch->expected_commands,
                                    batch->expected_count, failure);
    if (status == EC_OK)
        status = encode_expectations(call, expectations + 1, memory, batch->expected,
                                     batch->expected_count, failure);
    if (status == EC_OK)
        status = ec_encode_text(call, expectations + 3, store_or_default(store), failure);
    return status;
}
