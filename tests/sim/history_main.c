/* SPDX-License-Identifier: MIT */
/*
 * NAME [--seed N] [--histories N] [--alloc-fail] [--verbose]: histories from seed N on (1). One that fails is run again with
 * all that happens on standard error, and ends the program with 1; `NAME --seed N` replays it exactly.
 */
#include "sim/history_main.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HISTORY_S 60 /* of real time: one takes some milliseconds */

static char current[64]; /* the seed, for those who die */

static void die(int signal_number)
{
    ssize_t ignored = write(STDERR_FILENO, current, strlen(current));

    (void)ignored;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

struct arguments {
    uint64_t seed, histories;
    struct history_options options;
};

static int parse(int argc, char **argv, struct arguments *a)
{
    bool one = false, many = false;

    *a = (struct arguments){.seed = 1, .histories = 200};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            a->options.verbose = true;
        } else if (strcmp(argv[i], "--alloc-fail") == 0) {
            a->options.alloc_fails = true;
        } else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            a->seed = strtoull(argv[++i], NULL, 10);
            one = true;
        } else if (strcmp(argv[i], "--histories") == 0 && i + 1 < argc) {
            a->histories = strtoull(argv[++i], NULL, 10);
            many = true;
        } else {
            return -1;
        }
    }
    if (one && !many)
        a->histories = 1;
    return 0;
}

int history_main(int argc, char **argv, history_run_fn *run, history_report_fn *report)
{
    struct arguments a;
    char text[600];

    if (parse(argc, argv, &a) < 0) {
        fprintf(stderr, "usage: %s [--seed N] [--histories N] [--alloc-fail] [--verbose]\n",
                argv[0]);
        return 2;
    }
    signal(SIGABRT, die);
    signal(SIGSEGV, die);
    signal(SIGALRM, die);
    for (uint64_t seed = a.seed; seed < a.seed + a.histories; seed++) {
        snprintf(current, sizeof current, "in the history of seed %llu\n",
                 (unsigned long long)seed);
        alarm(HISTORY_S);
        if (run(seed, &a.options, text, sizeof text) == 0)
            continue;
        if (!a.options.verbose) {
            a.options.verbose = true;
            run(seed, &a.options, text, sizeof text);
        }
        printf("FAILED: seed %llu: %s\n", (unsigned long long)seed, text);
        return 1;
    }
    alarm(0);
    return report(a.histories) ? 1 : 0;
}
