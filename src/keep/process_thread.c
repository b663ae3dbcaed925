/* SPDX-License-Identifier: MIT */
/*
 * A process on a thread of its own: it steps until there is nothing to do, then sleeps until it is
 * woken or something is due. What the callbacks block on is their own affair; waits that need the
 * loop are patient: where nobody turns it, they sleep until somebody does.
 * Whoever ends the process interrupts them, until terminate runs.
 *
 * The thread leaves when nothing will run any more, and says so by mail. A process that ended while
 * a callback ran is told of at once; its memory, and its loop, wait for the thread.
 */
#include "keep/process.h"

#include "loop/sys.h"
#include "loop/threads.h"

struct bl_process_thread {
    struct belay_process *process;
    struct bl_thread os;
    struct bl_cond wake;         /* with the process's lock */
    struct bl_patience patience; /* of its waits for the loop */
    struct bl_nap nap;           /* of those for other processes */
    struct bl_mail gone;         /* the thread leaves */
    bool joined;
    bool awaited; /* the process is released when it is */
};

static _Thread_local struct belay_process *current;

bool bl_process_thread_is_self(const struct belay_process *process)
{
    return current == process;
}

struct bl_nap *bl_process_thread_nap(void)
{
    return current ? &current->thread->nap : NULL;
}

/* ---- the thread ---- */

/* When that is by the kernel's clock, which is not the process's in a world of the caller's. */
static uint64_t wake_at(const struct belay_process *p)
{
    uint64_t now, rest, sys;

    if (p->due_at == BELAY_NEVER)
        return BELAY_NEVER;
    now = bl_process_now(p);
    rest = p->due_at > now ? p->due_at - now : 0;
    sys = bl_sys_monotonic_ns();
    return rest < BELAY_NEVER - sys ? sys + rest : BELAY_NEVER;
}

static void sleep_until_wanted(struct belay_process *p)
{
    uint64_t at = wake_at(p);

    bl_mutex_lock(&p->lock);
    while (!p->wanted) {
        if (at == BELAY_NEVER)
            bl_cond_wait(&p->thread->wake, &p->lock);
        else if (!bl_cond_wait_until(&p->thread->wake, &p->lock, at))
            break;
    }
    bl_mutex_unlock(&p->lock);
}

static void run(void *arg)
{
    struct belay_process *p = arg;
    enum bl_step step;

    current = p;
    bl_wait_patiently(&p->thread->patience);
    while ((step = bl_process_step(p)) != BL_STEP_ENDED) {
        if (step == BL_STEP_IDLE)
            sleep_until_wanted(p);
    }
    bl_mail_post(p->loop, &p->thread->gone);
}

/* ---- the loop ---- */

static void on_gone(struct bl_mail *mail, struct belay_loop *loop)
{
    struct bl_process_thread *t = BL_CONTAINER(mail, struct bl_process_thread, gone);

    (void)loop;
    bl_thread_join(&t->os);
    t->joined = true;
    if (t->awaited)
        bl_process_release(t->process);
}

int bl_process_thread_start(struct belay_process *process, int32_t stack_size)
{
    struct bl_process_thread *t = bl_alloc(&process->loop->mem, sizeof *t);
    int rc;

    if (!t)
        return BELAY_ENOMEM;
    memset(t, 0, sizeof *t);
    if (bl_cond_init(&t->wake) < 0) {
        bl_free(&process->loop->mem, t);
        return BELAY_ENOMEM;
    }
    t->process = process;
    bl_list_init(&t->gone.link);
    t->gone.run = on_gone;
    process->thread = t;
    rc = bl_thread_start(&t->os, (size_t)stack_size, run, process);
    if (rc)
        bl_process_thread_free(process);
    return rc;
}

void bl_process_thread_wake(struct belay_process *process)
{
    bl_cond_signal(&process->thread->wake);
}

void bl_process_thread_interrupt(struct belay_process *process)
{
    bl_waits_interrupt(process->loop, &process->thread->patience);
    bl_nap_interrupt(process->table, &process->thread->nap);
}

void bl_process_thread_allow(struct belay_process *process)
{
    bl_waits_allow(process->loop, &process->thread->patience);
    bl_nap_allow(process->table, &process->thread->nap);
}

bool bl_process_thread_end(struct belay_process *process)
{
    struct bl_process_thread *t = process->thread;

    t->awaited = !t->joined;
    return t->joined;
}

void bl_process_thread_free(struct belay_process *process)
{
    struct bl_process_thread *t = process->thread;

    if (!t)
        return;
    process->thread = NULL;
    bl_cond_fini(&t->wake);
    bl_free(&process->loop->mem, t);
}
