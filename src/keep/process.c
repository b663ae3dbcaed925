/* SPDX-License-Identifier: MIT */
/* Starting a process, references to it, and what its callbacks ask of it. */
#include "keep/process.h"

#include "keep/registry.h"
#include "loop/threads.h"

struct start { /* what belay_process_start and its likes were given */
    struct belay_loop *loop;
    struct belay_process *parent; /* NULL: not linked */
    const struct belay_behaviour *behaviour;
    void *args;
    const struct belay_process_options *options;
    belay_process_started_fn *fn;
    void *arg;
};

/* ---- making and unmaking ---- */

static void let_be(struct bl_letter *letter)
{
    (void)letter; /* the backoff's is the process's own */
}

static void free_process(struct belay_process *p)
{
    struct bl_mem *mem = &p->loop->mem;

    bl_process_thread_free(p);
    bl_mutex_fini(&p->lock);
    bl_free(mem, p->last_error);
    bl_process_free_error(mem, p->exit_error);
    bl_free(mem, p->name);
    bl_free(mem, p);
}

static int make_name(struct belay_process *p, const char *name)
{
    if (!name)
        return 0;
    p->name = bl_strdup(&p->loop->mem, name);
    return p->name ? 0 : BELAY_ENOMEM;
}

static int make_parts(struct belay_process *p, const struct belay_process_options *o)
{
    struct belay_loop *loop = p->loop;
    int rc = make_name(p, o->name);

    p->table = bl_from_table(loop);
    if (!p->table)
        rc = BELAY_ENOMEM;
    if (rc == 0)
        rc = bl_timer_init(&p->due, loop, bl_process_on_due, p);
    if (rc == 0)
        rc = bl_timer_init(&p->limit, loop, bl_process_on_limit, p);
    return rc;
}

static void init_members(struct belay_process *p, const struct start *s,
                         const struct belay_process_options *o)
{
    p->behaviour = s->behaviour;
    p->args = p->state = s->args;
    p->trap_exit = o->trap_exit;
    p->debug = o->debug;
    p->on_started = s->fn;
    p->started_arg = s->arg;
    p->awaited = s->fn != NULL;
    p->on_exit = o->on_exit;
    p->exit_arg = o->exit_arg;
    p->start_timeout_ms = o->start_timeout_ms;
    p->limit_at = BELAY_NEVER;
    p->noted = BELAY_PROCESS_STARTING;
    atomic_init(&p->refs, 1);
    atomic_init(&p->shown, BELAY_PROCESS_STARTING);
    bl_pr_init(&p->policy, o->serve_while_connecting, o->sync_connect);
    bl_mailbox_init(&p->mailbox, (uint32_t)o->mailbox_max,
                    o->mailbox_full == BELAY_MAILBOX_DROP_OLDEST);
    bl_awaits_init(&p->awaits);
    p->backoff_letter = (struct bl_letter){.kind = BL_LETTER_BACKOFF, .release = let_be};
    bl_list_init(&p->backoff_letter.link);
    bl_list_init(&p->news);
    bl_list_init(&p->codes);
    bl_list_init(&p->stop_waits);
    bl_list_init(&p->links);
    bl_list_init(&p->monitors);
    bl_list_init(&p->names);
    bl_task_init(&p->run, bl_process_run, p);
    bl_list_init(&p->mail.link);
    p->mail.run = bl_process_on_mail;
    bl_rand_seed(&p->rand, bl_rand_next(&s->loop->rand));
}

static struct belay_process *process_new(const struct start *s,
                                         const struct belay_process_options *o)
{
    struct belay_process *p = bl_zalloc(&s->loop->mem, sizeof *p);

    if (!p)
        return NULL;
    p->loop = s->loop;
    if (bl_mutex_init(&p->lock)) {
        bl_free(&s->loop->mem, p);
        return NULL;
    }
    init_members(p, s, o);
    if (make_parts(p, o) == 0)
        return p;
    bl_timer_fini(&p->due, p->loop);
    bl_timer_fini(&p->limit, p->loop);
    free_process(p);
    return NULL;
}

