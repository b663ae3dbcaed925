/* SPDX-License-Identifier: MIT */
/* What keys, signals and time do to a run of `belay pool`. */
#include "live.h"
#include "pool_run.h"
#include "say.h"
#include "terminal.h"

void pool_finish(struct pool_run *run)
{
    if (run->finished)
        return;
    run->finished = true;
    belay_loop_stop(run->loop);
}

void pool_control_done(struct pool_run *run)
{
    if (run->state != POOL_ENDING)
        return;
    for (size_t i = 0; i < run->sites_n; i++)
        if (run->sites[i].in_flight > 0)
            return;
    pool_finish(run);
}

/* ---- keys ---- */

static void on_drained(void *arg)
{
    struct pool_run *run = arg;

    if (--run->open_n == 0)
        pool_finish(run);
}

/* What is under way is finished, then all connections are closed. */
static void drain(struct pool_run *run)
{
    if (run->state == POOL_DRAINING)
        return;
    run->state = POOL_DRAINING;
    pool_load_stop(run);
    if (run->http)
        belay_http_drain(run->http, on_drained, run);
    if (run->pools[POOL_STREAM])
        belay_pool_drain(run->pools[POOL_STREAM], on_drained, run);
}

static void each_pool(struct pool_run *run, void (*fn)(struct belay_pool *pool))
{
    for (int i = 0; i < POOL_KINDS; i++)
        if (run->pools[i])
            fn(run->pools[i]);
}

static void clear(struct belay_pool *pool)
{
    belay_pool_clear(pool, BELAY_CLEAR_GENTLY);
}

static void set_state(struct pool_run *run, enum pool_state from, enum pool_state to,
                      void (*fn)(struct belay_pool *pool))
{
    if (run->state != from)
        return;
    run->state = to;
    each_pool(run, fn);
}

static void on_key(char key, void *arg)
{
    struct pool_run *run = arg;

    if (run->finished)
        return;
    switch (key) {
    case 'd':
        drain(run);
        break;
    case 'c':
        each_pool(run, clear);
        break;
    case 's':
        set_state(run, POOL_RUNNING, POOL_SUSPENDED, belay_pool_suspend);
        break;
    case 'r':
        set_state(run, POOL_SUSPENDED, POOL_RUNNING, belay_pool_resume);
        break;
    case 'q':
        pool_finish(run);
        break;
    default:
        return;
    }
    live_draw();
}

/* ---- signals ---- */

static void on_signal(int number, void *arg)
{
    struct pool_run *run = arg;

    switch (number) {
    case SIGTSTP:
        pool_live_stop();
        signals_stop_self(&run->signals);
        pool_live_start(run);
        break;
    case SIGCONT:
        pool_live_start(run);
        break;
    case SIGWINCH:
        live_draw();
        break;
    default:
        run->interrupted_by = number;
        pool_finish(run);
    }
}

/* ---- time ---- */

#define SECOND_MS 1000

/* A rate that forgets in some seconds, so that it follows and does not flicker. */
static void follow_rate(struct pool_run *run, int64_t now)
{
    uint64_t done = 0;
    double rate;

    for (size_t i = 0; i < run->sites_n; i++)
        done += run->sites[i].done + run->sites[i].failed;
    if (now <= run->recent_ms)
        return;
    rate = (double)(done - run->recent_done) * 1000 / (double)(now - run->recent_ms);
    run->rate = run->recent_done || run->rate > 0 ? run->rate + (rate - run->rate) * 0.4 : rate;
    run->recent_done = done;
    run->recent_ms = now;
}

static void on_second(void *arg)
{
    struct pool_run *run = arg;
    int64_t now = belay_loop_now_ms(run->loop);

    follow_rate(run, now);
    pool_show_second(run);
    if (run->stdout_gone)
        pool_finish(run);
    run->next_second_ms += SECOND_MS;
    if (run->next_second_ms <= now)
        run->next_second_ms = now + SECOND_MS;
    belay_timer_start(run->second, run->next_second_ms - now);
}

/* No more uses; those under way finish. */
static void on_deadline(void *arg)
{
    struct pool_run *run = arg;

    if (run->state > POOL_SUSPENDED)
        return;
    if (run->state == POOL_SUSPENDED) /* they would wait for ever */
        pool_finish(run);
    run->state = POOL_ENDING;
    pool_load_stop(run);
    pool_control_done(run);
}

bool pool_control_start(struct pool_run *run)
{
    static const int few[] = {SIGINT, SIGTERM, SIGHUP, 0};
    static const int all[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH, 0};
    bool live = terminal_is_ours() && !run->o->client.json && !run->o->client.quiet;

    run->begin_ms = run->recent_ms = belay_loop_now_ms(run->loop);
    run->next_second_ms = run->begin_ms + SECOND_MS;
    if (belay_timer_new(run->loop, on_second, run, &run->second) < 0 ||
        belay_timer_new(run->loop, on_deadline, run, &run->deadline) < 0 ||
        !signals_watch(&run->signals, run->loop, live ? all : few, on_signal, run))
        return false;
    belay_timer_start(run->second, SECOND_MS);
    if (run->o->for_ms != OPTION_UNSET)
        belay_timer_start(run->deadline, run->o->for_ms);
    if (live) {
        keys_watch(&run->keys, run->loop, on_key, run);
        pool_live_start(run);
    }
    return true;
}

void pool_control_stop(struct pool_run *run)
{
    pool_live_stop();
    keys_unwatch(&run->keys);
    belay_timer_free(run->second);
    belay_timer_free(run->deadline);
    run->second = run->deadline = NULL;
    signals_unwatch(&run->signals);
}
