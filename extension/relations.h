/*
 * relations.h: where a store's events are.
 *
 * The only place that finds and opens a relation of ours. Everything else works on what it returns
 * and assumes nothing about names: on a distributed table a store's rows are in a shard.
 */
#ifndef EVENTCORE_RELATIONS_H
#define EVENTCORE_RELATIONS_H

#include "storage/lockdefs.h"
#include "utils/relcache.h"

/* Columns of eventcore.events. */
enum {
    EC_STORE = 1,
    EC_GLOBAL_POSITION,
    EC_STREAM_ID,
    EC_VERSION,
    EC_EVENT_ID,
    EC_TYPE,
    EC_DATA,
    EC_PAYLOAD,
    EC_METADATA,
    EC_RECORDED_AT,
    EC_EVENT_COLUMNS = EC_RECORDED_AT
};

typedef struct ec_relations {
    text *store;
    Relation events;
    Relation sequence; /* of global positions */
    Oid gate;          /* see stream_lock.c */
    int index_count;
    Relation *indexes;    /* all indexes of events; three of them are the next */
    Relation by_position; /* (store, global_position) */
    Relation by_version;  /* (store, stream_id, version) */
    Relation by_event_id; /* (store, event_id) */
} ec_relations;

/*
 * Open the relations of a store with `lockmode`: RowExclusiveLock to append, AccessShareLock to
 * read. Unknown store: store_not_found; missing or altered relation: relation_mismatch.
 */
extern ec_relations ec_relations_open(text *store, LOCKMODE lockmode);

/* Close them. Locks stay to the end of the transaction, as on every table that it used. */
extern void ec_relations_close(ec_relations *relations);

/* Open one of our other tables. Missing, or columns of other types: relation_mismatch. */
extern Relation ec_relations_open_table(const char *name, const Oid *column_types, int count,
                                        LOCKMODE lockmode);

/* The table of stores, and whether it has one. */
extern Relation ec_relations_open_stores(LOCKMODE lockmode);
extern bool ec_relations_has_store(Relation stores, text *store);

#endif
