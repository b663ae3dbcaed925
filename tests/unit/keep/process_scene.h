/* SPDX-License-Identifier: MIT */
/* What the tests of processes begin and end with: a kit, and actors that have not started. */
#ifndef TEST_KEEP_PROCESS_SCENE_H
#define TEST_KEEP_PROCESS_SCENE_H

#include "unit/keep/process_kit.h"

static struct process_kit k;
static struct actor a, b, c;

static inline int set_up(void **state)
{
    (void)state;
    process_kit_begin(&k);
    actor_init(&a, &k);
    actor_init(&b, &k);
    actor_init(&c, &k);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    actor_forget(&a);
    actor_forget(&b);
    actor_forget(&c);
    process_kit_end(&k);
    return 0;
}

static inline void start_over(void)
{
    tear_down(NULL);
    set_up(NULL);
}

#endif