/* It was not started: nobody hears of it. */
static void discard(struct belay_process *p, struct belay_process *parent)
{
    if (parent)
        belay_process_unlink(parent, p);
    bl_registry_forget(p);
    bl_timer_fini(&p->due, p->loop);
    bl_timer_fini(&p->limit, p->loop);
    bl_object_fini(&p->object, p->loop);
    free_process(p);
}

/* ---- starting ---- */

static int fail(struct belay_error *error, int rc)
{
    return bl_error_set(error, rc, BELAY_STAGE_NONE, "starting a process: %s", belay_strerror(rc));
}

/* Its name, its link, and its thread: the last, as it begins at once. */
static int set_going(struct belay_process *p, const struct start *s,
                     const struct belay_process_options *o, struct belay_error *error)
{
    int rc = 0;

    if (o->name)
        rc = bl_registry_add(o->registry, p, o->name, error);
    if (rc < 0)
        return rc;
    if (s->parent)
        rc = bl_process_link_child(s->parent, p);
    if (rc == 0 && p->start_timeout_ms != INT64_MAX)
        bl_process_arm_limit(p, bl_after_ms(bl_now_fresh(p->loop), p->start_timeout_ms), false);
    if (rc == 0 && o->own_thread)
        rc = bl_process_thread_start(p, o->stack_size);
    if (rc < 0)
        return fail(error, rc);
    if (!o->own_thread) {
        p->wanted = true;
        bl_task_post(p->loop, &p->run);
    }
    return 0;
}

static int start(const struct start *s, struct belay_process **ret_process,
                 struct belay_error *error)
{
    struct belay_process_options o;
    struct belay_backoff backoff;
    struct belay_process *p;
    int rc = bl_behaviour_check(s->behaviour, error);

    if (rc == 0)
        rc = bl_process_options_resolve(&o, s->options, &backoff, error);
    if (rc < 0)
        return rc;
    if (!bl_threads_here(s->loop))
        return fail(error, BELAY_ENOTSUP);
    if (s->loop->closing)
        return fail(error, BELAY_ECLOSED);
    p = process_new(s, &o);
    if (!p)
        return fail(error, BELAY_ENOMEM);
    p->backoff = backoff;
    bl_object_init(&p->object, p->loop, "process", bl_process_close_object);
    bl_object_set_rank(&p->object, p->loop, BL_RANK_PROCESS);
    if (ret_process)
        belay_process_ref(p); /* before its thread can have ended */
    rc = set_going(p, s, &o, error);
    if (rc < 0) {
        discard(p, s->parent);
        return rc;
    }
    BL_TRACE(p->loop, "process", p->object.id, bl_process_label(p), NULL, "starting", "");
    if (ret_process)
        *ret_process = p;
    return 0;
}

int belay_process_start(struct belay_loop *loop, const struct belay_behaviour *behaviour,
                        void *args, const struct belay_process_options *options,
                        struct belay_process **ret_process, belay_process_started_fn *fn, void *arg,
                        struct belay_error *error)
{
    struct start s = {loop, NULL, behaviour, args, options, fn, arg};

    if (!loop)
        return fail(error, BELAY_EINVAL);
    return start(&s, ret_process, error);
}

int belay_process_start_link(struct belay_process *parent, const struct belay_behaviour *behaviour,
                             void *args, const struct belay_process_options *options,
                             struct belay_process **ret_process, belay_process_started_fn *fn,
                             void *arg, struct belay_error *error)
{
    struct start s = {NULL, parent, behaviour, args, options, fn, arg};

    if (!parent)
        return fail(error, BELAY_EINVAL);
    if (!belay_process_is_alive(parent))
        return fail(error, BELAY_ENOPROC);
    s.loop = parent->loop;
    return start(&s, ret_process, error);
}

