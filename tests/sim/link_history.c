/* SPDX-License-Identifier: MIT */
/*
 * One history of links: opened, waited for, kicked, broken, closed and opened again, while hosts, names and sources fail. Then
 * all heals: within the largest delay and one attempt every link is up. Then the end, and nothing may be left.
 */
#include "sim/link_history.h"

#include <stdlib.h>

#include "sim/faults.h"

#define WAITS_MAX     30
#define WELL_MS       1500 /* for an attempt when all is well */
#define NAME_AGAIN_MS 6000 /* what is believed of a name for that long */

static struct sim_link *some_link(struct links *all)
{
    return &all->links[sim_below(all->w, (uint64_t)all->n)];
}

static struct sim_host *some_host(struct sim_link *l)
{
    return l->hosts[sim_below(l->all->w, (uint64_t)l->hosts_n)];
}

/* ---- what is done ---- */

static void wait(struct sim_link *l)
{
    struct sim_world *w = l->all->w;
    int64_t ms = sim_chance(w, 20)   ? BELAY_FOREVER
                 : sim_chance(w, 20) ? (int64_t)sim_below(w, 20)
                                     : (int64_t)sim_between(w, 1, 20000);
    unsigned n = 0;

    BL_LIST_EACH(node, &l->waits)
    n++;
    if (n < WAITS_MAX)
        link_wait(l, sim_chance(w, 45), ms);
}

static void operate(struct sim_link *l)
{
    struct sim_world *w = l->all->w;

    switch (sim_below(w, 9)) {
    case 0:
    case 1:
        link_kick(l);
        break;
    case 2:
        link_reset(l);
        break;
    case 3:
        link_break(l);
        break;
    case 4:
        link_take(l);
        break;
    case 5:
    case 6:
        link_subscribe(l);
        break;
    default:
        link_unsubscribe(l, (int)sim_below(w, LINK_SUBS_MAX));
    }
}

static void end_or_begin(struct sim_link *l)
{
    struct sim_world *w = l->all->w;

    if (l->over)
        link_forget(l);
    if (!l->link)
        link_history_open(l);
    else if (sim_chance(w, 60))
        link_close(l);
    else
        link_close_last(l);
}

/* Anything may be done in a callback. */
static void recklessly(struct sim_link *called)
{
    struct links *all = called->all;
    struct sim_world *w = all->w;
    struct sim_link *l = sim_chance(w, 80) ? called : some_link(all);

    if (!all->reckless || all->life.healed || !sim_chance(w, 25))
        return;
    link_did(l, LINK_IN_CALLBACK);
    if (sim_chance(w, 40))
        wait(l);
    else if (sim_chance(w, 20) && link_some_wait(l))
        link_cancel(link_some_wait(l));
    else if (sim_chance(w, 4) && l->link)
        link_close(l);
    else
        operate(l);
}

static void pass_time(struct links *all)
{
    struct sim_world *w = all->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 35)
        sim_run_turn(w);
    else if (dice < 60)
        sim_run_ms(w, (int64_t)sim_between(w, 1, 50));
    else if (dice < 90)
        sim_run_ms(w, (int64_t)sim_between(w, 50, 2000));
    else
        sim_run_ms(w, (int64_t)sim_between(w, 2000, 30000));
    w->jump_ns = 0;
}

static void step(struct life *life)
{
    struct links *all = BL_CONTAINER(life, struct links, life);
    struct sim_world *w = all->w;
    struct sim_link *l = some_link(all);
    uint64_t dice = sim_below(w, 100);

    if (dice < 20)
        wait(l);
    else if (dice < 24 && link_some_wait(l))
        link_cancel(link_some_wait(l));
    else if (dice < 27)
        link_wait_blocked(l, sim_chance(w, 50), (int64_t)sim_between(w, 0, 4000));
    else if (dice < 45)
        operate(l);
    else if (dice < 50)
        end_or_begin(l);
    else if (dice < 76)
        sim_fault(w, some_host(l), life->alloc_fails);
    else if (dice < 82)
        link_source_disturb(l);
    else if (dice < 87)
        link_source_heal(l);
    else
        sim_host_heal(some_host(l));
    pass_time(all);
}

/* ---- healing ---- */

static bool is_up(void *arg)
{
    const struct sim_link *l = arg;

    return l->up || l->over;
}

static bool is_at_first(void *arg)
{
    struct sim_link *l = arg;
    struct sim_seen *seen = l->up ? sim_seen_of_lease(l->all->w, l->lease) : NULL;

    return (seen && seen->host == l->hosts[0]) || l->over;
}

