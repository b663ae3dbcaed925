/* SPDX-License-Identifier: MIT */
/* A shared pool under many threads: one hand at a time, everybody in turn, nothing lost. */
#include <sys/socket.h>
#include <unistd.h>

#include "unit/keep/share_shop.h"

#define THREADS_MAX 8

struct worker {
    pthread_t thread;
    struct shop *shop;
    unsigned number;
    unsigned rounds;
    unsigned held_at_once; /* leases at a time */
    int64_t limit_ms;      /* 0: none */
    unsigned served, refused, stale;
    int code; /* of the last acquire that failed */
    atomic_bool *stop;
    struct belay_lease lease;
    struct belay_attachment *attachment;
};

static void start(struct worker *w, struct shop *s, unsigned n, void *(*fn)(void *),
                  struct worker like)
{
    for (unsigned i = 0; i < n; i++) {
        w[i] = like;
        w[i].shop = s;
        w[i].number = i;
        assert_int_equal(pthread_create(&w[i].thread, NULL, fn, &w[i]), 0);
    }
}

static void join(struct worker *w, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        pthread_join(w[i].thread, NULL);
}

/* ---- all together ---- */

static void release(struct worker *w, struct belay_lease lease, struct thing *thing)
{
    int rc;

    shop_let_go(thing);
    rc = belay_lease_release(lease, BELAY_REUSE);
    assert_true(rc == 0 || rc == BELAY_ESTALE);
    w->stale += rc != 0;
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct belay_attachment *a;
    struct belay_lease leases[4];
    struct thing *things[4];
    int rc = belay_peer_attach(w->shop->peer, &a);

    if (rc == BELAY_ECLOSED)
        return NULL;
    assert_int_equal(rc, 0);
    for (unsigned i = 0; w->stop ? !atomic_load(w->stop) : i < w->rounds; i++) {
        unsigned n = 0;

        while (n < w->held_at_once) {
            rc = belay_attachment_acquire(a, w->limit_ms ? w->limit_ms : BELAY_FOREVER, &leases[n],
                                          NULL);
            if (rc < 0)
                break;
            things[n] = shop_hold(leases[n]);
            n++;
            w->served++;
        }
        if (rc < 0) {
            w->refused++;
            w->code = rc;
        }
        while (n > 0) {
            n--;
            release(w, leases[n], things[n]);
        }
        if (rc == BELAY_ECLOSED)
            break;
    }
    belay_attachment_detach(a);
    return NULL;
}

static void each_connection_is_in_one_hand_at_a_time(void **state)
{
    static const struct {
        unsigned threads, connections, held, rounds;
    } cases[] = {
        {8, 8, 1, 20000}, {4, 2, 1, 3000}, {3, 1, 1, 2000}, {2, 8, 3, 10000}, {8, 3, 1, 1000}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct worker like = {.rounds = cases[i].rounds, .held_at_once = cases[i].held};
        struct worker workers[THREADS_MAX];
        struct belay_pool_stats stats;
        unsigned served = 0;
        struct shop s;

        shop_init(&s);
        s.options.max_connections_per_endpoint = (int32_t)cases[i].connections;
        shop_open(&s);
        start(workers, &s, cases[i].threads, work, like);
        join(workers, cases[i].threads);
        for (unsigned k = 0; k < cases[i].threads; k++) {
            assert_int_equal(workers[k].served, cases[i].rounds * cases[i].held);
            assert_int_equal(workers[k].refused + workers[k].stale, 0);
            served += workers[k].served;
        }
        stats = shop_stats(&s);
        assert_int_equal(stats.acquired, served);
        assert_int_equal(stats.waiting + stats.leases, 0);
        assert_true(stats.opened <= cases[i].connections);
        assert_int_equal(stats.opened, atomic_load(&s.opened));
        shop_close(&s);
    }
}

/* ---- with everything that a loop may do meanwhile ---- */

static void the_loop_may_do_what_it_likes_meanwhile(void **state)
{
    struct chaos chaos = {.steps = 400};
    struct worker like = {.held_at_once = 1, .stop = &chaos.stop};
    struct worker workers[5];
    struct belay_pool_stats stats;
    struct shop s;

    (void)state;
    shop_init(&s);
    s.options.max_connections_per_endpoint = 4;
    shop_open(&s);
    shop_begin_chaos(&s, &chaos);
    start(workers, &s, 5, work, like);
    join(workers, 5);
    shop_await_waiting(&s, 0);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(workers[i].served > 0);
        assert_int_equal(workers[i].refused, 0);
    }
    stats = shop_stats(&s);
    assert_int_equal(stats.leases, 0);
    assert_int_equal(chaos.asked, chaos.answered);
    assert_true(stats.closed[BELAY_REASON_CLEARED] > 0);
    assert_true(stats.peak <= 8); /* the limit, and those that were closing */
    shop_end_chaos(&s, &chaos);
    shop_close(&s);
}

