/* SPDX-License-Identifier: MIT */
/* What keys, signals, time and events do to a run of `belay watch`. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "live.h"
#include "notify.h"
#include "say.h"
#include "terminal.h"
#include "watch_run.h"

#define GRACE_MS 1000

/* ---- the end ---- */

static void stop(struct watch_run *run)
{
    if (run->finished)
        return;
    run->finished = true;
    belay_loop_stop(run->loop);
}

/* What has happened is told to --exec before it is over. Whoever ends it `now` does not wait long. */
static void finish(struct watch_run *run, bool now)
{
    bool first = !run->ending;

    if (first)
        watch_facts_take(run, &run->last);
    run->ending = true;
    if (!watch_hook_is_busy(run))
        stop(run);
    else if (first || (now && !run->hurried))
        belay_timer_start(run->grace, GRACE_MS);
    run->hurried = run->hurried || now;
}

static void on_grace(void *arg)
{
    struct watch_run *run = arg;

    if (run->hurried)
        stop(run);
    else
        say("waiting for --exec to end (SIGINT kills it)");
}

void watch_control_idle(struct watch_run *run)
{
    if (run->ending)
        stop(run);
}

/* ---- the goal ---- */

static size_t count_there(const struct watch_run *run)
{
    size_t n = 0;

    for (size_t i = 0; i < run->sites_n; i++)
        n += run->o->until_down ? run->sites[i].down : run->sites[i].up;
    return n;
}

static size_t count_ended(const struct watch_run *run)
{
    size_t n = 0;

    for (size_t i = 0; i < run->sites_n; i++)
        n += run->sites[i].ended;
    return n;
}

/* Whether what is waited for cannot come any more. */
static bool is_hopeless(const struct watch_run *run)
{
    size_t ended = count_ended(run);

    if (ended == run->sites_n)
        return true;
    return ended > 0 && run->o->until_up && !run->o->any;
}

static void look(void *arg)
{
    struct watch_run *run = arg;
    int64_t left = WATCH_GOAL_FAR;

    if (run->ending || run->finished)
        return;
    if (run->o->until_up || run->o->until_down)
        left = watch_goal_step(&run->goal, belay_loop_now_ms(run->loop), count_there(run),
                               run->sites_n);
    run->reached = left == 0;
    if (left > 0)
        belay_timer_start(run->stable, left);
    else
        belay_timer_stop(run->stable);
    if (run->reached || (left == WATCH_GOAL_FAR && is_hopeless(run)))
        finish(run, false);
}

static void on_limit(void *arg)
{
    struct watch_run *run = arg;

    run->late = true;
    finish(run, true);
}

/* ---- events ---- */

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell(struct watch_site *site, const struct belay_link_event *event)
{
    struct watch_run *run = site->run;
    bool next =
        event->type == BELAY_LINK_FAILED_TO_CONNECT || event->type == BELAY_LINK_DISCONNECTED;
    char address[SERVICE_ADDRESS_MAX];
    struct watch_event told = {
        .type = event->type,
        .time_ms = wall_ms(),
        .at_s = (double)(belay_loop_now_ms(run->loop) - run->begin_ms) / 1000,
        .name = site->service.name,
        .address = event->address ? service_address(&site->service, event->address, address) : NULL,
        .error = event->error,
        .failures = event->failures,
        .next_ms = next && event->next_ms != BELAY_FOREVER ? event->next_ms : -1,
    };

    watch_show_event(run, &told);
    watch_hook_tell(run, &told);
    if (run->stdout_error)
        stop(run);
}

/* Of a program that takes this one's place, only that one knows when it is ready. */
static void tell_systemd(struct watch_run *run)
{
    size_t up = 0;

    for (size_t i = 0; i < run->sites_n; i++)
        up += run->sites[i].up;
    if (!run->ready && !run->o->command && (run->o->any ? up > 0 : up == run->sites_n)) {
        run->ready = true;
        notify("READY=1\nSTATUS=%zu of %zu up", up, run->sites_n);
    } else {
        notify("STATUS=%zu of %zu up", up, run->sites_n);
    }
}

