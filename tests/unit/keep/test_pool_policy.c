/* SPDX-License-Identifier: MIT */
/* Lending: who gets which connection, and when one is no longer worth keeping. */
#include "unit/keep/policy_kit.h"

static struct pk k;

static int set_up(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    pk_init(&k, &limits);
    return 0;
}

static void with(struct bl_pp_limits limits)
{
    pk_init(&k, &limits);
}

/* ---- order ---- */

static void waiters_are_served_in_order_of_arrival(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_waiter *w[4];
    struct pk_conn *c;

    (void)state;
    limits.per_endpoint = 1;
    with(limits);
    for (int i = 0; i < 4; i++)
        w[i] = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 1);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(w[i]->order, i + 1);
        assert_ptr_equal(w[i]->got, c);
        assert_true(i == 3 || w[i + 1]->waiting);
        pk_release(&k, c, false);
    }
    assert_int_equal(k.dials, 1);
}

static void a_waiter_is_served_by_whatever_comes_first(void **state)
{
    struct pk_conn *idle = pk_idle(&k, 0), *second;
    struct pk_waiter *first = pk_wait(&k, 0), *w = pk_wait(&k, 0);

    (void)state;
    assert_ptr_equal(first->got, idle);
    second = pk_dialing(&k, 0);
    pk_release(&k, idle, false);
    assert_ptr_equal(w->got, idle);
    pk_up(&k, second, 1); /* nobody wants it any more: it stays, idle */
    assert_int_equal(pk_peer(&k, 0)->idle, 1);
    assert_ptr_equal(pk_wait(&k, 0)->got, second);
}

static void the_connection_used_last_is_lent_first(void **state)
{
    struct pk_conn *c[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct pk_waiter *w = pk_wait(&k, 0);

        c[i] = pk_dialing(&k, 0);
        pk_up(&k, c[i], 1);
        assert_ptr_equal(w->got, c[i]);
    }
    pk_release(&k, c[1], false);
    pk_release(&k, c[2], false);
    pk_release(&k, c[0], false);
    assert_ptr_equal(pk_try(&k, 0), c[0]);
    assert_ptr_equal(pk_try(&k, 0), c[2]);
    assert_ptr_equal(pk_try(&k, 0), c[1]);
    assert_null(pk_try(&k, 0));
}

static void nobody_passes_by_those_who_wait(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);
    struct pk_waiter *fresh = pk_wait_fresh(&k, 0), *next;

    (void)state;
    assert_true(fresh->waiting); /* what is idle was used before */
    assert_null(pk_try(&k, 0));
    next = pk_wait(&k, 0);
    assert_ptr_equal(next->got, c); /* it takes nothing away from the one before */
    assert_true(fresh->waiting);
}

static void one_who_wants_a_fresh_connection_gets_one_never_used(void **state)
{
    struct pk_conn *used = pk_idle(&k, 0), *c;
    struct pk_waiter *w = pk_wait_fresh(&k, 0);

    (void)state;
    c = pk_dialing(&k, 0);
    assert_ptr_not_equal(c, used);
    pk_up(&k, c, 1);
    assert_ptr_equal(w->got, c);
    pk_release(&k, c, false);
    assert_true(pk_wait_fresh(&k, 0)->waiting);
}

static void one_who_left_the_queue_is_not_served(void **state)
{
    struct pk_waiter *first = pk_wait(&k, 0), *second = pk_wait(&k, 0);

    (void)state;
    bl_pp_forget(&first->pp);
    first->waiting = false;
    pk_up(&k, pk_dialing(&k, 0), 1);
    assert_null(first->got);
    assert_non_null(second->got);
    assert_int_equal(pk_peer(&k, 0)->waiting, 0);
}

static void a_full_queue_refuses(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct bl_pp_waiter w;

    (void)state;
    limits.waiters = 2;
    with(limits);
    pk_wait(&k, 0);
    pk_wait(&k, 0);
    assert_int_equal(bl_pp_wait(pk_peer(&k, 0), &w, false, k.now), BELAY_EFULL);
    assert_int_equal(bl_pp_wait(pk_peer(&k, 1), &w, false, k.now),
                     0); /* the limit is each peer's */
    bl_pp_forget(&w);
}

/* ---- capacity ---- */

