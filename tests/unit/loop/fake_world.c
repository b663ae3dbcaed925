/* SPDX-License-Identifier: MIT */
/* The fake clock and backend. */
#include "fake_world.h"

#define SPINS_MAX 1000

static uint64_t fake_now(void *arg)
{
    struct fake_world *w = arg;
    w->clock_reads++;
    return w->now_ns;
}

static int64_t fake_wall(void *arg)
{
    struct fake_world *w = arg;
    return (int64_t)(w->now_ns / 1000000);
}

static int fake_attach(struct belay_loop *loop, const struct belay_allocator *allocator, void *arg)
{
    struct fake_world *w = arg;
    (void)allocator;
    w->loop = loop;
    return 0;
}

static int fake_watch(int fd, unsigned mask, struct belay_backend_slot *slot, void **handle,
                      void *arg)
{
    struct fake_world *w = arg;
    (void)fd;
    if (w->watch_fails) {
        int rc = w->watch_fails;
        w->watch_fails = 0;
        return rc;
    }
    for (int i = 0; i < FAKE_WATCHES_MAX; i++) {
        if (*handle ? *handle == &w->watches[i] : !w->watches[i].slot) {
            w->watches[i].slot = slot;
            w->watches[i].mask = mask;
            *handle = &w->watches[i];
            return 0;
        }
    }
    return BELAY_ENOMEM;
}

static void fake_unwatch(void **handle, void *arg)
{
    struct fake_world *w = arg;
    for (int i = 0; i < FAKE_WATCHES_MAX; i++)
        if (*handle == &w->watches[i])
            memset(&w->watches[i], 0, sizeof w->watches[i]);
    *handle = NULL;
}

static void fake_set_deadline(uint64_t at_ns, void *arg)
{
    struct fake_world *w = arg;
    w->deadline_ns = at_ns;
    w->deadlines_told++;
}

static void fake_wake(void *arg)
{
    (void)arg;
}

static bool deliver(struct fake_world *w)
{
    bool any = false;
    for (int i = 0; i < FAKE_WATCHES_MAX; i++) {
        unsigned ready = w->watches[i].ready & w->watches[i].mask;
        if (!ready)
            continue;
        w->watches[i].ready = 0;
        any = true;
        belay_backend_event(w->watches[i].slot, ready);
    }
    return any;
}

static int fake_run(int64_t timeout_ns, void *arg)
{
    struct fake_world *w = arg;
    struct belay_loop *loop = w->loop;
    w->turns++;
    w->slept = false;
    if (!deliver(w) && timeout_ns != 0) {
        uint64_t until = timeout_ns < 0 ? BELAY_NEVER : w->now_ns + (uint64_t)timeout_ns;
        if (w->deadline_ns < until)
            until = w->deadline_ns;
        assert_true(until != BELAY_NEVER); /* or it would hang for ever */
        if (until > w->now_ns)
            w->now_ns = until;
        w->slept = true;
    }
    if (w->deadline_ns <= w->now_ns) {
        w->deadline_ns = BELAY_NEVER;
        belay_backend_begin(loop);
    }
    if (belay_backend_pending(loop))
        belay_backend_end(loop);
    return 0;
}

static void fake_detach(void (*done)(void *), void *done_arg, void *arg)
{
    struct fake_world *w = arg;
    w->detaches++;
    for (int i = 0; i < FAKE_WATCHES_MAX; i++)
        assert_null(w->watches[i].slot);
    w->loop = NULL;
    done(done_arg);
}

void fake_world_init(struct fake_world *w, const struct belay_allocator *allocator)
{
    memset(w, 0, sizeof *w);
    w->now_ns = 1000000000u;
    w->deadline_ns = BELAY_NEVER;
    w->clock = (struct belay_clock){
        .size = sizeof w->clock, .now_ns = fake_now, .wall_ms = fake_wall, .arg = w};
    w->backend = (struct belay_backend){.size = sizeof w->backend,
                                        .attach = fake_attach,
                                        .watch = fake_watch,
                                        .unwatch = fake_unwatch,
                                        .set_deadline = fake_set_deadline,
                                        .wake = fake_wake,
                                        .run = fake_run,
                                        .detach = fake_detach,
                                        .arg = w};
    w->world = belay_world_init();
    w->world.clock = &w->clock;
    w->world.backend = &w->backend;
    w->world.allocator = allocator;
}

void fake_world_open(struct fake_world *w, const struct belay_allocator *allocator)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    struct belay_error error;
    fake_world_init(w, allocator);
    o.world = &w->world;
    assert_int_equal(belay_loop_new(&o, &loop, &error), 0);
    assert_ptr_equal(loop, w->loop);
}

void fake_world_close(struct fake_world *w)
{
    if (w->loop)
        belay_loop_free(w->loop);
    assert_null(w->loop);
    assert_int_equal(w->detaches, 1);
}

void fake_world_ready(struct fake_world *w, int fd, unsigned events)
{
    for (int i = 0; i < FAKE_WATCHES_MAX; i++) {
        if (w->watches[i].slot && w->watches[i].slot->fd == fd) {
            w->watches[i].ready |= events;
            return;
        }
    }
    fail_msg("descriptor %d is not watched", fd);
}

void fake_world_settle(struct fake_world *w)
{
    int spins = 0;

    do {
        assert_int_equal(belay_loop_turn(w->loop, 0), 0);
        assert_true(++spins < SPINS_MAX);
    } while (belay_backend_pending(w->loop));
}

void fake_world_pass(struct fake_world *w, int64_t ms)
{
    uint64_t end = w->now_ns + BL_MS(ms), before = 0;
    int spins = 0;

    fake_world_settle(w);
    while (w->now_ns < end) {
        spins = w->now_ns == before ? spins + 1 : 0;
        assert_true(spins < SPINS_MAX);
        before = w->now_ns;
        assert_int_equal(belay_loop_turn(w->loop, (int64_t)((end - before + 999999) / BL_MS(1))),
                         0);
    }
    fake_world_settle(w);
}
