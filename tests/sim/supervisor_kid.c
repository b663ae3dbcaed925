/* SPDX-License-Identifier: MIT */
/* A child of the rig's own: it starts, fails, ends and stops at once, later or never, as chance says. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "sim/supervisor_rig.h"

static enum kid_way some_way(struct kid *kid, unsigned never)
{
    struct sim_world *w = kid->all->w;

    if (kid->all->life.healed)
        return KID_AT_ONCE;
    return sim_chance(w, never) ? KID_NEVER : sim_chance(w, 50) ? KID_LATER : KID_AT_ONCE;
}

static struct belay_error some_error(void)
{
    struct belay_error e;

    bl_error_set(&e, BELAY_EABORTED, BELAY_STAGE_NONE, "a child of the rig's fell over");
    return e;
}

/* ---- answers ---- */

static void started(struct kid *kid)
{
    kid->state = KID_RUNNING;
    tree_did(kid->all, TREE_START);
    TREE_CALL(kid->all, (belay_child_started(kid->child, kid), 0));
    if (!kid->all->life.healed && sim_chance(kid->all->w, 70)) {
        kid->exit = (enum belay_exit_kind)sim_below(kid->all->w, BELAY_EXIT_ERROR + 1);
        sim_event_in(&kid->event, SIM_MS(sim_below(kid->all->w, 8000)));
    }
}

static void ended(struct kid *kid, enum belay_exit_kind kind, bool by_itself)
{
    struct belay_error e = some_error();
    struct belay_child *child = kid->child;

    sim_event_stop(&kid->event);
    kid_on_end(kid, kind, by_itself);
    kid->state = KID_IDLE;
    kid->child = NULL;
    kid->stopping = kid->killed = false;
    TREE_CALL(
        kid->all,
        (belay_child_ended(child, (struct belay_exit){kind, kind == BELAY_EXIT_ERROR ? &e : NULL}),
         0));
}

static void failed(struct kid *kid, bool ignored)
{
    struct belay_error e = some_error();
    struct belay_child *child = kid->child;

    sim_event_stop(&kid->event);
    kid->state = KID_IDLE;
    kid->child = NULL;
    kid_on_failure(kid, ignored);
    if (ignored)
        TREE_CALL(kid->all, (belay_child_ignored(child), 0));
    else
        TREE_CALL(kid->all, (belay_child_failed(child, &e), 0));
}

void kid_end(struct kid *kid, enum belay_exit_kind kind)
{
    if (kid->state != KID_RUNNING || kid->stopping)
        return;
    ended(kid, kind, true);
    tree_recklessly(kid->all);
}

static void on_event(void *arg)
{
    struct kid *kid = arg;

    if (kid->state == KID_IDLE)
        return;
    if (kid->stopping)
        ended(kid, BELAY_EXIT_SHUTDOWN, false);
    else if (kid->state == KID_RUNNING)
        kid_end(kid, kid->exit);
    else if (sim_chance(kid->all->w, kid->all->life.healed ? 0 : 20))
        failed(kid, sim_chance(kid->all->w, 30));
    else
        started(kid);
}

/* ---- what a supervisor does to it ---- */

static int op_start(struct belay_loop *loop, struct belay_child *child, void *arg)
{
    struct kid *kid = arg;
    struct sim_world *w = kid->all->w;

    (void)loop;
    kid_on_start(kid);
    kid->child = child;
    kid->state = KID_STARTING;
    switch (some_way(kid, 3)) {
    case KID_NEVER:
        tree_did(kid->all, TREE_NEVER_STARTED);
        return 0;
    case KID_LATER:
        tree_did(kid->all, TREE_START_LATER);
        sim_event_in(&kid->event, SIM_MS(sim_below(w, 400)));
        return 0;
    default:
        break;
    }
    if (kid->all->life.healed || sim_chance(w, 85)) {
        started(kid);
    } else if (sim_chance(w, 60)) {
        failed(kid, sim_chance(w, 30));
    } else {
        kid->state = KID_IDLE;
        kid->child = NULL;
        kid_on_failure(kid, false);
        return BELAY_EABORTED;
    }
    return 0;
}