static void a_connection_carries_as_many_leases_as_its_capacity(void **state)
{
    struct pk_waiter *w[5];
    struct pk_conn *c;
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.per_endpoint = 1;
    limits.expected = 0;
    with(limits);
    for (int i = 0; i < 5; i++)
        w[i] = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(w[i]->got, c);
    assert_true(w[3]->waiting);
    assert_int_equal(c->pp.leases, 3);
    c->facts.capacity = 4;
    pk_changed(&k, c, false);
    assert_ptr_equal(w[3]->got, c);
    c->facts.capacity = 1; /* those who use it stay */
    pk_changed(&k, c, false);
    for (int i = 0; i < 3; i++) {
        pk_release(&k, c, false);
        assert_true(w[4]->waiting);
    }
    assert_int_equal(c->pp.leases, 1);
    pk_release(&k, c, false);
    assert_ptr_equal(w[4]->got, c);
}

static void what_is_shared_by_less_than_before_is_still_shared(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.expected = 0;
    with(limits);
    pk_wait(&k, 0);
    pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 2);
    c->facts.capacity = 1;
    pk_changed(&k, c, false);
    pk_release(&k, c, false);
    assert_int_equal(c->pp.leases, 1);
    assert_null(pk_try(&k, 0));
    assert_int_equal(pk_stats(&k).leases, 1);
    pk_release(&k, c, false);
    assert_ptr_equal(pk_try(&k, 0), c);
}

static void what_came_to_rest_last_is_lent_first_and_evicted_last(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *a, *b;

    (void)state;
    limits.total = 2;
    limits.expected = 0;
    with(limits);
    pk_wait(&k, 0);
    a = pk_dialing(&k, 0);
    pk_up(&k, a, 2);
    assert_ptr_equal(pk_try(&k, 0), a);
    pk_wait(&k, 0);
    b = pk_dialing(&k, 0);
    pk_up(&k, b, 2);
    pk_release(&k, a, false);
    pk_pass(&k, 10);
    pk_release(&k, b, false); /* at rest */
    pk_pass(&k, 10);
    pk_release(&k, a, false); /* at rest later, though it was ready all the time */
    pk_wait(&k, 1);
    pk_assert_closing(b, BELAY_REASON_EVICTED);
    assert_ptr_equal(pk_try(&k, 0), a);
}

static void uses_without_a_limit_may_be_any_number(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    c->pp.uses = INT32_MAX - 1;
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(pk_try(&k, 0), c);
        pk_release(&k, c, false);
    }
    assert_false(c->closing);
    assert_true(pk_wait_fresh(&k, 0)->waiting);
}

static void without_capacity_nobody_is_served_until_it_is_back(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;
    struct pk_waiter *w;

    (void)state;
    limits.per_endpoint = 1;
    with(limits);
    c = pk_idle(&k, 0);
    c->facts.capacity = 0;
    pk_changed(&k, c, false);
    w = pk_wait(&k, 0);
    assert_true(w->waiting);
    assert_null(pk_try(&k, 0));
    assert_false(c->closing);
    assert_int_equal(pk_peer(&k, 0)->idle, 1);
    c->facts.capacity = 2;
    pk_changed(&k, c, false);
    assert_ptr_equal(w->got, c);
}

static void connections_without_capacity_are_not_opened_and_closed_in_turn(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.per_endpoint = 3;
    with(limits);
    pk_wait(&k, 0);
    for (int i = 0; i < 20; i++) {
        if (pk_dials(&k, 0) > 0)
            pk_up(&k, pk_dialing(&k, 0), 0);
        for (int n = 0; n < PK_CONNS; n++)
            if (k.conns[n].exists && k.conns[n].closing)
                pk_gone(&k, &k.conns[n]);
    }
    assert_true(k.dials <= 3);
}

static void the_total_does_not_make_a_peer_evict_its_own_for_nothing(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    limits.total = 2;
    with(limits);
    pk_wait(&k, 0);
    for (int i = 0; i < 20; i++) {
        if (pk_dials(&k, 0) > 0)
            pk_up(&k, pk_dialing(&k, 0), 0);
        for (int n = 0; n < PK_CONNS; n++)
            if (k.conns[n].exists && k.conns[n].closing)
                pk_gone(&k, &k.conns[n]);
    }
    assert_true(k.dials <= 2);
}

/* ---- the end of a connection ---- */

static void an_idle_connection_expires_by_itself(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.idle_ns = PK_MS(100);
    with(limits);
    c = pk_idle(&k, 0);
    assert_int_equal(bl_pp_due(&c->pp), k.now + PK_MS(100));
    pk_pass(&k, 99);
    assert_false(c->closing);
    pk_pass(&k, 1);
    pk_assert_closing(c, BELAY_REASON_IDLE);
}

