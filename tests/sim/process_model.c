/* SPDX-License-Identifier: MIT */
/*
 * What is expected of a toy, from the manual (belay/process.h, belay/directive.h) alone: which callback may come, what its
 * directive makes of the process, when its timers fire, what may lie around when all is quiet.
 */
#include "sim/process_rig.h"

#include <stdlib.h>

#define SLACK_NS SIM_MS(5)

#define IS(d, DO) ((d)->what == BELAY_DO_##DO)

/* ---- what a directive is ---- */

static bool is_answer(enum toy_callback cb)
{
    return cb == CB_CALL || cb == CB_CAST || cb == CB_INFO;
}

static bool may_return(enum toy_callback cb, const struct belay_directive *d)
{
    if (IS(d, STOP))
        return true;
    if (is_answer(cb))
        return IS(d, NOREPLY) || IS(d, CONNECT) || IS(d, DISCONNECT) || IS(d, POSTPONE) ||
               (cb == CB_CALL && IS(d, REPLY));
    if (IS(d, BACKOFF) || IS(d, PENDING))
        return true;
    if (cb == CB_INIT)
        return IS(d, OK) || IS(d, CONNECT) || IS(d, IGNORE);
    return cb == CB_CONNECT ? IS(d, OK) : IS(d, CONNECT) || IS(d, NOCONNECT);
}

static bool is_sense(enum toy_callback cb, const struct belay_directive *d)
{
    bool rests = IS(d, OK) || IS(d, REPLY) || IS(d, NOREPLY) || IS(d, BACKOFF) || IS(d, NOCONNECT);

    if (!may_return(cb, d))
        return false;
    if ((d->has_timeout || d->hibernate) && !rests)
        return false;
    if (IS(d, REPLY) != d->has_reply &&
        !(cb == CB_CALL && (IS(d, CONNECT) || IS(d, DISCONNECT) || IS(d, STOP))))
        return false;
    if (d->has_timeout && d->timeout_ms < BELAY_FOREVER)
        return false;
    return !IS(d, BACKOFF) || d->backoff_ms >= BELAY_FOREVER;
}

/* ---- its state ---- */

void toy_set_state(struct toy *toy, enum belay_process_state state)
{
    toy->state = state;
    toy->visits[state] = ++toy->visits_n;
}

void toy_model_init(struct toy *toy)
{
    bl_list_init(&toy->mail);
    bl_list_init(&toy->postponed);
    bl_list_init(&toy->calls);
    bl_list_init(&toy->waits);
    bl_list_init(&toy->watches);
    toy->pending = toy->next = CB_NONE;
    toy->backoff_at = toy->idle_at = BELAY_NEVER;
    toy->start_limit_ns = BELAY_NEVER;
    toy_set_state(toy, BELAY_PROCESS_STARTING);
}

void toy_expect_end(struct toy *toy, bool surely, enum belay_exit_kind kind, int code)
{
    if (toy->ended || toy->ends_n == TOY_ENDS_MAX)
        return;
    if (toy->ending && surely)
        return; /* the first is heard */
    toy->ends[toy->ends_n++] = (struct toy_end){kind, code};
    toy->ending |= surely;
    toy->exits += !surely;
}

void toy_ended(struct toy *toy, struct belay_exit why)
{
    struct sim_world *w = toy->all->w;
    bool expected = false;

    toy_settle(toy);
    for (int i = 0; i < toy->ends_n; i++)
        expected |= toy->ends[i].kind == why.kind &&
                    (!toy->ends[i].code || (why.error && why.error->code == toy->ends[i].code));
    if (toy->depth || toy->ended)
        sim_fail(w, "toy %d ends: twice %d, in a callback %d", toy->n, toy->ended, toy->depth);
    /* as one it is linked to, or because it took too long to start */
    expected |= toy_may_end_otherwise(toy);
    if (!expected)
        sim_fail(w, "toy %d ended as %s: %s", toy->n, belay_exit_name(why.kind),
                 why.error ? why.error->text : "no error");
    if (toy->init_done && !toy->terminated && why.kind != BELAY_EXIT_KILLED)
        sim_fail(w, "toy %d ended without terminate", toy->n);
    toy->ended = true;
    toy->pending = toy->next = CB_NONE;
    toy->resumed = false;
    toy->backoff_at = toy->idle_at = BELAY_NEVER;
    toy_set_state(toy, BELAY_PROCESS_ENDED);
}

/* ---- what a directive makes of it ---- */

