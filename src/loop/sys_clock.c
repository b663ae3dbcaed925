/* SPDX-License-Identifier: MIT */
/* The clocks of the kernel. */
#include <time.h>

#include "loop/loop.h"
#include "loop/sys.h"

uint64_t bl_sys_monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t clock_now_ns(void *arg)
{
    (void)arg;
    return bl_sys_monotonic_ns();
}

static int64_t clock_wall_ms(void *arg)
{
    (void)arg;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const struct belay_clock bl_sys_clock = {
    .size = sizeof(struct belay_clock),
    .now_ns = clock_now_ns,
    .wall_ms = clock_wall_ms,
};

bool bl_sys_clock_is_system(const struct belay_loop *loop)
{
    return loop->clock.now_ns == clock_now_ns;
}

uint64_t bl_sys_monotonic_of(struct belay_loop *loop, uint64_t at_ns)
{
    if (bl_sys_clock_is_system(loop))
        return at_ns;
    uint64_t now = loop->clock.now_ns(loop->clock.arg);
    uint64_t rest = at_ns > now ? at_ns - now : 0;
    uint64_t base = bl_sys_monotonic_ns();
    return rest > BELAY_NEVER - base ? BELAY_NEVER : base + rest;
}
