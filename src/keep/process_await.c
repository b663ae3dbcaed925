/* SPDX-License-Identifier: MIT */
/* Awaiting on the loop's thread: answered there by a task, from other threads by mail. */
#include "keep/process_await.h"

#include "loop/sys.h"
#include "loop/threads.h"

static void over(struct bl_loop_await *a)
{
    struct belay_process *p = a->process;

    bl_timer_fini(&a->timer, p->loop);
    bl_task_cancel(&a->task);
    bl_object_fini(&a->object, p->loop);
}

static void deliver(struct bl_loop_await *a, int result)
{
    struct belay_process *p = a->process;

    over(a);
    a->deliver(a, result);
    belay_process_unref(p);
}

static void drop(struct bl_loop_await *a)
{
    struct belay_process *p = a->process;

    over(a);
    belay_message_destroy(&a->await.reply);
    if (a->dropped)
        a->dropped(a);
    belay_process_unref(p);
}

static void on_task(void *arg)
{
    struct bl_loop_await *a = arg;

    deliver(a, a->await.result);
}

static void on_mail(struct bl_mail *mail, struct belay_loop *loop)
{
    struct bl_loop_await *a = BL_CONTAINER(mail, struct bl_loop_await, mail);

    (void)loop;
    if (a->cancelled)
        drop(a);
    else
        deliver(a, a->await.result);
}

/* Under the table's lock, on whatever thread. */
static void on_answered(struct bl_await *await)
{
    struct bl_loop_await *a = BL_CONTAINER(await, struct bl_loop_await, await);
    struct belay_loop *loop = a->process->loop;

    a->mailed = !bl_threads_here(loop);
    if (a->mailed)
        bl_mail_post(loop, &a->mail);
    else
        bl_task_post(loop, &a->task);
}

static void on_deadline(void *arg)
{
    struct bl_loop_await *a = arg;

    if (bl_await_give_up(&a->await))
        deliver(a, BELAY_ETIMEDOUT);
}

/* The loop's end is the process's, which is an answer. */
static void on_loop_close(struct bl_object *object)
{
    (void)object;
}

int bl_loop_await_init(struct bl_loop_await *a, struct belay_process *process, int64_t timeout_ms)
{
    struct belay_loop *loop = process->loop;

    memset(&a->timer, 0, sizeof a->timer);
    if (timeout_ms != BELAY_FOREVER) {
        if (bl_timer_init(&a->timer, loop, on_deadline, a) < 0)
            return BELAY_ENOMEM;
        bl_timer_at(&a->timer, loop, bl_after_ms(bl_now_fresh(loop), timeout_ms));
    }
    a->process = belay_process_ref(process);
    a->await.answered = on_answered;
    a->await.table = process->table;
    a->await.reply = belay_message_tag(0);
    a->mailed = a->cancelled = false;
    bl_task_init(&a->task, on_task, a);
    bl_list_init(&a->mail.link);
    a->mail.run = on_mail;
    bl_object_init(&a->object, loop, "call", on_loop_close);
    return 0;
}

void bl_loop_await_end(struct bl_loop_await *a)
{
    over(a);
    belay_process_unref(a->process);
}

int bl_loop_await_for_reply(struct bl_loop_await *a, struct belay_message *message)
{
    struct belay_process *p = a->process;
    struct belay_from from;
    int rc = bl_await_reply(p->table, &p->awaits, &a->await, &from);

    if (!rc) {
        rc = bl_process_post(p, BL_LETTER_CALL, message, from);
        if (!rc) {
            belay_message_take(message);
        } else if (!bl_await_give_up(&a->await)) {
            /* It ended meanwhile and has answered all its calls, this one too. */
            belay_message_destroy(message);
            return 0;
        }
    }
    if (rc)
        bl_loop_await_end(a);
    return rc;
}

void bl_loop_await_for_state(struct bl_loop_await *a, enum belay_process_state state)
{
    struct belay_process *p = a->process;
    int rc = bl_await_state(p->table, &p->awaits, &a->await, &p->shown, (int32_t)state);

    if (rc) {
        a->await.waits = false;
        a->await.result = rc;
        bl_task_post(p->loop, &a->task);
    }
}

void bl_loop_await_cancel(struct bl_loop_await *a)
{
    if (!bl_await_give_up(&a->await) && a->mailed)
        a->cancelled = true; /* until its mail is here */
    else
        drop(a);
}

bool bl_process_is_elsewhere(const struct belay_process *process)
{
    return !bl_process_is_here(process) && !bl_threads_here(process->loop);
}

uint64_t bl_process_sleep_until(int64_t timeout_ms)
{
    return timeout_ms < 0 ? BELAY_NEVER : bl_after_ms(bl_sys_monotonic_ns(), timeout_ms);
}
