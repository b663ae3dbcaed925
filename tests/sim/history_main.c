/* SPDX-License-Identifier: MIT */
/*
 * NAME [--seed N] [--histories N] [--alloc-fail] [--no-shrink] [--verbose]: histories from seed N on (1), in a process of
 * their own. One that fails is shrunk (history_shrink.h), run again with all that happens on standard error, and ends the
 * program with 1.
 *
 * NAME SEED:ITEMS replays what is left of it, NAME --seed N the whole.
 */
#include "sim/history_shrink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HISTORY_S 60 /* of real time: one takes some milliseconds */

struct arguments {
    uint64_t seed, histories;
    bool replay;
    struct history_items items;
    struct history_options options;
};

/* Of the process that runs the histories, for the one that waits for it. */
struct record {
    uint64_t seed;
    bool failed;
    char text[HISTORY_TEXT_MAX];
};

static int parse_replay(const char *text, struct arguments *a)
{
    char *end;

    a->seed = strtoull(text, &end, 10);
    a->replay = true;
    if (end == text || *end != ':' || history_items_parse(&a->items, end + 1) < 0)
        return -1;
    a->options.items = &a->items;
    return 0;
}

static int parse_sabotage(const char *text, struct arguments *a)
{
    if (strcmp(text, "uses") == 0)
        a->options.sabotage = SIM_SABOTAGE_USES;
    else if (strcmp(text, "crash") == 0)
        a->options.sabotage = SIM_SABOTAGE_CRASH;
    else
        return -1;
    return 0;
}

static int parse(int argc, char **argv, struct arguments *a)
{
    bool one = false, many = false;

    *a = (struct arguments){.seed = 1, .histories = 200};
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        int with_value = 1;

        if (strcmp(argv[i], "--seed") == 0) {
            a->seed = strtoull(value, NULL, 10);
            one = true;
        } else if (strcmp(argv[i], "--histories") == 0) {
            a->histories = strtoull(value, NULL, 10);
            many = true;
        } else if (strcmp(argv[i], "--sabotage") == 0) {
            if (parse_sabotage(value, a) < 0)
                return -1;
        } else {
            with_value = 0;
            if (strcmp(argv[i], "--verbose") == 0)
                a->options.verbose = true;
            else if (strcmp(argv[i], "--alloc-fail") == 0)
                a->options.alloc_fails = true;
            else if (strcmp(argv[i], "--no-shrink") == 0)
                a->options.one_by_one = true;
            else if (parse_replay(argv[i], a) < 0)
                return -1;
        }
        i += with_value;
        if (i >= argc)
            return -1;
    }
    if (a->replay || (one && !many))
        a->histories = 1;
    return 0;
}

/* In this process. */
static int run_all(const struct arguments *a, struct record *record, history_run_fn *run,
                   history_report_fn *report)
{
    for (record->seed = a->seed; record->seed < a->seed + a->histories; record->seed++) {
        alarm(HISTORY_S);
        if (run(record->seed, &a->options, record->text, sizeof record->text) < 0) {
            record->failed = true;
            return 1;
        }
    }
    alarm(0);
    return report(a->histories) ? 1 : 0;
}

/* In a process of its own; returns how that ended. */
static int run_apart(const struct arguments *a, struct record *record, history_run_fn *run,
                     history_report_fn *report)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        int result = run_all(a, record, run, report);

        fflush(NULL);
        if (record->failed)
            _exit(result); /* with all that it held */
        exit(result);
    }
    waitpid(pid, &status, 0);
    return status;
}

static void tell(const char *name, const struct arguments *a, const struct record *record,
                 history_run_fn *run, history_report_fn *report)
{
    struct arguments small = *a;
    struct history_shrunk shrunk;
    struct record ignored = {0};
    char items[HISTORY_ITEMS_TEXT];
    unsigned long long seed = (unsigned long long)record->seed;

    small.seed = record->seed;
    small.histories = 1;
    small.options.verbose = true;
    if (a->options.one_by_one) {
        printf("FAILED: seed %llu: %s\n", seed, record->text[0] ? record->text : "it died");
        return;
    }
    if (history_shrink(run, record->seed, &a->options, &shrunk) < 0) {
        printf("FAILED: seed %llu: %s (and not when it is run alone)\n", seed, record->text);
        return;
    }
    history_items_print(&shrunk.items, items, sizeof items);
    small.items = shrunk.items;
    small.options.items = &small.items;
    run_apart(&small, &ignored, run, report);
    printf("FAILED: seed %llu: %s\n", seed, shrunk.before_text);
    printf("of %u steps and options %u are left, after %u runs: %s\n", shrunk.before, shrunk.after,
           shrunk.runs, shrunk.text);
    printf("to replay: %s%s %llu:%s\n", name, a->options.alloc_fails ? " --alloc-fail" : "", seed,
           items);
}

int history_main(int argc, char **argv, history_run_fn *run, history_report_fn *report)
{
    struct arguments a;
    struct record *record =
        mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    if (record == MAP_FAILED || parse(argc, argv, &a) < 0) {
        fprintf(stderr,
                "usage: %s [--seed N] [--histories N] [--alloc-fail] [--no-shrink] [--verbose] "
                "[SEED:ITEMS]\n",
                argv[0]);
        return 2;
    }
    if (a.options.verbose) { /* one to look at, perhaps in a debugger */
        status = run_all(&a, record, run, report);
        if (record->failed)
            printf("FAILED: seed %llu: %s\n", (unsigned long long)record->seed, record->text);
        return status;
    }
    status = run_apart(&a, record, run, report);
    if (!record->failed && WIFEXITED(status) && record->seed == a.seed + a.histories)
        return WEXITSTATUS(status); /* all of them ran */
    tell(strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], &a, record, run, report);
    return 1;
}
