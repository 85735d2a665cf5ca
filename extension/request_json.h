/* request_json.h: requests from JSON. */
#ifndef EVENTCORE_REQUEST_JSON_H
#define EVENTCORE_REQUEST_JSON_H

#include "fmgr.h"
#include "request.h"

/* (events jsonb, expected jsonb, store text): one command, see sql/append.sql. */
extern ec_request *ec_request_from_json(FunctionCallInfo fcinfo);

#endif
