/* SPDX-License-Identifier: MIT */
/*
 * One history of a tree: opened, its children ending and failing as they please, stopped, started and deleted by name; when its
 * root gives up, another tree takes its place. Then all is well, and in the end everything stops, in order.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sim/faults.h"
#include "sim/supervisor_rig.h"

#define CALM_MS 8000 /* what was to end has ended by then */

static struct boss *root(struct tree *all)
{
    return &all->bosses[0];
}

struct kid *boss_some_kid(struct boss *boss)
{
    struct kid *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &boss->kids)
    if (sim_below(boss->all->w, ++n) == 0)
        found = BL_LIST_OF(node, struct kid, link);
    return found;
}

/* ---- life ---- */

static int open_tree(struct tree *all)
{
    struct boss *boss = root(all);
    struct belay_error error = {0};
    int r;

    all->n = 1;
    memset(boss, 0, sizeof *boss);
    boss->all = all;
    bl_list_init(&boss->kids);
    boss_draw(boss);
    boss->shutdown_ms = BELAY_FOREVER;
    r = TREE_CALL(all,
                  belay_supervisor_open(all->w->loop, &boss->options, &boss->supervisor, &error));
    if (r < 0) {
        if (r != BELAY_ENOMEM || !all->lenient)
            sim_fail(all->w, "supervisor: %s", error.text);
        boss->supervisor = NULL;
        boss->over = true;
        return r;
    }
    belay_supervisor_ref(boss->supervisor);
    tree_did(all, TREE_OPEN);
    for (uint64_t n = sim_between(all->w, TREE_HOSTS, KIDS_MAX); n > 0; n--)
        boss_add(boss);
    return 0;
}

static void on_closed(void *arg)
{
    struct boss *boss = arg;

    if (boss->all->in_call || ++boss->closed_told > 1 || !boss->closing)
        sim_fail(boss->all->w, "on_closed runs twice, inside a call, or unasked");
    boss->over = true;
}

static void close_tree(struct tree *all)
{
    struct boss *boss = root(all);

    if (!boss->supervisor || boss->over || boss->closing)
        return;
    sim_note(all->w, "close the tree");
    boss->closing = true;
    boss->closing_turn = all->w->turns + 1;
    tree_did(all, TREE_CLOSE);
    TREE_CALL(all, (belay_supervisor_close(boss->supervisor, on_closed, boss), 0));
    if (!belay_supervisor_is_closed(boss->supervisor))
        sim_fail(all->w, "a supervisor is open after close");
}

static bool is_over(void *arg)
{
    struct boss *boss = root(arg);

    return !boss->supervisor || (boss->over && (!boss->closing || boss->closed_told));
}

/* What is left of those that are over. */
static void forget(struct tree *all)
{
    struct boss *boss = root(all);

    if (boss->supervisor && is_over(all)) {
        if (!belay_supervisor_is_closed(boss->supervisor))
            sim_fail(all->w, "a supervisor that has ended is open");
        TREE_CALL(all, (belay_supervisor_unref(boss->supervisor), 0));
        boss->supervisor = NULL;
        sim_run_turn(all->w);
        for (int i = 0; i < all->n; i++)
            BL_LIST_EACH(node, &all->bosses[i].kids)
            {
                struct kid *kid = BL_LIST_OF(node, struct kid, link);

                if (!kid->opaque)
                    sim_fail(all->w, "supervisor %d ended, and the spec of %s was not freed", i,
                             kid->id);
                bl_list_remove(&kid->link);
                bl_list_push_back(&all->dead_kids, &kid->link);
            }
    }
}

static void operate(struct tree *all)
{
    struct sim_world *w = all->w;
    struct boss *boss = root(all);
    struct kid *kid = boss_some_kid(&all->bosses[sim_below(w, (uint64_t)all->n)]);

    switch (sim_below(w, 10)) {
    case 0:
    case 1:
        boss_add(boss);
        break;
    case 2:
    case 3:
        boss_stop_one(boss);
        break;
    case 4:
    case 5:
        boss_restart_one(boss);
        break;
    case 6:
        boss_delete_one(boss);
        break;
    default:
        if (kid && !kid->opaque)
            kid_end(kid, (enum belay_exit_kind)sim_below(w, BELAY_EXIT_ERROR + 1));
    }
}

void tree_recklessly(struct tree *all)
{
    if (!all->reckless || all->life.healed || !sim_chance(all->w, 15))
        return;
    tree_did(all, TREE_IN_CALLBACK);
    operate(all);
}