/* ---- starting, for those who block ---- */

struct start_wait {
    struct bl_wait wait;
    struct start start;
    struct belay_process *process; /* what was started, before it is known what became of it */
    struct belay_process *started;
    struct belay_error error;
};

static void on_started(struct belay_process *process, const struct belay_error *error, void *arg)
{
    struct start_wait *w = arg;

    w->started = process;
    if (error)
        w->error = *error;
    belay_process_unref(w->process); /* here: the loop may end before the waiter wakes up */
    bl_wait_done(&w->wait, error ? error->code : 0);
}

static int begin_start(struct bl_wait *wait)
{
    struct start_wait *w = BL_CONTAINER(wait, struct start_wait, wait);

    w->start.fn = on_started;
    w->start.arg = w;
    return start(&w->start, &w->process, &w->error);
}

/* Nobody waits for it any more. */
static void cancel_start(struct bl_wait *wait)
{
    struct start_wait *w = BL_CONTAINER(wait, struct start_wait, wait);

    w->process->on_started = NULL;
    belay_process_stop(w->process, BELAY_EXIT_SHUTDOWN, NULL, BELAY_FOREVER, NULL, NULL);
    belay_process_unref(w->process);
}

static int start_and_wait(struct start_wait *w, struct belay_process **ret_process,
                          struct belay_error *error)
{
    int rc;

    w->wait = (struct bl_wait){.loop = w->start.loop, .start = begin_start, .cancel = cancel_start};
    rc = bl_wait(&w->wait, -1);
    if (rc == 0) {
        if (ret_process)
            *ret_process = w->started;
        else
            belay_process_unref(w->started);
        return 0;
    }
    if (w->error.code != rc)
        return fail(error, rc);
    if (error)
        *error = w->error;
    return rc;
}

int belay_process_start_wait(struct belay_loop *loop, const struct belay_behaviour *behaviour,
                             void *args, const struct belay_process_options *options,
                             struct belay_process **ret_process, struct belay_error *error)
{
    struct start_wait w = {.start = {loop, NULL, behaviour, args, options, NULL, NULL}};

    if (!loop)
        return fail(error, BELAY_EINVAL);
    return start_and_wait(&w, ret_process, error);
}

int belay_process_start_link_wait(struct belay_process *parent,
                                  const struct belay_behaviour *behaviour, void *args,
                                  const struct belay_process_options *options,
                                  struct belay_process **ret_process, struct belay_error *error)
{
    struct start_wait w = {.start = {NULL, parent, behaviour, args, options, NULL, NULL}};

    if (!parent)
        return fail(error, BELAY_EINVAL);
    w.start.loop = parent->loop;
    return start_and_wait(&w, ret_process, error);
}

/* ---- references ---- */

struct belay_process *belay_process_ref(struct belay_process *process)
{
    if (process)
        atomic_fetch_add_explicit(&process->refs, 1, memory_order_relaxed);
    return process;
}

void belay_process_unref(struct belay_process *process)
{
    if (process && atomic_fetch_sub_explicit(&process->refs, 1, memory_order_acq_rel) == 1)
        free_process(process);
}

/* ---- for its callbacks ---- */

void belay_process_set_state(struct belay_process *process, void *state)
{
    process->state = state;
}

void *belay_process_get_state(const struct belay_process *process)
{
    return process->state;
}

struct belay_loop *belay_process_loop(const struct belay_process *process)
{
    return process->loop;
}

int32_t belay_process_attempts(const struct belay_process *process)
{
    return process->policy.attempts;
}

/* The same for the same failure, but for the jitter, however often it is asked. */
int64_t belay_process_next_backoff(struct belay_process *process)
{
    struct belay_backoff backoff = process->backoff;

    backoff.failures = process->policy.attempts;
    return belay_backoff_failed(&backoff, bl_rand_next(&process->rand));
}
