/* SPDX-License-Identifier: MIT */
/*
 * A crowd: processes on the loop and on threads, which threads call, tell, link, watch and end,
 * while the loop runs, processes come and go, and memory is out now and then. Every message is
 * destroyed once, every call is answered, and nothing is left.
 */
#include "unit/keep/thread_kit.h"

#define PLACES  6
#define THREADS 3
#define STEPS   1500

struct place {
    pthread_mutex_t lock;
    struct belay_process *process; /* NULL: nobody is there */
    struct worker worker;
};

static struct place places[PLACES];
static struct worker pool[4096]; /* each process has its own, for as long as the loop */
static atomic_uint pool_n, answered, ended, refused, downs;
static atomic_int working;

static uint32_t draw(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* A reference to who is there, or NULL. */
static struct belay_process *who(unsigned n)
{
    struct belay_process *p;

    pthread_mutex_lock(&places[n].lock);
    p = belay_process_ref(places[n].process);
    pthread_mutex_unlock(&places[n].lock);
    return p;
}

static void put(unsigned n, struct belay_process *process)
{
    struct belay_process *former;

    pthread_mutex_lock(&places[n].lock);
    former = places[n].process;
    places[n].process = process;
    pthread_mutex_unlock(&places[n].lock);
    belay_process_unref(former);
}

static void call_it(struct belay_process *p, int32_t tag, int64_t ms)
{
    struct belay_message reply;
    int rc = belay_process_call_wait(p, counted(tag), ms, &reply, NULL);

    if (rc == 0)
        belay_message_destroy(&reply);
    answered += rc == 0;
    ended += rc == BELAY_ENOPROC;
    assert_true(rc == 0 || rc == BELAY_ENOPROC || rc == BELAY_ETIMEDOUT || rc == BELAY_EAGAIN ||
                rc == BELAY_ENOMEM);
}

static void tell_it(struct belay_process *p, bool cast)
{
    struct belay_message m = counted(ECHO);
    int rc = cast ? belay_process_cast(p, m) : belay_process_send(p, m);

    if (rc == 0)
        return;
    refused++;
    belay_message_destroy(&m);
}

static void end_it(struct belay_process *p, uint32_t how)
{
    struct belay_error why = {.code = BELAY_EPROTO, .text = "enough"};

    switch (how % 4) {
    case 0:
        belay_process_exit(p, (struct belay_exit){BELAY_EXIT_KILLED, NULL});
        break;
    case 1:
        belay_process_exit(p, (struct belay_exit){BELAY_EXIT_NORMAL, NULL});
        break;
    default:
        belay_process_exit(p, (struct belay_exit){BELAY_EXIT_ERROR, &why});
    }
}

static void *act(void *arg)
{
    uint32_t seed = (uint32_t)(uintptr_t)arg;

    for (int i = 0; i < STEPS; i++) {
        uint32_t what = draw(&seed) % 100;
        struct belay_process *p = who(draw(&seed) % PLACES), *q = who(draw(&seed) % PLACES);

        if (what == 99) {
            failing_alloc_once(&alloc, 1 + draw(&seed) % 8);
        } else if (!p || !q) {
            /* somebody ended, and the next was not started yet */
        } else if (what < 40) {
            call_it(p, ECHO, 10000);
        } else if (what < 45) {
            call_it(p, KEEP, 1);
        } else if (what < 75) {
            tell_it(p, what & 1);
        } else if (what < 82) {
            belay_process_link(p, q);
        } else if (what < 85) {
            belay_process_unlink(p, q);
        } else if (what < 93) {
            belay_process_monitor_by(p, q, NULL);
        } else if (what < 97) {
            belay_process_wait_until_wait(p, BELAY_PROCESS_DISCONNECTED, 1);
        } else {
            end_it(p, draw(&seed));
        }
        belay_process_unref(p);
        belay_process_unref(q);
    }
    if (--working == 0)
        belay_loop_stop(loop);
    return NULL;
}

/* Tried again for as long as memory is out. */
#define until_0(call)                                                                              \
    do {                                                                                           \
        int rc_;                                                                                   \
        while ((rc_ = (call)) == BELAY_ENOMEM)                                                     \
            ;                                                                                      \
        assert_int_equal(rc_, 0);                                                                  \
    } while (0)

static unsigned place_of(struct belay_process *process)
{
    for (unsigned i = 0; i < PLACES; i++) {
        if (places[i].process == process)
            return i;
    }
    return PLACES;
}

static void fill(unsigned n);

static void on_down(struct belay_process *process, struct belay_exit why, void *arg)
{
    unsigned n = place_of(process);

    (void)why;
    (void)arg;
    downs++;
    if (n < PLACES && working > 0)
        fill(n);
}

static void fill(unsigned n)
{
    struct worker *w = &pool[pool_n++];
    struct belay_process_options o = options_of(w);
    struct belay_process *p;

    assert_true(pool_n < sizeof pool / sizeof pool[0]);
    worker_init(w);
    o.own_thread = n % 2 == 0;
    o.trap_exit = n % 3 == 0;
    o.mailbox_max = 16;
    until_0(belay_process_start(loop, &worker, w, &o, &p, NULL, NULL, NULL));
    until_0(belay_process_monitor(p, on_down, NULL, NULL));
    put(n, p);
}

static void a_crowd_comes_and_goes(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    working = THREADS;
    for (unsigned i = 0; i < PLACES; i++) {
        pthread_mutex_init(&places[i].lock, NULL);
        fill(i);
    }
    assert_int_equal(belay_loop_turn(loop, 0), 0); /* from now on it counts as run */
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, act, (void *)(i * 7919 + 17)), 0);
    assert_int_equal(belay_loop_run(loop), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < PLACES; i++)
        put(i, NULL);
    assert_true(answered > STEPS / 4);
    assert_true(pool_n > 2 * PLACES); /* some have come and gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_crowd_comes_and_goes, thread_kit_up, thread_kit_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
