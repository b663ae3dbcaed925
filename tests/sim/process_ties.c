/* SPDX-License-Identifier: MIT */
/* What ties toys together: links, monitors, and who waits for a state. */
#include <stdlib.h>

#include "sim/process_rig.h"

static void *must_alloc(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (!memory)
        abort();
    return memory;
}

/* ---- links ---- */

static int find(struct toys *all, const struct toy *a, const struct toy *b)
{
    for (int i = 0; i < all->ties_n; i++)
        if ((all->ties[i].a == a && all->ties[i].b == b) ||
            (all->ties[i].a == b && all->ties[i].b == a))
            return i;
    return -1;
}

static void cut(struct toys *all, int i)
{
    all->ties[i] = all->ties[--all->ties_n];
}

static bool is_gone(const struct toy *toy)
{
    return toy->ended || toy->ending || toy->resumed || !toy_is_alive(toy);
}

void toy_tie(struct toy *a, struct toy *b, bool parent)
{
    if (find(a->all, a, b) < 0)
        a->all->ties[a->all->ties_n++] = (struct toy_tie){a, b, parent};
}

void toy_link(struct toy *a, struct toy *b)
{
    struct toys *all = a->all;
    int r;

    if (a == b || !a->p || !b->p || is_gone(a) || is_gone(b) || a->exits || b->exits)
        return;
    r = TOY_GET(all, belay_process_link(a->p, b->p));
    if (r < 0) {
        if (r != BELAY_ENOMEM || !all->lenient)
            sim_fail(all->w, "link: %s", belay_error_name(r));
        return;
    }
    toy_did(all, TOY_LINKED);
    toy_tie(a, b, false);
}

void toy_unlink(struct toy *a, struct toy *b)
{
    struct toys *all = a->all;
    int i = find(all, a, b);

    if (i < 0 || is_gone(a) || is_gone(b) || a->exits || b->exits)
        return;
    TOY_DO(all, belay_process_unlink(a->p, b->p));
    cut(all, i);
}

bool toy_may_end_otherwise(const struct toy *toy)
{
    struct toys *all = toy->all;

    if (toy->killed || all->w->now_ns + TOY_MOMENT_NS >= toy->start_limit_ns)
        return true;
    for (int i = 0; i < all->ties_n; i++) {
        const struct toy *other = all->ties[i].a == toy   ? all->ties[i].b
                                  : all->ties[i].b == toy ? all->ties[i].a
                                                          : NULL;

        if (other && !toy_is_alive(other))
            return true;
    }
    return false;
}

bool toy_may_end(struct toy *toy)
{
    toy_settle(toy);
    return toy->ended || toy->ending || toy->exits > 0 || toy_may_end_otherwise(toy);
}

void toy_on_signal(struct toy *toy, const struct belay_message *message)
{
    struct toys *all = toy->all;
    const struct belay_exit_signal *signal = message->value;
    struct toy *other = NULL;

    for (int i = 0; i < all->n; i++)
        if (all->toys[i].p == signal->process)
            other = &all->toys[i];
    if (message->tag == BELAY_TAG_DOWN) {
        toy_did(all, TOY_DOWN_TOLD);
        if (toy->downs_due-- == 0)
            sim_fail(all->w, "toy %d: the end of one that it does not watch", toy->n);
    } else if (message->tag == BELAY_TAG_EXIT) {
        toy_did(all, TOY_EXIT_TRAPPED);
        if (!toy->options.trap_exit)
            sim_fail(all->w, "toy %d: an exit, and it traps none", toy->n);
        if (toy->traps_due-- == 0)
            sim_fail(all->w, "toy %d: an exit that nobody has sent", toy->n);
    } else {
        sim_fail(all->w, "toy %d: a message of tag %d", toy->n, (int)message->tag);
    }
    if (signal->why.kind == BELAY_EXIT_ERROR && !signal->why.error)
        sim_fail(all->w, "toy %d: an exit for an error that is none", toy->n);
    if (other && toy_is_alive(other) && !other->ending && !other->exits &&
        message->tag == BELAY_TAG_DOWN)
        sim_fail(all->w, "toy %d: toy %d is said to have ended", toy->n, other->n);
}

/* Those linked to one that has ended are told, or end too. */
void toy_ties_end(struct toy *toy, struct belay_exit why)
{
    struct toys *all = toy->all;

    for (int i = all->ties_n - 1; i >= 0; i--) {
        struct toy_tie tie = all->ties[i];
        struct toy *other = tie.a == toy ? tie.b : tie.b == toy ? tie.a : NULL;

        if (!other)
            continue;
        cut(all, i);
        if (other->ended)
            continue;
        if (other->options.trap_exit && tie.parent && other == tie.b) {
            toy_did(all, TOY_PARENT_ENDED);
            toy_expect_end(other, false, why.kind, 0);
        } else if (other->options.trap_exit) {
            other->traps_due++;
        } else if (why.kind != BELAY_EXIT_NORMAL) {
            toy_did(all, TOY_LINK_ENDED);
            toy_expect_end(other, false, why.kind, 0);
        }
    }
}

/* ---- monitors ---- */

static void watch_over(struct toy_watch *watch)
{
    bl_list_remove(&watch->link);
    free(watch);
}

static void on_down(struct belay_process *process, struct belay_exit why, void *arg)
{
    struct toy_watch *watch = arg;
    struct toy *toy = watch->toy;
    struct toys *all = toy->all;

    if (all->in_call)
        sim_fail(all->w, "a monitor is told inside a call");
    if (process != watch->process || belay_process_is_alive(process))
        sim_fail(all->w, "toy %d: a monitor is told of another one's end, or none", toy->n);
    if (why.kind == BELAY_EXIT_ERROR && !why.error)
        sim_fail(all->w, "toy %d: a monitor is told of an error that is none", toy->n);
    toy_did(all, TOY_MONITOR_TOLD);
    watch_over(watch);
    toy_recklessly(toy);
}

