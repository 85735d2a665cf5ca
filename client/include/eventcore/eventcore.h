/**
 * @file
 * Commands over several event streams at once, on PostgreSQL with the extension `eventcore`.
 *
 * Three calls to start:
 *
 *     ec_connect(&connection, "dbname=bank", NULL);
 *     transfer_execute(connection, &streams, &command, &outcome);
 *     ec_close(connection);
 *
 * where `transfer` is a command declared with EC_COMMAND.
 *
 * Rules that hold for every function:
 *
 * - Results are statuses; EC_OK is zero. What is made is handed back through a pointer.
 * - The handle keeps the details of its last failure: ec_error_message() and its kin.
 * - One handle is one connection, used by one thread at a time. Handles share nothing, so
 *   threads with a handle each need no lock. An event list or an outcome belongs to no handle:
 *   it outlives its connection, and is likewise for one thread at a time. What takes none of them
 *   may be called by any thread.
 * - Strings are UTF-8 and end with NUL. What goes in is copied unless its function says otherwise;
 *   what comes out belongs to the object it was asked of and lives as long as that object.
 * - An options struct is set by its initialiser, which tells the library its size: a program works
 *   with a newer library without being compiled anew.
 * - Times of day are microseconds since 1970-01-01 00:00 UTC, durations are milliseconds.
 */
#ifndef EVENTCORE_H
#define EVENTCORE_H

#include "append.h"
#include "command.h"
#include "connection.h"
#include "event.h"
#include "execute.h"
#include "hooks.h"
#include "iterator.h"
#include "outcome.h"
#include "pool.h"
#include "read.h"
#include "snapshot.h"
#include "status.h"
#include "subscription.h"
#include "task.h"
#include "upcast.h"

#endif
