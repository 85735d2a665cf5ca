/* rows.h: return rows from a function. */
#ifndef EVENTCORE_ROWS_H
#define EVENTCORE_ROWS_H

#include "fmgr.h"
#include "nodes/execnodes.h"

/*
 * Begin to return a set of rows, which goes into the result's tuplestore. Raises relation_mismatch
 * if the columns that the SQL declaration has are not of the given types: somebody altered it.
 */
extern ReturnSetInfo *ec_rows_begin(FunctionCallInfo fcinfo, const Oid *types, int count);

/* Add a row. */
extern void ec_rows_add(ReturnSetInfo *rows, Datum *values, bool *nulls);

/* Whether a row type has exactly columns of the given types. ANYARRAYOID stands for any array. */
extern bool ec_rows_match(TupleDesc columns, const Oid *types, int count);

/* Raise relation_mismatch: somebody has altered one of our types. */
extern void ec_rows_raise_altered(const char *type);

#endif
