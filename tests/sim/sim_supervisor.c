/* SPDX-License-Identifier: MIT */
/* sim_supervisor: histories of trees (supervisor_history.c), and the table of what they met. */
#include "sim/history_main.h"
#include "sim/supervisor_rig.h"

static const char *const deed_names[] = {
#define X(name, text) [TREE_##name] = (text),
    TREE_DEEDS(X)
#undef X
};

static struct met met = {.deed_names = deed_names, .deeds_n = TREE_DEEDS_N};

static int run(uint64_t seed, const struct history_options *options, char *text, size_t size)
{
    return tree_history_run(seed, options, &met, text, size);
}

static int report(uint64_t histories)
{
    met_heading(&met);
    met_print(&met);
    return histories >= 1000 ? met_lacking_deeds(&met) + met_lacking_size(&met) : 0;
}

int main(int argc, char **argv)
{
    return history_main(argc, argv, run, report);
}
