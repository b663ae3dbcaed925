/* SPDX-License-Identifier: MIT */
/*
 * Links, monitors, and the exit signals that go along them, as in OTP. A tie between two processes
 * hangs in the lists of both, under the lock of the loop's table (process_from.h), and is itself
 * the letter that goes out when one of them ends: so ending never allocates.
 *
 * An exit signal of kind NORMAL is ignored, of any other ends whom it reaches in the same way, with
 * terminate; a process that traps exits gets a message instead. But the end of the parent that
 * start_link was given ends also a child that traps exits.
 */
#include "keep/process.h"
#include "loop/threads.h"

enum tie_kind {
    TIE_LINK,       /* ends are alike */
    TIE_PARENT,     /* a link whose ends[0] started ends[1] */
    TIE_MONITOR,    /* ends[0] is watched for a function */
    TIE_MONITOR_BY, /* ends[0] is watched by ends[1] */
    TIE_EXIT,       /* none: an exit signal out of nothing */
};

struct tie_end {
    struct bl_list node; /* in its process's links; of who is watched, in its monitors */
    struct belay_process *process;
    struct belay_monitor *tie;
};

struct belay_monitor {
    enum tie_kind kind;
    struct tie_end ends[2];
    struct belay_loop *loop;
    atomic_uint refs; /* the lists; or the letter, and its message */
    bool sent;        /* out of the lists */
    bool cancelled;   /* of a TIE_MONITOR_BY on its way: with the lock of who watched */

    struct bl_letter letter;
    struct belay_exit_signal what; /* the message's value */
    struct belay_process *of;      /* a reference to who ended: `what` points into it */

    belay_monitor_fn *fn; /* of TIE_MONITOR, the loop thread's */
    void *arg;
    struct bl_task task;
    struct bl_object object;

    struct belay_error error; /* of TIE_EXIT; others are allocated without it */
};

static const struct belay_error ended_before = {
    .code = BELAY_ENOPROC,
    .kind = BELAY_KIND_USAGE,
    .text = "the process has ended before",
};
static const struct belay_error no_reason = {
    .code = BELAY_EABORTED,
    .kind = BELAY_KIND_CANCELLED,
    .text = "ended by a signal that gives no reason",
};
static const struct belay_exit noproc = {.kind = BELAY_EXIT_ERROR, .error = &ended_before};

/* ---- ties ---- */

static struct belay_monitor *tie_new(enum tie_kind kind, struct belay_process *a,
                                     struct belay_process *b)
{
    size_t size =
        kind == TIE_EXIT ? sizeof(struct belay_monitor) : offsetof(struct belay_monitor, error);
    struct belay_monitor *t = bl_alloc(&a->loop->mem, size);

    if (!t)
        return NULL;
    memset(t, 0, size);
    t->kind = kind;
    t->loop = a->loop;
    t->ends[0].process = a;
    t->ends[1].process = b;
    for (int i = 0; i < 2; i++) {
        bl_list_init(&t->ends[i].node);
        t->ends[i].tie = t;
    }
    bl_list_init(&t->letter.link);
    atomic_init(&t->refs, 1);
    return t;
}

static void tie_unref(struct belay_monitor *t)
{
    if (atomic_fetch_sub(&t->refs, 1) > 1)
        return;
    if (t->of)
        belay_process_unref(t->of);
    bl_free(&t->loop->mem, t);
}

/* Under the lock. */
static void tie_on(struct belay_monitor *t)
{
    struct belay_process *a = t->ends[0].process, *b = t->ends[1].process;
    bool monitor = t->kind == TIE_MONITOR || t->kind == TIE_MONITOR_BY;

    bl_list_push_back(monitor ? &a->monitors : &a->links, &t->ends[0].node);
    if (b)
        bl_list_push_back(&b->links, &t->ends[1].node);
}

static void tie_off(struct belay_monitor *t)
{
    bl_list_remove(&t->ends[0].node);
    bl_list_remove(&t->ends[1].node);
    t->sent = true;
}

static struct belay_monitor *tie_of(struct bl_list *node)
{
    return BL_LIST_OF(node, struct tie_end, node)->tie;
}

/* ---- what goes along them ---- */

static void value_gone(void *value)
{
    tie_unref(BL_CONTAINER(value, struct belay_monitor, what));
}

static void letter_gone(struct bl_letter *letter)
{
    tie_unref(BL_CONTAINER(letter, struct belay_monitor, letter));
}

static bool post(struct belay_monitor *t, struct belay_process *to)
{
    bool posted;

    bl_mutex_lock(&to->lock);
    posted = !to->ended && !t->cancelled;
    if (posted) {
        bl_mailbox_push_own(&to->mailbox, &t->letter);
        bl_process_wake(to);
    }
    bl_mutex_unlock(&to->lock);
    return posted;
}