void toy_watch(struct toy *toy, struct toy *by)
{
    struct toys *all = toy->all;
    struct toy_watch *watch;
    int r;

    if (!toy->p || toy->ended || (by && (by == toy || !by->p || is_gone(by) || by->exits)))
        return;
    watch = must_alloc(sizeof *watch);
    watch->toy = toy;
    watch->by = by;
    watch->process = toy->p;
    bl_list_push_back(&toy->watches, &watch->link);
    r = by ? TOY_GET(all, belay_process_monitor_by(toy->p, by->p, &watch->monitor))
           : TOY_GET(all, belay_process_monitor(toy->p, on_down, watch, &watch->monitor));
    if (r == 0)
        return;
    watch_over(watch);
    if (r != BELAY_ENOMEM || !all->lenient)
        sim_fail(all->w, "monitor: %s", belay_error_name(r));
}

void toy_unwatch(struct toy *toy)
{
    struct bl_list *node = bl_list_first(&toy->watches);
    struct toy_watch *watch;

    if (!node || is_gone(toy) || toy->exits)
        return;
    watch = BL_LIST_OF(node, struct toy_watch, link);
    if (watch->by && (is_gone(watch->by) || watch->by->exits))
        return;
    TOY_DO(toy->all, belay_monitor_cancel(watch->monitor));
    watch_over(watch);
}

/* Those who are told by a message have it in their mailboxes; the others hear of it. */
void toy_watches_end(struct toy *toy)
{
    BL_LIST_EACH(node, &toy->watches)
    {
        struct toy_watch *watch = BL_LIST_OF(node, struct toy_watch, link);

        if (!watch->by)
            continue;
        watch->by->downs_due++;
        watch_over(watch);
    }
    for (int i = 0; i < toy->all->n; i++) {
        if (!toy->all->toys[i].p)
            continue;
        BL_LIST_EACH(node, &toy->all->toys[i].watches)
        if (BL_LIST_OF(node, struct toy_watch, link)->by == toy) /* with it goes what it watches */
            watch_over(BL_LIST_OF(node, struct toy_watch, link));
    }
}

/* ---- who waits for a state ---- */

static void on_state(int result, void *arg)
{
    struct toy_wait *wait = arg;
    struct toy *toy = wait->toy;
    struct toys *all = toy->all;
    bool visited;

    toy_settle(toy);
    visited = wait->now || toy->visits[wait->state] >= wait->visits;
    if (all->in_call)
        sim_fail(all->w, "who waits for a state is told inside a call");
    if (result == 0 && !visited)
        sim_fail(all->w, "toy %d is said to be %s, and was not", toy->n,
                 belay_process_state_name(wait->state));
    if (result == BELAY_ETIMEDOUT && all->w->now_ns + TOY_MOMENT_NS < wait->deadline_ns)
        sim_fail(all->w, "toy %d: who waits for a state is told too early", toy->n);
    if (result == BELAY_ENOPROC && toy_is_alive(toy))
        sim_fail(all->w, "toy %d is said to have ended, and lives", toy->n);
    if (result != 0 && result != BELAY_ETIMEDOUT && result != BELAY_ENOPROC)
        sim_fail(all->w, "who waits for a state: %s", belay_error_name(result));
    toy_did(all, result == 0 ? TOY_WAIT_STATE : TOY_WAIT_STATE_LATE);
    bl_list_remove(&wait->link);
    free(wait);
    toy_recklessly(toy);
}

void toy_wait_until(struct toy *toy)
{
    struct toys *all = toy->all;
    struct toy_wait *wait;
    int64_t ms = (int64_t)sim_between(all->w, 0, 3000);
    int r;

    if (!toy->p || toy->ended)
        return;
    if (toy->resumed && belay_process_get_connection_state(toy->p) != toy->state)
        toy_settle(toy);
    wait = must_alloc(sizeof *wait);
    wait->toy = toy;
    wait->state = (enum belay_process_state)sim_between(all->w, BELAY_PROCESS_DISCONNECTED,
                                                        BELAY_PROCESS_DISCONNECTING);
    wait->visits = toy->visits_n; /* it may be in it now */
    wait->now = belay_process_get_connection_state(toy->p) == wait->state;
    wait->deadline_ns = all->w->now_ns + SIM_MS(ms);
    bl_list_push_back(&toy->waits, &wait->link);
    r = TOY_GET(all, belay_process_wait_until(toy->p, wait->state, ms, on_state, wait));
    if (r == 0)
        return;
    bl_list_remove(&wait->link);
    free(wait);
    if (r != BELAY_ENOMEM || !all->lenient)
        sim_fail(all->w, "wait_until: %s", belay_error_name(r));
}

/* ---- when all is quiet ---- */

void toy_check_ties(struct toy *toy)
{
    struct sim_world *w = toy->all->w;

    BL_LIST_EACH(node, &toy->waits)
    {
        struct toy_wait *wait = BL_LIST_OF(node, struct toy_wait, link);

        if (toy->ended || toy->visits[wait->state] >= wait->visits)
            sim_fail(w, "toy %d is or was %s, ended %d, and somebody waits for that", toy->n,
                     belay_process_state_name(wait->state), toy->ended);
        if (w->now_ns > wait->deadline_ns + TOY_MOMENT_NS)
            sim_fail(w, "toy %d: somebody waits for a state beyond their time", toy->n);
    }
    BL_LIST_EACH(node, &toy->watches)
    if (toy->ended)
        sim_fail(w, "toy %d has ended, and a monitor was not told", toy->n);
}
