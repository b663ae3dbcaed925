/* SPDX-License-Identifier: MIT */
/*
 * One history. First its world and options are drawn, then steps (acquire, release, cancel, take, a fault, healing, time
 * passing), then all heals: within the largest backoff and one attempt whoever asks is served. Then the end,
 * in one of several ways, and nothing may be left.
 */
#include "sim/history.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/parts.h"

#define EVENTS_MIN    500
#define FAULTS_MIN    3 /* kinds */
#define STEPS_MIN     120
#define STEPS_MAX     600
#define LEASES_MAX    40
#define BACKOFF_MAX   12000 /* 10 s and its jitter */
#define NAME_AGAIN_MS 1500  /* a name that was missing is asked for once per second */
#define ATTEMPTS_END  4     /* a dial that began in worse times may fail first */

/* ---- steps ---- */

static struct sim_target *some_target(struct history *h)
{
    return h->targets[sim_below(h->rig->w, (uint64_t)h->n)];
}

/* Any ask that is in this state, or NULL. */
static struct sim_ask *some_ask(struct history *h, enum sim_ask_state state)
{
    struct sim_ask *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &h->rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        if (ask->state == state && sim_below(h->rig->w, ++n) == 0)
            found = ask;
    }
    return found;
}

static void begin_use(struct history *h, struct sim_ask *ask)
{
    struct sim_world *w = h->rig->w;
    bool plain = h->kind == HISTORY_WIRES || h->kind == HISTORY_TLS;

    ask->hold_until_ns =
        w->now_ns + SIM_MS(sim_chance(w, 90) ? sim_below(w, 200) : sim_below(w, 20000));
    if (plain && sim_chance(w, 70))
        sim_talk(ask);
}

static void on_answer(struct sim_ask *ask, void *arg)
{
    struct history *h = arg;
    struct sim_world *w = h->rig->w;

    if (ask->state == ASK_LEASED)
        begin_use(h, ask);
    if (!h->reckless || h->rig->closing)
        return;
    if (ask->state == ASK_LEASED && sim_chance(w, 20))
        sim_hang_up(ask);
    if (sim_chance(w, 15))
        history_acquire(h, some_target(h));
    if (sim_chance(w, 5) && some_ask(h, ASK_WAITING))
        sim_cancel(some_ask(h, ASK_WAITING));
}

void history_acquire(struct history *h, struct sim_target *t)
{
    struct sim_world *w = h->rig->w;
    int64_t limit = sim_chance(w, 70) ? 0 : (int64_t)sim_between(w, 1, 5000);
    struct sim_ask *ask;
    int code;

    if (sim_count_pending(h->rig) > LEASES_MAX)
        return;
    ask = sim_acquire(t, limit, sim_chance(w, 8), &code);
    if (ask) {
        ask->then = on_answer;
        ask->then_arg = h;
    } else if (code != BELAY_EFULL && code != BELAY_ECLOSED &&
               !(code == BELAY_ENOMEM && h->alloc_fails)) {
        sim_fail(w, "acquire: %s", belay_error_name(code));
    }
}

static void try_acquire(struct history *h)
{
    struct sim_ask *ask;
    int code;

    ask = sim_try_acquire(some_target(h), &code);
    if (ask)
        begin_use(h, ask);
    else if (code != BELAY_EAGAIN && !(code == BELAY_ENOMEM && h->alloc_fails))
        sim_fail(h->rig->w, "try_acquire: %s", belay_error_name(code));
}

static void acquire_wait(struct history *h)
{
    struct sim_world *w = h->rig->w;
    int code;
    struct sim_ask *ask = sim_acquire_wait(some_target(h), (int64_t)sim_between(w, 0, 3000), &code);

    if (ask)
        begin_use(h, ask);
}

/* Gives back what was held long enough, or, of a talk, what is done. */
static void hang_up(struct history *h, bool all)
{
    BL_LIST_EACH(node, &h->rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);
        bool done = ask->talking && (ask->talked || ask->talk_failed);

        if (ask->state == ASK_LEASED && (all || done || ask->hold_until_ns <= h->rig->w->now_ns))
            sim_hang_up(ask);
    }
}

static void use(struct history *h)
{
    struct sim_ask *ask = some_ask(h, ASK_LEASED);
    uint64_t dice = sim_below(h->rig->w, 10);

    if (!ask)
        return;
    if (dice < 6)
        sim_hang_up(ask);
    else if (dice < 8)
        sim_release(ask, BELAY_BROKEN);
    else if (h->rig->wires && h->kind != HISTORY_SESSIONS)
        sim_take(ask);
    else
        sim_release(ask, BELAY_REUSE);
}

static void pass_time(struct history *h)
{
    struct sim_world *w = h->rig->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 40)
        sim_run_turn(w);
    else if (dice < 80)
        sim_run_ms(w, (int64_t)sim_between(w, 1, 50));
    else if (dice < 95)
        sim_run_ms(w, (int64_t)sim_between(w, 50, 1000));
    else
        sim_run_ms(w, (int64_t)sim_between(w, 1000, 40000));
}

static void one_step(struct history *h)
{
    struct sim_world *w = h->rig->w;
    uint64_t dice = sim_below(w, 100);

    h->steps++;
    w->events++;
    if (dice < 40)
        history_acquire(h, some_target(h));
    else if (dice < 50)
        try_acquire(h);
    else if (dice < 65)
        use(h);
    else if (dice < 70 && some_ask(h, ASK_WAITING))
        sim_cancel(some_ask(h, ASK_WAITING));
    else if (dice < 88)
        history_fault(h);
    else if (dice < 94)
        sim_host_heal(some_target(h)->host);
    else if (dice < 96)
        sim_rig_close_taken(h->rig);
    else if (dice < 98)
        acquire_wait(h);
    pass_time(h);
    hang_up(h, false);
}

