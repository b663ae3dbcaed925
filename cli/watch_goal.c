/* SPDX-License-Identifier: MIT */
/* What `belay watch` waits for. */
#include "watch_goal.h"

int64_t watch_goal_step(struct watch_goal *goal, int64_t now_ms, size_t there, size_t all)
{
    bool met = goal->any ? there > 0 : there == all;
    int64_t left;

    if (met && !goal->met)
        goal->since_ms = now_ms;
    goal->met = met;
    if (!met)
        return WATCH_GOAL_FAR;
    left = goal->since_ms + goal->stable_ms - now_ms;
    return left > 0 ? left : 0;
}
