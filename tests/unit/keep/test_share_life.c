/* SPDX-License-Identifier: MIT */
/* A shared pool in virtual time: what ends while it is parked or out, and how. */
#include "unit/keep/share_kit.h"

static struct pool_kit k;
static struct belay_attachment *att;

static int set_up(void **state)
{
    (void)state;
    share_kit_begin(&k);
    att = NULL;
    return 0;
}

static void open_and_attach(void)
{
    pool_kit_open(&k);
    assert_int_equal(belay_peer_attach(k.a, &att), 0);
}

static int tear_down(void **state)
{
    (void)state;
    belay_attachment_detach(att);
    pool_kit_end(&k);
    return 0;
}

static uint64_t closed_for(enum belay_reason reason)
{
    return pool_kit_stats(&k).closed[reason];
}

/* ---- facts ---- */

static void one_that_the_peer_closes_while_parked_was_not_in_use(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_and_attach();
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_EEOF);
    pool_kit_settle(&k);
    assert_int_equal(closed_for(BELAY_REASON_PEER_CLOSED), 1);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
}

static void one_that_is_lost_while_out_ends_at_its_release(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_and_attach();
    lease = share_kit_acquire(att);
    puppet_lose(puppet_conn(&k.puppet, 0), BELAY_EEOF);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 0);
    assert_true(belay_lease_valid(lease));
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(closed_for(BELAY_REASON_ERROR), 1);
}

static void a_suspect_one_is_checked_before_it_is_lent_again(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_and_attach();
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    belay_conn_suspect(puppet_conn(&k.puppet, 0)->conn);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    lease = share_kit_acquire(att);
    belay_conn_suspect(puppet_conn(&k.puppet, 0)->conn);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 2);
    assert_int_equal(k.puppet.n, 1);
}

/* ---- time ---- */

static void one_that_is_parked_idles_out_from_its_release(void **state)
{
    (void)state;
    k.options.max_idle_time_ms = 5000;
    open_and_attach();
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    pool_kit_pass(&k, 500);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    pool_kit_pass(&k, 4900);
    assert_int_equal(closed_for(BELAY_REASON_IDLE), 0);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
    pool_kit_pass(&k, 1200); /* a sweep late at most */
    assert_int_equal(closed_for(BELAY_REASON_IDLE), 1);
}

static void one_that_is_used_now_and_then_stays_with_the_threads(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_and_attach();
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    for (int i = 0; i < 20; i++) {
        pool_kit_pass(&k, 400);
        assert_int_equal(belay_attachment_try_acquire(att, &lease), 0);
        belay_lease_release(lease, BELAY_REUSE);
    }
    pool_kit_pass(&k, 2500);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN); /* it went home */
    assert_int_equal(pool_kit_stats(&k).idle, 1);
    assert_int_equal(pool_kit_stats(&k).acquired, 21);
}

static void lifetimes_hold(void **state)
{
    struct belay_lease lease, parked;

    (void)state;
    k.options.max_connection_lifetime_ms = 3000;
    open_and_attach();
    lease = share_kit_acquire(att);
    parked = share_kit_acquire(att);
    belay_lease_release(parked, BELAY_REUSE);
    for (int i = 0; i < 29; i++) {
        pool_kit_pass(&k, 100);
        assert_int_equal(belay_attachment_try_acquire(att, &parked), 0);
        belay_lease_release(parked, BELAY_REUSE);
    }
    pool_kit_pass(&k, 100);
    assert_int_equal(closed_for(BELAY_REASON_LIFETIME), 1);
    assert_int_equal(belay_attachment_try_acquire(att, &parked), BELAY_EAGAIN);
    assert_true(belay_lease_valid(lease));
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(closed_for(BELAY_REASON_LIFETIME), 2);
}

/* ---- whole pools ---- */

