/* SPDX-License-Identifier: MIT */
/*
 * Calls. With a callback, on the loop's thread. Those who block: where the process lives on the
 * loop, and on the loop's own thread, they wait for the loop (bl_wait); where it has its own
 * thread, others sleep until that answers.
 */
#include "base/error.h"
#include "keep/process_await.h"
#include "loop/threads.h"

struct belay_call {
    struct bl_loop_await base;
    belay_process_reply_fn *fn;
    void *arg;
};

static int describe(const struct belay_process *p, int code, struct belay_error *error)
{
    const char *label = bl_process_label(p);
    const struct belay_exit *why = &p->exit;

    if (code != BELAY_ENOPROC)
        return bl_error_set(error, code, BELAY_STAGE_NONE, "calling the process %s: %s", label,
                            belay_strerror(code));
    if (!why->error)
        return bl_error_set(error, code, BELAY_STAGE_NONE,
                            "calling the process %s: it has ended (%s)", label,
                            belay_exit_name(why->kind));
    return bl_error_set(error, code, BELAY_STAGE_NONE,
                        "calling the process %s: it has ended (%s): %s", label,
                        belay_exit_name(why->kind), why->error->text);
}

static bool is_time(int64_t timeout_ms)
{
    return timeout_ms >= 0 || timeout_ms == BELAY_FOREVER;
}

static int64_t limit(int64_t timeout_ms)
{
    return timeout_ms ? timeout_ms : BELAY_CALL_TIMEOUT_MS;
}

/* ---- with a callback ---- */

static void call_free(struct bl_loop_await *a)
{
    struct belay_call *call = BL_CONTAINER(a, struct belay_call, base);

    bl_free(&a->process->loop->mem, call);
}

static void call_deliver(struct bl_loop_await *a, int result)
{
    struct belay_call *call = BL_CONTAINER(a, struct belay_call, base);
    struct belay_message reply = belay_message_take(&a->await.reply);
    belay_process_reply_fn *fn = call->fn;
    void *arg = call->arg;
    struct belay_error error;

    if (result)
        describe(a->process, result, &error);
    call_free(a);
    fn(result ? NULL : &reply, result ? &error : NULL, arg);
    belay_message_destroy(&reply);
}

int belay_process_call(struct belay_process *process, struct belay_message message,
                       int64_t timeout_ms, struct belay_call **ret_call, belay_process_reply_fn *fn,
                       void *arg)
{
    struct belay_call *call;
    int rc;

    if (!process || !fn || message.tag < 0 || !is_time(timeout_ms))
        return BELAY_EINVAL;
    if (!bl_threads_here(process->loop))
        return BELAY_ENOTSUP;
    call = bl_alloc(&process->loop->mem, sizeof *call);
    if (!call)
        return BELAY_ENOMEM;
    call->fn = fn;
    call->arg = arg;
    call->base.deliver = call_deliver;
    call->base.dropped = call_free;
    rc = bl_loop_await_init(&call->base, process, limit(timeout_ms));
    if (!rc)
        rc = bl_loop_await_for_reply(&call->base, &message);
    if (rc)
        bl_free(&process->loop->mem, call);
    else if (ret_call)
        *ret_call = call;
    return rc;
}

void belay_call_cancel(struct belay_call *call)
{
    if (call)
        bl_loop_await_cancel(&call->base);
}

/* ---- blocking, by the loop ---- */

struct blocked {
    struct bl_wait wait;
    struct belay_process *process;
    struct belay_message *message;
    struct belay_call *call;
    struct belay_message reply;
};

static void blocked_done(struct belay_message *reply, const struct belay_error *error, void *arg)
{
    struct blocked *b = arg;

    if (reply)
        b->reply = belay_message_take(reply);
    bl_wait_done(&b->wait, error ? error->code : 0);
}

static int blocked_start(struct bl_wait *wait)
{
    struct blocked *b = BL_CONTAINER(wait, struct blocked, wait);
    int rc = belay_process_call(b->process, *b->message, BELAY_FOREVER, &b->call, blocked_done, b);

    if (rc == 0)
        belay_message_take(b->message);
    return rc;
}

static void blocked_cancel(struct bl_wait *wait)
{
    belay_call_cancel(BL_CONTAINER(wait, struct blocked, wait)->call);
}

static int call_by_loop(struct belay_process *p, struct belay_message *message, int64_t timeout_ms,
                        struct belay_message *ret_reply)
{
    struct blocked b = {
        .wait = {.loop = p->loop, .start = blocked_start, .cancel = blocked_cancel},
        .process = p,
        .message = message,
    };
    int rc = bl_wait(&b.wait, timeout_ms);

    if (rc == 0)
        *ret_reply = b.reply;
    return rc;
}

/* ---- blocking, without the loop ---- */

static int call_directly(struct belay_process *p, struct belay_message *message, int64_t timeout_ms,
                         struct belay_message *ret_reply)
{
    struct bl_sleeper s;
    struct belay_from from;
    int rc;

    if (bl_sleeper_init(&s) < 0)
        return BELAY_ENOMEM;
    rc = bl_await_reply(p->table, &p->awaits, &s.await, &from);
    if (!rc) {
        rc = bl_process_post(p, BL_LETTER_CALL, message, from);
        if (rc) {
            if (!bl_await_give_up(&s.await))
                rc = BELAY_ENOPROC;
        } else {
            belay_message_take(message);
            rc = bl_sleeper_wait(&s, bl_process_sleep_until(timeout_ms), bl_process_thread_nap());
        }
    }
    if (!rc)
        *ret_reply = s.await.reply;
    bl_sleeper_fini(&s);
    return rc;
}

int belay_process_call_wait(struct belay_process *process, struct belay_message message,
                            int64_t timeout_ms, struct belay_message *ret_reply,
                            struct belay_error *error)
{
    struct belay_message reply;
    int rc;

    if (!process || message.tag < 0 || !is_time(timeout_ms)) {
        belay_message_destroy(&message);
        return bl_error_set(error, BELAY_EINVAL, BELAY_STAGE_NONE,
                            "calling a process: no process, a tag below 0, or no time limit");
    }
    if (bl_process_thread_is_self(process))
        rc = BELAY_EDEADLK;
    else if (bl_process_is_elsewhere(process))
        rc = call_directly(process, &message, limit(timeout_ms), &reply);
    else
        rc = call_by_loop(process, &message, limit(timeout_ms), &reply);
    belay_message_destroy(&message);
    if (rc)
        return describe(process, rc, error);
    if (ret_reply)
        *ret_reply = reply;
    else
        belay_message_destroy(&reply);
    return 0;
}
