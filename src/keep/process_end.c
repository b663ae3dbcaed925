/* SPDX-License-Identifier: MIT */
/* How a process ends: asked to, killed, for time; and who is told, in which order. */
#include "keep/process.h"
#include "keep/registry.h"

struct stop_wait { /* belay_process_stop_wait: on the waiter's stack */
    struct bl_list link;
    struct bl_wait wait;
    struct belay_process *process;
    enum belay_exit_kind kind;
    int64_t limit_ms;
};

/* ---- its error ---- */

/* Of each code, for when there is no memory. Whoever is told may keep the pointer as long as it
 * keeps the process, so this is no scratch of the caller's. */
static const struct belay_error bare[] = {
#define X(name, number, kind_name, words)                                                          \
    {.code = BELAY_##name, .kind = BELAY_KIND_##kind_name, .text = words},
    BELAY_ERRORS(X)
#undef X
};

static const struct belay_error chose_to_end = {
    .code = BELAY_EABORTED,
    .kind = BELAY_KIND_CANCELLED,
    .text = "it chose to end",
};

static const struct belay_error *bare_of(int code)
{
    for (size_t i = 0; i < BL_COUNT(bare); i++) {
        if (bare[i].code == code)
            return &bare[i];
    }
    return &chose_to_end; /* no code of belay's */
}

const struct belay_error *bl_process_copy_error(struct belay_process *p,
                                                const struct belay_error *error)
{
    struct belay_error *copy;

    if (!error)
        return NULL;
    copy = bl_alloc(&p->loop->mem, sizeof *copy);
    if (!copy)
        return bare_of(error->code);
    bl_error_keep(copy, error);
    if (copy->kind == BELAY_KIND_NONE)
        copy->kind = belay_error_kind_of(copy->code);
    return copy;
}

void bl_process_free_error(struct bl_mem *mem, const struct belay_error *error)
{
    if (error && error != &chose_to_end && error != bare_of(error->code))
        bl_free(mem, (void *)(uintptr_t)error);
}

static void swap_error(struct belay_process *p, const struct belay_error **error)
{
    const struct belay_error *former = p->exit_error;

    p->exit_error = *error;
    *error = former;
}

/* ---- having it end ---- */

void bl_process_set_exit(struct belay_process *p, enum belay_exit_kind kind,
                         const struct belay_error **error)
{
    if (error)
        swap_error(p, error);
    p->exit = (struct belay_exit){kind, NULL};
    if (kind == BELAY_EXIT_ERROR || kind == BELAY_EXIT_SHUTDOWN)
        p->exit.error = p->exit_error;
    if (kind == BELAY_EXIT_ERROR && !p->exit.error)
        p->exit.error = &chose_to_end;
}

struct belay_directive belay_do_stop(struct belay_process *process, enum belay_exit_kind kind,
                                     const struct belay_error *error)
{
    struct belay_directive d = belay_do(BELAY_DO_STOP);
    const struct belay_error *copy;

    d.exit = kind;
    if (!process)
        return d;
    copy = bl_process_copy_error(process, error);
    bl_mutex_lock(&process->lock);
    if (!process->ending && !process->ended)
        swap_error(process, &copy);
    bl_mutex_unlock(&process->lock);
    bl_process_free_error(&process->loop->mem, copy);
    return d;
}

void bl_process_mark_ended(struct belay_process *p, struct bl_list *list)
{
    p->was = p->policy.state;
    p->ended = true;
    p->may_resume = false;
    bl_pr_end(&p->policy);
    bl_list_remove(&p->backoff_letter.link);
    bl_mailbox_empty(&p->mailbox, list);
    bl_awaits_set_state(p->table, &p->awaits, &p->shown, BELAY_PROCESS_ENDED);
    bl_awaits_end(p->table, &p->awaits);
    bl_process_tell(p, BL_TELL_ENDED);
}

enum finish {
    FINISH_IN_TIME,
    FINISH_KILLED,
    FINISH_UNSTARTED /* unless starting is done; killed if a callback runs */
};

static bool finish(struct belay_process *p, enum belay_exit_kind kind,
                   const struct belay_error *error, enum finish how)
{
    const struct belay_error *copy = bl_process_copy_error(p, error);
    struct bl_mem *mem = &p->loop->mem;
    struct bl_list letters;
    bool ended, killed, abandoned = false;

    bl_list_init(&letters);
    bl_mutex_lock(&p->lock);
    killed = how == FINISH_KILLED || (how == FINISH_UNSTARTED && p->busy);
    ended = p->ended || (how == FINISH_UNSTARTED && p->told);
    if (!ended) {
        if (!p->ending || (killed && !p->killed))
            bl_process_set_exit(p, kind, &copy);
        if (p->thread && p->busy && (killed || !p->ending))
            bl_process_thread_interrupt(p);
        p->ending = true;
        p->killed = p->killed || killed;
        abandoned = killed && p->busy && p->thread;
        if (abandoned)
            bl_process_mark_ended(p, &letters);
        else
            bl_process_wake(p);
    }
    bl_mutex_unlock(&p->lock);
    if (abandoned)
        bl_process_log(p, BELAY_LOG_WARN, "it was ended in the middle of a callback");
    bl_process_drop_letters(p, &letters);
    bl_process_free_error(mem, copy);
    return !ended;
}

bool bl_process_finish(struct belay_process *p, enum belay_exit_kind kind,
                       const struct belay_error *error, bool killed)
{
    return finish(p, kind, error, killed ? FINISH_KILLED : FINISH_IN_TIME);
}

void bl_process_on_limit(void *arg)
{
    struct belay_process *p = arg;
    struct belay_error error;

    if (p->stopping) {
        bl_process_finish(p, BELAY_EXIT_KILLED, NULL, true);
        return;
    }
    bl_error_set(&error, BELAY_ETIMEDOUT, BELAY_STAGE_NONE, "%s: it did not start within %lld ms",
                 bl_process_label(p), (long long)p->start_timeout_ms);
    finish(p, BELAY_EXIT_ERROR, &error, FINISH_UNSTARTED);
}

/* Of a former stop, or of its start, unless that is done and the loop is still to hear of it. */
static uint64_t limit_so_far(struct belay_process *p)
{
    bool told;

    bl_mutex_lock(&p->lock);
    told = p->told;
    bl_mutex_unlock(&p->lock);
    return p->stopping || !told ? p->limit_at : BELAY_NEVER;
}

void belay_process_stop(struct belay_process *p, enum belay_exit_kind kind,
                        const struct belay_error *error, int64_t limit_ms, belay_fn *fn, void *arg)
{
    uint64_t at, former;

    if (!p)
        return;
    if (fn) {
        p->on_stopped = fn;
        p->stopped_arg = arg;
    }
    if (p->over) {
        if (fn && !p->late) {
            p->late = true;
            belay_process_ref(p);
            bl_task_post(p->loop, &p->run);
        }
        return;
    }
    if (limit_ms == 0) {
        bl_process_finish(p, BELAY_EXIT_KILLED, NULL, true);
        return;
    }
    if (!bl_process_finish(p, kind, error, false))
        return;
    at = limit_ms < 0 ? BELAY_NEVER : bl_after_ms(bl_now_fresh(p->loop), limit_ms);
    former = limit_so_far(p);
    bl_process_arm_limit(p, former < at ? former : at, true);
}

void bl_process_close_object(struct bl_object *object)
{
    struct belay_process *p = BL_CONTAINER(object, struct belay_process, object);

    belay_process_stop(p, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
}

/* ---- stop_wait ---- */

static int start_stop(struct bl_wait *wait)
{
    struct stop_wait *w = BL_CONTAINER(wait, struct stop_wait, wait);
    struct belay_process *p = w->process;

    belay_process_stop(p, w->kind, NULL, w->limit_ms, NULL, NULL);
    if (p->over)
        bl_wait_done(wait, 0);
    else
        bl_list_push_back(&p->stop_waits, &w->link);
    return 0;
}

static void cancel_stop(struct bl_wait *wait)
{
    bl_list_remove(&BL_CONTAINER(wait, struct stop_wait, wait)->link);
}

int belay_process_stop_wait(struct belay_process *process, enum belay_exit_kind kind,
                            int64_t limit_ms)
{
    struct stop_wait w = {.process = process, .kind = kind, .limit_ms = limit_ms};

    if (!process)
        return BELAY_EINVAL;
    if (process->thread && bl_process_thread_is_self(process))
        return BELAY_EDEADLK;
    bl_list_init(&w.link);
    w.wait = (struct bl_wait){.loop = process->loop, .start = start_stop, .cancel = cancel_stop};
    return bl_wait(&w.wait, -1);
}

static void tell_stop_waits(struct belay_process *p)
{
    struct bl_list *node;

    while ((node = bl_list_pop_front(&p->stop_waits)))
        bl_wait_done(&BL_LIST_OF(node, struct stop_wait, link)->wait, 0);
}

/* ---- the end of life ---- */

/* Somebody still waits for its start. */
static void tell_not_started(struct belay_process *p)
{
    belay_process_started_fn *fn = p->on_started;
    struct belay_error error;

    if (!fn)
        return;
    p->on_started = NULL;
    if (p->ignored)
        bl_error_set(&error, BELAY_EIGNORED, BELAY_STAGE_NONE, "%s: %s", bl_process_label(p),
                     belay_strerror(BELAY_EIGNORED));
    else if (p->exit.error)
        error = *p->exit.error;
    else
        bl_error_set(&error, BELAY_EABORTED, BELAY_STAGE_NONE, "%s: it ended while it started: %s",
                     bl_process_label(p), belay_exit_name(p->exit.kind));
    fn(NULL, &error, p->started_arg);
}

/* Its name is free before anybody hears of it. */
void bl_process_tell_end(struct belay_process *p)
{
    p->over = true;
    bl_timer_stop(&p->due);
    bl_timer_stop(&p->limit);
    if (p->has_resumed)
        bl_directive_drop(&p->resumed);
    bl_registry_forget(p);
    BL_TRACE(p->loop, "process", p->object.id, bl_process_label(p),
             belay_process_state_name(p->was), NULL, belay_exit_name(p->exit.kind));
    bl_process_end_links(p, &p->exit);
    tell_not_started(p);
    bl_process_tell_codes(p);
    if (p->on_exit)
        p->on_exit(p, p->exit, p->exit_arg);
    tell_stop_waits(p);
    if (!p->thread || bl_process_thread_end(p))
        bl_process_release(p);
}

void bl_process_release(struct belay_process *p)
{
    struct bl_list blanks, *node;

    bl_list_init(&blanks);
    bl_mutex_lock(&p->lock);
    bl_mailbox_give_back(&p->mailbox, &blanks);
    bl_mutex_unlock(&p->lock);
    while ((node = bl_list_pop_front(&blanks)))
        bl_free(&p->loop->mem, BL_LIST_OF(node, struct bl_letter, link));
    bl_process_tell_news(p);
    bl_timer_fini(&p->due, p->loop);
    bl_timer_fini(&p->limit, p->loop);
    bl_object_fini(&p->object, p->loop);
    belay_process_unref(p);
}
