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

static struct kid *some_kid(struct boss *boss)
{
    struct kid *found = NULL;
    uint64_t n = 0;

    BL_LIST_EACH(node, &boss->kids)
    if (sim_below(boss->all->w, ++n) == 0)
        found = BL_LIST_OF(node, struct kid, link);
    return found;
}

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

static void draw_options(struct boss *boss)
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

static int make_spec(struct boss *boss, struct belay_child_spec *spec)
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

static int nested_spec(struct boss *parent, struct belay_child_spec *spec)
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
    draw_options(boss);
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

/* ---- asking ---- */

struct ask {
    struct tree *all;
    struct kid *kid;
    struct boss *boss;
    bool stops, told;
    bool was_idle; /* when it was asked: perhaps its group has started it again */
};

static void on_answer(const char *id, const struct belay_error *error, void *arg)
{
    struct ask *ask = arg;
    struct tree *all = ask->all;

    if (all->in_call || ask->told)
        sim_fail(all->w, "an answer inside a call, or a second one");
    if (!id || (error && error->code >= 0))
        sim_fail(all->w, "an answer without an id, or an error without a code");
    all->told++;
    if (ask->stops) {
        ask->boss->asked--;
        if (ask->kid->state != KID_IDLE && !ask->was_idle)
            sim_fail(all->w, "%s is said to have stopped, and runs", ask->kid->id);
        ask->kid->asked_stop = false;
    }
    free(ask);
    tree_recklessly(all);
}

static struct ask *new_ask(struct boss *boss, struct kid *kid, bool stops)
{
    struct ask *ask = calloc(1, sizeof *ask);

    if (!ask)
        abort();
    ask->all = boss->all;
    ask->boss = boss;
    ask->kid = kid;
    ask->stops = stops;
    ask->was_idle = kid && kid->state == KID_IDLE;
    return ask;
}

/* What was refused is told apart. */
static void refused(struct tree *all, int r, int first, int second, const char *what)
{
    if (r == BELAY_EEXISTS)
        tree_did(all, TREE_TAKEN_ID);
    if (r == BELAY_EFULL)
        tree_did(all, TREE_FULL);
    if (r == BELAY_ENONAME)
        tree_did(all, TREE_NO_NAME);
    if (r != first && r != second && r != BELAY_ECLOSED && !(r == BELAY_ENOMEM && all->lenient))
        sim_fail(all->w, "%s: %s", what, belay_error_name(r));
}

static bool is_open(const struct boss *boss)
{
    return boss->supervisor && !boss->over && !boss->closing;
}

static void add(struct boss *boss, struct belay_child_spec *spec)
{
    struct tree *all = boss->all;
    struct ask *ask = new_ask(boss, NULL, false);
    struct kid *other = some_kid(boss), *made = all->made;
    struct belay_error error = {0};
    const char *id = NULL;
    int r;

    if (other && other->state != KID_IDLE && sim_chance(all->w, 8))
        spec->id = other->id;
    tree_did(all, TREE_ADD);
    all->asked++;
    r = TREE_CALL(
        all, belay_supervisor_start_child(boss->supervisor, spec, on_answer, ask, &id, &error));
    if (r == 0)
        return;
    all->asked--;
    free(ask);
    if (made) { /* it is nobody's child */
        bl_list_remove(&made->link);
        bl_list_push_back(&all->dead_kids, &made->link);
    }
    refused(all, r, BELAY_EEXISTS, boss->options.max_children ? BELAY_EFULL : BELAY_EEXISTS,
            error.text);
}

static void add_some(struct boss *boss)
{
    struct belay_child_spec spec;
    bool nested = boss->all->n < BOSSES_MAX && sim_chance(boss->all->w, 20);

    if (!is_open(boss))
        return;
    if ((nested ? nested_spec(boss, &spec) : make_spec(boss, &spec)) == 0)
        add(boss, &spec);
}