static void clearing_ends_what_is_parked_now_and_what_is_out_later(void **state)
{
    struct belay_lease out, parked;

    (void)state;
    open_and_attach();
    out = share_kit_acquire(att);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    belay_peer_clear(k.a, BELAY_CLEAR_GENTLY);
    assert_int_equal(belay_attachment_try_acquire(att, &parked), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(closed_for(BELAY_REASON_CLEARED), 1);
    assert_true(belay_lease_valid(out));
    assert_int_equal(belay_lease_release(out, BELAY_REUSE), 0);
    pool_kit_settle(&k);
    assert_int_equal(closed_for(BELAY_REASON_CLEARED), 2);

    out = share_kit_acquire(att);
    belay_pool_clear(k.pool, BELAY_CLEAR_NOW);
    pool_kit_settle(&k);
    assert_false(belay_lease_valid(out));
    assert_null(belay_lease_state(out));
    assert_int_equal(puppet_conn(&k.puppet, 2)->closes, 0); /* it may be in use */
    assert_int_equal(belay_lease_release(out, BELAY_REUSE), BELAY_ESTALE);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 2)->closes, 1);
    assert_int_equal(closed_for(BELAY_REASON_CLEARED), 3);
    assert_int_equal(belay_lease_release(out, BELAY_REUSE), BELAY_ESTALE);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).in_use, 0);
}

static void a_suspended_pool_lends_nothing(void **state)
{
    struct belay_lease out, lease;

    (void)state;
    open_and_attach();
    out = share_kit_acquire(att);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    belay_pool_suspend(k.pool);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
    assert_int_equal(belay_attachment_acquire(att, 50, &lease, NULL), BELAY_ETIMEDOUT);
    assert_int_equal(belay_lease_release(out, BELAY_REUSE), 0);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_EAGAIN);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).idle, 2);
    belay_pool_resume(k.pool);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    assert_int_equal(k.puppet.n, 2);
}

static void a_lowered_limit_ends_what_is_parked(void **state)
{
    struct belay_lease leases[3];
    struct belay_pool_options o;

    (void)state;
    open_and_attach();
    for (int round = 0; round < 2; round++) { /* those that somebody waited for go home once */
        for (int i = 0; i < 3; i++)
            leases[i] = share_kit_acquire(att);
        for (int i = 0; i < 3; i++)
            belay_lease_release(leases[i], BELAY_REUSE);
        pool_kit_settle(&k);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(belay_attachment_try_acquire(att, &leases[i]), 0);
    for (int i = 0; i < 3; i++)
        belay_lease_release(leases[i], BELAY_REUSE);
    o = belay_pool_options_init();
    o.max_connections_per_endpoint = 1;
    assert_int_equal(belay_pool_set_options(k.pool, &o, NULL), 0);
    pool_kit_settle(&k);
    assert_int_equal(closed_for(BELAY_REASON_EVICTED), 2);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    assert_int_equal(k.puppet.n, 3);
}

static void the_last_to_detach_leaves_nothing_parked(void **state)
{
    struct belay_lease lease;

    (void)state;
    open_and_attach();
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    lease = share_kit_acquire(att);
    belay_attachment_detach(att);
    att = NULL;
    pool_kit_settle(&k);
    assert_int_equal(belay_lease_release(lease, BELAY_REUSE), 0);
    pool_kit_settle(&k);
    assert_int_equal(pool_kit_stats(&k).idle, 1);
    assert_int_equal(belay_peer_try_acquire(k.a, &lease), 0);
    belay_lease_release(lease, BELAY_REUSE);
}

/* ---- the end ---- */

static void closing_waits_until_threads_have_let_go(void **state)
{
    struct belay_lease out, lease;

    (void)state;
    open_and_attach();
    out = share_kit_acquire(att);
    belay_lease_release(share_kit_acquire(att), BELAY_REUSE);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), BELAY_ECLOSED);
    assert_int_equal(belay_attachment_acquire(att, 1000, &lease, NULL), BELAY_ECLOSED);
    assert_false(belay_lease_valid(out));
    assert_null(belay_lease_state(out));
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->closes, 0);
    assert_int_equal(puppet_conn(&k.puppet, 1)->closes, 1);
    assert_int_equal(belay_lease_release(out, BELAY_REUSE), BELAY_ESTALE);
    pool_kit_settle(&k);
    assert_int_equal(puppet_live(&k.puppet), 0);
    assert_int_equal(k.closed, 0);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 0);
    belay_attachment_detach(att);
    att = NULL;
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
    assert_int_equal(belay_lease_release(out, BELAY_REUSE), BELAY_ESTALE);
}

