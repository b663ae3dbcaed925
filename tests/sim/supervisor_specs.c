/* SPDX-License-Identifier: MIT */
/* What trees are made of: beside kids of the rig's own links, processes and supervisors, of which the trace tells. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/supervisor_rig.h"

/* ---- links and processes as children ---- */

static struct kid *opaque_kid(struct boss *boss, struct belay_child_spec *spec)
{
    struct kid *kid = calloc(1, sizeof *kid);

    if (!kid)
        abort();
    kid->all = boss->all;
    kid->boss = boss;
    kid->opaque = true;
    kid->number = ++boss->all->numbers;
    kid->restart = (enum belay_restart)sim_between(boss->all->w, BELAY_RESTART_PERMANENT,
                                                   BELAY_RESTART_TEMPORARY);
    snprintf(kid->id, sizeof kid->id, "kid %llu", (unsigned long long)kid->number);
    spec->id = kid->id;
    spec->restart = kid->restart;
    bl_list_push_back(&boss->kids, &kid->link);
    boss->all->made = kid;
    return kid;
}

static void on_link(struct belay_link *link, void *arg)
{
    struct tree *all = arg;

    (void)link;
    tree_did(all, TREE_LINK);
}

static void on_event(struct belay_link *link, const struct belay_link_event *event, void *arg)
{
    (void)link;
    if (event->type == BELAY_LINK_FAILED_TO_CONNECT && event->next_ms == BELAY_FOREVER)
        kid_on_end(*(struct kid **)arg, BELAY_EXIT_ERROR, true);
}

static int link_spec(struct boss *boss, struct belay_child_spec *spec)
{
    struct tree *all = boss->all;
    struct sim_world *w = all->w;
    struct belay_link_options o = belay_link_options_init();
    struct belay_backoff_options b = belay_backoff_options_init();
    struct belay_source *source;
    struct kid **cell = &all->cells[all->cells_n++ % TREE_CELLS];
    int r = belay_source_list(w->loop, &all->endpoints[all->links_n % TREE_HOSTS], 1,
                              BELAY_SOURCE_IN_ORDER, &source);

    if (r < 0)
        return r;
    b.delay_ms = (int64_t)sim_between(w, 1, 500);
    b.attempts_max = (int32_t)sim_between(w, 1, 5);
    o.backoff = &b;
    o.connector = sim_fake_connector(w);
    o.on_event = on_event;
    o.event_arg = cell;
    r = belay_link_child_spec(source, &o, on_link, all, spec, NULL);
    belay_source_unref(source);
    if (r < 0)
        return r;
    *cell = opaque_kid(boss, spec);
    all->links_n++;
    return 0;
}

static struct belay_directive process_init(struct belay_process *p, void *args)
{
    struct kid *kid = *(struct kid **)args;

    (void)p;
    tree_did(kid->all, TREE_PROCESS);
    if (kid->all->life.healed)
        return belay_do_ok();
    return belay_with_timeout(belay_do_ok(), (int64_t)sim_between(kid->all->w, 1, 6000));
}

static struct belay_directive process_info(struct belay_process *p, struct belay_message *message,
                                           void *state)
{
    struct kid *kid = *(struct kid **)state;

    (void)message;
    if (kid->all->life.healed)
        return belay_do_noreply();
    kid->by_itself = true;
    return belay_do_stop(p, sim_chance(kid->all->w, 50) ? BELAY_EXIT_NORMAL : BELAY_EXIT_ERROR,
                         NULL);
}

static void process_ended(struct belay_process *p, struct belay_exit why, void *arg)
{
    struct kid *kid = *(struct kid **)arg;

    (void)p;
    kid_on_end(kid, why.kind, kid->by_itself);
    kid->by_itself = false;
}

static const struct belay_behaviour behaviour = {
    .size = sizeof behaviour, .name = "kid", .init = process_init, .handle_info = process_info};

static int process_spec(struct boss *boss, struct belay_child_spec *spec)
{
    struct tree *all = boss->all;
    struct belay_process_options o = belay_process_options_init();
    struct kid **cell = &all->cells[all->cells_n++ % TREE_CELLS];
    int r;

    o.on_exit = process_ended;
    o.exit_arg = cell;
    r = belay_process_child_spec(&behaviour, cell, NULL, NULL, &o, spec, NULL);
    if (r == 0)
        *cell = opaque_kid(boss, spec);
    return r;
}

/* ---- the tree ---- */

void boss_draw(struct boss *boss)
{
    static const enum tree_deed deeds[] = {TREE_ONE_FOR_ONE, TREE_ONE_FOR_ALL, TREE_REST_FOR_ONE,
                                           TREE_DYNAMIC};
    struct sim_world *w = boss->all->w;
    struct belay_supervisor_options *o = &boss->options;

    *o = belay_supervisor_options_init();
    snprintf(boss->name, sizeof boss->name, "boss %llu", (unsigned long long)++boss->all->numbers);
    o->name = boss->name;
    o->strategy = (enum belay_strategy)sim_below(w, 4);
    tree_did(boss->all, deeds[o->strategy]);
    o->intensity = sim_chance(w, 8) ? BELAY_NONE : (int32_t)sim_between(w, 1, 12);
    o->period_ms = (int64_t)sim_between(w, 1, 8000);
    o->max_children = sim_chance(w, 80) ? 0 : (int32_t)sim_between(w, 3, 8);
    o->on_exit = boss_on_exit;
    o->exit_arg = boss;
}

int boss_make_spec(struct boss *boss, struct belay_child_spec *spec)
{
    struct sim_world *w = boss->all->w;
    uint64_t dice = sim_below(w, 100);
    int r;

    r = dice < 12 ? link_spec(boss, spec) : dice < 24 ? process_spec(boss, spec) : 0;
    if (dice >= 24) {
        kid_new(boss, spec);
        boss->all->made = NULL;
    }
    return r;
}

int boss_make_nested(struct boss *parent, struct belay_child_spec *spec)
{
    struct tree *all = parent->all;
    struct sim_world *w = all->w;
    struct boss *boss = &all->bosses[all->n++];
    struct belay_child_spec specs[3];
    size_t n = (size_t)sim_between(w, 1, 3), made = 0;
    int r;

    memset(boss, 0, sizeof *boss);
    boss->all = all;
    boss->n = all->n - 1;
    boss->parent = parent;
    bl_list_init(&boss->kids);
    boss_draw(boss);
    if (boss->options.max_children)
        boss->options.max_children = 0;
    while (made < n)
        kid_new(boss, &specs[made++]);
    r = belay_supervisor_child_spec(&boss->options, specs, made, spec, NULL);
    if (r < 0)
        return r;
    boss->as_kid = opaque_kid(parent, spec);
    boss->shutdown_ms = BELAY_FOREVER; /* as of every supervisor */
    if (sim_chance(w, 30))
        spec->shutdown_ms = boss->shutdown_ms = (int64_t)sim_between(w, 1, 1500);
    tree_did(all, TREE_NESTED);
    return 0;
}
