/* SPDX-License-Identifier: MIT */
/* The command line that programs of histories share. */
#ifndef TEST_SIM_HISTORY_MAIN_H
#define TEST_SIM_HISTORY_MAIN_H

#include "sim/history_items.h"

/* 0, or -1 with what was wrong in `text`. */
typedef int history_run_fn(uint64_t seed, const struct history_options *options, char *text,
                           size_t size);
/* Prints what was met; not 0 when it is too little for so many histories. */
typedef int history_report_fn(uint64_t histories);

int history_main(int argc, char **argv, history_run_fn *run, history_report_fn *report);

#endif
