/* SPDX-License-Identifier: MIT */
/* Runs every scenario once, in virtual time. With a name as argument: that one alone, telling all
 * that happens. */
#include "sim/scenarios.h"
#include "sim/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void run(void **state)
{
    const struct sim_scenario *scenario = *state;
    char text[600];

    if (sim_scenario_run(scenario, (struct sim_short_memory){0}, false, NULL, text, sizeof text) <
        0)
        fail_msg("%s", text);
}

static int run_one(const char *name)
{
    char text[600];

    SIM_EACH_SCENARIO(s)
    if (strcmp(s->name, name) == 0) {
        if (sim_scenario_run(s, (struct sim_short_memory){0}, true, NULL, text, sizeof text) == 0)
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

    if (argc > 1)
        return run_one(argv[1]);
    SIM_EACH_SCENARIO(s)
    n++;
    tests = calloc(n, sizeof *tests);
    if (!tests)
        return 2;
    n = 0;
    SIM_EACH_SCENARIO(s)
    {
        tests[n].name = s->name;
        tests[n].test_func = run;
        tests[n++].initial_state = (void *)(uintptr_t)s;
    }
    failed = _cmocka_run_group_tests("scenarios", tests, n, NULL, NULL);
    free(tests);
    return failed;
}
