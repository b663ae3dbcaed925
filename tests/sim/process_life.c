/* SPDX-License-Identifier: MIT */
/* What is done to toys as a whole: started, stopped, signalled, changed, resumed by somebody else. */
#include <stdio.h>

#include "sim/process_rig.h"

#include <stdlib.h>

static void on_exit_(struct belay_process *p, struct belay_exit why, void *arg)
{
    struct toy *toy = arg;
    struct toys *all = toy->all;

    if (all->in_call || (toy->p && p != toy->p))
        sim_fail(all->w, "toy %d: on_exit inside a call, or of another one", toy->n);
    sim_note(all->w, "toy %d ended: %s %s", toy->n, belay_exit_name(why.kind),
             why.error ? why.error->text : "");
    toy_ended(toy, why);
    toy_hang_up(toy);
    toy_watches_end(toy);
    toy_ties_end(toy, why);
    if (toy->options.name && belay_process_whereis(all->w->loop, NULL, toy->options.name) == p)
        sim_fail(all->w, "toy %d has ended, and its name leads to it", toy->n);
    toy_recklessly(toy);
    if (all->abandoned) {
        belay_process_unref(toy->p);
        toy->p = NULL;
    }
}

static void on_started(struct belay_process *p, const struct belay_error *error, void *arg)
{
    struct toy *toy = arg;
    struct toys *all = toy->all;

    if (all->in_call || toy->started_told)
        sim_fail(all->w, "toy %d: its starter is told twice, or inside a call", toy->n);
    toy_settle(toy);
    toy->started_told = true;
    if (p) {
        if (error || p != toy->p)
            sim_fail(all->w, "toy %d: it started, with an error", toy->n);
        if (!toy->started)
            sim_fail(all->w, "toy %d is said to have started, and init is not done", toy->n);
        belay_process_unref(p);
    } else {
        if (!error || error->code >= 0)
            sim_fail(all->w, "toy %d: it did not start, and nobody knows why", toy->n);
        toy_did(all, error->code == BELAY_ETIMEDOUT ? TOY_START_LATE : TOY_START_FAILED);
        if (!toy_may_end(toy) && error->code != BELAY_ETIMEDOUT)
            sim_fail(all->w, "toy %d did not start: %s", toy->n, error->text);
    }
    toy_recklessly(toy);
}

static void draw_options(struct toy *toy)
{
    struct sim_world *w = toy->all->w;
    struct belay_process_options *o = &toy->options;

    *o = belay_process_options_init();
    snprintf(toy->name, sizeof toy->name, "toy %d", toy->n % 4);
    o->name = sim_chance(w, 40) ? toy->name : NULL;
    o->trap_exit = sim_chance(w, 40);
    o->serve_while_connecting = sim_chance(w, 40);
    o->sync_connect = sim_chance(w, 25);
    o->debug = sim_chance(w, 10);
    o->start_timeout_ms = sim_chance(w, 30) ? (int64_t)sim_between(w, 1, 3000) : 0;
    o->mailbox_max = sim_chance(w, 50) ? 1024 : (int32_t)sim_between(w, 1, 6);
    o->mailbox_full = sim_chance(w, 40) ? BELAY_MAILBOX_DROP_OLDEST : BELAY_MAILBOX_REFUSE;
    o->on_exit = on_exit_;
    o->exit_arg = toy;
}

static void clear(struct toy *toy)
{
    struct toys *all = toy->all;
    uint64_t generation = toy->generation + 1;
    int n = toy->n;

    memset(toy, 0, sizeof *toy);
    toy->all = all;
    toy->n = n;
    toy->generation = generation;
    toy->endpoint = all->endpoints[n % TOY_HOSTS];
    toy->behaviour = sim_chance(all->w, 8) ? 2 : (int)sim_below(all->w, 2);
    toy_model_init(toy);
}

static bool name_is_taken(struct toy *toy)
{
    return toy->options.name && belay_process_whereis(toy->all->w->loop, NULL, toy->options.name);
}

/* Somebody to be linked to; NULL: nobody. */
static struct toy *some_parent(struct toy *toy)
{
    struct toys *all = toy->all;
    struct toy *parent = &all->toys[sim_below(all->w, (uint64_t)all->n)];