static void idle_time_counts_from_the_last_release(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.idle_ns = PK_MS(100);
    with(limits);
    c = pk_idle(&k, 0);
    pk_pass(&k, 60);
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    assert_int_equal(bl_pp_due(&c->pp), BELAY_NEVER);
    pk_pass(&k, 500);
    assert_false(c->closing);
    pk_release(&k, c, false);
    pk_pass(&k, 99);
    assert_false(c->closing);
    pk_pass(&k, 1);
    pk_assert_closing(c, BELAY_REASON_IDLE);
}

static void a_lifetime_ends_at_rest_or_at_the_release(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *resting, *lent;

    (void)state;
    limits.lifetime_ns = PK_MS(100);
    with(limits);
    lent = pk_idle(&k, 0);
    assert_ptr_equal(pk_wait(&k, 0)->got, lent);
    resting = pk_idle(&k, 0);
    pk_pass(&k, 100);
    pk_assert_closing(resting, BELAY_REASON_LIFETIME);
    assert_false(lent->closing);
    pk_release(&k, lent, false);
    pk_assert_closing(lent, BELAY_REASON_LIFETIME);
}

static void what_has_expired_is_not_lent_although_nobody_looked(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.idle_ns = PK_MS(100);
    with(limits);
    c = pk_idle(&k, 0);
    k.now += PK_MS(100);
    assert_null(pk_try(&k, 0));
    pk_run(&k);
    pk_assert_closing(c, BELAY_REASON_IDLE);
}

static void a_shared_connection_past_its_lifetime_takes_nobody_new(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;
    struct pk_waiter *w;

    (void)state;
    limits.lifetime_ns = PK_MS(100);
    limits.expected = 0;
    with(limits);
    w = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 5);
    assert_ptr_equal(w->got, c);
    k.now += PK_MS(100);
    assert_true(pk_wait(&k, 0)->waiting);
    assert_false(c->closing);
    pk_release(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_LIFETIME);
}

static void n_uses_are_n_uses(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.uses = 3;
    with(limits);
    c = pk_idle(&k, 0);
    for (int i = 0; i < 2; i++) {
        assert_false(c->closing);
        assert_ptr_equal(pk_wait(&k, 0)->got, c);
        pk_release(&k, c, false);
    }
    pk_assert_closing(c, BELAY_REASON_USES);
}

static void uses_of_a_shared_connection_end_when_the_last_lease_is_back(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_waiter *w[3];
    struct pk_conn *c;

    (void)state;
    limits.uses = 2;
    limits.expected = 0;
    with(limits);
    for (int i = 0; i < 3; i++)
        w[i] = pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_up(&k, c, 5);
    assert_ptr_equal(w[0]->got, c);
    assert_ptr_equal(w[1]->got, c);
    assert_true(w[2]->waiting);
    pk_release(&k, c, false);
    assert_false(c->closing);
    pk_release(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_USES);
}

static void a_broken_one_is_not_lent_again(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    pk_release(&k, c, true);
    pk_assert_closing(c, BELAY_REASON_BROKEN);
}

static void a_broken_shared_one_ends_with_its_last_lease(void **state)
{
    struct bl_pp_limits limits = pk_limits();
    struct pk_conn *c;

    (void)state;
    limits.expected = 0;
    with(limits);
    pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    pk_wait(&k, 0);
    pk_up(&k, c, 5);
    assert_int_equal(c->pp.leases, 2);
    pk_release(&k, c, true);
    assert_false(c->closing);
    assert_null(pk_try(&k, 0));
    pk_release(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_BROKEN);
}

/* ---- facts ---- */

static void a_lost_connection_ends_at_once_when_idle_and_at_release_when_lent(void **state)
{
    static const enum belay_reason reasons[] = {BELAY_REASON_PEER_CLOSED, BELAY_REASON_UNHEALTHY,
                                                BELAY_REASON_ERROR};

    (void)state;
    for (size_t i = 0; i < BL_COUNT(reasons); i++)
        for (int lent = 0; lent < 2; lent++) {
            struct pk_conn *c;

            set_up(NULL);
            c = pk_idle(&k, 0);
            if (lent)
                assert_ptr_equal(pk_wait(&k, 0)->got, c);
            c->facts.lost = true;
            c->facts.lost_reason = (uint8_t)reasons[i];
            pk_changed(&k, c, true);
            assert_int_equal(c->closing, !lent);
            if (lent)
                pk_release(&k, c, false);
            /* a peer that closes it while it is used has broken off an answer */
            pk_assert_closing(c, lent && reasons[i] == BELAY_REASON_PEER_CLOSED ? BELAY_REASON_ERROR
                                                                                : reasons[i]);
        }
}

