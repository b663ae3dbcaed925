/* SPDX-License-Identifier: MIT */
/*
 * Waiting for something that the loop does. On the loop's thread bl_wait turns the loop itself;
 * another thread parks its call, which the loop starts, finishes or cancels, and sleeps until then.
 * The parked record and the call live on the sleeper's stack, so it leaves only when the loop has
 * let go of them.
 */
#include "loop/sys.h"
#include "loop/threads.h"
#include "loop/turn.h"

struct bl_parked {
    struct bl_list link; /* in asked, started or cancels */
    struct bl_wait *wait;
    struct bl_cond wake;
    struct bl_patience *patience; /* NULL: none */
    int why;                      /* once it is among `cancels`: its result */
    bool started;
    bool finished;
};

static _Thread_local struct bl_patience *own_patience;

void bl_wait_patiently(struct bl_patience *patience)
{
    own_patience = patience;
}

/* ---- the loop's thread ---- */

static int wait_here(struct bl_wait *wait, int64_t timeout_ms)
{
    struct belay_loop *loop = wait->loop;
    if (loop->hosted || loop->in_turn || loop->turning)
        return BELAY_EDEADLK;
    if (loop->closing)
        return BELAY_ECLOSED;
    uint64_t limit = timeout_ms < 0 ? BELAY_NEVER : bl_after_ms(bl_now_fresh(loop), timeout_ms);
    int rc = wait->start(wait);
    if (rc)
        return rc;
    bl_waits_enter(loop);
    while (!wait->done) {
        int64_t rest = -1;
        if (limit != BELAY_NEVER) {
            uint64_t now = bl_now_fresh(loop);
            uint64_t left = limit > now ? limit - now : 0;
            rest = left > INT64_MAX ? INT64_MAX : (int64_t)left;
        }
        rc = bl_turn(loop, rest);
        if (rc == BL_TURN_GONE)
            return wait->done ? wait->result : BELAY_ECLOSED;
        if (!wait->done && (rc < 0 || rest == 0)) {
            wait->cancel(wait);
            wait->result = rc < 0 ? rc : BELAY_ETIMEDOUT;
            break;
        }
    }
    bl_waits_leave(loop);
    return wait->result;
}

/* ---- other threads ---- */

/* Under the lock. */
static void knock(struct belay_loop *loop)
{
    atomic_store_explicit(&loop->threads->calls, true, memory_order_release);
    loop->backend.wake(loop->backend.arg);
}

/* Under the lock: sleeps until the loop has finished the call, or it can be taken back. */
static void sleep_until_finished(struct bl_parked *p, uint64_t limit)
{
    struct belay_loop *loop = p->wait->loop;
    struct bl_loop_threads *t = loop->threads;
    while (!p->finished) {
        if (limit == BELAY_NEVER) {
            bl_cond_wait(&p->wake, &t->lock);
        } else if (!bl_cond_wait_until(&p->wake, &t->lock, limit) && !p->finished) {
            bl_list_remove(&p->link);
            knock(loop); /* to be cancelled, or because it may have been the last reason to go on */
            if (!p->started) {
                p->wait->result = BELAY_ETIMEDOUT;
                atomic_fetch_sub(&t->open, 1);
                return;
            }
            p->why = BELAY_ETIMEDOUT;
            bl_list_push_back(&t->cancels, &p->link);
            limit = BELAY_NEVER;
        }
    }
}

static int wait_elsewhere(struct bl_wait *wait, int64_t timeout_ms)
{
    struct belay_loop *loop = wait->loop;
    struct bl_loop_threads *t = loop->threads;
    struct bl_patience *patience = own_patience;
    struct bl_parked parked = {.wait = wait, .patience = patience};
    if (bl_cond_init(&parked.wake))
        return BELAY_ENOMEM;
    bl_list_init(&parked.link);
    uint64_t limit = timeout_ms < 0 ? BELAY_NEVER : bl_after_ms(bl_sys_monotonic_ns(), timeout_ms);

    bl_mutex_lock(&t->lock);
    bool closed = t->closed || (patience && patience->interrupted && !wait->certain);
    if (closed || (!t->runners && !patience)) {
        wait->result = closed ? BELAY_ECLOSED : BELAY_ENOTRUNNING;
    } else {
        wait->parked = &parked;
        t->sleepers++;
        atomic_fetch_add(&t->open, 1);
        bl_list_push_back(&t->asked, &parked.link);
        knock(loop);
        sleep_until_finished(&parked, limit);
        if (--t->sleepers == 0)
            bl_cond_signal(&t->left);
    }
    bl_mutex_unlock(&t->lock);
    bl_cond_fini(&parked.wake);
    return wait->result;
}

int bl_wait(struct bl_wait *wait, int64_t timeout_ms)
{
    wait->result = 0;
    wait->done = false;
    wait->parked = NULL;
    return bl_threads_here(wait->loop) ? wait_here(wait, timeout_ms)
                                       : wait_elsewhere(wait, timeout_ms);
}

/* Under the lock. The sleeper may be gone as soon as it is unlocked. */
static void finish(struct bl_parked *p, int result)
{
    bl_list_remove(&p->link);
    atomic_fetch_sub(&p->wait->loop->threads->open, 1);
    p->wait->result = result;
    p->wait->done = true;
    p->finished = true;
    bl_cond_signal(&p->wake);
}

