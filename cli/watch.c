/* SPDX-License-Identifier: MIT */
/*
 * `belay watch`: holds a link to each service, and shows what becomes of it. watch_world.c opens
 * them, watch_probe.c says what is up, watch_control.c decides when it is over, watch_show.c shows
 * it, watch_hook.c tells others.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"
#include "say.h"
#include "watch_run.h"

static int exit_status(const struct watch_run *run)
{
    if (run->interrupted_by)
        return 128 + run->interrupted_by;
    if (run->stdout_error)
        return EXIT_PROBLEM;
    if (run->o->until_up || run->o->until_down)
        return run->reached ? EXIT_FINE : EXIT_PROBLEM;
    for (size_t i = 0; i < run->sites_n; i++)
        if (!run->sites[i].up)
            return EXIT_PROBLEM;
    return EXIT_FINE;
}

static int run_it(struct watch_run *run)
{
    int status;

    if (!watch_control_start(run))
        return EXIT_PROBLEM;
    if (belay_loop_run(run->loop) < 0)
        say("running: the loop could not run");
    status = exit_status(run);
    run->finished = true;
    if (!run->o->command || status != EXIT_FINE)
        notify("STOPPING=1");
    watch_control_stop(run);
    watch_show_end(run);
    return run->stdout_error ? EXIT_PROBLEM : status;
}

static int refuse(const struct complaint *why)
{
    say("reading the options: %s", why->text);
    return EXIT_USAGE;
}

/* Where there can be no table, whoever looks sees something all the same. */
static void choose_lines(struct watch_options *o)
{
    if (!isatty(1) || say_is_terminal(1) || o->client.json || o->client.quiet)
        return;
    o->events = true;
    say("no table on this terminal (TERM): a line for each event; Ctrl-C ends it");
}

static int watch(struct watch_options *options)
{
    struct watch_run *run = memory_get(1, sizeof *run);
    char **command = NULL;
    int status;

    run->o = options;
    run->signals.fd = -1;
    choose_lines(options);
    status = watch_world_open(run);
    if (status == EXIT_FINE)
        status = run_it(run);
    if (status == EXIT_FINE && run->reached)
        command = options->command;
    run->finished = true;
    watch_world_close(run);
    request_plan_free(&run->plan);
    watch_options_free(options);
    free(run);
    if (!command)
        return status;
    client_restore_limits();
    return errand_become(command);
}

int watch_main(int argc, char **argv)
{
    struct watch_options options;
    struct complaint why = {.text = ""};

    setlocale(LC_CTYPE, "");
    tzset();
    switch (watch_options_read(&options, argc, argv, &why)) {
    case OPTIONS_HELP:
        options_print_help(&watch_table);
        watch_options_free(&options);
        return fflush(stdout) == 0 ? EXIT_FINE : EXIT_PROBLEM;
    case OPTIONS_BAD:
        watch_options_free(&options);
        return refuse(&why);
    default:
        return watch(&options);
    }
}
