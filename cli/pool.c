/* SPDX-License-Identifier: MIT */
/*
 * `belay pool`: opens a pool, uses it, and shows what it does. pool_load.c uses it, pool_control.c
 * is told by keys, signals and time what else to do, pool_show.c shows it.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "pool_run.h"
#include "say.h"

static int exit_status(const struct pool_run *run)
{
    if (run->interrupted_by)
        return 128 + run->interrupted_by;
    if (run->usage_failure)
        return EXIT_USAGE;
    for (size_t i = 0; i < run->sites_n; i++) /* who waits to the end for a dial has failed too */
        if (run->sites[i].failed || belay_peer_last_error(run->sites[i].peer, NULL, NULL))
            return EXIT_PROBLEM;
    return run->stdout_gone ? EXIT_PROBLEM : EXIT_FINE;
}

static int run_it(struct pool_run *run)
{
    if (!pool_control_start(run))
        return EXIT_PROBLEM;
    pool_load_start(run);
    if (belay_loop_run(run->loop) < 0)
        say("running: the loop could not run");
    pool_load_stop(run);
    pool_control_stop(run);
    pool_show_end(run); /* as it was at that moment */
    pool_load_abandon(run);
    return exit_status(run);
}

static int refuse(const char *what, const struct complaint *why)
{
    say("%s%s", what, why->text);
    return EXIT_USAGE;
}

static bool make_plan(struct pool_run *run, struct pool_options *o, struct complaint *why)
{
    if (!request_plan_urls(&run->plan, &o->client, why) || !pool_options_check_urls(o, why) ||
        !request_plan_make(&run->plan, &o->client, why))
        return false;
    if (request_plan_is_once(&run->plan))
        return complain(why,
                        "%s from standard input, or a pipe, is for one request: it can be "
                        "read only once",
                        o->client.upload ? "-T" : "-F");
    return true;
}

int pool_main(int argc, char **argv)
{
    struct pool_options options;
    struct complaint why = {.text = ""};
    struct pool_run *run;
    int status;

    setlocale(LC_CTYPE, "");
    switch (pool_options_read(&options, argc, argv, &why)) {
    case OPTIONS_HELP:
        options_print_help(&pool_table);
        pool_options_free(&options);
        return fflush(stdout) == 0 ? EXIT_FINE : EXIT_PROBLEM;
    case OPTIONS_BAD:
        pool_options_free(&options);
        return refuse("reading the options: ", &why);
    default:
        break;
    }
    run = memory_get(1, sizeof *run);
    run->o = &options;
    run->signals.fd = -1;
    status = make_plan(run, &options, &why) ? pool_world_open(run) : refuse("", &why);
    if (status == EXIT_FINE)
        status = run_it(run);
    run->finished = true;
    pool_world_close(run);
    request_plan_free(&run->plan);
    pool_options_free(&options);
    free(run);
    return status;
}
