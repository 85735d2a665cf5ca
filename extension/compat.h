/*
 * compat.h: what differs between the PostgreSQL versions that we build for (15 to 18). The only
 * file that asks for PG_VERSION_NUM; everything else is written for the newest form.
 */
#ifndef EVENTCORE_COMPAT_H
#define EVENTCORE_COMPAT_H

#include "access/genam.h"
#include "executor/executor.h"
#include "storage/proc.h"

/* The number of the transaction that this backend is in: never 0 inside one, and never reused soon.
 */
#if PG_VERSION_NUM >= 170000
#define ec_transaction_number() (MyProc->vxid.lxid)
#else
#define ec_transaction_number() (MyProc->lxid)
#endif

#if PG_VERSION_NUM >= 180000
#define ec_index_beginscan(table, index, snapshot, keys)                                           \
    index_beginscan(table, index, snapshot, NULL, keys, 0)
#else
#define ec_index_beginscan(table, index, snapshot, keys)                                           \
    index_beginscan(table, index, snapshot, keys, 0)
#endif

#if PG_VERSION_NUM >= 160000
#define ec_bt_getroot(index, table) _bt_getroot(index, table, BT_READ)
#else
#define ec_bt_getroot(index, table) _bt_getroot(index, BT_READ)
#endif

/* Insert the index entries of a new tuple; raise 23505 on a duplicate key. */
#if PG_VERSION_NUM >= 160000
#define ec_insert_index_entries(result_relation, slot, estate)                                     \
    ExecInsertIndexTuples(result_relation, slot, estate, false, false, NULL, NIL, false)
#else
#define ec_insert_index_entries(result_relation, slot, estate)                                     \
    ExecInsertIndexTuples(result_relation, slot, estate, false, false, NULL, NIL)
#endif

#if PG_VERSION_NUM >= 160000
#define ec_function_is_executable(function, role)                                                  \
    (object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK)
#define ec_qualified_name_list(name) stringToQualifiedNameList(name, NULL)
#else
#define ec_function_is_executable(function, role)                                                  \
    (pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK)
#define ec_qualified_name_list(name) stringToQualifiedNameList(name)
#endif

#if PG_VERSION_NUM >= 180000
#define ec_primary_key_index(table) RelationGetPrimaryKeyIndex(table, false)
#else
#define ec_primary_key_index(table) RelationGetPrimaryKeyIndex(table)
#endif

#endif