    if (parent == toy || !parent->p || parent->ended || parent->ending || parent->exits ||
        parent->resumed || !toy_is_alive(parent) || !sim_chance(all->w, 25))
        return NULL;
    return parent;
}

static int start_under(struct toy *toy, struct toy *parent, struct belay_process **ret_process,
                       struct belay_error *error)
{
    struct toys *all = toy->all;
    const struct belay_behaviour *behaviour = toy_behaviours[toy->behaviour];
    belay_process_started_fn *fn = toy->start_asked ? on_started : NULL;
    int r;

    if (!parent)
        return TOY_GET(all, belay_process_start(all->w->loop, behaviour, toy, &toy->options,
                                                ret_process, fn, toy, error));
    r = TOY_GET(all, belay_process_start_link(parent->p, behaviour, toy, &toy->options, ret_process,
                                              fn, toy, error));
    if (r == 0) {
        toy_did(all, TOY_START_LINK);
        toy_tie(parent, toy, true);
    }
    return r;
}

int toy_start(struct toy *toy)
{
    struct toys *all = toy->all;
    struct belay_process *p = NULL;
    struct belay_error error = {0};
    bool taken;
    int r;

    if (toy->p)
        return 0;
    clear(toy);
    draw_options(toy);
    taken = name_is_taken(toy);
    toy->start_asked = sim_chance(all->w, 80);
    r = start_under(toy, some_parent(toy), &p, &error);
    if (r < 0) {
        if (r == BELAY_EEXISTS && taken)
            toy_did(all, TOY_TAKEN_NAME);
        else if (r != BELAY_ENOMEM || !all->lenient)
            sim_fail(all->w, "toy %d cannot be started: %s", toy->n, error.text);
        toy->ended = true;
        return r;
    }
    if (taken)
        sim_fail(all->w, "toy %d has a name that was taken", toy->n);
    if (toy->begun)
        sim_fail(all->w, "toy %d: init runs inside start", toy->n);
    toy->p = p;
    toy_did(all, TOY_START);
    if (toy->options.name && belay_process_whereis(all->w->loop, NULL, toy->options.name) != toy->p)
        sim_fail(all->w, "toy %d is not found by its name", toy->n);
    if (toy->options.start_timeout_ms > 0)
        toy->start_limit_ns = all->w->now_ns + SIM_MS(toy->options.start_timeout_ms);
    return 0;
}

static void on_stopped(void *arg)
{
    struct toy *toy = arg;

    if (toy->all->in_call || !toy->ended || ++toy->stops_told > 1)
        sim_fail(toy->all->w, "toy %d is said to have stopped: ended %d, times %d", toy->n,
                 toy->ended, toy->stops_told);
}

void toy_stop(struct toy *toy)
{
    struct toys *all = toy->all;
    struct sim_world *w = all->w;
    enum belay_exit_kind kind = (enum belay_exit_kind)sim_below(w, BELAY_EXIT_KILLED);
    int64_t limit = sim_chance(w, 60) ? BELAY_FOREVER : (int64_t)sim_below(w, 50);
    bool first = toy->stops_asked++ == 0;

    if (!toy->p || toy->ended) {
        toy->stops_asked--;
        return;
    }
    toy_did(all, TOY_STOP);
    if (limit == 0) {
        toy_did(all, TOY_KILLED);
        toy_expect_end(toy, toy->depth == 0, BELAY_EXIT_KILLED, 0);
        toy->killed = true;
    } else {
        toy_expect_end(toy, toy->depth == 0, kind, 0);
    }
    sim_note(w, "toy %d: stop, %d, limit %lld", toy->n, (int)kind, (long long)limit);
    TOY_DO(all, belay_process_stop(toy->p, kind, NULL, limit, first ? on_stopped : NULL, toy));
}