static void a_draining_connection_takes_nobody_new_and_lets_others_finish(void **state)
{
    struct pk_conn *idle = pk_idle(&k, 0), *lent;
    struct pk_waiter *w;

    (void)state;
    assert_ptr_equal(pk_wait(&k, 0)->got, idle);
    lent = idle;
    idle = pk_idle(&k, 0);
    lent->facts.draining = idle->facts.draining = true;
    pk_changed(&k, lent, true);
    pk_changed(&k, idle, true);
    pk_assert_closing(idle, BELAY_REASON_DRAINING);
    assert_false(lent->closing);
    w = pk_wait(&k, 0);
    assert_true(w->waiting);
    pk_release(&k, lent, false);
    assert_true(w->waiting);
    pk_assert_closing(lent, BELAY_REASON_DRAINING);
}

static void the_first_reason_stands(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    c->facts.draining = true;
    pk_changed(&k, c, true);
    c->facts.lost = true;
    c->facts.lost_reason = BELAY_REASON_PEER_CLOSED;
    pk_changed(&k, c, true);
    pk_release(&k, c, true);
    pk_assert_closing(c, BELAY_REASON_DRAINING);
}

static void a_suspect_is_checked_before_it_is_lent_again(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);
    struct pk_waiter *w;

    (void)state;
    c->facts.suspect = true;
    pk_changed(&k, c, true);
    assert_true(c->checking);
    assert_int_equal(pk_stats(&k).idle, 0);
    assert_int_equal(pk_stats(&k).leases, 0); /* nobody's but the pool's */
    assert_int_equal(pk_stats(&k).in_use, 1);
    w = pk_wait(&k, 0);
    assert_true(w->waiting);
    pk_checked(&k, c, 0);
    assert_ptr_equal(w->got, c);
    pk_release(&k, c, false);
    assert_false(c->checking);
}

static void a_suspect_in_use_is_checked_when_it_comes_back(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    c->facts.suspect = true;
    pk_changed(&k, c, true);
    assert_false(c->checking);
    pk_release(&k, c, false);
    assert_true(c->checking);
    assert_null(pk_try(&k, 0));
    pk_checked(&k, c, BELAY_EUNHEALTHY);
    pk_assert_closing(c, BELAY_REASON_UNHEALTHY);
}

static void a_suspect_that_cannot_be_checked_ends(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    c->facts.suspect = true;
    pk_changed(&k, c, false);
    pk_assert_closing(c, BELAY_REASON_UNHEALTHY);
}

static void any_answer_but_zero_is_unhealthy(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    c->facts.suspect = true;
    pk_changed(&k, c, true);
    pk_checked(&k, c, 1);
    pk_assert_closing(c, BELAY_REASON_UNHEALTHY);
}

static void an_answer_that_nobody_asked_for_is_ignored(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    pk_checked(&k, c, BELAY_EUNHEALTHY);
    assert_false(c->closing);
    assert_ptr_equal(pk_wait(&k, 0)->got, c);
    pk_checked(&k, c, BELAY_EUNHEALTHY);
    assert_false(c->closing);
}

static void what_is_lost_while_it_is_checked_ends(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);

    (void)state;
    c->facts.suspect = true;
    pk_changed(&k, c, true);
    c->facts.lost = true;
    c->facts.lost_reason = BELAY_REASON_ERROR;
    pk_changed(&k, c, true);
    pk_assert_closing(c, BELAY_REASON_ERROR);
    pk_checked(&k, c, 0); /* too late */
    pk_assert_closing(c, BELAY_REASON_ERROR);
    pk_gone(&k, c);
    assert_int_equal(pk_peer(&k, 0)->connections, 0);
}

/* ---- closing ---- */

