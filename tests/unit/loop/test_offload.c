/* SPDX-License-Identifier: MIT */
/* Offload: on worker threads, bounded, and always answered. */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "fake_world.h"
#include "loop/threads.h"

enum { WORKS = 200 };

struct counts {
    atomic_int working, worked, most;
    int done;
    pthread_t loop_thread;
    sem_t gate;
};

static struct counts c;

static struct belay_loop *loop_with(int32_t threads, int32_t queue)
{
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    memset(&c, 0, sizeof c);
    c.loop_thread = pthread_self();
    assert_int_equal(sem_init(&c.gate, 0, 0), 0);
    o.offload_threads_max = threads;
    o.offload_queue_max = queue;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    return loop;
}

static void work(void *arg)
{
    (void)arg;
    int now = atomic_fetch_add(&c.working, 1) + 1;
    int most = atomic_load(&c.most);
    while (now > most && !atomic_compare_exchange_weak(&c.most, &most, now))
        ;
    if (pthread_equal(pthread_self(), c.loop_thread))
        atomic_store(&c.most, 1000);
    atomic_fetch_add(&c.worked, 1);
    atomic_fetch_sub(&c.working, 1);
}

static void work_behind_the_gate(void *arg)
{
    sem_wait(&c.gate);
    work(arg);
}

static void done(void *arg)
{
    (void)arg;
    assert_true(pthread_equal(pthread_self(), c.loop_thread));
    c.done++;
}

static void works_run_on_few_threads_and_each_is_answered_on_the_loops(void **state)
{
    (void)state;
    struct belay_loop *loop = loop_with(3, 0);
    for (int i = 0; i < WORKS; i++)
        assert_int_equal(belay_loop_offload(loop, work, done, NULL), 0);
    assert_int_equal(c.done, 0);
    assert_int_equal(belay_loop_run(loop), 0);
    assert_int_equal(c.done, WORKS);
    assert_int_equal(atomic_load(&c.worked), WORKS);
    assert_in_range(atomic_load(&c.most), 1, 3);
    assert_in_range(loop->threads->workers.threads_n, 1, 3);
    assert_int_equal(belay_loop_offload(loop, NULL, done, NULL), BELAY_EINVAL);
    belay_loop_free(loop);
}

static void a_full_queue_refuses(void **state)
{
    (void)state;
    struct belay_loop *loop = loop_with(2, 3);
    for (int i = 0; i < 5; i++) /* two at work, three waiting */
        assert_int_equal(belay_loop_offload(loop, work_behind_the_gate, done, NULL), 0);
    int refused = 0;
    for (int i = 0; i < 3; i++) {
        int rc = belay_loop_offload(loop, work_behind_the_gate, done, NULL);
        if (rc) {
            assert_int_equal(rc, BELAY_EFULL);
            refused++;
        }
    }
    assert_true(refused >= 1);
    for (int i = 0; i < 8 - refused; i++)
        sem_post(&c.gate);
    assert_int_equal(belay_loop_run(loop), 0);
    assert_int_equal(c.done, 8 - refused);
    belay_loop_free(loop);
}

static void without_a_queue_only_free_threads_take_work(void **state)
{
    (void)state;
    struct belay_loop *loop = loop_with(1, BELAY_NONE);
    assert_int_equal(belay_loop_offload(loop, work_behind_the_gate, done, NULL), 0);
    assert_int_equal(belay_loop_offload(loop, work_behind_the_gate, done, NULL), BELAY_EFULL);
    sem_post(&c.gate);
    assert_int_equal(belay_loop_run(loop), 0);
    assert_int_equal(c.done, 1);
    belay_loop_free(loop);
}

static void closing_waits_for_what_was_accepted(void **state)
{
    (void)state;
    struct belay_loop *loop = loop_with(2, 0);
    for (int i = 0; i < 6; i++)
        assert_int_equal(belay_loop_offload(loop, work_behind_the_gate, done, NULL), 0);
    belay_loop_close(loop, done, NULL);
    assert_int_equal(belay_loop_offload(loop, work, done, NULL), BELAY_ECLOSED);
    for (int i = 0; i < 6; i++)
        sem_post(&c.gate);
    belay_loop_free(loop);
    assert_int_equal(c.done, 7);
}

static void again(void *arg)
{
    struct belay_loop *loop = arg;
    done(NULL);
    if (c.done < 20)
        assert_int_equal(belay_loop_offload(loop, work, again, loop), 0);
}

static void an_answer_may_offload_more(void **state)
{
    (void)state;
    struct belay_loop *loop = loop_with(2, 0);
    assert_int_equal(belay_loop_offload(loop, work, again, loop), 0);
    assert_int_equal(belay_loop_run(loop), 0);
    assert_int_equal(c.done, 20);
    assert_in_range(loop->threads->workers.threads_n, 1, 2);
    belay_loop_free(loop);
}

/* ---- a world that runs works itself ---- */

static int submit_here(struct belay_loop *loop, void (*run)(void *item), void *item, void *arg)
{
    int *limit = arg;
    (void)loop;
    if (--*limit < 0)
        return BELAY_EFULL;
    run(item);
    return 0;
}

static void the_world_may_bring_its_own_threads(void **state)
{
    (void)state;
    int limit = 2;
    struct belay_offload offload = {.size = sizeof offload, .submit = submit_here, .arg = &limit};
    struct belay_world world = belay_world_init();
    struct belay_loop_options o = belay_loop_options_init();
    struct belay_loop *loop;
    memset(&c, 0, sizeof c);
    c.loop_thread = pthread_self();
    world.offload = &offload;
    o.world = &world;
    assert_int_equal(belay_loop_new(&o, &loop, NULL), 0);
    assert_int_equal(belay_loop_offload(loop, work, done, NULL), 0);
    assert_int_equal(belay_loop_offload(loop, work, done, NULL), 0);
    assert_int_equal(belay_loop_offload(loop, work, done, NULL), BELAY_EFULL);
    assert_int_equal(c.done, 0); /* never inside the call */
    assert_int_equal(belay_loop_run(loop), 0);
    assert_int_equal(c.done, 2);
    belay_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(works_run_on_few_threads_and_each_is_answered_on_the_loops),
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(without_a_queue_only_free_threads_take_work),
        cmocka_unit_test(closing_waits_for_what_was_accepted),
        cmocka_unit_test(an_answer_may_offload_more),
        cmocka_unit_test(the_world_may_bring_its_own_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
