/* SPDX-License-Identifier: MIT */
/* Which of several kernels to connect to. */
#include "service/balancer.h"

#include "base/assert.h"

void bl_balancer_init(struct bl_balancer *b, enum belay_chronicle_balancer kind, uint64_t seed)
{
    b->kind = kind;
    bl_rand_seed(&b->rand, seed);
    b->next = bl_rand_next(&b->rand) >> 1;
}

bool bl_balancer_probes(const struct bl_balancer *b, size_t n)
{
    return n > 1 && b->kind == BELAY_CHRONICLE_LEAST_CONNECTIONS;
}

static bool is_fewer(int64_t a, int64_t b)
{
    return a >= 0 && (b < 0 || a < b);
}

static size_t pick_least(struct bl_balancer *b, const int64_t *counts, size_t n)
{
    size_t best = 0;
    uint64_t equals = 1;

    for (size_t i = 1; i < n; i++) {
        if (is_fewer(counts[i], counts[best])) {
            best = i;
            equals = 1;
        } else if (!is_fewer(counts[best], counts[i]) && bl_rand_below(&b->rand, ++equals) == 0) {
            best = i;
        }
    }
    return best;
}

size_t bl_balancer_pick(struct bl_balancer *b, const int64_t *counts, size_t n)
{
    BL_ASSERT(n > 0);
    if (n == 1)
        return 0;
    switch (b->kind) {
    case BELAY_CHRONICLE_ROUND_ROBIN:
        return (size_t)(b->next++ % n);
    case BELAY_CHRONICLE_RANDOM:
        return (size_t)bl_rand_below(&b->rand, n);
    case BELAY_CHRONICLE_LEAST_CONNECTIONS:
    case BELAY_CHRONICLE_BALANCER_DEFAULT:
        break;
    }
    return pick_least(b, counts, n);
}
