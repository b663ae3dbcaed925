/* SPDX-License-Identifier: MIT */
/* Posts from any thread, and works offloaded to worker threads. */
#include "loop/threads.h"

#include "loop/turn.h"

struct post {
    struct bl_mail mail;
    belay_fn *fn;
    void *arg;
};

struct bl_work {
    struct bl_mail mail;
    struct bl_job job;
    struct belay_loop *loop;
    belay_fn *work, *done;
    void *arg;
    bool once; /* freed before `done` */
};

int bl_threads_new(struct belay_loop *loop)
{
    struct bl_loop_threads *t = bl_zalloc(&loop->mem, sizeof *t);
    if (!t)
        return BELAY_ENOMEM;
    if (bl_mutex_init(&t->lock)) {
        bl_free(&loop->mem, t);
        return BELAY_ENOMEM;
    }
    if (bl_cond_init(&t->left)) {
        bl_mutex_fini(&t->lock);
        bl_free(&loop->mem, t);
        return BELAY_ENOMEM;
    }
    t->owner = bl_thread_self();
    bl_list_init(&t->inbox);
    bl_list_init(&t->asked);
    bl_list_init(&t->started);
    bl_list_init(&t->cancels);
    bl_list_init(&t->taken);
    loop->threads = t;
    return 0;
}

void bl_threads_free(struct belay_loop *loop)
{
    struct bl_loop_threads *t = loop->threads;
    if (!t)
        return;
    bl_mutex_lock(&t->lock);
    while (t->sleepers > 0)
        bl_cond_wait(&t->left, &t->lock);
    bl_mutex_unlock(&t->lock);
    BL_ASSERT(bl_list_empty(&t->inbox) && bl_list_empty(&t->taken));
    bl_cond_fini(&t->left);
    bl_mutex_fini(&t->lock);
    bl_free(&loop->mem, t);
    loop->threads = NULL;
}

void bl_threads_refuse(struct belay_loop *loop)
{
    bl_mutex_lock(&loop->threads->lock);
    loop->threads->closed = true;
    bl_mutex_unlock(&loop->threads->lock);
}

void bl_threads_shut(struct belay_loop *loop)
{
    struct bl_loop_threads *t = loop->threads;
    if (t->workers_made) {
        pthread_t *threads = t->workers.threads;
        bl_workers_fini(&t->workers);
        bl_free(&loop->mem, threads);
        t->workers_made = false;
    }
    bl_mutex_lock(&t->lock);
    t->ended = true;
    bl_mutex_unlock(&t->lock);
}

void bl_threads_take(struct belay_loop *loop)
{
    struct bl_loop_threads *t = loop->threads;
    if (!atomic_load_explicit(&t->mail, memory_order_acquire))
        return;
    bl_mutex_lock(&t->lock);
    bl_list_splice(&t->taken, &t->inbox);
    atomic_store_explicit(&t->mail, false, memory_order_release);
    bl_mutex_unlock(&t->lock);
}

bool bl_threads_run(struct belay_loop *loop)
{
    struct bl_loop_threads *t = loop->threads;
    bool any = false;
    struct bl_list *node;
    while ((node = bl_list_pop_front(&t->taken))) {
        struct bl_mail *mail = BL_LIST_OF(node, struct bl_mail, link);
        mail->run(mail, loop);
        any = true;
    }
    if (atomic_load_explicit(&t->calls, memory_order_acquire)) {
        bl_waits_serve(loop);
        any = true;
    }
    return any;
}

/* Under the lock. On the loop's own thread nobody sleeps: the next turn looks before it does. */
static void put(struct belay_loop *loop, struct bl_mail *mail)
{
    struct bl_loop_threads *t = loop->threads;
    bl_list_push_back(&t->inbox, &mail->link);
    if (!atomic_load_explicit(&t->mail, memory_order_acquire)) {
        atomic_store_explicit(&t->mail, true, memory_order_release);
        if (bl_threads_here(loop))
            bl_loop_changed(loop);
        else
            loop->backend.wake(loop->backend.arg);
    }
}

void bl_mail_post(struct belay_loop *loop, struct bl_mail *mail)
{
    bl_mutex_lock(&loop->threads->lock);
    put(loop, mail);
    bl_mutex_unlock(&loop->threads->lock);
}

