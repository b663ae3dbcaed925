/* SPDX-License-Identifier: MIT */
/*
 * One history of processes: started, called, cast at, sent to, linked, watched, changed, stopped, while the hosts to which they
 * connect fail. Then all heals, and every process must go on; then they end, in one of several ways.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/faults.h"
#include "sim/process_rig.h"

#define CALLS_MAX 12
#define WELL_MS   20000 /* a call is answered by then: the longest limit of what may be pending */

static struct toy *some_toy(struct toys *all)
{
    return &all->toys[sim_below(all->w, (uint64_t)all->n)];
}

static bool lives(const struct toy *toy)
{
    return toy->p && !toy->ended;
}

/* ---- what is done ---- */

static void talk(struct toy *toy)
{
    struct sim_world *w = toy->all->w;
    uint64_t dice = sim_below(w, 100);
    unsigned n = 0;

    if (!toy->p)
        return;
    BL_LIST_EACH(node, &toy->calls)
    n++;
    if (dice < 40 && n < CALLS_MAX)
        toy_call(toy, sim_chance(w, 10)   ? BELAY_FOREVER
                      : sim_chance(w, 50) ? 0
                                          : (int64_t)sim_between(w, 1, 3000));
    else if (dice < 70)
        toy_post(toy, CB_CAST);
    else if (dice < 92)
        toy_post(toy, CB_INFO);
    else if (toy_some_call(toy, true))
        toy_reply_later(toy_some_call(toy, true));
}

static void tie(struct toy *toy)
{
    struct toys *all = toy->all;
    struct toy *other = some_toy(all);

    switch (sim_below(all->w, 6)) {
    case 0:
        toy_link(toy, other);
        break;
    case 1:
        toy_unlink(toy, other);
        break;
    case 2:
        toy_watch(toy, other);
        break;
    case 3:
        toy_watch(toy, NULL);
        break;
    case 4:
        toy_unwatch(toy);
        break;
    default:
        toy_wait_until(toy);
    }
}

static void interfere(struct toy *toy)
{
    struct sim_world *w = toy->all->w;

    switch (sim_below(w, 8)) {
    case 0:
        toy_status(toy);
        break;
    case 1:
        toy_change_code(toy);
        break;
    case 2:
        if (sim_chance(w, 20))
            toy_exit(toy);
        break;
    case 3:
        if (sim_chance(w, 20))
            toy_stop(toy);
        break;
    default:
        toy_resume(toy);
    }
}

/* Anything may be done in a callback. */
void toy_recklessly(struct toy *called)
{
    struct toys *all = called->all;
    struct sim_world *w = all->w;
    struct toy *toy = sim_chance(w, 60) ? called : some_toy(all);

    if (!all->reckless || all->life.healed || !sim_chance(w, 20) || !toy->p)
        return;
    if (sim_chance(w, 60))
        talk(toy);
    else if (sim_chance(w, 50))
        tie(toy);
    else
        interfere(toy);
}

static void pass_time(struct toys *all)
{
    struct sim_world *w = all->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 40)
        sim_run_turn(w);
    else if (dice < 70)
        sim_run_ms(w, (int64_t)sim_between(w, 1, 50));
    else if (dice < 97)
        sim_run_ms(w, (int64_t)sim_between(w, 50, 1500));
    else
        sim_run_ms(w, (int64_t)sim_between(w, 1500, 10000));
    w->jump_ns = 0;
    for (int i = 0; i < all->n; i++)
        toy_forget(&all->toys[i]);
}

static void step(struct life *life)
{
    struct toys *all = BL_CONTAINER(life, struct toys, life);
    struct sim_world *w = all->w;
    struct toy *toy = some_toy(all);
    uint64_t dice = sim_below(w, 100);

    if (!toy->p && dice < 50)
        toy_start(toy);
    else if (dice < 50)
        talk(toy);
    else if (dice < 52 && lives(toy))
        toy_call_wait(toy, (int64_t)sim_between(w, 1, 2000));
    else if (dice < 54 && toy->p && toy_some_call(toy, false))
        toy_call_cancel(toy_some_call(toy, false));
    else if (dice < 66)
        tie(toy);
    else if (dice < 82)
        interfere(toy);
    else if (dice < 94)
        sim_fault(w, all->hosts[sim_below(w, TOY_HOSTS)], life->alloc_fails);
    else
        sim_host_heal(all->hosts[sim_below(w, TOY_HOSTS)]);
    pass_time(all);
}