static void arm(struct toy *toy, const struct belay_directive *d)
{
    uint64_t now = toy->all->w->now_ns;

    toy->hibernate = d->hibernate;
    toy->idle_at = d->has_timeout && d->timeout_ms != BELAY_FOREVER ? now + SIM_MS(d->timeout_ms)
                                                                    : BELAY_NEVER;
    if (!IS(d, BACKOFF))
        return;
    toy->backoffs_n++;
    toy->backoff_at = d->backoff_ms == BELAY_FOREVER ? BELAY_NEVER : now + SIM_MS(d->backoff_ms);
    toy_did(toy->all, d->backoff_ms == BELAY_FOREVER ? TOY_BACKOFF_FOREVER : TOY_BACKOFF);
}

static void go(struct toy *toy, enum toy_callback cb, const struct belay_directive *d)
{
    bool connect = IS(d, CONNECT);
    const struct parcel *parcel = parcel_of(&d->info);

    if (toy->backoff_at != BELAY_NEVER)
        toy_did(toy->all, TOY_BACKOFF_CANCELLED);
    if (toy->pending != CB_NONE && is_answer(cb))
        toy_did(toy->all, TOY_GIVEN_UP);
    toy->backoff_at = BELAY_NEVER;
    toy->pending = CB_NONE;
    toy->resumed = false;
    toy->next = connect ? CB_CONNECT : CB_DISCONNECT;
    toy->next_id = parcel ? parcel->id : 0;
    toy_set_state(toy, connect ? BELAY_PROCESS_CONNECTING : BELAY_PROCESS_DISCONNECTING);
}

/* What was postponed comes again, ahead of what came since. */
static void redeliver(struct toy *toy)
{
    struct bl_list *node;

    while (!bl_list_empty(&toy->postponed)) {
        node = toy->postponed.prev;
        bl_list_remove(node);
        BL_LIST_OF(node, struct parcel, queue)->state = PARCEL_QUEUED;
        bl_list_push_front(&toy->mail, node);
        toy_did(toy->all, TOY_REDELIVERED);
    }
}

static void rest(struct toy *toy, enum toy_callback cb, const struct belay_directive *d)
{
    if (IS(d, BACKOFF))
        toy_set_state(toy, BELAY_PROCESS_BACKING_OFF);
    else if (cb == CB_CONNECT)
        toy_set_state(toy, BELAY_PROCESS_CONNECTED);
    else if (cb == CB_INIT || cb == CB_DISCONNECT)
        toy_set_state(toy, BELAY_PROCESS_DISCONNECTED);
    if (cb == CB_CONNECT)
        toy->attempts = IS(d, BACKOFF) ? toy->attempts + 1 : 0;
    arm(toy, d);
}

static void apply(struct toy *toy, enum toy_callback cb, const struct belay_directive *d)
{
    if (!is_sense(cb, d)) {
        toy_did(toy->all, TOY_BAD_RETURN);
        toy_expect_end(toy, true, BELAY_EXIT_ERROR, BELAY_EBADRETURN);
        return;
    }
    if (IS(d, STOP)) {
        toy_did(toy->all, TOY_STOPPED);
        toy_expect_end(toy, true, d->exit, 0);
        return;
    }
    if (IS(d, IGNORE)) {
        toy_did(toy->all, TOY_IGNORED);
        toy_expect_end(toy, true, BELAY_EXIT_NORMAL, 0);
        return;
    }
    if (IS(d, PENDING)) {
        toy_did(toy->all, TOY_PENDING);
        toy->pending = cb;
        return;
    }
    if (cb == CB_INIT)
        toy->init_done = true;
    if (cb != CB_INIT || !IS(d, CONNECT) || !toy->options.sync_connect)
        toy->started = true;
    if (toy->started && toy->all->w->now_ns + TOY_MOMENT_NS < toy->start_limit_ns)
        toy->start_limit_ns = BELAY_NEVER; /* else both are now: either may be heard first */
    if (cb == CB_CONNECT || cb == CB_DISCONNECT)
        redeliver(toy);
    if (IS(d, POSTPONE)) {
        toy_did(toy->all, TOY_POSTPONED);
        toy->hand->state = PARCEL_POSTPONED;
        bl_list_push_back(&toy->postponed, &toy->hand->queue);
    } else if (IS(d, CONNECT) || IS(d, DISCONNECT)) {
        go(toy, cb, d);
    } else {
        rest(toy, cb, d);
    }
}

void toy_resumed(struct toy *toy, const struct belay_directive *directive)
{
    toy_did(toy->all, TOY_RESUMED);
    toy->resumed = true;
    toy->resume = *directive;
}

/* The directive of a resume takes effect in a later turn, before any other callback. */
void toy_settle(struct toy *toy)
{
    enum toy_callback cb = toy->pending;

    if (!toy->resumed || toy->ending)
        return;
    toy->resumed = false;
    toy->pending = CB_NONE;
    apply(toy, cb, &toy->resume);
}

/* ---- callbacks ---- */