/* ---- order and time ---- */

static atomic_uint turn;

static void *wait_in_turn(void *arg)
{
    struct worker *w = arg;

    assert_int_equal(belay_attachment_acquire(w->attachment, 60000, &w->lease, NULL), 0);
    assert_int_equal(atomic_fetch_add(&turn, 1), w->number);
    assert_int_equal(belay_lease_release(w->lease, BELAY_REUSE), 0);
    belay_attachment_detach(w->attachment);
    return NULL;
}

static void who_came_first_is_served_first(void **state)
{
    struct worker workers[6];
    struct belay_attachment *a;
    struct belay_lease lease, other;
    struct shop s;

    (void)state;
    shop_init(&s);
    s.options.max_connections_per_endpoint = 1;
    shop_open(&s);
    assert_int_equal(belay_peer_attach(s.peer, &a), 0);
    assert_int_equal(belay_attachment_acquire(a, 10000, &lease, NULL), 0);
    atomic_store(&turn, 0);
    for (unsigned i = 0; i < 6; i++) {
        workers[i] = (struct worker){.shop = &s, .number = i};
        assert_int_equal(belay_peer_attach(s.peer, &workers[i].attachment), 0);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, wait_in_turn, &workers[i]), 0);
        shop_await_waiting(&s, i + 1);
    }
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_int_equal(belay_attachment_try_acquire(a, &other), BELAY_EAGAIN); /* no overtaking */
    join(workers, 6);
    assert_int_equal(atomic_load(&turn), 6);
    belay_attachment_detach(a);
    shop_close(&s);
}

static void a_limit_of_time_holds(void **state)
{
    struct worker like = {.rounds = 5, .held_at_once = 1, .limit_ms = 2};
    struct worker workers[4];
    struct belay_attachment *a;
    struct belay_error error;
    struct belay_lease lease, other;
    struct shop s;

    (void)state;
    shop_init(&s);
    s.options.max_connections_per_endpoint = 1;
    shop_open(&s);
    assert_int_equal(belay_peer_attach(s.peer, &a), 0);
    assert_int_equal(belay_attachment_acquire(a, 10000, &lease, NULL), 0);
    start(workers, &s, 4, work, like);
    join(workers, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(workers[i].refused, 5);
        assert_int_equal(workers[i].code, BELAY_ETIMEDOUT);
    }
    assert_int_equal(belay_attachment_acquire(a, 5, &other, &error), BELAY_ETIMEDOUT);
    assert_int_equal(error.stage, BELAY_STAGE_QUEUE);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_int_equal(belay_attachment_acquire(a, 10000, &lease, NULL), 0);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    belay_attachment_detach(a);
    shop_close(&s);
}

/* ---- leases that travel ---- */

static pthread_barrier_t gate;

static void *release_at_once(void *arg)
{
    struct worker *w = arg;

    pthread_barrier_wait(&gate);
    w->served = belay_lease_release(w->lease, BELAY_REUSE) == 0;
    return NULL;
}

static void of_many_releases_one_counts(void **state)
{
    struct worker workers[4];
    struct belay_attachment *a;
    struct shop s;

    (void)state;
    shop_init(&s);
    shop_open(&s);
    assert_int_equal(belay_peer_attach(s.peer, &a), 0);
    pthread_barrier_init(&gate, NULL, 4);
    for (int i = 0; i < 50; i++) {
        struct worker like = {0};

        assert_int_equal(belay_attachment_acquire(a, 10000, &like.lease, NULL), 0);
        start(workers, &s, 4, release_at_once, like);
        join(workers, 4);
        assert_int_equal(
            workers[0].served + workers[1].served + workers[2].served + workers[3].served, 1);
    }
    pthread_barrier_destroy(&gate);
    assert_int_equal(shop_stats(&s).leases, 0);
    belay_attachment_detach(a);
    shop_close(&s);
}

static void *release_later(void *arg)
{
    struct worker *w = arg;

    assert_non_null(shop_hold(w->lease));
    shop_let_go(belay_lease_state(w->lease));
    assert_int_equal(belay_lease_release(w->lease, BELAY_REUSE), 0);
    return NULL;
}

static void a_lease_outlives_its_attachment(void **state)
{
    struct belay_attachment *a;
    struct worker worker, like = {0};
    struct shop s;

    (void)state;
    shop_init(&s);
    shop_open(&s);
    assert_int_equal(belay_peer_attach(s.peer, &a), 0);
    assert_int_equal(belay_attachment_acquire(a, 10000, &like.lease, NULL), 0);
    belay_attachment_detach(a);
    shop_begin_close(&s, true);
    assert_false(shop_is_over(&s));
    start(&worker, &s, 1, release_later, like);
    join(&worker, 1);
    shop_join(&s);
    assert_int_equal(belay_lease_release((struct belay_lease){0}, BELAY_REUSE), BELAY_ESTALE);
}

/* ---- the end ---- */

