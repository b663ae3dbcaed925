/* SPDX-License-Identifier: MIT */
/* What the tests of supervisors begin and end with: a kit, and toys. */
#ifndef TEST_KEEP_SUPERVISOR_SCENE_H
#define TEST_KEEP_SUPERVISOR_SCENE_H

#include <string.h>

#include "unit/keep/supervisor_kit.h"

static struct kit k;
static struct toy toys[8];

static inline int set_up(void **state)
{
    (void)state;
    kit_begin(&k);
    memset(toys, 0, sizeof toys);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    kit_end(&k);
    return 0;
}

static inline struct belay_child_info info_of(const char *id)
{
    struct belay_child_info info = belay_child_info_init();

    assert_true(belay_supervisor_find_child(k.supervisor, id, &info));
    return info;
}

#endif
