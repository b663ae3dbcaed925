/* SPDX-License-Identifier: MIT */
/* sim_pool: histories of a pool (history.c), and the table of what they met. */
#include "sim/coverage.h"
#include "sim/history.h"
#include "sim/history_main.h"

static struct coverage coverage;

static int run(uint64_t seed, const struct history_options *options, char *text, size_t size)
{
    return history_run(seed, options, &coverage, text, size);
}

static int report(uint64_t histories)
{
    coverage_print(&coverage);
    return histories >= 1000 ? coverage_lacking(&coverage) : 0;
}

int main(int argc, char **argv)
{
    return history_main(argc, argv, run, report);
}
