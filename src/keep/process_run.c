/* SPDX-License-Identifier: MIT */
/*
 * The loop's side of a process: the task in which a process on the loop steps, and in which
 * everybody is told what happened to any. It is posted by whoever has something for it, from other
 * threads by mail.
 */
#include "keep/process.h"
#include "loop/threads.h"

/* Callbacks of one process in one run: others get their turn in between. */
#define STEPS_MAX 16

void bl_process_ask_run(struct belay_process *p)
{
    if (bl_threads_here(p->loop)) {
        p->again = true;
        if (!p->running)
            bl_task_post(p->loop, &p->run);
    } else if (!p->mailed) {
        p->mailed = true;
        belay_process_ref(p);
        bl_mail_post(p->loop, &p->mail);
    }
}

void bl_process_on_mail(struct bl_mail *mail, struct belay_loop *loop)
{
    struct belay_process *p = BL_CONTAINER(mail, struct belay_process, mail);

    (void)loop;
    bl_mutex_lock(&p->lock);
    p->mailed = false;
    bl_mutex_unlock(&p->lock);
    bl_process_run(p);
    belay_process_unref(p);
}

void bl_process_on_due(void *arg)
{
    struct belay_process *p = arg;

    bl_task_post(p->loop, &p->run);
}

void bl_process_arm_limit(struct belay_process *p, uint64_t at_ns, bool stopping)
{
    p->limit_at = at_ns;
    p->stopping = stopping;
    bl_timer_at(&p->limit, p->loop, at_ns);
}

/* ---- telling ---- */

static void tell_started(struct belay_process *p)
{
    belay_process_started_fn *fn = p->on_started;

    p->on_started = NULL;
    if (!p->stopping)
        bl_process_arm_limit(p, BELAY_NEVER, false);
    if (fn)
        fn(belay_process_ref(p), NULL, p->started_arg);
    bl_mutex_lock(&p->lock);
    p->held = false;
    bl_process_wake(p);
    bl_mutex_unlock(&p->lock);
}

static void tell_stopped(struct belay_process *p)
{
    belay_fn *fn = p->on_stopped;

    p->on_stopped = NULL;
    if (fn)
        fn(p->stopped_arg);
}

/* What a process on the loop has to tell was written by this thread. */
static unsigned take_tell(struct belay_process *p)
{
    unsigned what;

    if (bl_process_is_here(p)) {
        what = p->tell;
        p->tell = 0;
        return what;
    }
    bl_mutex_lock(&p->lock);
    what = p->tell;
    p->tell = 0;
    bl_mutex_unlock(&p->lock);
    return what;
}

static void tell(struct belay_process *p)
{
    unsigned what = take_tell(p);

    if (what & BL_TELL_NEWS)
        bl_process_tell_news(p);
    if (what & BL_TELL_STARTED)
        tell_started(p);
    if (what & BL_TELL_CODE)
        bl_process_tell_codes(p);
    if (what & BL_TELL_ENDED)
        bl_process_tell_end(p);
    if (p->over)
        tell_stopped(p);
}

/* ---- running ---- */

/* Whoever wakes it during a step is heard by the next; `again` remembers those of a last tell. */
static void step(struct belay_process *p)
{
    enum bl_step step = BL_STEP_AGAIN;

    for (unsigned n = 0; n < STEPS_MAX && step == BL_STEP_AGAIN; n++) {
        step = bl_process_step(p);
        p->again = step == BL_STEP_AGAIN;
        tell(p);
    }
    if (step == BL_STEP_IDLE)
        bl_timer_at(&p->due, p->loop, p->due_at);
}

void bl_process_run(void *arg)
{
    struct belay_process *p = arg;

    belay_process_ref(p);
    if (p->late) {
        p->late = false;
        belay_process_unref(p);
    }
    p->running = true;
    p->again = false;
    if (bl_process_is_here(p))
        step(p);
    else
        tell(p);
    p->running = false;
    if (p->again)
        bl_task_post(p->loop, &p->run);
    belay_process_unref(p);
}
