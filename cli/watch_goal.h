/* SPDX-License-Identifier: MIT */
/* What `belay watch` waits for: that all, or any, are up, or down, for some time. Pure. */
#ifndef CLI_WATCH_GOAL_H
#define CLI_WATCH_GOAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watch_goal {
    bool any;
    int64_t stable_ms;
    bool met; /* at the moment */
    int64_t since_ms;
};

enum { WATCH_GOAL_FAR = -1 };

/* `there`: how many of `all` are as they shall be. Returns 0 when it is reached, FAR while they are
 * not, else how many milliseconds they have to stay so. */
int64_t watch_goal_step(struct watch_goal *goal, int64_t now_ms, size_t there, size_t all);

#endif
