/* SPDX-License-Identifier: MIT */
/* `belay watch --json`: one object a line; `belay pipe` tells of events as it does. */
#ifndef CLI_WATCH_JSON_H
#define CLI_WATCH_JSON_H

#include <jansson.h>

#include "watch_facts.h"

json_t *watch_json_make(const struct watch_event *event);
/* False: standard output is gone. */
bool watch_json_event(const struct watch_event *event);

#endif
