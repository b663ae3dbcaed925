/* SPDX-License-Identifier: MIT */
/* What a connector reports, and the ends of connections and pools: lending follows from facts. */
#include "unit/keep/policy_kit.h"

static struct pk k;

static int set_up(void **state)
{
    struct bl_pp_limits limits = pk_limits();

    (void)state;
    pk_init(&k, &limits);
    return 0;
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
    struct bl_pp_waiter w = {0};

    (void)state;
    k.pp.closed = true;
    assert_null(bl_pp_pick_now(pk_peer(&k, 0), k.now));
    assert_int_equal(bl_pp_wait(pk_peer(&k, 0), &w, k.now), BELAY_ECLOSED);
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

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lost_connection_ends_at_once_when_idle_and_at_release_when_lent),
        TEST(a_draining_connection_takes_nobody_new_and_lets_others_finish),
        TEST(the_first_reason_stands),
        TEST(a_suspect_is_checked_before_it_is_lent_again),
        TEST(a_suspect_in_use_is_checked_when_it_comes_back),
        TEST(a_suspect_that_cannot_be_checked_ends),
        TEST(any_answer_but_zero_is_unhealthy),
        TEST(an_answer_that_nobody_asked_for_is_ignored),
        TEST(what_is_lost_while_it_is_checked_ends),
        TEST(gently_waits_for_the_last_lease_and_now_does_not),
        TEST(a_dial_that_is_not_wanted_ends_either_way),
        TEST(a_closed_pool_serves_nobody),
        TEST(failing_takes_the_oldest_or_all),
        TEST(one_who_leaves_while_failing_is_not_told),
        TEST(statistics_add_up),
    };
    return cmocka_run_group_tests_name("keep_pool_facts", tests, NULL, NULL);
}
