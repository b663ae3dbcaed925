/* SPDX-License-Identifier: MIT */
/* xoshiro256** (Blackman and Vigna), its state filled by splitmix64 so that any seed will do. */
#include "base/rand.h"

static uint64_t rotated(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void bl_rand_seed(struct bl_rand *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&seed);
}

uint64_t bl_rand_next(struct bl_rand *r)
{
    uint64_t result = rotated(r->s[1] * 5, 7) * 9, shifted = r->s[1] << 17;

    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= shifted;
    r->s[3] = rotated(r->s[3], 45);
    return result;
}

uint64_t bl_rand_below(struct bl_rand *r, uint64_t bound)
{
    uint64_t uneven, x;

    if (bound == 0)
        return 0;
    uneven =
        (0 - bound) % bound; /* 2^64 mod bound: values below it would make some results likelier */
    do {
        x = bl_rand_next(r);
    } while (x < uneven);
    return x % bound;
}

double bl_rand_unit(struct bl_rand *r)
{
    return (double)(bl_rand_next(r) >> 11) * 0x1.0p-53;
}