static void draining_waits_for_the_leases(void **state)
{
    struct belay_lease out;

    (void)state;
    open_and_attach();
    out = share_kit_acquire(att);
    belay_pool_drain(k.pool, pool_kit_on_closed, &k);
    belay_attachment_detach(att);
    att = NULL;
    pool_kit_settle(&k);
    assert_true(belay_lease_valid(out));
    assert_int_equal(k.closed, 0);
    assert_int_equal(belay_lease_release(out, BELAY_REUSE), 0);
    pool_kit_settle(&k);
    assert_int_equal(k.closed, 1);
}

static void who_waits_is_told_of_the_end(void **state)
{
    struct belay_lease out;
    struct ask ask;

    (void)state;
    k.options.max_connections_per_endpoint = 1;
    open_and_attach();
    out = share_kit_acquire(att);
    ask_now(&ask, &k, k.a);
    belay_pool_close(k.pool, pool_kit_on_closed, &k);
    pool_kit_settle(&k);
    assert_refused(&ask, BELAY_ECLOSED, BELAY_STAGE_QUEUE);
    belay_lease_release(out, BELAY_REUSE);
}

/* ---- watching ---- */

#define FD 7

static unsigned watched(void)
{
    for (int i = 0; i < FAKE_WATCHES_MAX; i++)
        if (k.world.watches[i].slot && k.world.watches[i].slot->fd == FD)
            return k.world.watches[i].mask;
    return 0;
}

static struct belay_lease acquire_watched(void)
{
    struct ask ask;

    open_and_attach();
    k.puppet.capacity = 0;
    ask_now(&ask, &k, k.a);
    assert_int_equal(belay_conn_set_descriptor(puppet_conn(&k.puppet, 0)->conn, FD), 0);
    puppet_up(puppet_conn(&k.puppet, 0), 1);
    pool_kit_settle(&k);
    assert_served(&ask);
    assert_int_equal(watched(), 0);
    belay_lease_release(ask.lease, BELAY_REUSE);
    pool_kit_settle(&k);
    assert_int_equal(watched(), BELAY_READABLE);
    return share_kit_acquire(att);
}

static void a_parked_one_is_watched_before_long(void **state)
{
    struct belay_lease lease;

    (void)state;
    lease = acquire_watched();
    assert_int_equal(watched(), 0);
    pool_kit_pass(&k, 1000);
    assert_int_equal(watched(), 0);
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_pass(&k, 300); /* it was out for a second */
    assert_int_equal(watched(), BELAY_READABLE);
    fake_world_ready(&k.world, FD, BELAY_READABLE);
    pool_kit_settle(&k);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 1);
}

static void a_stir_while_it_is_used_means_nothing(void **state)
{
    struct belay_lease lease;

    (void)state;
    lease = acquire_watched();
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_pass(&k, 20);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), 0);
    assert_int_equal(watched(), BELAY_READABLE); /* nobody knows */
    fake_world_ready(&k.world, FD, BELAY_READABLE);
    pool_kit_settle(&k);
    assert_int_equal(watched(), 0);
    assert_int_equal(puppet_conn(&k.puppet, 0)->checks, 0);
    belay_lease_release(lease, BELAY_REUSE);
    assert_int_equal(belay_attachment_try_acquire(att, &lease), 0); /* it parked */
    belay_lease_release(lease, BELAY_REUSE);
    pool_kit_pass(&k, 20);
    assert_int_equal(watched(), BELAY_READABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_the_peer_closes_while_parked_was_not_in_use),
        TEST(one_that_is_lost_while_out_ends_at_its_release),
        TEST(a_suspect_one_is_checked_before_it_is_lent_again),
        TEST(one_that_is_parked_idles_out_from_its_release),
        TEST(one_that_is_used_now_and_then_stays_with_the_threads),
        TEST(lifetimes_hold),
        TEST(clearing_ends_what_is_parked_now_and_what_is_out_later),
        TEST(a_suspended_pool_lends_nothing),
        TEST(a_lowered_limit_ends_what_is_parked),
        TEST(the_last_to_detach_leaves_nothing_parked),
        TEST(closing_waits_until_threads_have_let_go),
        TEST(draining_waits_for_the_leases),
        TEST(who_waits_is_told_of_the_end),
        TEST(a_parked_one_is_watched_before_long),
        TEST(a_stir_while_it_is_used_means_nothing),
    };
    return cmocka_run_group_tests_name("keep_share_life", tests, NULL, NULL);
}
