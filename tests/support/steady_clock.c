/* SPDX-License-Identifier: MIT */
/* The steady clock of tests. */
#include "support/steady_clock.h"

#include <time.h>

#define STEP_NS 5000000u

static uint64_t machine_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t steady_clock_ns(struct steady_clock *c)
{
    uint64_t now = machine_ns(), past = now - c->seen_ns;

    c->seen_ns = now;
    return c->now_ns += past < STEP_NS ? past : STEP_NS;
}

static uint64_t now_ns(void *arg)
{
    return steady_clock_ns(arg);
}

void steady_clock_init(struct steady_clock *c)
{
    *c = (struct steady_clock){
        .clock = {BELAY_SIZED(belay_clock), .now_ns = now_ns, .arg = c},
        .seen_ns = machine_ns(),
    };
    c->now_ns = c->seen_ns;
}

void steady_clock_forward(struct steady_clock *c, int64_t ms)
{
    c->now_ns += (uint64_t)ms * 1000000u;
}
