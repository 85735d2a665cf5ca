/*
 * relations.c: where a store's events are.
 *
 * Relations are looked up by name in the schema eventcore at each call, in the system caches (less
 * than a microsecond in all): no OID is remembered, so a dropped and recreated extension, a REINDEX
 * CONCURRENTLY or an ALTER can surprise nobody. Indexes are recognised by their columns, for the
 * same reason, and because in a restored or distributed database they may have other names.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_am_d.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_opfamily_d.h"
#include "catalog/pg_type_d.h"
#include "compat.h"
#include "errors.h"
#include "relations.h"
#include "rows.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static const Oid event_column_types[EC_EVENT_COLUMNS] = {
    TEXTOID, INT8OID,  TEXTOID,  INT8OID,  UUIDOID,
    TEXTOID, JSONBOID, BYTEAOID, JSONBOID, TIMESTAMPTZOID,
};

static void raise_mismatch(const char *relation, const char *problem)
{
    ereport(ERROR, (ec_error_code(EC_ERROR_relation_mismatch),
                    errmsg("relation \"eventcore.%s\" %s", relation, problem),
                    ec_error_detail(EC_ERROR_relation_mismatch, "s", "relation", relation),
                    errhint("The relations of eventcore belong to the extension: restore them as "
                            "CREATE EXTENSION made them.")));
}

static Oid find_relation(const char *name, Oid schema)
{
    Oid relation = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

    if (!OidIsValid(relation))
        raise_mismatch(name, "does not exist");
    return relation;
}

/* Open a relation that may be dropped while we wait for its lock. */
static Relation open_relation(const char *name, Oid schema, LOCKMODE lockmode)
{
    Relation relation = try_relation_open(find_relation(name, schema), lockmode);

    if (relation == NULL)
        raise_mismatch(name, "does not exist");
    return relation;
}

Relation ec_relations_open_table(const char *name, const Oid *column_types, int count,
                                 LOCKMODE lockmode)
{
    Relation table = open_relation(name, get_namespace_oid("eventcore", true), lockmode);

    if (!ec_rows_match(RelationGetDescr(table), column_types, count))
        raise_mismatch(name, "was altered");
    return table;
}

Relation ec_relations_open_stores(LOCKMODE lockmode)
{
    static const Oid column_types[] = {TEXTOID, TIMESTAMPTZOID};

    return ec_relations_open_table("stores", column_types, lengthof(column_types), lockmode);
}

bool ec_relations_has_store(Relation stores, text *store)
{
    ScanKeyData key;
    SysScanDesc scan;
    bool found;

    ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(store));
    scan = systable_beginscan(stores, ec_primary_key_index(stores), true, NULL, 1, &key);
    found = HeapTupleIsValid(systable_getnext(scan));
    systable_endscan(scan);
    return found;
}

/*
 * Check that a store exists. 'default' always does, so that who needs one store pays nothing; any
 * other is looked up, because a mistyped name must not open an empty universe in which every
 * stream is at version 0.
 */
static void check_store(text *store)
{
    Relation stores;
    bool found;

    if (VARSIZE_ANY_EXHDR(store) == 7 && memcmp(VARDATA_ANY(store), "default", 7) == 0)
        return;

    stores = ec_relations_open_stores(AccessShareLock);
    found = ec_relations_has_store(stores, store);
    table_close(stores, NoLock);

    if (!found) {
        char *name = text_to_cstring(store);

        ereport(ERROR,
                (ec_error_code(EC_ERROR_store_not_found),
                 errmsg("store \"%s\" does not exist", name),
                 ec_error_detail(EC_ERROR_store_not_found, "s", "store", name),
                 errhint("Make it with eventcore.create_store, or leave the store out to use the "
                         "default one.")));
    }
}

static void check_event_columns(Relation events)
{
    if (events->rd_rel->relkind != RELKIND_RELATION || events->rd_rel->relispartition ||
        !ec_rows_match(RelationGetDescr(events), event_column_types, EC_EVENT_COLUMNS))
        raise_mismatch("events", "was altered");
}

/*
 * Whether an index can answer for uniqueness and order of exactly these columns. One that a user
 * made may have the same columns and another order, or carry others.
 */
static bool index_covers(Relation index, Relation events, int count, const AttrNumber *columns)
{
    Form_pg_index form = index->rd_index;

    if (index->rd_rel->relam != BTREE_AM_OID || !form->indisvalid || !form->indisunique ||
        !form->indimmediate || form->indnatts != count || form->indnkeyatts != count ||
        memcmp(form->indkey.values, columns, count * sizeof(AttrNumber)) != 0 ||
        !heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, NULL))
        return false;
    for (int i = 0; i < count; i++) {
        Form_pg_attribute column = TupleDescAttr(RelationGetDescr(events), columns[i] - 1);

        if (index->rd_indoption[i] != 0 ||
            (column->atttypid == TEXTOID && (index->rd_indcollation[i] != C_COLLATION_OID ||
                                             index->rd_opfamily[i] != TEXT_BTREE_FAM_OID)) ||
            (column->atttypid == INT8OID && index->rd_opfamily[i] != INTEGER_BTREE_FAM_OID))
            return false;
    }
    return true;
}

static void take_if_ours(Relation *ours, Relation index, Relation events, int count,
                         const AttrNumber *columns)
{
    if (*ours == NULL && index_covers(index, events, count, columns))
        *ours = index;
}

ec_relations ec_relations_open(text *store, LOCKMODE lockmode)
{
    static const AttrNumber position_columns[] = {EC_STORE, EC_GLOBAL_POSITION};
    static const AttrNumber version_columns[] = {EC_STORE, EC_STREAM_ID, EC_VERSION};
    static const AttrNumber event_id_columns[] = {EC_STORE, EC_EVENT_ID};
    ec_relations relations = {.store = store};
    Oid schema = get_namespace_oid("eventcore", true);
    List *index_oids;
    ListCell *cell;

    /*
     * Always in this order, and before any stream lock: the other way round an appender that holds
     * a stream and waits for DDL would deadlock with another that the DDL waits for.
     */
    check_store(store);
    relations.events = open_relation("events", schema, lockmode);
    check_event_columns(relations.events);
    relations.sequence = open_relation("global_position", schema, lockmode);
    if (relations.sequence->rd_rel->relkind != RELKIND_SEQUENCE)
        raise_mismatch("global_position", "is not a sequence");
    relations.gate = find_relation("append_gate", schema);

    index_oids = RelationGetIndexList(relations.events);
    relations.indexes = palloc(list_length(index_oids) * sizeof(Relation));
    foreach (cell, index_oids) {
        Relation index = index_open(lfirst_oid(cell), lockmode);

        relations.indexes[relations.index_count++] = index;
        take_if_ours(&relations.by_position, index, relations.events, lengthof(position_columns),
                     position_columns);
        take_if_ours(&relations.by_version, index, relations.events, lengthof(version_columns),
                     version_columns);
        take_if_ours(&relations.by_event_id, index, relations.events, lengthof(event_id_columns),
                     event_id_columns);
    }
    list_free(index_oids);
    if (!relations.by_position || !relations.by_version || !relations.by_event_id)
        raise_mismatch("events", "has lost a unique index");
    return relations;
}

void ec_relations_close(ec_relations *relations)
{
    for (int i = 0; i < relations->index_count; i++)
        index_close(relations->indexes[i], NoLock);
    relation_close(relations->sequence, NoLock);
    table_close(relations->events, NoLock);
}