static void gently_waits_for_the_last_lease_and_now_does_not(void **state)
{
    struct pk_conn *gentle = pk_idle(&k, 0), *hard;

    (void)state;
    assert_ptr_equal(pk_wait(&k, 0)->got, gentle);
    hard = pk_idle(&k, 0);
    assert_ptr_equal(pk_wait(&k, 0)->got, hard);
    assert_int_equal((int)pk_stats(&k).leases, 2);
    bl_pp_close(&gentle->pp, BELAY_REASON_CLEARED, true);
    bl_pp_close(&hard->pp, BELAY_REASON_OWNER_CLOSED, false);
    pk_run(&k);
    assert_false(gentle->closing);
    pk_assert_closing(hard, BELAY_REASON_OWNER_CLOSED);
    assert_int_equal((int)pk_stats(&k).leases, 1);              /* the other is revoked */
    bl_pp_close(&gentle->pp, BELAY_REASON_OWNER_CLOSED, false); /* hurried up */
    pk_run(&k);
    pk_assert_closing(gentle, BELAY_REASON_CLEARED);
    bl_pp_close(&gentle->pp, BELAY_REASON_OWNER_CLOSED, false); /* and again: nothing */
    pk_run(&k);
    assert_int_equal((int)pk_stats(&k).leases, 0);
    assert_int_equal(pk_peer(&k, 0)->closing, 2);
}

static void a_dial_that_is_not_wanted_ends_either_way(void **state)
{
    struct pk_conn *c;

    (void)state;
    pk_wait(&k, 0);
    c = pk_dialing(&k, 0);
    bl_pp_close(&c->pp, BELAY_REASON_POOL_CLOSED, true);
    bl_pp_fail_all(pk_peer(&k, 0), BELAY_ECLOSED);
    pk_run(&k);
    pk_assert_closing(c, BELAY_REASON_POOL_CLOSED);
    assert_int_equal(pk_peer(&k, 0)->dialing, 0);
    pk_gone(&k, c);
    assert_int_equal(pk_peer(&k, 0)->connections, 0);
    assert_int_equal(k.pp.connections, 0);
}

static void a_closed_pool_serves_nobody(void **state)
{
    struct pk_conn *c = pk_idle(&k, 0);
    struct bl_pp_waiter w;

    (void)state;
    k.pp.closed = true;
    assert_null(bl_pp_try(pk_peer(&k, 0), k.now));
    assert_int_equal(bl_pp_wait(pk_peer(&k, 0), &w, false, k.now), BELAY_ECLOSED);
    assert_false(c->closing);
}

static void failing_takes_the_oldest_or_all(void **state)
{
    struct pk_waiter *w[4];

    (void)state;
    bl_pp_fail_oldest(pk_peer(&k, 0), BELAY_ENOMEM); /* nobody is there */
    for (int i = 0; i < 4; i++)
        w[i] = pk_wait(&k, i == 3);
    bl_pp_fail_oldest(pk_peer(&k, 0), BELAY_ENOMEM);
    pk_run(&k);
    assert_int_equal(w[0]->code, BELAY_ENOMEM);
    assert_true(w[1]->waiting);
    bl_pp_fail_all(pk_peer(&k, 0), BELAY_ECLOSED);
    pk_run(&k);
    assert_int_equal(w[1]->code, BELAY_ECLOSED);
    assert_int_equal(w[2]->code, BELAY_ECLOSED);
    assert_true(w[3]->waiting);
}

static void one_who_leaves_while_failing_is_not_told(void **state)
{
    struct pk_waiter *w = pk_wait(&k, 0);

    (void)state;
    bl_pp_fail_all(pk_peer(&k, 0), BELAY_ECLOSED);
    bl_pp_forget(&w->pp);
    pk_run(&k);
    assert_int_equal(w->code, 0);
    assert_int_equal(pk_peer(&k, 0)->waiting, 0);
}

/* ---- statistics ---- */