static void deliver(struct belay_monitor *t, struct belay_process *to, int32_t tag)
{
    t->letter.kind = BL_LETTER_INFO;
    t->letter.message = belay_message(tag, &t->what, value_gone);
    t->letter.release = letter_gone;
    atomic_store(&t->refs, 2);
    if (!post(t, to)) {
        tie_unref(t);
        tie_unref(t);
    }
}

/* Takes the tie. `of` may be NULL. */
static void signal_exit(struct belay_monitor *t, struct belay_process *of, struct belay_process *to,
                        const struct belay_exit *why)
{
    t->of = of ? belay_process_ref(of) : NULL;
    t->what.process = of;
    t->what.why = *why;
    if (to->trap_exit && !(t->kind == TIE_PARENT && to == t->ends[1].process)) {
        deliver(t, to, BELAY_TAG_EXIT);
        return;
    }
    if (why->kind != BELAY_EXIT_NORMAL || to->trap_exit)
        bl_process_finish(to, why->kind, why->error, false);
    tie_unref(t);
}

static void on_monitor_task(void *arg)
{
    struct belay_monitor *t = arg;
    struct belay_process *of = belay_process_ref(t->of);
    struct belay_exit why = t->what.why;
    belay_monitor_fn *fn = t->fn;
    void *fn_arg = t->arg;

    bl_object_fini(&t->object, t->loop);
    tie_unref(t);
    fn(of, why, fn_arg);
    belay_process_unref(of);
}

/* Takes the tie: who watched is told. */
static void signal_down(struct belay_monitor *t, struct belay_process *of,
                        const struct belay_exit *why)
{
    t->of = belay_process_ref(of);
    t->what.process = of;
    t->what.why = *why;
    if (t->kind == TIE_MONITOR)
        bl_task_post(t->loop, &t->task);
    else
        deliver(t, t->ends[1].process, BELAY_TAG_DOWN);
}

/* Who is at the other end of a link; NULL when nobody is to be told, as of who watched. */
static struct belay_process *to_signal(const struct belay_monitor *t,
                                       const struct belay_process *ended)
{
    if (t->kind == TIE_MONITOR_BY)
        return NULL;
    return t->ends[t->ends[0].process == ended].process;
}

/* All of a list, out of every other; under the lock. */
static void take_all(struct bl_list *from, struct bl_list *ret)
{
    struct bl_list *node;

    bl_list_init(ret);
    while ((node = bl_list_first(from))) {
        struct belay_monitor *t = tie_of(node);

        tie_off(t);
        bl_list_push_back(ret, &t->ends[0].node);
    }
}

void bl_process_end_links(struct belay_process *process, const struct belay_exit *why)
{
    struct bl_list links, monitors, *node;

    bl_from_lock(process->table);
    take_all(&process->links, &links);
    take_all(&process->monitors, &monitors);
    bl_from_unlock(process->table);
    while ((node = bl_list_pop_front(&links))) {
        struct belay_monitor *t = tie_of(node);
        struct belay_process *to = to_signal(t, process);

        if (to)
            signal_exit(t, process, to, why);
        else
            tie_unref(t);
    }
    while ((node = bl_list_pop_front(&monitors)))
        signal_down(tie_of(node), process, why);
}

/* ---- links ---- */

static bool is_link_to(const struct belay_monitor *t, const struct belay_process *process)
{
    return t->kind != TIE_MONITOR_BY &&
           (t->ends[0].process == process || t->ends[1].process == process);
}

/* Under the lock. In both their lists at once: one of the two may have very many. */
static struct belay_monitor *find_link(struct belay_process *a, struct belay_process *b)
{
    struct bl_list *x = a->links.next, *y = b->links.next;

    for (; x != &a->links && y != &b->links; x = x->next, y = y->next) {
        if (is_link_to(tie_of(x), b))
            return tie_of(x);
        if (is_link_to(tie_of(y), a))
            return tie_of(y);
    }
    return NULL;
}

static int tie_link(enum tie_kind kind, struct belay_process *a, struct belay_process *b)
{
    struct belay_monitor *t;
    bool a_ended, b_ended, tied = false;

    if (!a || !b || a == b || a->loop != b->loop)
        return BELAY_EINVAL;
    t = tie_new(kind, a, b);
    if (!t)
        return BELAY_ENOMEM;
    bl_from_lock(a->table);
    a_ended = a->awaits.ended;
    b_ended = b->awaits.ended;
    if (!a_ended && !b_ended && !find_link(b, a)) {
        tie_on(t);
        tied = true;
    }
    bl_from_unlock(a->table);
    if (a_ended != b_ended)
        signal_exit(t, a_ended ? a : b, a_ended ? b : a, &noproc);
    else if (!tied)
        tie_unref(t);
    return 0;
}