/* One attempt that began in worse times, and the next; a name may be believed to be missing for some of them. */
static int64_t bound_of(const struct sim_link *l)
{
    int64_t one = link_largest_delay(l), limit = l->options.attempt_timeout_ms;
    bool by_name = l->wires || l->source_kind == SOURCE_DNS;

    if (limit > one)
        one = limit;
    return one + WELL_MS + (by_name ? NAME_AGAIN_MS + 2 * one : 0);
}

static void expect_up(struct sim_link *l)
{
    struct sim_world *w = l->all->w;
    int64_t bound = bound_of(l);

    if (!sim_run_until(w, bound, is_up, l))
        sim_fail(w, "link %d is not up %lld ms after the healing", l->n, (long long)bound);
    if (l->options.move_interval_ms <= 0 || l->source_kind != SOURCE_LIST || l->closing ||
        l->last_closes)
        return;
    bound += l->options.move_interval_ms + link_largest_delay(l);
    if (!sim_run_until(w, bound, is_at_first, l))
        sim_fail(w, "link %d does not move to its best address", l->n);
}

static void recover(struct life *life)
{
    struct links *all = BL_CONTAINER(life, struct links, life);
    struct sim_world *w = all->w;

    sim_note(w, "all heals");
    life->healed = true;
    sim_heal(w);
    for (int i = 0; i < all->n; i++) {
        struct sim_link *l = &all->links[i];

        link_source_heal(l);
        if (l->over)
            link_forget(l);
        if (!l->link)
            link_history_open(l);
    }
    for (int i = 0; i < all->n; i++)
        if (!all->links[i].closing && !all->links[i].last_closes)
            expect_up(&all->links[i]);
}

/* ---- the end ---- */

static bool all_over(void *arg)
{
    struct links *all = arg;

    for (int i = 0; i < all->n; i++)
        if (all->links[i].link && !all->links[i].over)
            return false;
    return true;
}

static void close_all(struct links *all)
{
    struct sim_world *w = all->w;

    for (int i = 0; i < all->n; i++)
        link_close(&all->links[i]);
    sim_heal(w);
    if (!sim_run_until(w, SIM_END_MS, all_over, all))
        sim_fail(w, "a link does not close");
    for (int i = 0; i < all->n; i++)
        link_forget(&all->links[i]);
    sim_rest(w);
}

/* They are left to the end of the loop. */
static void abandon(struct links *all)
{
    for (int i = 0; i < all->n; i++) {
        struct sim_link *l = &all->links[i];

        if (!l->link || l->over) {
            link_forget(l);
            continue;
        }
        l->closed_told += !l->closing; /* of that nobody is told */
        l->closing = true;
        LINK_DO(l, belay_link_unref(l->link));
    }
}

static void finish(struct life *life)
{
    struct links *all = BL_CONTAINER(life, struct links, life);
    struct sim_world *w = all->w;

    for (uint64_t n = sim_below(w, 6); n > 0; n--) {
        struct sim_link *l = some_link(all);

        if (!l->link || l->over)
            continue;
        if (sim_chance(w, 50))
            sim_host_kill(some_host(l));
        wait(l);
        sim_run_ms(w, (int64_t)sim_below(w, 500));
    }
    if (sim_chance(w, 20))
        abandon(all);
    else
        close_all(all);
    for (int i = 0; i < all->n; i++)
        link_fini(&all->links[i]);
    sim_end(w);
    for (int i = 0; i < all->n; i++)
        if (!all->links[i].over && all->links[i].finished_told < all->links[i].finished_asked)
            sim_fail(w, "link %d did not end with its loop", i);
}

static void on_trace(const struct belay_trace *trace, void *arg)
{
    struct links *all = arg;

    met_trace(trace, all->met);
    link_oracle_trace(all, trace);
}

static const struct life_ops ops = {
    .draw = link_history_draw, .step = step, .recover = recover, .finish = finish};

int link_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                     char *text, size_t size)
{
    struct links *all = calloc(1, sizeof *all);

    if (!all)
        abort();
    all->met = met;
    all->then = recklessly;
    life_make_world(&all->life, seed, options, on_trace, all);
    all->w = all->life.w;
    if (life_run(&all->life, &ops, options, text, size) < 0)
        return -1;
    met_add(met, all->w);
    for (int i = 0; i < all->n; i++) {
        sim_event_fini(&all->links[i].custom.event);
        link_subs_forget(&all->links[i]);
    }
    sim_world_free(all->w);
    free(all);
    return 0;
}