static void pass_time(struct tree *all)
{
    struct sim_world *w = all->w;
    uint64_t dice = sim_below(w, 100);

    if (dice < 35)
        sim_run_turn(w);
    else if (dice < 75)
        sim_run_ms(w, (int64_t)sim_between(w, 1, 100));
    else
        sim_run_ms(w, (int64_t)sim_between(w, 100, 3000));
    w->jump_ns = 0;
    forget(all);
}

static void step(struct life *life)
{
    struct tree *all = BL_CONTAINER(life, struct tree, life);
    struct sim_world *w = all->w;
    uint64_t dice = sim_below(w, 100);

    if (!root(all)->supervisor)
        open_tree(all);
    else if (dice < 65)
        operate(all);
    else if (dice < 67)
        close_tree(all);
    else if (dice < 85)
        sim_fault(w, all->hosts[sim_below(w, TREE_HOSTS)], life->alloc_fails);
    else
        sim_host_heal(all->hosts[sim_below(w, TREE_HOSTS)]);
    pass_time(all);
}

static int draw(struct life *life)
{
    struct tree *all = BL_CONTAINER(life, struct tree, life);
    struct sim_world *w = all->w;

    if (life_begin(life, 0))
        all->reckless = sim_chance(w, 40);
    if (life_begin(life, 1))
        life->alloc_fails = life->alloc_fails || sim_chance(w, 10);
    life_begin_world(life);
    all->lenient = life->alloc_fails;
    if (life_add_hosts(life, all->hosts, all->endpoints, TREE_HOSTS) < 0)
        return -1;
    tree_attach(all);
    open_tree(all);
    return 0;
}

/* Nothing ends by itself any more: whoever is to run does. */
static void recover(struct life *life)
{
    struct tree *all = BL_CONTAINER(life, struct tree, life);
    struct sim_world *w = all->w;
    struct belay_supervisor_stats s = belay_supervisor_stats_init();
    struct boss *boss = root(all);
    uint32_t running = 0;

    sim_note(w, "all heals");
    life->healed = true;
    sim_heal(w);
    for (int i = 0; i < TREE_HOSTS; i++)
        sim_expect_well(w, all->endpoints[i]);
    sim_run_ms(w, CALM_MS);
    forget(all);
    if (!boss->supervisor)
        open_tree(all);
    sim_run_ms(w, CALM_MS);
    if (!boss_is_open(boss) || boss->gave_up)
        return;
    BL_LIST_EACH(node, &boss->kids)
    {
        struct kid *kid = BL_LIST_OF(node, struct kid, link);

        running += kid->state == KID_RUNNING && !kid->stopping;
    }
    belay_supervisor_get_stats(boss->supervisor, &s);
    if (s.running != running)
        sim_fail(w, "%u children are said to run, and %u do", s.running, running);
}

static void finish(struct life *life)
{
    struct tree *all = BL_CONTAINER(life, struct tree, life);
    struct sim_world *w = all->w;
    struct boss *boss = root(all);

    for (int i = 0; i < TREE_HOSTS; i++)
        belay_endpoint_unref(all->endpoints[i]);
    if (boss->supervisor && !boss->over && sim_chance(w, 30)) {
        tree_did(all, TREE_LOOP_END);
        boss->closing = true;
        boss->closed_told = 1;
        belay_supervisor_unref(boss->supervisor);
        boss->supervisor = NULL;
        sim_loop_free(w);
    } else {
        close_tree(all);
        if (!sim_run_until(w, SIM_END_MS, is_over, all))
            sim_fail(w, "the tree does not close");
        forget(all);
        sim_rest(w);
    }
    sim_end(w);
    if (all->told != all->asked)
        sim_fail(w, "%d were to be answered, and %d were", all->asked, all->told);
    if (boss->exits_told != 1 && !(boss->over && !boss->exits_told && !boss->closed_told))
        sim_fail(w, "the end of the root was told %d times", boss->exits_told);
    kids_free(all);
}

static void on_trace(const struct belay_trace *trace, void *arg)
{
    struct tree *all = arg;

    met_trace(trace, all->met);
    tree_trace(all, trace);
}

static const struct life_ops ops = {
    .draw = draw, .step = step, .recover = recover, .finish = finish};

int tree_history_run(uint64_t seed, const struct history_options *options, struct met *met,
                     char *text, size_t size)
{
    struct tree *all = calloc(1, sizeof *all);

    if (!all)
        abort();
    all->met = met;
    bl_list_init(&all->dead_kids);
    life_make_world(&all->life, seed, options, on_trace, all);
    all->w = all->life.w;
    if (life_run(&all->life, &ops, options, text, size) < 0)
        return -1;
    met_add(met, all->w);
    sim_world_free(all->w);
    free(all);
    return 0;
}
