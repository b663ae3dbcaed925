/* SPDX-License-Identifier: MIT */
/*
 * Every scenario again and again: in its n-th run the n-th allocation fails, until a run ends
 * untouched. What the scenario expected may not come to pass then, but the laws hold, nothing is
 * lost, and the end is orderly. With a name and a number as arguments (and a third: with all that follow): that run alone, telling all
 * that happens.
 */
#include "sim/scenarios.h"
#include "sim/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ALLOCATIONS_MAX 20000 /* no scenario makes so many */

static size_t runs;

static void sweep(const struct sim_scenario *scenario, bool onwards)
{
    size_t failures = 1;
    char text[600];

    for (size_t n = 1; failures > 0; n++) {
        if (n > ALLOCATIONS_MAX)
            fail_msg("%s allocates without end", scenario->name);
        runs++;
        if (sim_scenario_run(scenario, (struct sim_short_memory){n, onwards}, false, &failures,
                             text, sizeof text) < 0)
            fail_msg("with allocation %zu%s failing: %s", n, onwards ? " and all that follow" : "",
                     text);
    }
}

static void each_fails_once(void **state)
{
    sweep(*state, false);
    sweep(*state, true);
}

static int run_one(const char *name, size_t n, bool onwards)
{
    char text[600];

    SIM_EACH_SCENARIO(s)
    if (strcmp(s->name, name) == 0) {
        if (sim_scenario_run(s, (struct sim_short_memory){n, onwards}, true, NULL, text,
                             sizeof text) == 0)
            return 0;
        fprintf(stderr, "%s\n", text);
        return 1;
    }
    fprintf(stderr, "no scenario has this name: %s\n", name);
    return 2;
}

int main(int argc, char **argv)
{
    struct CMUnitTest *tests;
    size_t n = 0;
    int failed;

    if (argc >= 3)
        return run_one(argv[1], strtoul(argv[2], NULL, 10), argc > 3);
    SIM_EACH_SCENARIO(s)
    n++;
    tests = calloc(n, sizeof *tests);
    if (!tests)
        return 2;
    n = 0;
    SIM_EACH_SCENARIO(s)
    {
        tests[n].name = s->name;
        tests[n].test_func = each_fails_once;
        tests[n++].initial_state = (void *)(uintptr_t)s;
    }
    failed = _cmocka_run_group_tests("out_of_memory", tests, n, NULL, NULL);
    free(tests);
    printf("%zu runs out of memory\n", runs - 2 * n);
    return failed;
}