/* ---- healing ---- */

/* Time passes, and whoever gets a lease gives it back. */
static void run_and_release(struct history *h, int64_t ms)
{
    struct sim_world *w = h->rig->w;

    for (uint64_t until = w->now_ns + SIM_MS(ms); w->now_ns < until;) {
        hang_up(h, true);
        sim_run_ms(w, 20);
    }
}

static bool is_served(struct history *h, struct sim_target *t, int64_t bound_ms)
{
    struct sim_world *w = h->rig->w;
    uint64_t until = w->now_ns + SIM_MS(bound_ms);
    struct sim_ask *ask;

    /* A full queue empties as its waiters are served, in as much time. */
    while (!(ask = sim_acquire(t, BELAY_FOREVER, false, NULL)) && w->now_ns < until)
        run_and_release(h, 100);
    if (!ask)
        return false;
    until = w->now_ns + SIM_MS(bound_ms);
    while (ask->state == ASK_WAITING && w->now_ns < until) {
        hang_up(h, true);
        if (sim_is_dry(w))
            sim_fail(w, "hang: acquire %llu waits, and nothing will ever happen",
                     (unsigned long long)ask->seq);
        sim_run_turn(w);
    }
    if (ask->state == ASK_WAITING)
        sim_fail(w, "acquire %llu is not served within %lld ms of the healing",
                 (unsigned long long)ask->seq, (long long)bound_ms);
    if (ask->state != ASK_LEASED)
        return false;
    sim_release(ask, BELAY_REUSE);
    return true;
}

static void recover(struct history *h)
{
    const struct belay_dial_options *d = &h->rig->dial;
    int64_t attempt = d->resolve_timeout_ms + d->connect_timeout_ms + d->tls_timeout_ms +
                      d->session_timeout_ms + d->close_timeout_ms;
    int64_t bound = BACKOFF_MAX + attempt + 1000;

    history_heal(h);
    h->reckless = false;
    sim_note(h->rig->w, "all heals");
    BL_LIST_EACH(node, &h->rig->pending)
    {
        struct sim_ask *ask = BL_LIST_OF(node, struct sim_ask, pending);

        ask->then = NULL;
    }
    hang_up(h, true);
    for (int i = 0; i < h->n; i++) {
        int tries = 0;

        while (!is_served(h, h->targets[i], bound)) {
            if (++tries == ATTEMPTS_END)
                sim_fail(h->rig->w, "%s is well, and cannot be reached", h->targets[i]->host->name);
            run_and_release(h, NAME_AGAIN_MS);
        }
    }
}

/* ---- the end ---- */

static void close_pool(struct sim_ask *ask, void *arg)
{
    (void)arg;
    sim_rig_close(ask->rig);
}

static void finish(struct history *h)
{
    struct sim_rig *rig = h->rig;
    struct sim_world *w = rig->w;

    for (uint64_t n = sim_below(w, 8); n > 0; n--) {
        history_acquire(h, some_target(h));
        if (sim_chance(w, 60))
            sim_run_turn(w);
    }
    if (sim_chance(w, 30) && some_ask(h, ASK_WAITING)) {
        struct sim_ask *ask = some_ask(h, ASK_WAITING);

        ask->then = close_pool; /* while, in the same turn, dials for others may just have begun */
        sim_run_ms(w, (int64_t)sim_below(w, 100));
    }
    if (sim_chance(w, 30))
        some_target(h)->host->black_hole = true;
    if (sim_chance(w, 50)) {
        sim_rig_drain(rig);
        sim_run_ms(w, (int64_t)sim_below(w, 500));
        hang_up(h, sim_chance(w, 50));
        sim_run_ms(w, (int64_t)sim_below(w, 500));
    }
    if (sim_chance(w, 10))
        sim_rig_abandon(rig);
    else
        sim_rig_finish(rig);
}

static int kinds_of_fault(const struct history *h)
{
    int n = 0;

    for (int i = 0; i < SIM_FAULTS_N; i++)
        n += h->rig->w->faults[i] > 0;
    return n;
}

static bool is_rich(const struct history *h)
{
    return h->steps >= STEPS_MIN && h->rig->w->events >= EVENTS_MIN &&
           kinds_of_fault(h) >= FAULTS_MIN;
}

static void live(struct history *h)
{
    while (!is_rich(h) && h->steps < STEPS_MAX)
        one_step(h);
    recover(h);
    finish(h);
}

int history_run(uint64_t seed, const struct history_options *options, struct coverage *coverage,
                char *text, size_t size)
{
    struct history *h = calloc(1, sizeof *h);
    jmp_buf failed;

    if (!h)
        abort();
    h->rig = sim_rig_new(seed, (struct sim_short_memory){0}, options->verbose);
    h->rig->w->quiet_failure = !options->verbose;
    h->rig->w->on_trace = coverage_trace;
    h->rig->w->trace_arg = coverage;
    h->rig->w->on_fail = &failed;
    h->coverage = coverage;
    if (setjmp(failed)) {
        snprintf(text, size, "%s", h->rig->w->failure);
        return -1; /* in an unknown state: left as it is */
    }
    if (!h->rig->w->loop || history_draw(h, options) < 0)
        sim_fail(h->rig->w, "the world cannot be made");
    live(h);
    coverage_add(coverage, h->rig);
    coverage->kinds[h->kind]++;
    sim_rig_free(h->rig);
    free(h);
    return 0;
}
