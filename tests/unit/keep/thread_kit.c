/* SPDX-License-Identifier: MIT */
#include "unit/keep/thread_kit.h"

#include <stdlib.h>

struct failing_alloc alloc;
struct belay_loop *loop;
static atomic_uint made, destroyed;

int thread_kit_up(void **state)
{
    static struct belay_world world;
    struct belay_loop_options o = belay_loop_options_init();

    (void)state;
    failing_alloc_init(&alloc);
    world = (struct belay_world){BELAY_SIZED(belay_world), .allocator = &alloc.allocator};
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    return 0;
}

int thread_kit_down(void **state)
{
    (void)state;
    belay_loop_free(loop);
    assert_int_equal(failing_alloc_live(&alloc), 0);
    assert_int_equal(atomic_load(&made), atomic_load(&destroyed));
    return 0;
}

static void destroy(void *value)
{
    atomic_fetch_add(&destroyed, 1);
    free(value);
}

struct belay_message counted(int32_t tag)
{
    atomic_fetch_add(&made, 1);
    return belay_message(tag, malloc(1), destroy);
}

/* ---- a process that does what it is told ---- */

static void block(struct worker *w)
{
    sem_post(&w->entered);
    while (sem_wait(&w->go) < 0)
        ;
}

static struct belay_directive init(struct belay_process *process, void *args)
{
    struct worker *w = args;
    struct belay_error why = {.code = BELAY_EPROTO, .text = "it does not like it here"};

    w->process = process;
    if (w->blocks_in_init)
        block(w);
    if (w->stops_in_init)
        return belay_do_stop(process, BELAY_EXIT_ERROR, &why);
    return belay_do_ok();
}

static struct belay_directive read_for_ever(struct worker *w)
{
    char data[8];
    size_t n;

    w->rc = belay_dial_wait(w->server, NULL, 10000, &w->stream, NULL);
    sem_post(&w->entered);
    if (w->rc == 0)
        w->rc = belay_stream_read_wait(w->stream, data, sizeof data, BELAY_FOREVER, &n);
    return belay_do_noreply();
}

static struct belay_directive on_call(struct belay_process *process, struct belay_message *message,
                                      struct belay_from from, void *state)
{
    struct worker *w = state;
    struct belay_message reply;

    switch (message->tag) {
    case KEEP:
        w->from = from;
        sem_post(&w->entered);
        return belay_do_noreply();
    case BLOCK:
        block(w);
        return belay_do_reply(counted(BLOCK));
    case SELF:
        w->rc = belay_process_call_wait(process, counted(ECHO), 1000, &reply, NULL);
        if (w->rc == BELAY_EDEADLK)
            w->rc = belay_process_wait_until_wait(process, BELAY_PROCESS_CONNECTED, 1000);
        return belay_do_reply(counted(w->rc == BELAY_EDEADLK));
    case TALK:
        w->rc = belay_process_call_wait(w->other, counted(w->asks), 10000, &reply, NULL);
        return belay_do_reply(w->rc ? counted(0) : reply);
    default:
        atomic_fetch_add(&w->handled, 1);
        return belay_do_reply(belay_message_take(message));
    }
}

static struct belay_directive on_cast(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    struct worker *w = state;

    (void)process;
    if (message->tag == BLOCK)
        block(w);
    if (message->tag == READ)
        return read_for_ever(w);
    atomic_fetch_add(&w->handled, 1);
    return belay_do_noreply();
}

static struct belay_directive on_info(struct belay_process *process, struct belay_message *message,
                                      void *state)
{
    struct worker *w = state;

    (void)process;
    if (message->tag == BELAY_TAG_EXIT || message->tag == BELAY_TAG_DOWN) {
        const struct belay_exit_signal *signal = message->value;

        if (w->n_told < 2)
            w->told[w->n_told++] = signal->why.error ? signal->why.error->code : 0;
        sem_post(&w->entered);
    }
    return belay_do_noreply();
}

static void terminate(struct belay_process *process, struct belay_exit why, void *state)
{
    struct worker *w = state;

    (void)process;
    (void)why;
    atomic_fetch_add(&w->terminated, 1);
    if (w->stream)
        assert_int_equal(belay_stream_close_wait(w->stream, 0), 0);
}

const struct belay_behaviour worker = {
    BELAY_SIZED(belay_behaviour), .name = "worker",       .init = init,
    .handle_call = on_call,       .handle_cast = on_cast, .handle_info = on_info,
    .terminate = terminate,
};

static void on_exit_told(struct belay_process *process, struct belay_exit why, void *arg)
{
    struct worker *w = arg;

    (void)process;
    w->exited++;
    w->why = why.kind;
}

struct belay_process_options options_of(struct worker *w)
{
    struct belay_process_options o = belay_process_options_init();

    o.own_thread = true;
    o.on_exit = on_exit_told;
    o.exit_arg = w;
    return o;
}

void worker_init(struct worker *w)
{
    memset(w, 0, sizeof *w);
    w->asks = ECHO;
    sem_init(&w->entered, 0, 0);
    sem_init(&w->go, 0, 0);
}

struct belay_process *start(struct worker *w, const struct belay_process_options *o)
{
    struct belay_process *process;

    assert_int_equal(belay_process_start_wait(loop, &worker, w, o, &process, NULL), 0);
    return process;
}

struct belay_process *start_thread(struct worker *w)
{
    struct belay_process_options o = options_of(w);

    worker_init(w);
    return start(w, &o);
}

struct belay_process *start_on_loop(struct worker *w)
{
    struct belay_process_options o = options_of(w);

    worker_init(w);
    o.own_thread = false;
    return start(w, &o);
}

void wait_sem(sem_t *sem)
{
    while (sem_wait(sem) < 0)
        ;
}

/* ---- a thread that calls ---- */

void *call_often(void *arg)
{
    struct caller *c = arg;
    struct belay_message reply;

    for (int i = 0; i < c->calls; i++) {
        c->rc = belay_process_call_wait(c->process, counted(c->tag), c->timeout_ms, &reply, NULL);
        if (c->rc)
            break;
        c->done++;
        belay_message_destroy(&reply);
    }
    return NULL;
}

void caller_start(struct caller *c, struct belay_process *process, int32_t tag, int calls)
{
    *c = (struct caller){.process = process, .tag = tag, .calls = calls, .timeout_ms = 10000};
    assert_int_equal(pthread_create(&c->thread, NULL, call_often, c), 0);
}
