/*
 * log_filter.c: which events of the log somebody wants.
 *
 * A glob pattern (`*`, `?`, `[a-z]`, `[!x]`; every other character stands for itself) becomes a
 * regular expression, for the server's own engine knows the characters of the database's encoding.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "errors.h"
#include "lib/stringinfo.h"
#include "log_filter.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

static void raise_invalid(const char *problem, const char *hint)
{
    ereport(ERROR, (ec_error_code(EC_ERROR_invalid_filter), errmsg("%s", problem),
                    ec_error_detail(EC_ERROR_invalid_filter, "s", "problem", problem),
                    errhint("%s", hint)));
}

static void append_literally(StringInfo expression, const char *character, int length)
{
    if (length == 1 && strchr("\\^$.|?*+()[]{}-&~#", *character) != NULL)
        appendStringInfoChar(expression, '\\');
    appendBinaryStringInfo(expression, character, length);
}

/* Translate what follows a `[`, up to and with its `]`; returns how many bytes that were. */
static int append_class(StringInfo expression, const char *glob, int length)
{
    int i = 0;

    appendStringInfoChar(expression, '[');
    if (length > 0 && glob[0] == '!') {
        appendStringInfoChar(expression, '^');
        i++;
    }
    for (int first = i; i < length; i += pg_mblen(glob + i)) {
        if (glob[i] == ']' && i > first) {
            appendStringInfoChar(expression, ']');
            return i + 1;
        }
        if (glob[i] == '-')
            appendStringInfoString(
                expression, i == first || (i + 1 < length && glob[i + 1] == ']') ? "\\-" : "-");
        else
            append_literally(expression, glob + i, pg_mblen(glob + i));
    }
    raise_invalid("the pattern has a [ without a ]", "Write [[] for the character itself.");
    return 0;
}

static Datum expression_of(const text *pattern)
{
    const char *glob = VARDATA_ANY(pattern);
    int length = VARSIZE_ANY_EXHDR(pattern);
    StringInfoData expression;

    initStringInfo(&expression);
    appendStringInfoString(&expression, "^(?:");
    for (int i = 0; i < length;) {
        int character = pg_mblen(glob + i);

        if (glob[i] == '*')
            appendStringInfoString(&expression, ".*");
        else if (glob[i] == '?')
            appendStringInfoChar(&expression, '.');
        else if (glob[i] == '[')
            character += append_class(&expression, glob + i + 1, length - i - 1);
        else
            append_literally(&expression, glob + i, character);
        i += character;
    }
    appendStringInfoString(&expression, ")$");
    return PointerGetDatum(cstring_to_text_with_len(expression.data, expression.len));
}

static bool matches(Datum stream_id, Datum expression)
{
    return DatumGetBool(
        DirectFunctionCall2Coll(textregexeq, C_COLLATION_OID, stream_id, expression));
}

/* Try the expression, so that what is wrong with it is said now and as a fault of the pattern. */
static void check_expression(Datum expression)
{
    MemoryContext caller = CurrentMemoryContext;

    PG_TRY();
    {
        (void)matches(expression, expression);
    }
    PG_CATCH();
    {
        if (geterrcode() != ERRCODE_INVALID_REGULAR_EXPRESSION)
            PG_RE_THROW();
        MemoryContextSwitchTo(caller);
        FlushErrorState(); /* compiling an expression leaves nothing behind */
        raise_invalid("the pattern has a range that runs backward",
                      "In [a-z] the first character must not be behind the last.");
    }
    PG_END_TRY();
}

static bool equal_bytes(const text *a, const char *b, Size length)
{
    return VARSIZE_ANY_EXHDR(a) == length && memcmp(VARDATA_ANY(a), b, length) == 0;
}

static bool has_type(const ec_log_filter *filter, const text *type)
{
    for (int i = 0; i < filter->type_count; i++)
        if (equal_bytes(DatumGetTextPP(filter->types[i]), VARDATA_ANY(type),
                        VARSIZE_ANY_EXHDR(type)))
            return true;
    return false;
}

void ec_log_filter_set_types(ec_log_filter *filter, ArrayType *types)
{
    bool *nulls;
    int count;

    if (types == NULL)
        return;
    if (ARR_NDIM(types) > 1)
        raise_invalid("types has more than one dimension", "Pass a plain array of types.");
    deconstruct_array(types, TEXTOID, -1, false, TYPALIGN_INT, &filter->types, &nulls, &count);
    if (count == 0)
        raise_invalid("types is empty", "Pass null for events of every type.");
    for (int i = 0; i < count; i++) {
        if (nulls[i])
            raise_invalid("types has a null element", "Pass null for events of every type.");
        if (!has_type(filter, DatumGetTextPP(filter->types[i]))) /* once each */
            filter->types[filter->type_count++] = filter->types[i];
    }
}

void ec_log_filter_set_group(ec_log_filter *filter, int member, int group_size)
{
    if (group_size < 1 || group_size > EC_LOG_SLOTS)
        raise_invalid(psprintf("group_size must be between 1 and %d", EC_LOG_SLOTS),
                      "Leave out both member and group_size to read for all members.");
    if (member < 0 || member >= group_size)
        raise_invalid("member must be between 0 and group_size - 1",
                      "Leave out both member and group_size to read for all members.");
    filter->member = member;
    filter->group_size = group_size;
}

void ec_log_filter_group_arguments(ec_log_filter *filter, FunctionCallInfo fcinfo, int first)
{
    if (!PG_ARGISNULL(first) || !PG_ARGISNULL(first + 1))
        ec_log_filter_set_group(filter, PG_ARGISNULL(first) ? -1 : PG_GETARG_INT32(first),
                                PG_ARGISNULL(first + 1) ? -1 : PG_GETARG_INT32(first + 1));
}

