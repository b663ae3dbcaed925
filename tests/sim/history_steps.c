/* SPDX-License-Identifier: MIT */
/* What a history does, step by step: acquire, release, cancel, take, a fault, healing; and time passes. */
#include "sim/history.h"

#define LEASES_MAX 40

struct sim_target *history_target(struct history *h)
{
    return h->targets[sim_below(h->rig->w, (uint64_t)h->n)];
}

/* Any ask that is in this state, or NULL. */
struct sim_ask *history_ask(struct history *h, enum sim_ask_state state)
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

/* Anything may be done in a callback. */
static void recklessly(struct history *h)
{
    struct sim_world *w = h->rig->w;

    coverage_did(h->coverage, COVERAGE_RECKLESS);
    if (sim_chance(w, 15))
        history_acquire(h, history_target(h));
    if (sim_chance(w, 5) && history_ask(h, ASK_WAITING))
        sim_cancel(history_ask(h, ASK_WAITING));
    if (sim_chance(w, 2) && !h->settled)
        history_operate(h);
}

void history_in_hook(struct sim_rig *rig, void *arg)
{
    struct history *h = arg;

    if (h->reckless && !rig->closing && !h->life.healed)
        recklessly(h);
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
    recklessly(h);
}

void history_acquire(struct history *h, struct sim_target *t)
{
    struct sim_world *w = h->rig->w;
    struct belay_acquire_options o = belay_acquire_options_init();
    struct sim_ask *ask;
    int code;

    o.timeout_ms = sim_chance(w, 70) ? 0 : (int64_t)sim_between(w, 1, 5000);
    o.fresh = sim_chance(w, 8);
    o.urgent = sim_chance(w, 20);
    o.tag = sim_chance(w, 50) ? "a history" : NULL;
    o.place = sim_chance(w, 50) ? BELAY_HERE : NULL;

    if (sim_count_pending(h->rig) > LEASES_MAX)
        return;
    h->coverage->met.deeds[COVERAGE_URGENT] += o.urgent;
    h->coverage->met.deeds[COVERAGE_FRESH] += o.fresh;
    ask = sim_acquire_with(t, &o, &code);
    if (ask) {
        ask->then = on_answer;
        ask->then_arg = h;
    } else if (code != BELAY_EFULL && code != BELAY_ECLOSED &&
               !(code == BELAY_ENOMEM && h->life.alloc_fails)) {
        sim_fail(w, "acquire: %s", belay_error_name(code));
    }
}

static void try_acquire(struct history *h)
{
    struct sim_ask *ask;
    int code;

    ask = sim_try_acquire(history_target(h), &code);
    if (ask)
        begin_use(h, ask);
    else if (code != BELAY_EAGAIN && !(code == BELAY_ENOMEM && h->life.alloc_fails))
        sim_fail(h->rig->w, "try_acquire: %s", belay_error_name(code));
}

static void acquire_wait(struct history *h)
{
    struct sim_world *w = h->rig->w;
    int code;
    struct sim_ask *ask =
        sim_acquire_wait(history_target(h), (int64_t)sim_between(w, 0, 3000), &code);

    if (ask)
        begin_use(h, ask);
}

/* Gives back what was held long enough, or, of a talk, what is done. */
void history_hang_up(struct history *h, bool all)
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
    struct sim_ask *ask = history_ask(h, ASK_LEASED);
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

void history_step(struct history *h)
{
    struct sim_world *w = h->rig->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 38)
        history_acquire(h, history_target(h));
    else if (dice < 48)
        try_acquire(h);
    else if (dice < 63)
        use(h);
    else if (dice < 68 && history_ask(h, ASK_WAITING))
        sim_cancel(history_ask(h, ASK_WAITING));
    else if (dice < 85)
        history_fault(h);
    else if (dice < 91)
        sim_host_heal(history_target(h)->host);
    else if (dice < 93)
        sim_rig_close_taken(h->rig);
    else if (dice < 95)
        acquire_wait(h);
    else if (!h->settled)
        history_operate(h);
    pass_time(h);
    history_hang_up(h, false);
}