static void statistics_add_up(void **state)
{
    struct pk_conn *a = pk_idle(&k, 0), *b;
    struct belay_pool_stats peer, pool;
    struct pk_waiter *w;

    (void)state;
    pk_pass(&k, 10);
    assert_ptr_equal(pk_try(&k, 0), a);
    w = pk_wait(&k, 0);
    b = pk_dialing(&k, 0);
    pk_pass(&k, 30);
    pk_fail(&k, b, BELAY_ECONNECT);
    pk_pass(&k, 100);
    pk_up(&k, pk_dialing(&k, 0), 1);
    b = w->got;
    pk_wait(&k, 1);
    pk_up(&k, pk_dialing(&k, 1), 1);
    pk_release(&k, a, true);
    pk_gone(&k, a);

    peer = pk_peer_stats(&k, 0);
    pool = pk_stats(&k);
    assert_int_equal(peer.acquired, 3);
    assert_int_equal(peer.reused, 1);
    assert_int_equal(peer.opened, 2);
    assert_int_equal(peer.leases, 1);
    assert_int_equal(peer.failed[BELAY_STAGE_CONNECT], 1);
    assert_int_equal(peer.closed[BELAY_REASON_OPEN_FAILED], 1);
    assert_int_equal(peer.closed[BELAY_REASON_BROKEN], 1);
    assert_int_equal(peer.waited_ns, PK_MS(130));
    assert_int_equal(peer.peak, 2);
    assert_int_equal(pool.acquired, 4);
    assert_int_equal(pool.opened, 3);
    assert_int_equal(pool.leases, 2);
    assert_int_equal(pool.peak, 3);
    assert_int_equal(pool.waited_ns, PK_MS(130));
    assert_int_equal(pool.closed[BELAY_REASON_BROKEN], 1);
    assert_false(b->closing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(waiters_are_served_in_order_of_arrival, set_up),
        cmocka_unit_test_setup(a_waiter_is_served_by_whatever_comes_first, set_up),
        cmocka_unit_test_setup(the_connection_used_last_is_lent_first, set_up),
        cmocka_unit_test_setup(nobody_passes_by_those_who_wait, set_up),
        cmocka_unit_test_setup(one_who_wants_a_fresh_connection_gets_one_never_used, set_up),
        cmocka_unit_test_setup(one_who_left_the_queue_is_not_served, set_up),
        cmocka_unit_test_setup(a_full_queue_refuses, set_up),
        cmocka_unit_test_setup(a_connection_carries_as_many_leases_as_its_capacity, set_up),
        cmocka_unit_test_setup(what_is_shared_by_less_than_before_is_still_shared, set_up),
        cmocka_unit_test_setup(what_came_to_rest_last_is_lent_first_and_evicted_last, set_up),
        cmocka_unit_test_setup(uses_without_a_limit_may_be_any_number, set_up),
        cmocka_unit_test_setup(without_capacity_nobody_is_served_until_it_is_back, set_up),
        cmocka_unit_test_setup(connections_without_capacity_are_not_opened_and_closed_in_turn,
                               set_up),
        cmocka_unit_test_setup(the_total_does_not_make_a_peer_evict_its_own_for_nothing, set_up),
        cmocka_unit_test_setup(an_idle_connection_expires_by_itself, set_up),
        cmocka_unit_test_setup(idle_time_counts_from_the_last_release, set_up),
        cmocka_unit_test_setup(a_lifetime_ends_at_rest_or_at_the_release, set_up),
        cmocka_unit_test_setup(what_has_expired_is_not_lent_although_nobody_looked, set_up),
        cmocka_unit_test_setup(a_shared_connection_past_its_lifetime_takes_nobody_new, set_up),
        cmocka_unit_test_setup(n_uses_are_n_uses, set_up),
        cmocka_unit_test_setup(uses_of_a_shared_connection_end_when_the_last_lease_is_back, set_up),
        cmocka_unit_test_setup(a_broken_one_is_not_lent_again, set_up),
        cmocka_unit_test_setup(a_broken_shared_one_ends_with_its_last_lease, set_up),
        cmocka_unit_test_setup(a_lost_connection_ends_at_once_when_idle_and_at_release_when_lent,
                               set_up),
        cmocka_unit_test_setup(a_draining_connection_takes_nobody_new_and_lets_others_finish,
                               set_up),
        cmocka_unit_test_setup(the_first_reason_stands, set_up),
        cmocka_unit_test_setup(a_suspect_is_checked_before_it_is_lent_again, set_up),
        cmocka_unit_test_setup(a_suspect_in_use_is_checked_when_it_comes_back, set_up),
        cmocka_unit_test_setup(a_suspect_that_cannot_be_checked_ends, set_up),
        cmocka_unit_test_setup(any_answer_but_zero_is_unhealthy, set_up),
        cmocka_unit_test_setup(an_answer_that_nobody_asked_for_is_ignored, set_up),
        cmocka_unit_test_setup(what_is_lost_while_it_is_checked_ends, set_up),
        cmocka_unit_test_setup(gently_waits_for_the_last_lease_and_now_does_not, set_up),
        cmocka_unit_test_setup(a_dial_that_is_not_wanted_ends_either_way, set_up),
        cmocka_unit_test_setup(a_closed_pool_serves_nobody, set_up),
        cmocka_unit_test_setup(failing_takes_the_oldest_or_all, set_up),
        cmocka_unit_test_setup(one_who_leaves_while_failing_is_not_told, set_up),
        cmocka_unit_test_setup(statistics_add_up, set_up),
    };
    return cmocka_run_group_tests_name("keep_pool_policy", tests, NULL, NULL);
}
