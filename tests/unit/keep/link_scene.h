/* SPDX-License-Identifier: MIT */
/* What the tests of links begin and end with. */
#ifndef TEST_KEEP_LINK_SCENE_H
#define TEST_KEEP_LINK_SCENE_H

#include "unit/keep/link_kit.h"

static struct link_kit k;

static inline int teardown(void **state)
{
    (void)state;
    link_kit_end(&k);
    return 0;
}

/* With the options of the kit, and nothing has happened yet. */
static inline void open_with(const char *letters)
{
    link_kit_begin(&k, letters);
    link_kit_open(&k);
}

/* The same, and what is to be done at once has been. */
static inline void start_with(const char *letters)
{
    link_kit_begin(&k, letters);
    link_kit_start(&k);
}

#define T(name) cmocka_unit_test_teardown(name, teardown)

#endif