static void op_stop(struct belay_child *child, void *object, void *arg)
{
    struct kid *kid = arg;

    if (child != kid->child || (object != NULL && object != kid))
        sim_fail(kid->all->w, "%s: stop of another one", kid->id);
    kid_on_stop(kid, false);
    sim_event_stop(&kid->event);
    switch (some_way(kid, kid->shutdown_ms == BELAY_FOREVER ? 0 : 25)) {
    case KID_NEVER:
        break;
    case KID_LATER:
        sim_event_in(&kid->event, SIM_MS(sim_below(kid->all->w, 800)));
        break;
    default:
        ended(kid, sim_chance(kid->all->w, 80) ? BELAY_EXIT_SHUTDOWN : BELAY_EXIT_ERROR, false);
    }
}

static void op_kill(struct belay_child *child, void *object, void *arg)
{
    struct kid *kid = arg;

    (void)object;
    if (child != kid->child)
        sim_fail(kid->all->w, "%s: kill of another one", kid->id);
    kid_on_stop(kid, true);
    ended(kid, BELAY_EXIT_KILLED, false);
}

static void op_free(void *arg)
{
    struct kid *kid = arg;

    if (kid->freed || kid->state != KID_IDLE)
        sim_fail(kid->all->w, "%s is freed: twice %d, in state %d", kid->id, kid->freed,
                 (int)kid->state);
    kid->freed = true;
    tree_did(kid->all, TREE_FREED);
    sim_event_fini(&kid->event);
    bl_list_remove(&kid->link);
    bl_list_push_back(&kid->all->dead_kids, &kid->link);
}

static const struct belay_child_ops ops = {
    .size = sizeof ops,
    .noun = "kid",
    .start = op_start,
    .stop = op_stop,
    .kill = op_kill,
    .free = op_free,
};

struct kid *kid_new(struct boss *boss, struct belay_child_spec *ret_spec)
{
    struct tree *all = boss->all;
    struct sim_world *w = all->w;
    struct kid *kid = calloc(1, sizeof *kid);

    if (!kid)
        abort();
    kid->all = all;
    kid->boss = boss;
    kid->number = ++all->numbers;
    snprintf(kid->id, sizeof kid->id, "kid %llu", (unsigned long long)kid->number);
    kid->restart =
        (enum belay_restart)sim_between(w, BELAY_RESTART_PERMANENT, BELAY_RESTART_TEMPORARY);
    kid->shutdown_ms = sim_chance(w, 15)   ? BELAY_NONE
                       : sim_chance(w, 15) ? BELAY_FOREVER
                                           : (int64_t)sim_between(w, 1, 600);
    sim_event_init(&kid->event, w, on_event, kid);
    bl_list_push_back(&boss->kids, &kid->link);
    sim_note(w, "%s of supervisor %d: restart %d, shutdown %lld ms", kid->id, boss->n,
             (int)kid->restart, (long long)kid->shutdown_ms);
    *ret_spec = belay_child_spec_init();
    ret_spec->id = kid->id;
    ret_spec->ops = &ops;
    ret_spec->arg = kid;
    ret_spec->restart = kid->restart;
    ret_spec->shutdown_ms = kid->shutdown_ms;
    return kid;
}

void kids_free(struct tree *all)
{
    struct bl_list *node;

    for (int i = 0; i < all->n; i++)
        while ((node = bl_list_pop_front(&all->bosses[i].kids))) {
            struct kid *kid = BL_LIST_OF(node, struct kid, link);

            if (!kid->opaque)
                sim_fail(all->w, "supervisor %d ended, and the spec of %s was not freed", i,
                         kid->id);
            free(kid);
        }
    while ((node = bl_list_pop_front(&all->dead_kids)))
        free(BL_LIST_OF(node, struct kid, link));
}
