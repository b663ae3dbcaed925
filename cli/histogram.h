/* SPDX-License-Identifier: MIT */
/*
 * Percentiles of many durations in constant memory: buckets that grow with the value, 128 to each
 * doubling, so that a figure is right to 0.8 %. Pure.
 */
#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_SUB      (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_DOUBLINGS                                                                        \
    34 /* up to 2^41 - 1: 25 days in microseconds; what is longer counts as that */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_DOUBLINGS + 1) * HISTOGRAM_SUB)

struct histogram {
    uint64_t count, sum, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);

/* The value that `percent` (0 to 100) of all are not above: the bucket's largest, at most the
 * maximum. 0 when empty. */
uint64_t histogram_percentile(const struct histogram *h, double percent);

double histogram_mean(const struct histogram *h);

#endif