static void run_post(struct bl_mail *mail, struct belay_loop *loop)
{
    struct post *post = (struct post *)mail;
    belay_fn *fn = post->fn;
    void *arg = post->arg;
    bl_free(&loop->mem, post);
    fn(arg);
}

static bool refused(struct bl_loop_threads *t)
{
    bl_mutex_lock(&t->lock);
    bool closed = t->closed;
    bl_mutex_unlock(&t->lock);
    return closed;
}

int belay_loop_post(struct belay_loop *loop, belay_fn *fn, void *arg)
{
    if (!loop || !fn)
        return BELAY_EINVAL;
    struct bl_loop_threads *t = loop->threads;
    struct post *post = bl_alloc(&loop->mem, sizeof *post);
    if (!post)
        return refused(t) ? BELAY_ECLOSED : BELAY_ENOMEM;
    *post = (struct post){.mail.run = run_post, .fn = fn, .arg = arg};
    bl_mutex_lock(&t->lock);
    bool closed = t->closed;
    if (!closed)
        put(loop, &post->mail);
    bl_mutex_unlock(&t->lock);
    if (closed) {
        bl_free(&loop->mem, post);
        return BELAY_ECLOSED;
    }
    return 0;
}

static void run_done(struct bl_mail *mail, struct belay_loop *loop)
{
    struct bl_work *work = (struct bl_work *)mail;
    belay_fn *done = work->done;
    void *arg = work->arg;
    if (work->once)
        bl_work_free(work);
    loop->users--;
    done(arg);
}

/* On a worker, or wherever the world's offload runs it. Also while the loop is closing. */
static void run_work(void *item)
{
    struct bl_work *work = item;
    struct belay_loop *loop = work->loop;
    work->work(work->arg);
    work->mail.run = run_done;
    bl_mail_post(loop, &work->mail);
}

struct bl_work *bl_work_new(struct belay_loop *loop)
{
    struct bl_work *work = bl_zalloc(&loop->mem, sizeof *work);
    if (work)
        work->loop = loop;
    return work;
}

void bl_work_free(struct bl_work *work)
{
    if (work)
        bl_free(&work->loop->mem, work);
}

int bl_work_start(struct bl_work *work, belay_fn *fn, belay_fn *done, void *arg)
{
    struct belay_loop *loop = work->loop;
    work->work = fn;
    work->done = done;
    work->arg = arg;
    loop->users++;
    int rc = loop->offload.submit(loop, run_work, work, loop->offload.arg);
    if (rc)
        loop->users--;
    return rc;
}

int belay_loop_offload(struct belay_loop *loop, belay_fn *fn, belay_fn *done, void *arg)
{
    if (!loop || !fn || !done)
        return BELAY_EINVAL;
    if (loop->shutting)
        return BELAY_ECLOSED;
    struct bl_work *work = bl_work_new(loop);
    if (!work)
        return BELAY_ENOMEM;
    work->once = true;
    int rc = bl_work_start(work, fn, done, arg);
    if (rc)
        bl_work_free(work);
    return rc;
}

/* The default: `item` is always a struct bl_work, which has room for the job. */
static int submit_to_workers(struct belay_loop *loop, void (*run)(void *item), void *item,
                             void *arg)
{
    (void)arg;
    struct bl_loop_threads *t = loop->threads;
    if (!t->workers_made) {
        size_t n = (size_t)loop->options.offload_threads_max;
        pthread_t *threads = bl_alloc(&loop->mem, n * sizeof *threads);
        if (!threads)
            return BELAY_ENOMEM;
        if (bl_workers_init(&t->workers, threads, n, (size_t)loop->options.offload_queue_max)) {
            bl_free(&loop->mem, threads);
            return BELAY_ENOMEM;
        }
        t->workers_made = true;
    }
    struct bl_work *work = item;
    work->job.run = run;
    work->job.item = item;
    return bl_workers_submit(&t->workers, &work->job);
}

const struct belay_offload bl_sys_offload = {
    .size = sizeof(struct belay_offload),
    .submit = submit_to_workers,
};