/* ---- beginning ---- */

static int draw(struct life *life)
{
    struct toys *all = BL_CONTAINER(life, struct toys, life);
    struct sim_world *w = all->w;

    if (life_begin(life, 0))
        all->reckless = sim_chance(w, 40);
    if (life_begin(life, 1))
        life->alloc_fails = life->alloc_fails || sim_chance(w, 15);
    life_begin_world(life);
    all->lenient = life->alloc_fails;
    all->n = (int)sim_between(w, 3, TOYS_MAX);
    if (life_add_hosts(life, all->hosts, all->endpoints, TOY_HOSTS) < 0)
        return -1;
    toy_attach(all);
    for (int i = 0; i < all->n; i++) {
        all->toys[i].all = all;
        all->toys[i].n = i;
        toy_start(&all->toys[i]);
    }
    return 0;
}

/* ---- healing ---- */

static void until_quiet(struct toys *all)
{
    for (int i = 0; i < 1000 && !sim_is_quiet(all->w); i++)
        sim_run_turn(all->w);
}

/* Whoever is pending is resumed; then, of every process that lives, a call comes to an end. */
static void recover(struct life *life)
{
    struct toys *all = BL_CONTAINER(life, struct toys, life);
    struct sim_world *w = all->w;

    sim_note(w, "all heals");
    life->healed = true;
    sim_heal(w);
    for (int i = 0; i < TOY_HOSTS; i++)
        sim_expect_well(w, all->endpoints[i]);
    until_quiet(all);
    for (int i = 0; i < all->n; i++) {
        struct toy *toy = &all->toys[i];

        if (!lives(toy))
            continue;
        toy_resume(toy);
        toy_call(toy, 1000);
        sim_run_ms(w, 1100); /* the model sees to the rest */
    }
    sim_run_ms(w, WELL_MS);
}

/* ---- the end ---- */

static bool all_ended(void *arg)
{
    struct toys *all = arg;

    for (int i = 0; i < all->n; i++) {
        toy_forget(&all->toys[i]);
        if (all->toys[i].p)
            return false;
    }
    return true;
}

static void stop_all(struct toys *all)
{
    for (int i = 0; i < all->n; i++)
        if (lives(&all->toys[i]))
            toy_stop(&all->toys[i]);
    if (!sim_run_until(all->w, SIM_END_MS, all_ended, all))
        sim_fail(all->w, "a process does not end");
    sim_rest(all->w);
}

/* They are left to the end of the loop. */
static void abandon(struct toys *all)
{
    for (int i = 0; i < all->n; i++) {
        struct toy *toy = &all->toys[i];

        if (toy->ended && toy->p) {
            belay_process_unref(toy->p);
            toy->p = NULL;
        }
        if (!toy->p)
            continue;
        toy_hang_up(toy);
        toy->killed = true; /* in whatever way */
        toy_expect_end(toy, false, BELAY_EXIT_KILLED, 0);
    }
    all->abandoned = true;
    sim_loop_free(all->w);
    for (int i = 0; i < all->n; i++)
        if (all->toys[i].p)
            sim_fail(all->w, "toy %d did not end with its loop", i);
}

static void finish(struct life *life)
{
    struct toys *all = BL_CONTAINER(life, struct toys, life);
    struct sim_world *w = all->w;

    for (uint64_t n = sim_below(w, 8); n > 0; n--)
        talk(some_toy(all));
    for (int i = 0; i < TOY_HOSTS; i++)
        belay_endpoint_unref(all->endpoints[i]);
    for (int i = 0; i < all->n; i++)
        all->toys[i].endpoint = NULL;
    if (sim_chance(w, 20))
        abandon(all);
    else
        stop_all(all);
    sim_end(w);
    parcels_end(all);
}

static const struct life_ops ops = {
    .draw = draw, .step = step, .recover = recover, .finish = finish};

int toy_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                    char *text, size_t size)
{
    struct toys *all = calloc(1, sizeof *all);

    if (!all)
        abort();
    all->met = met;
    bl_list_init(&all->parcels);
    life_make_world(&all->life, seed, options, met_trace, met);
    all->w = all->life.w;
    if (life_run(&all->life, &ops, options, text, size) < 0)
        return -1;
    met_add(met, all->w);
    sim_world_free(all->w);
    free(all);
    return 0;
}
