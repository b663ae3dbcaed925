/* SPDX-License-Identifier: MIT */
/*
 * A history that fails, made small: steps and draws are left out as long as what remains fails in the same way. Every run is
 * a process of its own, so that one that dies is shrunk like one that is found out.
 */
#ifndef TEST_SIM_HISTORY_SHRINK_H
#define TEST_SIM_HISTORY_SHRINK_H

#include "sim/history_items.h"
#include "sim/history_main.h"

#define HISTORY_TEXT_MAX   600
#define HISTORY_ITEMS_TEXT 4096

struct history_shrunk {
    struct history_items items;
    unsigned before, after, runs;
    char before_text[HISTORY_TEXT_MAX],
        text[HISTORY_TEXT_MAX]; /* what was wrong: in all of it, and in what is left */
};

/* 0; or -1 when the history does not fail. */
int history_shrink(history_run_fn *run, uint64_t seed, const struct history_options *options,
                   struct history_shrunk *ret);

/* Whether two failures are one, numbers apart. */
bool history_same_failure(const char *a, const char *b);

#endif
