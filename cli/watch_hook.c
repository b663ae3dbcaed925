/* SPDX-License-Identifier: MIT */
/*
 * --exec: a command at each change, one at a time, in the order of the changes. A command that
 * fails is said once; when too many wait, the oldest is not told.
 */
#include <stdlib.h>
#include <string.h>

#include "live.h"
#include "say.h"
#include "watch_run.h"

#define LIMIT_MS  30000
#define QUEUE_MAX 1000

struct watch_told {
    struct watch_told *next;
    char *name, *address, *error;
    const char *event;
};

static void run_next(struct watch_run *run);

static char *copy(const char *text)
{
    return memory_copy(text ? text : "", text ? strlen(text) : 0);
}

static struct watch_told *pop(struct watch_hook *hook)
{
    struct watch_told *told = hook->first;

    hook->first = told->next;
    if (!hook->first)
        hook->last = &hook->first;
    hook->n--;
    return told;
}

static void told_free(struct watch_told *told)
{
    free(told->name);
    free(told->address);
    free(told->error);
    free(told);
}

bool watch_hook_is_busy(const struct watch_run *run)
{
    return run->hook.errand || run->hook.first;
}

static void say_failure(struct watch_hook *hook, const char *how, const char *why)
{
    if (!hook->failed)
        say("running --exec: the command %s%s (said once)", how, why);
    hook->failed = true;
}

static void on_done(int status, bool late, void *arg)
{
    struct watch_run *run = arg;
    char how[64];

    run->hook.errand = NULL;
    if (late)
        say_failure(&run->hook, "was killed after 30 s", "");
    else if (status != 0)
        say_failure(&run->hook, errand_describe(how, status), "");
    run_next(run);
    if (!watch_hook_is_busy(run))
        watch_control_idle(run);
}

static void run_next(struct watch_run *run)
{
    struct watch_hook *hook = &run->hook;

    while (!hook->errand && hook->first) {
        struct watch_told *told = pop(hook);
        const struct errand_variable variables[] = {{"BELAY_NAME", told->name},
                                                    {"BELAY_EVENT", told->event},
                                                    {"BELAY_ADDRESS", told->address},
                                                    {"BELAY_ERROR", told->error}};
        struct complaint why;

        hook->errand = errand_start(run->loop, run->o->exec, variables, 4, live_is_on(), LIMIT_MS,
                                    on_done, run, &why);
        if (!hook->errand)
            say_failure(hook, "could not be started: ", why.text);
        told_free(told);
    }
}

void watch_hook_tell(struct watch_run *run, const struct watch_event *event)
{
    struct watch_hook *hook = &run->hook;
    struct watch_told *told;

    if (!run->o->exec || event->type == BELAY_LINK_ATTEMPTING_TO_CONNECT ||
        event->type == BELAY_LINK_OBTAINED_ADDRESS)
        return;
    if (!hook->last)
        hook->last = &hook->first;
    if (hook->n == QUEUE_MAX) {
        if (!hook->dropped)
            say("running --exec: changes come faster than the command ends: the oldest are not "
                "told (said once)");
        hook->dropped = true;
        told_free(pop(hook));
    }
    told = memory_get(1, sizeof *told);
    told->name = copy(event->name);
    told->address = copy(event->address);
    told->error = copy(event->error ? event->error->text : NULL);
    told->event = watch_event_name(event->type);
    *hook->last = told;
    hook->last = &told->next;
    hook->n++;
    run_next(run);
}

void watch_hook_stop(struct watch_run *run)
{
    size_t n = run->hook.n;

    if (run->hook.errand && n == 0)
        say("running --exec: the command was killed, as the watch has ended");
    else if (run->hook.errand)
        say("running --exec: the command was killed, as the watch has ended (%zu change%s not "
            "told)",
            n, n == 1 ? " was" : "s were");
    errand_kill(run->hook.errand);
    run->hook.errand = NULL;
    while (run->hook.first)
        told_free(pop(&run->hook));
}
