/* SPDX-License-Identifier: MIT */
/* What is asked of a root supervisor: children added, stopped, started again, forgotten; and each asking is answered once. */
#include <stdlib.h>

#include "sim/supervisor_rig.h"

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

bool boss_is_open(const struct boss *boss)
{
    return boss->supervisor && !boss->over && !boss->closing;
}

static void add(struct boss *boss, struct belay_child_spec *spec)
{
    struct tree *all = boss->all;
    struct ask *ask = new_ask(boss, NULL, false);
    struct kid *other = boss_some_kid(boss), *made = all->made;
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

void boss_add(struct boss *boss)
{
    struct belay_child_spec spec;
    bool nested = boss->all->n < BOSSES_MAX && sim_chance(boss->all->w, 20);

    if (!boss_is_open(boss))
        return;
    if ((nested ? boss_make_nested(boss, &spec) : boss_make_spec(boss, &spec)) == 0)
        add(boss, &spec);
}

void boss_stop_one(struct boss *boss)
{
    struct tree *all = boss->all;
    struct kid *kid = boss_some_kid(boss);
    struct ask *ask;
    int r;

    if (!boss_is_open(boss) || !kid || kid->asked_stop)
        return;
    ask = new_ask(boss, kid, true);
    boss->asked++;
    kid->asked_stop = true;
    all->asked++;
    tree_did(all, TREE_STOP_ASKED);
    sim_note(all->w, "stop %s, please", kid->id);
    r = TREE_CALL(all, belay_supervisor_stop_child(boss->supervisor, kid->id, on_answer, ask));
    if (r == 0) {
        kid->stay = boss->grouping && kid->number >= boss->group_from;
        kid->wanted = kid->wanted_now = kid->asked_start = false;
        return;
    }
    all->asked--;
    boss->asked--;
    kid->asked_stop = false;
    free(ask);
    refused(all, r, BELAY_ENONAME, BELAY_ENONAME, "stop_child");
}

void boss_restart_one(struct boss *boss)
{
    struct tree *all = boss->all;
    struct kid *kid = boss_some_kid(boss);
    struct ask *ask;
    bool before;
    int r;

    if (!boss_is_open(boss) || !kid)
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

void boss_delete_one(struct boss *boss)
{
    struct tree *all = boss->all;
    struct kid *kid = boss_some_kid(boss);
    bool runs = kid && kid->state != KID_IDLE;
    int r;

    if (!boss_is_open(boss) || !kid)
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