static void check_state(struct toy *toy, const char *when)
{
    enum belay_process_state state = belay_process_get_connection_state(toy->p);

    if (state != toy->state)
        sim_fail(toy->all->w, "toy %d is %s %s, and should be %s", toy->n,
                 belay_process_state_name(state), when, belay_process_state_name(toy->state));
}

static void enter_connect(struct toy *toy, enum toy_callback cb, int32_t tag)
{
    struct sim_world *w = toy->all->w;
    struct bl_list *first = bl_list_first(&toy->mail);

    if (tag != BELAY_TAG_BACKOFF) {
        if (toy->next != cb)
            sim_fail(w, "toy %d: callback %d is called, and nobody said so", toy->n, (int)cb);
        toy->next = CB_NONE;
        return;
    }
    if (toy->next != CB_NONE || toy->pending != CB_NONE || cb != CB_CONNECT)
        sim_fail(w, "toy %d: its backoff fires while something else is to come", toy->n);
    if (toy->backoff_at > w->now_ns)
        sim_fail(w, "toy %d: its backoff fires, armed %d, before its time", toy->n,
                 toy->backoff_at != BELAY_NEVER);
    if (first && BL_LIST_OF(first, struct parcel, queue)->posted_ns < toy->backoff_at)
        sim_fail(w, "toy %d: its backoff overtakes message %llu", toy->n,
                 (unsigned long long)BL_LIST_OF(first, struct parcel, queue)->id);
    toy->backoff_at = toy->idle_at = BELAY_NEVER;
    toy->hibernate = false;
    toy_set_state(toy, BELAY_PROCESS_CONNECTING);
}

static void enter_answer(struct toy *toy, enum toy_callback cb, int32_t tag)
{
    struct sim_world *w = toy->all->w;

    if (toy->next != CB_NONE)
        sim_fail(w, "toy %d: a message is handled before connect or disconnect", toy->n);
    if (toy->pending != CB_NONE &&
        !(toy->pending == CB_CONNECT && toy->options.serve_while_connecting))
        sim_fail(w, "toy %d: a message is handled while callback %d is pending", toy->n,
                 (int)toy->pending);
    if (!toy->started || (toy->start_asked && !toy->started_told))
        sim_fail(w, "toy %d: a message is handled before it has started", toy->n);
    if (toy->pending == CB_CONNECT)
        toy_did(toy->all, TOY_SERVED_PENDING);
    if (tag == BELAY_TAG_TIMEOUT) {
        toy_did(toy->all, TOY_TIMEOUT);
        if (toy->idle_at > w->now_ns || cb != CB_INFO || !bl_list_empty(&toy->mail))
            sim_fail(w, "toy %d: its idle timeout, armed %d, comes before its time, or mail",
                     toy->n, toy->idle_at != BELAY_NEVER);
    }
    toy->idle_at = BELAY_NEVER;
    toy->hibernate = false;
    toy->calls_n += cb == CB_CALL;
    toy->casts_n += cb == CB_CAST;
    toy->infos_n += cb == CB_INFO;
}

void toy_enter(struct toy *toy, enum toy_callback cb, int behaviour, int32_t tag)
{
    struct toys *all = toy->all;
    struct sim_world *w = all->w;

    if (all->in_call)
        sim_fail(w, "toy %d: callback %d runs inside a call", toy->n, (int)cb);
    if (toy->depth++ || toy->ended || toy->terminated)
        sim_fail(w, "toy %d: callback %d runs in another one, or after the end %d", toy->n, (int)cb,
                 toy->ended);
    toy_settle(toy);
    if (toy->ending)
        sim_fail(w, "toy %d: callback %d runs, and it is to end", toy->n, (int)cb);
    if (behaviour != toy->behaviour)
        sim_fail(w, "toy %d: the behaviour is %d, and should be %d", toy->n, behaviour,
                 toy->behaviour);
    if (toy->begun != (cb != CB_INIT))
        sim_fail(w, "toy %d: init comes twice, or late", toy->n);
    toy->begun = true;
    if (cb == CB_CONNECT || cb == CB_DISCONNECT)
        enter_connect(toy, cb, tag);
    else if (cb != CB_INIT)
        enter_answer(toy, cb, tag);
    toy->connects_n += cb == CB_CONNECT;
    toy->disconnects_n += cb == CB_DISCONNECT;
    if (toy->start_asked && !toy->started_told && cb != CB_INIT && !toy->options.sync_connect)
        sim_fail(w, "toy %d: its starter is not told before callback %d", toy->n, (int)cb);
    sim_note(w, "toy %d: callback %d, tag %d", toy->n, (int)cb, (int)tag);
    if (toy->p)
        check_state(toy, "in a callback");
    if (toy->p && belay_process_attempts(toy->p) != toy->attempts)
        sim_fail(w, "toy %d counts %d attempts, and there were %d", toy->n,
                 (int)belay_process_attempts(toy->p), (int)toy->attempts);
}

