/* SPDX-License-Identifier: MIT */
/*
 * The machine's clock, on which the time between two looks at it is short however long it was: a
 * test whose server is in its own loop is not late where the machine was busy with something else.
 * Whoever turns the loop looks at it each time, as a loop in which nothing happens does not.
 */
#ifndef TEST_SUPPORT_STEADY_CLOCK_H
#define TEST_SUPPORT_STEADY_CLOCK_H

#include "belay/world.h"

struct steady_clock {
    struct belay_clock clock; /* of a world */
    uint64_t seen_ns, now_ns;
};

void steady_clock_init(struct steady_clock *c);
uint64_t steady_clock_ns(struct steady_clock *c);
void steady_clock_forward(struct steady_clock *c, int64_t ms);

#endif
