/* SPDX-License-Identifier: MIT */
/* `belay pool --json`: one object a line, on standard output. */
#ifndef CLI_POOL_JSON_H
#define CLI_POOL_JSON_H

#include "pool_facts.h"

/* {"type":"stats",...}; "summary" at the end. False: writing failed. */
bool pool_json_facts(const struct pool_facts *facts, const char *type);
/* {"type":"event",...} */
bool pool_json_event(const struct pool_event *event);

#endif
