/* SPDX-License-Identifier: MIT */
/* `belay watch --json`: one object a line. */
#ifndef CLI_WATCH_JSON_H
#define CLI_WATCH_JSON_H

#include "watch_facts.h"

/* False: standard output is gone. */
bool watch_json_event(const struct watch_event *event);

#endif