void bl_wait_done(struct bl_wait *wait, int result)
{
    if (!wait->parked) {
        wait->result = result;
        wait->done = true;
        return;
    }
    struct bl_loop_threads *t = wait->loop->threads;
    bl_mutex_lock(&t->lock);
    finish(wait->parked, result);
    bl_mutex_unlock(&t->lock);
}

/* ---- the loop's side of them ---- */

/* Under the lock, which is released meanwhile: calls out and finishes. */
static void cancel_parked(struct bl_loop_threads *t, struct bl_parked *p, int result)
{
    bl_list_remove(&p->link);
    if (p->started) {
        bl_mutex_unlock(&t->lock);
        p->wait->cancel(p->wait);
        bl_mutex_lock(&t->lock);
    }
    finish(p, result);
}

static void start_parked(struct bl_loop_threads *t, struct bl_parked *p)
{
    bl_list_remove(&p->link);
    bl_list_push_back(&t->started, &p->link);
    p->started = true;
    bl_mutex_unlock(&t->lock);
    int rc = p->wait->start(p->wait);
    bl_mutex_lock(&t->lock);
    if (rc)
        finish(p, rc);
}

/* Under the lock, which cancelling releases. */
static void serve_cancels(struct bl_loop_threads *t)
{
    struct bl_list *node;
    while ((node = bl_list_first(&t->cancels))) {
        struct bl_parked *p = BL_LIST_OF(node, struct bl_parked, link);
        cancel_parked(t, p, p->why);
    }
}

void bl_waits_serve(struct belay_loop *loop)
{
    struct bl_loop_threads *t = loop->threads;
    bl_mutex_lock(&t->lock);
    atomic_store_explicit(&t->calls, false, memory_order_release);
    struct bl_list *node;
    serve_cancels(t);
    while ((node = bl_list_first(&t->asked)))
        start_parked(t, BL_LIST_OF(node, struct bl_parked, link));
    bl_mutex_unlock(&t->lock);
}

/* Under the lock, which cancelling releases. */
static void end_all(struct bl_loop_threads *t, struct bl_list *list, int result)
{
    struct bl_list *node;
    while ((node = bl_list_first(list)))
        cancel_parked(t, BL_LIST_OF(node, struct bl_parked, link), result);
}

static struct bl_parked *first_of(struct bl_list *list, const struct bl_patience *patience)
{
    BL_LIST_EACH(node, list)
    {
        struct bl_parked *p = BL_LIST_OF(node, struct bl_parked, link);
        if (p->patience == patience && !(patience && p->wait->certain))
            return p;
    }
    return NULL;
}

/* Nobody runs the loop any more: nothing would come of them. */
static void end_impatient(struct bl_loop_threads *t)
{
    struct bl_parked *p;
    bl_mutex_lock(&t->lock);
    while ((p = first_of(&t->asked, NULL)) || (p = first_of(&t->started, NULL)))
        cancel_parked(t, p, BELAY_ENOTRUNNING);
    serve_cancels(t);
    bl_mutex_unlock(&t->lock);
}

void bl_waits_interrupt(struct belay_loop *loop, struct bl_patience *patience)
{
    struct bl_loop_threads *t = loop->threads;
    struct bl_parked *p;
    bl_mutex_lock(&t->lock);
    patience->interrupted = true;
    while ((p = first_of(&t->asked, patience)))
        finish(p, BELAY_ECLOSED);
    while ((p = first_of(&t->started, patience))) {
        p->why = BELAY_ECLOSED;
        bl_list_remove(&p->link);
        bl_list_push_back(&t->cancels, &p->link);
        knock(loop);
    }
    bl_mutex_unlock(&t->lock);
}

void bl_waits_allow(struct belay_loop *loop, struct bl_patience *patience)
{
    bl_mutex_lock(&loop->threads->lock);
    patience->interrupted = false;
    bl_mutex_unlock(&loop->threads->lock);
}

void bl_waits_refuse(struct belay_loop *loop)
{
    struct bl_loop_threads *t = loop->threads;
    bl_mutex_lock(&t->lock);
    end_all(t, &t->asked, BELAY_ECLOSED);
    bl_mutex_unlock(&t->lock);
}

void bl_waits_end(struct belay_loop *loop, int result)
{
    struct bl_loop_threads *t = loop->threads;
    bl_mutex_lock(&t->lock);
    end_all(t, &t->asked, result);
    end_all(t, &t->started, result);
    serve_cancels(t);
    bl_mutex_unlock(&t->lock);
}

void bl_waits_enter(struct belay_loop *loop)
{
    bl_mutex_lock(&loop->threads->lock);
    loop->threads->runners++;
    bl_mutex_unlock(&loop->threads->lock);
}

void bl_waits_leave(struct belay_loop *loop)
{
    bl_mutex_lock(&loop->threads->lock);
    bool last = --loop->threads->runners == 0;
    bl_mutex_unlock(&loop->threads->lock);
    if (last)
        end_impatient(loop->threads);
}