static void stop_one(struct boss *boss)
{
    struct tree *all = boss->all;
    struct kid *kid = some_kid(boss);
    struct ask *ask;
    int r;

    if (!is_open(boss) || !kid || kid->asked_stop)
        return;
    ask = new_ask(boss, kid, true);
    boss->asked++;
    kid->asked_stop = true;
    all->asked++;
    tree_did(all, TREE_STOP_ASKED);
    sim_note(all->w, "stop %s, please", kid->id);
    r = TREE_CALL(all, belay_supervisor_stop_child(boss->supervisor, kid->id, on_answer, ask));
    if (r == 0) {
        kid->wanted = kid->wanted_now = kid->asked_start =
            false; /* its group is started without it */
        return;
    }
    all->asked--;
    boss->asked--;
    kid->asked_stop = false;
    free(ask);
    refused(all, r, BELAY_ENONAME, BELAY_ENONAME, "stop_child");
}

static void restart_one(struct boss *boss)
{
    struct tree *all = boss->all;
    struct kid *kid = some_kid(boss);
    struct ask *ask;
    bool before;
    int r;

    if (!is_open(boss) || !kid)
        return;
    before = kid->asked_start;
    ask = new_ask(boss, kid, false);
    all->asked++;
    tree_did(all, TREE_RESTART_ASKED);
    sim_note(all->w, "start %s again, please", kid->id);
    kid->asked_start = true;
    r = TREE_CALL(all, belay_supervisor_restart_child(boss->supervisor, kid->id, on_answer, ask));
    if (r == 0) {
        kid->wanted = false; /* it had stopped, and waits on its own behalf */
        return;
    }
    all->asked--;
    kid->asked_start = before;
    free(ask);
    refused(all, r, BELAY_EINVAL, BELAY_ENONAME, "restart_child");
}

static void delete_one(struct boss *boss)
{
    struct tree *all = boss->all;
    struct kid *kid = some_kid(boss);
    bool runs = kid && kid->state != KID_IDLE;
    int r;

    if (!is_open(boss) || !kid)
        return;
    r = TREE_CALL(all, belay_supervisor_delete_child(boss->supervisor, kid->id));
    sim_note(all->w, "delete %s: %d", kid->id, r);
    if (r == 0 && runs)
        sim_fail(all->w, "a child that runs was deleted");
    if (r == 0)
        tree_did(all, TREE_DELETED);
    else
        refused(all, r, BELAY_EINVAL, BELAY_ENONAME, "delete_child");
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
    draw_options(boss);
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
        add_some(boss);
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
    struct kid *kid = some_kid(&all->bosses[sim_below(w, (uint64_t)all->n)]);

    switch (sim_below(w, 10)) {
    case 0:
    case 1:
        add_some(boss);
        break;
    case 2:
    case 3:
        stop_one(boss);
        break;
    case 4:
    case 5:
        restart_one(boss);
        break;
    case 6:
        delete_one(boss);
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
    for (int i = 0; i < TREE_HOSTS; i++) {
        struct belay_endpoint_options o = belay_endpoint_options_init();
        char name[16];

        snprintf(name, sizeof name, "%c.sim.test", 'a' + i);
        all->hosts[i] = sim_host_add(w, name, 7000, &sim_line_server);
        o.scheme = "tcp";
        o.host = all->hosts[i]->name;
        o.port = all->hosts[i]->port;
        if (belay_endpoint_new(w->loop, &o, &all->endpoints[i], NULL) < 0)
            return -1;
    }
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
    if (!is_open(boss) || boss->gave_up)
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
    all->w = all->life.w = sim_world_bare(seed);
    all->w->verbose = options->verbose;
    all->w->on_trace = on_trace;
    all->w->trace_arg = all;
    all->met = met;
    bl_list_init(&all->dead_kids);
    if (sim_world_start(all->w) < 0)
        all->w->loop = NULL;
    if (life_run(&all->life, &ops, options, text, size) < 0)
        return -1;
    met_add(met, all->w);
    sim_world_free(all->w);
    free(all);
    return 0;
}