static void threads_that_wait_are_told_of_the_end(void **state)
{
    struct worker like = {.rounds = UINT32_MAX, .held_at_once = 1};
    struct worker workers[4];
    struct belay_attachment *a;
    struct belay_lease lease;
    struct thing *thing;
    struct shop s;

    (void)state;
    shop_init(&s);
    s.options.max_connections_per_endpoint = 1;
    shop_open(&s);
    assert_int_equal(belay_peer_attach(s.peer, &a), 0);
    assert_int_equal(belay_attachment_acquire(a, 10000, &lease, NULL), 0);
    thing = shop_hold(lease);
    start(workers, &s, 4, work, like);
    shop_await_waiting(&s, 4);
    shop_begin_close(&s, false);
    join(workers, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(workers[i].code, BELAY_ECLOSED);
    assert_null(belay_lease_state(lease));
    assert_false(shop_is_over(&s));
    shop_let_go(thing); /* it was not closed under our hands */
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), BELAY_ESTALE);
    belay_attachment_detach(a);
    shop_join(&s);
}

static void closing_ends_threads_at_work(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct worker like = {.rounds = UINT32_MAX, .held_at_once = 1};
        struct worker workers[4];
        struct belay_attachment *a;
        struct shop s;

        shop_init(&s);
        s.options.max_connections_per_endpoint = i % 5 + 1;
        shop_open(&s);
        assert_int_equal(belay_peer_attach(s.peer, &a), 0); /* until all have come and gone */
        start(workers, &s, 4, work, like);
        for (int k = 0; k < i; k++)
            shop_stats(&s);
        shop_begin_close(&s, i % 2);
        join(workers, 4);
        belay_attachment_detach(a);
        shop_join(&s);
    }
}

/* ---- descriptors ---- */

/* Asks and gets an answer, as far as the loop can see. */
static void converse(struct thing *t)
{
    char byte = 'x';

    assert_int_equal(write(t->far, &byte, 1), 1);
    assert_int_equal(read(t->near, &byte, 1), 1);
}

static void *talk(void *arg)
{
    struct worker *w = arg;
    struct belay_attachment *a;

    assert_int_equal(belay_peer_attach(w->shop->peer, &a), 0);
    for (unsigned i = 0; i < w->rounds; i++) {
        struct belay_lease lease;
        struct thing *t;

        assert_int_equal(belay_attachment_acquire(a, 60000, &lease, NULL), 0);
        t = shop_hold(lease);
        converse(t);
        shop_let_go(t);
        assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    }
    belay_attachment_detach(a);
    return NULL;
}

static void answers_are_not_taken_for_trouble(void **state)
{
    struct worker like = {.rounds = 5000};
    struct worker workers[4];
    struct belay_attachment *a;
    struct belay_pool_stats stats;
    struct shop s;

    (void)state;
    shop_init(&s);
    s.sockets = true;
    s.options.max_connections_per_endpoint = 3;
    shop_open(&s);
    assert_int_equal(belay_peer_attach(s.peer, &a), 0);
    start(workers, &s, 4, talk, like);
    join(workers, 4);
    stats = shop_stats(&s);
    assert_int_equal(stats.closed[BELAY_REASON_UNHEALTHY], 0);
    assert_int_equal(atomic_load(&s.closed), 0);
    belay_attachment_detach(a);
    shop_close(&s);
}

static void hang_up(struct shop *s, void *arg)
{
    (void)arg;
    for (struct thing *t = s->things; t; t = t->next)
        shutdown(t->far, SHUT_RDWR);
}

static void a_parked_connection_that_the_peer_closes_is_seen(void **state)
{
    struct worker worker, like = {.rounds = 10};
    struct belay_attachment *a;
    struct shop s;

    (void)state;
    shop_init(&s);
    s.sockets = true;
    shop_open(&s);
    assert_int_equal(belay_peer_attach(s.peer, &a), 0); /* so that it stays parked */
    start(&worker, &s, 1, talk, like);
    join(&worker, 1);
    shop_do(&s, hang_up, NULL);
    shop_await_closed(&s, atomic_load(&s.opened));
    belay_attachment_detach(a);
    shop_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_connection_is_in_one_hand_at_a_time),
        cmocka_unit_test(the_loop_may_do_what_it_likes_meanwhile),
        cmocka_unit_test(who_came_first_is_served_first),
        cmocka_unit_test(a_limit_of_time_holds),
        cmocka_unit_test(of_many_releases_one_counts),
        cmocka_unit_test(a_lease_outlives_its_attachment),
        cmocka_unit_test(threads_that_wait_are_told_of_the_end),
        cmocka_unit_test(closing_ends_threads_at_work),
        cmocka_unit_test(answers_are_not_taken_for_trouble),
        cmocka_unit_test(a_parked_connection_that_the_peer_closes_is_seen),
    };
    return cmocka_run_group_tests_name("keep_share_threads", tests, NULL, NULL);
}