int belay_process_link(struct belay_process *a, struct belay_process *b)
{
    return tie_link(TIE_LINK, a, b);
}

int bl_process_link_child(struct belay_process *parent, struct belay_process *child)
{
    return tie_link(TIE_PARENT, parent, child);
}

void belay_process_unlink(struct belay_process *a, struct belay_process *b)
{
    struct belay_monitor *t;

    if (!a || !b || a->loop != b->loop)
        return;
    bl_from_lock(a->table);
    t = find_link(a, b);
    if (t)
        tie_off(t);
    bl_from_unlock(a->table);
    if (t)
        tie_unref(t);
}

int belay_process_exit(struct belay_process *process, struct belay_exit why)
{
    struct belay_monitor *t;

    if (!process || why.kind > BELAY_EXIT_ERROR || why.kind < BELAY_EXIT_NORMAL)
        return BELAY_EINVAL;
    if (why.kind == BELAY_EXIT_ERROR && !why.error)
        why.error = &no_reason;
    if (why.kind == BELAY_EXIT_KILLED) {
        bl_process_finish(process, why.kind, why.error, true);
        return 0;
    }
    t = tie_new(TIE_EXIT, process, NULL);
    if (!t)
        return BELAY_ENOMEM;
    if (why.error) {
        bl_error_keep(&t->error, why.error);
        why.error = &t->error;
    }
    signal_exit(t, NULL, process, &why);
    return 0;
}

/* ---- monitors ---- */

static void on_loop_close(struct bl_object *object)
{
    (void)object; /* what is watched ends, and is told of */
}

/* Takes the tie. BELAY_ENOPROC: who would be told has ended. */
static int watch(struct belay_monitor *t, struct belay_process *process)
{
    struct belay_process *by = t->ends[1].process;
    bool ended, deaf;

    bl_from_lock(process->table);
    ended = process->awaits.ended;
    deaf = by && by->awaits.ended;
    if (!ended && !deaf)
        tie_on(t);
    else
        t->sent = true;
    bl_from_unlock(process->table);
    if (deaf) {
        tie_unref(t);
        return BELAY_ENOPROC;
    }
    if (ended)
        signal_down(t, process, &noproc);
    return 0;
}

int belay_process_monitor(struct belay_process *process, belay_monitor_fn *fn, void *arg,
                          struct belay_monitor **ret_monitor)
{
    struct belay_monitor *t;

    if (!process || !fn)
        return BELAY_EINVAL;
    if (!bl_threads_here(process->loop))
        return BELAY_ENOTSUP;
    t = tie_new(TIE_MONITOR, process, NULL);
    if (!t)
        return BELAY_ENOMEM;
    t->fn = fn;
    t->arg = arg;
    bl_task_init(&t->task, on_monitor_task, t);
    bl_object_init(&t->object, t->loop, "monitor", on_loop_close);
    if (ret_monitor)
        *ret_monitor = t;
    return watch(t, process);
}

int belay_process_monitor_by(struct belay_process *process, struct belay_process *by,
                             struct belay_monitor **ret_monitor)
{
    struct belay_monitor *t;
    int rc;

    if (!process || !by || process == by || process->loop != by->loop)
        return BELAY_EINVAL;
    t = tie_new(TIE_MONITOR_BY, process, by);
    if (!t)
        return BELAY_ENOMEM;
    rc = watch(t, process); /* the message may have been handled already */
    if (rc == 0 && ret_monitor)
        *ret_monitor = t;
    return rc;
}

/* Whether its letter was still to be handled; one that is on its way will not come. */
static bool take_back(struct belay_monitor *t)
{
    struct belay_process *by = t->ends[1].process;
    bool linked;

    bl_mutex_lock(&by->lock);
    linked = bl_list_linked(&t->letter.link);
    bl_mailbox_flush(&by->mailbox, &t->letter);
    t->cancelled = true;
    bl_mutex_unlock(&by->lock);
    return linked;
}

void belay_monitor_cancel(struct belay_monitor *monitor)
{
    bool sent;

    if (!monitor)
        return;
    bl_from_lock(monitor->ends[0].process->table);
    sent = monitor->sent;
    if (!sent)
        tie_off(monitor);
    bl_from_unlock(monitor->ends[0].process->table);
    if (monitor->kind == TIE_MONITOR) {
        bl_task_cancel(&monitor->task);
        bl_object_fini(&monitor->object, monitor->loop);
        tie_unref(monitor);
    } else if (!sent) {
        tie_unref(monitor);
    } else if (take_back(monitor)) {
        bl_process_drop_letter(monitor->ends[1].process, &monitor->letter);
    }
}