static text *text_argument(FunctionCallInfo fcinfo, int argument)
{
    return PG_ARGISNULL(argument) ? NULL : PG_GETARG_TEXT_PP(argument);
}

ec_log_filter ec_log_filter_arguments(FunctionCallInfo fcinfo, int first)
{
    ec_log_filter filter = {
        .category = text_argument(fcinfo, first + 1),
        .prefix = text_argument(fcinfo, first + 2),
        .pattern = text_argument(fcinfo, first + 3),
        .correlation_id = text_argument(fcinfo, first + 4),
    };

    ec_log_filter_set_types(&filter, PG_ARGISNULL(first) ? NULL : PG_GETARG_ARRAYTYPE_P(first));
    return filter;
}

void ec_log_filter_prepare(ec_log_filter *filter)
{
    if (filter->category != NULL &&
        memchr(VARDATA_ANY(filter->category), '-', VARSIZE_ANY_EXHDR(filter->category)) != NULL)
        raise_invalid("a category has no \"-\"",
                      "It is what stands before the first \"-\" of a stream id; use prefix for "
                      "longer ones.");
    if (filter->pattern != NULL) {
        filter->expression = expression_of(filter->pattern);
        check_expression(filter->expression);
    }
}

Size ec_log_category_length(const text *stream_id)
{
    const char *id = VARDATA_ANY(stream_id);
    const char *dash = memchr(id, '-', VARSIZE_ANY_EXHDR(stream_id));

    return dash == NULL ? VARSIZE_ANY_EXHDR(stream_id) : (Size)(dash - id);
}

/* Hash: FNV-1a, 64 bits (Fowler, Noll, Vo), folded. Not the server's, which may change. */
int ec_log_slot(const text *stream_id)
{
    const unsigned char *id = (const unsigned char *)VARDATA_ANY(stream_id);
    uint64 hash = UINT64CONST(0xcbf29ce484222325);

    for (Size i = 0; i < VARSIZE_ANY_EXHDR(stream_id); i++)
        hash = (hash ^ id[i]) * UINT64CONST(0x100000001b3);
    return (hash ^ hash >> 32) % EC_LOG_SLOTS;
}

static bool stream_passes(const ec_log_filter *filter, ec_event_scan *scan)
{
    Datum datum = ec_event_scan_value(scan, EC_STREAM_ID, NULL);
    const text *stream_id = DatumGetTextPP(datum);
    const char *id = VARDATA_ANY(stream_id);

    if (filter->category != NULL &&
        !equal_bytes(filter->category, id, ec_log_category_length(stream_id)))
        return false;
    if (filter->prefix != NULL) {
        Size length = VARSIZE_ANY_EXHDR(filter->prefix);

        if (VARSIZE_ANY_EXHDR(stream_id) < length ||
            memcmp(id, VARDATA_ANY(filter->prefix), length) != 0)
            return false;
    }
    if (filter->group_size > 0) {
        int slot = ec_log_slot(stream_id);

        if (slot % filter->group_size != filter->member)
            return false;
        if (filter->floors != NULL && DatumGetInt64(ec_event_scan_value(
                                          scan, EC_GLOBAL_POSITION, NULL)) <= filter->floors[slot])
            return false;
    }
    return filter->pattern == NULL || matches(datum, filter->expression);
}

/* Find the string at metadata's key correlation_id, inside of it. */
static bool find_correlation(Jsonb *metadata, JsonbValue *value)
{
    return JB_ROOT_IS_OBJECT(metadata) &&
           getKeyJsonValueFromContainer(&metadata->root, "correlation_id", strlen("correlation_id"),
                                        value) != NULL &&
           value->type == jbvString;
}

static bool correlation_passes(const ec_log_filter *filter, ec_event_scan *scan)
{
    bool is_null;
    Datum datum = ec_event_scan_value(scan, EC_METADATA, &is_null);
    Jsonb *metadata;
    JsonbValue value;
    bool passes;

    if (is_null)
        return false;
    metadata = DatumGetJsonbP(datum);
    passes = find_correlation(metadata, &value) &&
             equal_bytes(filter->correlation_id, value.val.string.val, value.val.string.len);
    if ((Pointer)metadata != DatumGetPointer(datum))
        pfree(metadata); /* many rows are looked at in one call */
    return passes;
}

bool ec_log_filter_passes(const ec_log_filter *filter, ec_event_scan *scan)
{
    bool by_stream = filter->category != NULL || filter->prefix != NULL ||
                     filter->pattern != NULL || filter->group_size > 0;

    return (!by_stream || stream_passes(filter, scan)) &&
           (filter->type_count == 0 ||
            has_type(filter, DatumGetTextPP(ec_event_scan_value(scan, EC_TYPE, NULL)))) &&
           (filter->correlation_id == NULL || correlation_passes(filter, scan));
}

/* (stream_id text) */
PG_FUNCTION_INFO_V1(eventcore_category);
Datum eventcore_category(PG_FUNCTION_ARGS)
{
    text *stream_id = PG_GETARG_TEXT_PP(0);

    PG_RETURN_TEXT_P(
        cstring_to_text_with_len(VARDATA_ANY(stream_id), ec_log_category_length(stream_id)));
}

/* (metadata jsonb) */
PG_FUNCTION_INFO_V1(eventcore_correlation_id);
Datum eventcore_correlation_id(PG_FUNCTION_ARGS)
{
    JsonbValue value;

    if (!find_correlation(PG_GETARG_JSONB_P(0), &value))
        PG_RETURN_NULL();
    PG_RETURN_TEXT_P(cstring_to_text_with_len(value.val.string.val, value.val.string.len));
}