void watch_control_event(struct watch_site *site, const struct belay_link_event *event)
{
    struct watch_run *run = site->run;
    bool up = event->type == BELAY_LINK_CONNECTED;
    bool down =
        event->type == BELAY_LINK_FAILED_TO_CONNECT || event->type == BELAY_LINK_DISCONNECTED;
    char address[SERVICE_ADDRESS_MAX];

    if (!site->link) /* it is being put away */
        return;
    if (event->address)
        snprintf(site->row.address, sizeof site->row.address, "%s",
                 service_address(&site->service, event->address, address));
    if (run->ending || run->finished)
        return;
    if (up || down) {
        site->up = up;
        site->down = down;
        tell_systemd(run);
    }
    tell(site, event);
    look(run);
}

void watch_control_ended(struct watch_site *site)
{
    struct watch_run *run = site->run;

    if (run->finished)
        return;
    if (!run->ending) {
        site->up = false;
        site->down = true;
    }
    watch_row_take(site, &site->row);
    site->row.ended = true;
    site->ended = true;
    look(run);
}

/* ---- keys ---- */

static void try_now(struct watch_run *run)
{
    for (size_t i = 0; i < run->sites_n; i++)
        if (!run->sites[i].ended)
            belay_link_kick(run->sites[i].link);
}

static void on_key(char key, void *arg)
{
    struct watch_run *run = arg;

    if (run->finished)
        return;
    if (key == 't')
        try_now(run);
    else if (key == 'q')
        finish(run, true);
    live_draw();
}

/* ---- signals ---- */

static void on_signal(int number, void *arg)
{
    struct watch_run *run = arg;

    switch (number) {
    case SIGUSR1:
        try_now(run);
        break;
    case SIGTSTP:
        watch_show_stop(run);
        signals_stop_self(&run->signals);
        watch_show_start(run);
        break;
    case SIGCONT:
        watch_show_start(run);
        break;
    case SIGWINCH:
        live_draw();
        break;
    default:
        if (run->interrupted_by) /* the second time in earnest */
            stop(run);
        run->interrupted_by = number;
        finish(run, true);
    }
}

/* ---- all of it ---- */

static void set_limit(struct watch_run *run)
{
    int64_t a = run->o->for_ms, b = run->o->client.timeout_ms;

    run->limit_ms = a == OPTION_UNSET ? b : b == OPTION_UNSET ? a : a < b ? a : b;
    if (run->limit_ms != OPTION_UNSET)
        belay_timer_start(run->limit, run->limit_ms);
}

bool watch_control_start(struct watch_run *run)
{
    static const int few[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, 0};
    static const int all[] = {SIGINT,  SIGTERM, SIGHUP,   SIGUSR1, SIGQUIT,
                              SIGTSTP, SIGCONT, SIGWINCH, 0};
    bool live = terminal_is_ours() && !run->o->client.json && !run->o->client.quiet;

    run->begin_ms = belay_loop_now_ms(run->loop);
    run->goal.any = run->o->any;
    run->goal.stable_ms = run->o->stable_ms == OPTION_UNSET ? 0 : run->o->stable_ms;
    if (belay_timer_new(run->loop, on_limit, run, &run->limit) < 0 ||
        belay_timer_new(run->loop, look, run, &run->stable) < 0 ||
        belay_timer_new(run->loop, on_grace, run, &run->grace) < 0 ||
        !signals_watch(&run->signals, run->loop, live ? all : few, on_signal, run))
        return false;
    set_limit(run);
    if (live) {
        keys_watch(&run->keys, run->loop, on_key, run);
        watch_show_start(run);
    }
    return true;
}

void watch_control_stop(struct watch_run *run)
{
    watch_show_stop(run);
    watch_hook_stop(run);
    keys_unwatch(&run->keys);
    belay_timer_free(run->limit);
    belay_timer_free(run->stable);
    belay_timer_free(run->grace);
    run->limit = run->stable = run->grace = NULL;
    signals_unwatch(&run->signals);
}