void toy_leave(struct toy *toy, enum toy_callback cb, const struct belay_directive *directive)
{
    toy->depth--;
    sim_note(toy->all->w, "toy %d: callback %d returns %d%s%s", toy->n, (int)cb,
             (int)directive->what, directive->has_timeout ? ", timeout" : "",
             directive->hibernate ? ", hibernate" : "");
    if (!toy->ending)
        apply(toy, cb, directive);
}

/* ---- when a turn is over ---- */

static uint32_t length(const struct bl_list *list)
{
    uint32_t n = 0;

    for (const struct bl_list *node = list->next; node != list; node = node->next)
        n++;
    return n;
}

static void check_stats(struct toy *toy)
{
    struct belay_process_stats s = belay_process_stats_init();
    struct sim_world *w = toy->all->w;

    belay_process_get_stats(toy->p, &s);
    if (s.mailbox + s.postponed < length(&toy->mail) + length(&toy->postponed) ||
        s.postponed != length(&toy->postponed))
        sim_fail(w, "toy %d says it has %u messages, %u postponed; it has %u and %u", toy->n,
                 s.mailbox, s.postponed, length(&toy->mail), length(&toy->postponed));
    if (s.calls != toy->calls_n || s.casts != toy->casts_n || s.infos != toy->infos_n ||
        s.connects != toy->connects_n || s.disconnects != toy->disconnects_n ||
        s.backoffs != toy->backoffs_n || s.dropped != toy->dropped_n)
        sim_fail(w,
                 "toy %d says %llu calls, %llu casts, %llu infos, %llu connects, %llu disconnects, "
                 "%llu backoffs, %llu dropped; not %llu %llu %llu %llu %llu %llu %llu",
                 toy->n, (unsigned long long)s.calls, (unsigned long long)s.casts,
                 (unsigned long long)s.infos, (unsigned long long)s.connects,
                 (unsigned long long)s.disconnects, (unsigned long long)s.backoffs,
                 (unsigned long long)s.dropped, (unsigned long long)toy->calls_n,
                 (unsigned long long)toy->casts_n, (unsigned long long)toy->infos_n,
                 (unsigned long long)toy->connects_n, (unsigned long long)toy->disconnects_n,
                 (unsigned long long)toy->backoffs_n, (unsigned long long)toy->dropped_n);
}

static bool is_blocked(const struct toy *toy)
{
    return !toy->begun ||
           (toy->pending != CB_NONE &&
            !(toy->pending == CB_CONNECT && toy->options.serve_while_connecting && toy->started));
}

static void check_timers(struct toy *toy)
{
    struct sim_world *w = toy->all->w;
    uint64_t now = w->now_ns, slack = SLACK_NS + w->jump_ns;

    if (is_blocked(toy))
        return;
    if (toy->backoff_at != BELAY_NEVER && now > toy->backoff_at + slack)
        sim_fail(w, "toy %d: its backoff does not fire", toy->n);
    if (toy->idle_at != BELAY_NEVER && now > toy->idle_at + slack && bl_list_empty(&toy->mail))
        sim_fail(w, "toy %d: its idle timeout does not come", toy->n);
    if (!bl_list_empty(&toy->mail))
        sim_fail(w, "toy %d has mail, and does not read it", toy->n);
    if (toy->next != CB_NONE)
        sim_fail(w, "toy %d: callback %d is to come, and does not", toy->n, (int)toy->next);
}

void toy_check(struct toy *toy, bool quiet)
{
    struct sim_world *w = toy->all->w;

    toy_check_calls(toy, quiet);
    if (toy->ended || !quiet)
        return;
    if (toy->ending || (toy->exits > 0 && toy->pending == CB_NONE))
        sim_fail(w, "toy %d is to end, and does not", toy->n);
    toy_settle(toy);
    if (!toy->p || toy->ending)
        return;
    if (!toy_is_alive(toy))
        sim_fail(w, "toy %d has ended, and nobody was told", toy->n);
    if (toy->started)
        toy->start_limit_ns = BELAY_NEVER;
    check_state(toy, "when all is quiet");
    check_stats(toy);
    check_timers(toy);
    toy_check_ties(toy);
}

static void after_turn(struct sim_world *w, void *arg)
{
    struct toys *all = arg;
    bool quiet;

    all->checks++;
    if (!w->loop)
        return;
    quiet = sim_is_quiet(w);
    for (int i = 0; i < all->n; i++)
        if (all->toys[i].all)
            toy_check(&all->toys[i], quiet);
}

void toy_attach(struct toys *all)
{
    all->w->after_turn = after_turn;
    all->w->after_turn_arg = all;
}