void toy_exit(struct toy *toy)
{
    struct toys *all = toy->all;
    enum belay_exit_kind kind = (enum belay_exit_kind)sim_below(all->w, BELAY_EXIT_ERROR + 1);
    int r;

    if (!toy->p || toy->ended)
        return;
    toy_did(all, TOY_EXIT_SENT);
    sim_note(all->w, "toy %d: exit %d", toy->n, (int)kind);
    r = TOY_GET(all, belay_process_exit(toy->p, (struct belay_exit){kind, NULL}));
    if (r < 0) {
        if (r != BELAY_ENOMEM || !all->lenient)
            sim_fail(all->w, "exit: %s", belay_error_name(r));
        return;
    }
    toy->killed |= kind == BELAY_EXIT_KILLED;
    if (kind == BELAY_EXIT_KILLED || (kind != BELAY_EXIT_NORMAL && !toy->options.trap_exit))
        toy_expect_end(toy, false, kind, 0);
    else if (toy->options.trap_exit)
        toy->traps_due++;
}

static void on_code(int result, void *arg)
{
    struct toy *toy = arg;

    if (toy->all->in_call)
        sim_fail(toy->all->w, "a change of code is told inside a call");
    if (++toy->codes_told > toy->codes_asked)
        sim_fail(toy->all->w, "toy %d: a change of code is told twice", toy->n);
    if (result != 0 && result != BELAY_EINVAL && !(result == BELAY_ENOPROC && !toy_is_alive(toy)))
        sim_fail(toy->all->w, "a change of code: %s", belay_error_name(result));
}

void toy_change_code(struct toy *toy)
{
    struct toys *all = toy->all;
    int which = (int)sim_below(all->w, 2), r;

    if (!toy->p || toy->ended)
        return;
    sim_note(all->w, "toy %d: change of code", toy->n);
    r = TOY_GET(all, belay_process_change_code(toy->p, toy_behaviours[which], NULL, on_code, toy));
    toy->codes_asked += r == 0;
    if (r < 0 && !(r == BELAY_ENOMEM && all->lenient) && !(r == BELAY_ENOPROC && toy_may_end(toy)))
        sim_fail(all->w, "change_code: %s", belay_error_name(r));
}

void toy_resume(struct toy *toy)
{
    struct toys *all = toy->all;
    struct belay_directive d;
    bool may = toy->pending != CB_NONE && !toy->resumed && !toy->ending;
    int r;

    if (!toy->p || toy->ended || toy->depth || toy->exits)
        return;
    d = may ? toy_draw(toy, toy->pending) : belay_do_ok();
    if (d.what == BELAY_DO_PENDING)
        d = belay_do_backoff(0);
    r = TOY_GET(all, belay_process_resume(toy->p, d));
    sim_note(all->w, "toy %d: resume with %d: %d", toy->n, (int)d.what, r);
    if (r != (may ? 0 : BELAY_EINVAL) && !toy_may_end(toy))
        sim_fail(all->w, "toy %d: resume, pending %d: %s", toy->n, may, belay_error_name(r));
    if (r == 0)
        toy_resumed(toy, &d);
    if (r < 0) {
        toy_did(all, TOY_RESUME_REFUSED);
        belay_message_destroy(&d.info); /* it is still the caller's */
    }
}

void toy_status(struct toy *toy)
{
    char text[400];
    size_t len;

    if (!toy->p)
        return;
    len = TOY_GET(toy->all, belay_process_status(toy->p, text, sizeof text));
    toy_did(toy->all, TOY_STATUS);
    if (len == 0 || (len < sizeof text && strlen(text) != len))
        sim_fail(toy->all->w, "toy %d has a status of %zu", toy->n, len);
}

/* It has ended, and all who were to hear of it have: its place is free. */
void toy_forget(struct toy *toy)
{
    struct toys *all = toy->all;

    if (!toy->p || !toy->ended || !bl_list_empty(&toy->calls) || !bl_list_empty(&toy->waits) ||
        !bl_list_empty(&toy->watches) || toy->codes_told < toy->codes_asked ||
        (toy->stops_asked && !toy->stops_told))
        return;
    if (toy_is_alive(toy) || belay_process_get_connection_state(toy->p) != BELAY_PROCESS_ENDED)
        sim_fail(all->w, "toy %d has ended, and lives", toy->n);
    if (!bl_list_empty(&toy->mail) || !bl_list_empty(&toy->postponed))
        sim_fail(all->w, "toy %d has ended, and its messages are not destroyed", toy->n);
    if (toy->start_asked && !toy->started_told)
        sim_fail(all->w, "toy %d has ended, and its starter was not told", toy->n);
    TOY_DO(all, belay_process_unref(toy->p));
    toy->p = NULL;
}
