/* SPDX-License-Identifier: MIT */
/* The policy: whom it prefers, what it keeps, what it doubts, and what it does with other limits. */
#include "unit/keep/policy_kit.h"

static struct pk k;
static struct bl_pp_limits limits;

static int set_up(void **state)
{
    (void)state;
    limits = pk_limits();
    return 0;
}

/* n idle connections, each idle for one millisecond less than the one before. */
static void idle_ones(struct pk_conn **c, int n)
{
    struct pk_waiter *w[8];

    for (int i = 0; i < n; i++)
        w[i] = pk_wait(&k, 0);
    for (int i = 0; i < n; i++)
        pk_up(&k, pk_dialing(&k, 0), 1);
    for (int i = 0; i < n; i++) {
        c[i] = w[i]->got;
        pk_pass(&k, 1);
        pk_release(&k, c[i], false);
    }
}

/* ---- whom ---- */

static void the_urgent_are_served_before_all_others_and_in_order(void **state)
{
    struct pk_waiter *a, *b, *c, *d;

    (void)state;
    limits.per_endpoint = 1;
    pk_init(&k, &limits);
    a = pk_wait(&k, 0);
    b = pk_wait_urgent(&k, 0);
    c = pk_wait(&k, 0);
    d = pk_wait_urgent(&k, 0);
    pk_up(&k, pk_dialing(&k, 0), 1);
    for (int i = 0; i < 3; i++)
        pk_release(&k, b->got, false);
    assert_int_equal(b->order, 1);
    assert_int_equal(d->order, 2);
    assert_int_equal(a->order, 3);
    assert_int_equal(c->order, 4);
}

static void a_slot_goes_to_the_peer_of_the_urgent_first(void **state)
{
    (void)state;
    limits.total = 1;
    pk_init(&k, &limits);
    struct pk_conn *only = pk_idle(&k, 2);
    struct pk_waiter *holder = pk_wait(&k, 2);

    pk_wait(&k, 0);
    pk_wait_urgent(&k, 1);
    assert_ptr_equal(holder->got, only);
    pk_release(&k, only, true);
    pk_gone(&k, only);
    assert_int_equal(pk_dials(&k, 1), 1);
    assert_int_equal(pk_dials(&k, 0), 0);
}

static void first_in_first_out_takes_the_one_idle_for_longest(void **state)
{
    struct pk_conn *c[3];

    (void)state;
    limits.order = BELAY_REUSE_FIFO;
    pk_init(&k, &limits);
    idle_ones(c, 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(pk_try(&k, 0), c[i]);
}

static void the_least_used_is_lent_first(void **state)
{
    struct pk_conn *c[3];

    (void)state;
    limits.order = BELAY_REUSE_LEAST_USED;
    pk_init(&k, &limits);
    idle_ones(c, 3); /* used once each */
    for (int i = 0; i < 2; i++) {
        struct pk_conn *other = pk_try(&k, 0);

        assert_ptr_equal(other, c[i]);
        pk_release(&k, other, false);
    }
    assert_ptr_equal(pk_try(&k, 0), c[2]);
}

/* ---- how many ---- */

static void too_many_idle_ones_go_the_longest_idle_first(void **state)
{
    struct pk_conn *c[4];

    (void)state;
    limits.max_idle = 2;
    pk_init(&k, &limits);
    idle_ones(c, 4);
    pk_assert_closing(c[0], BELAY_REASON_EVICTED);
    pk_assert_closing(c[1], BELAY_REASON_EVICTED);
    assert_int_equal(pk_stats(&k).idle, 2);
}

static void an_idle_one_that_nobody_may_use_gives_its_place_away(void **state)
{
    struct pk_conn *c;

    (void)state;
    limits.total = 1;
    pk_init(&k, &limits);
    c = pk_idle(&k, 0);
    c->facts.capacity = 0;
    pk_changed(&k, c, false);
    assert_false(c->closing);
    pk_wait(&k, 1);
    pk_assert_closing(c, BELAY_REASON_EVICTED);
}

static void idle_ones_of_all_peers_are_counted_together(void **state)
{
    struct pk_conn *first;

    (void)state;
    limits.max_idle_total = 2;
    pk_init(&k, &limits);
    first = pk_idle(&k, 0);
    for (int i = 1; i < 3; i++) {
        pk_pass(&k, 1);
        pk_idle(&k, i);
    }
    pk_assert_closing(first, BELAY_REASON_EVICTED);
    assert_int_equal(pk_stats(&k).idle, 2);
}

static void min_idle_dials_one_after_the_other_after_a_moment(void **state)
{
    (void)state;
    limits.min_idle = 2;
    pk_init(&k, &limits);
    pk_run(&k);
    assert_int_equal(k.dials, 0); /* nobody holds the peer */
    pk_peer(&k, 0)->held = true;
    for (int ready = 0; ready < 2; ready++) {
        uint64_t due;

        pk_run(&k);
        due = bl_pp_dial_due(pk_peer(&k, 0), k.now);
        assert_true(due == BELAY_NEVER || due < k.now + BL_PP_FILL_NS);
        pk_pass(&k, 100);
        assert_int_equal(pk_dials(&k, 0), 1);
        pk_pass(&k, 1000);
        assert_int_equal(pk_dials(&k, 0), 1); /* never two */
        pk_up(&k, pk_dialing(&k, 0), 1);
    }
    pk_pass(&k, 5000);
    assert_int_equal(k.dials, 2);
    assert_int_equal(pk_stats(&k).idle, 2);
}

static void min_idle_backs_off_and_holds_up_nobody_who_waits(void **state)
{
    (void)state;
    limits.min_idle = 1;
    pk_init(&k, &limits);
    pk_peer(&k, 0)->held = true;
    pk_pass(&k, 0);
    pk_pass(&k, 100);
    for (int i = 0; i < 6; i++) { /* 100, 200, 400, ... */
        pk_fail(&k, pk_dialing(&k, 0), BELAY_ECONNECT);
        assert_true(bl_pp_dial_due(pk_peer(&k, 0), k.now) >= k.now + PK_MS(100u << i));
        if (i < 5)
            pk_pass(&k, (100u << i) + 1);
    }
    assert_int_equal(pk_dials(&k, 0), 0);
    pk_wait(&k, 0);
    assert_int_equal(pk_dials(&k, 0), 1);
}

static void min_idle_outlives_the_idle_time_with_a_check(void **state)
{
    struct pk_conn *c;

    (void)state;
    limits.min_idle = 1;
    limits.idle_ns = PK_MS(50);
    pk_init(&k, &limits);
    pk_peer(&k, 0)->held = true;
    c = pk_idle(&k, 0);
    c->pp.checkable = true;
    pk_pass(&k, 50);
    assert_false(c->closing);
    assert_true(c->checking);
    pk_checked(&k, c, 0);
    assert_int_equal(pk_stats(&k).idle, 1);
    pk_pass(&k, 49);
    assert_false(c->checking); /* it is another spell of idleness */
    pk_peer(&k, 0)->held = false;
    pk_pass(&k, 1);
    pk_assert_closing(c, BELAY_REASON_IDLE);
}

static void dials_in_flight_are_limited_per_endpoint_and_in_all(void **state)
{
    (void)state;
    limits.dials = 2;
    limits.dials_total = 3;
    pk_init(&k, &limits);
    for (int i = 0; i < 4; i++) {
        pk_wait(&k, 0);
        pk_wait(&k, 1);
    }
    assert_int_equal(pk_dials(&k, 0), 2);
    assert_int_equal(pk_dials(&k, 1), 1);
    pk_up(&k, pk_dialing(&k, 0), 1);
    assert_int_equal(pk_dials(&k, 0) + pk_dials(&k, 1), 3);
}

/* ---- how long ---- */

static void lifetimes_are_shortened_at_random_within_bounds(void **state)
{
    uint64_t least = BELAY_NEVER, most = 0;

    (void)state;
    limits.lifetime_ns = PK_MS(1000);
    limits.jitter = 20;
    limits.per_endpoint = 60;
    pk_init(&k, &limits);
    for (int i = 0; i < 50; i++) {
        struct pk_waiter *w = pk_wait(&k, 0);
        uint64_t life;

        pk_up(&k, pk_dialing(&k, 0), 1);
        life = w->got->pp.expires_at - k.now;
        least = life < least ? life : least;
        most = life > most ? life : most;
    }
    assert_true(least > PK_MS(800) && most <= PK_MS(1000));
    assert_true(least < PK_MS(850) && most > PK_MS(950));
}

/* ---- whom it doubts ---- */

static void one_idle_for_long_is_checked_before_it_is_lent(void **state)
{
    struct pk_conn *c;
    struct pk_waiter *w;

    (void)state;
    limits.check_after_ns = PK_MS(10);
    pk_init(&k, &limits);
    c = pk_idle(&k, 0);
    c->pp.checkable = true;
    pk_pass(&k, 9);
    assert_ptr_equal(pk_try(&k, 0), c);
    pk_release(&k, c, false);
    pk_pass(&k, 10);
    w = pk_wait(&k, 0);
    assert_true(c->checking && w->waiting);
    assert_int_equal(pk_dials(&k, 0), 0); /* that one may do */
    pk_checked(&k, c, 0);
    assert_ptr_equal(w->got, c);
}

static void as_many_are_checked_as_somebody_wants(void **state)
{
    struct pk_conn *c[6];
    struct pk_waiter *w[2];
    int checking = 0;

    (void)state;
    limits.check_after_ns = PK_MS(50);
    pk_init(&k, &limits);
    idle_ones(c, 6);
    for (int i = 0; i < 6; i++)
        c[i]->pp.checkable = true;
    pk_pass(&k, 100);
    w[0] = pk_wait(&k, 0);
    w[1] = pk_wait(&k, 0);
    for (int i = 0; i < 6; i++)
        checking += c[i]->checking;
    assert_int_equal(checking, 2);
    assert_int_equal(pk_dials(&k, 0), 0);
    for (int i = 0; i < 6; i++)
        if (c[i]->checking)
            pk_checked(&k, c[i], 0);
    assert_non_null(w[0]->got);
    assert_non_null(w[1]->got);
}

static void one_that_fails_its_check_is_replaced_by_a_dial(void **state)
{
    struct pk_conn *c;

    (void)state;
    limits.check_after_ns = 1;
    pk_init(&k, &limits);
    c = pk_idle(&k, 0);
    c->pp.checkable = true;
    pk_pass(&k, 1);
    pk_wait(&k, 0);
    pk_checked(&k, c, BELAY_EUNHEALTHY);
    pk_assert_closing(c, BELAY_REASON_UNHEALTHY);
    assert_int_equal(pk_dials(&k, 0), 1);
}

static void idle_ones_are_checked_at_an_interval(void **state)
{
    struct pk_conn *c;

    (void)state;
    limits.check_every_ns = PK_MS(100);
    pk_init(&k, &limits);
    c = pk_idle(&k, 0);
    c->pp.checkable = true;
    for (int i = 0; i < 3; i++) {
        pk_pass(&k, 99);
        assert_false(c->checking);
        pk_pass(&k, 1);
        assert_true(c->checking);
        pk_checked(&k, c, 0);
    }
}

static void siblings_to_a_silent_address_are_verified_or_closed(void **state)
{
    struct pk_conn *c[4];

    (void)state;
    pk_init(&k, &limits);
    idle_ones(c, 4);
    for (int i = 0; i < 4; i++)
        c[i]->pp.addr = i == 3 ? 8 : 7;
    c[1]->pp.checkable = true;
    bl_pp_doubt(&c[0]->pp, true);
    pk_run(&k);
    assert_true(c[1]->checking);
    pk_assert_closing(c[2], BELAY_REASON_UNHEALTHY);
    assert_ptr_equal(pk_try(&k, 0), c[3]);
    assert_ptr_equal(pk_try(&k, 0), c[0]); /* bl_pp_changed is told of the failed one itself */
    assert_null(pk_try(&k, 0));
}

static void siblings_of_one_that_was_reset_live_unless_they_can_be_asked(void **state)
{
    struct pk_conn *c[3];

    (void)state;
    pk_init(&k, &limits);
    idle_ones(c, 3);
    c[1]->pp.checkable = true;
    bl_pp_doubt(&c[0]->pp, false);
    pk_run(&k);
    assert_true(c[1]->checking);
    assert_false(c[2]->closing);
}

/* ---- other limits ---- */

static void what_a_lowered_limit_leaves_no_room_for_goes(void **state)
{
    struct pk_conn *c[4];
    struct pk_conn *used;

    (void)state;
    pk_init(&k, &limits);
    idle_ones(c, 4);
    used = pk_try(&k, 0);
    pk_wait_fresh(&k, 0);
    limits.per_endpoint = 1;
    bl_pp_set_limits(&k.pp, &limits);
    pk_run(&k);
    for (int i = 0; i < 3; i++)
        pk_assert_closing(c[i], BELAY_REASON_EVICTED);
    assert_false(used->closing);
    assert_int_equal(pk_dials(&k, 0), 0);
    pk_release(&k, used, false);
    assert_int_equal(pk_stats(&k).closing + pk_stats(&k).idle, 5);
}

static void a_shorter_life_holds_for_those_there_are(void **state)
{
    struct pk_conn *c[2], *used;

    (void)state;
    pk_init(&k, &limits);
    idle_ones(c, 2);
    used = pk_try(&k, 0);
    pk_pass(&k, 100);
    limits.lifetime_ns = PK_MS(50);
    bl_pp_set_limits(&k.pp, &limits);
    pk_pass(&k, 0);
    pk_assert_closing(used == c[0] ? c[1] : c[0], BELAY_REASON_LIFETIME);
    assert_false(used->closing);
    pk_release(&k, used, false);
    pk_assert_closing(used, BELAY_REASON_LIFETIME);
}

static void one_above_the_limit_ends_at_its_release(void **state)
{
    struct pk_conn *c[2], *a, *b;

    (void)state;
    pk_init(&k, &limits);
    idle_ones(c, 2);
    a = pk_try(&k, 0);
    b = pk_try(&k, 0);
    limits.total = 1;
    bl_pp_set_limits(&k.pp, &limits);
    pk_release(&k, a, false);
    pk_assert_closing(a, BELAY_REASON_EVICTED);
    pk_release(&k, b, false);
    assert_false(b->closing);
}

static void a_suspended_pool_lends_and_dials_nothing_until_it_is_resumed(void **state)
{
    struct pk_conn *c;
    struct pk_waiter *w;

    (void)state;
    pk_init(&k, &limits);
    c = pk_idle(&k, 0);
    bl_pp_suspend(&k.pp, true);
    assert_null(pk_try(&k, 0));
    w = pk_wait(&k, 0);
    pk_wait(&k, 1);
    assert_true(w->waiting);
    assert_int_equal(pk_dials(&k, 1), 0);
    bl_pp_suspend(&k.pp, false);
    pk_run(&k);
    assert_ptr_equal(w->got, c);
    assert_int_equal(pk_dials(&k, 1), 1);
}

static void clearing_spares_whoever_is_in_use_until_its_release(void **state)
{
    struct pk_conn *c[2], *used;

    (void)state;
    pk_init(&k, &limits);
    idle_ones(c, 2);
    used = pk_try(&k, 0);
    bl_pp_clear(pk_peer(&k, 0), false);
    pk_run(&k);
    pk_assert_closing(used == c[0] ? c[1] : c[0], BELAY_REASON_CLEARED);
    assert_false(used->closing);
    pk_release(&k, used, false);
    pk_assert_closing(used, BELAY_REASON_CLEARED);
}

static void who_has_no_idle_connection_is_looked_at_once(void **state)
{
    struct pk_conn *a, *b;
    struct pk_waiter *w;

    (void)state;
    limits.total = 2;
    pk_init(&k, &limits);
    a = pk_idle(&k, 0);
    b = pk_idle(&k, 1);
    pk_pass(&k, 1);
    assert_ptr_equal(pk_try(&k, 0), a);
    assert_ptr_equal(pk_try(&k, 1), b);
    assert_int_equal(k.pp.oldest.count, 2); /* lending leaves it alone */
    w = pk_wait(&k, 2);
    assert_int_equal(k.pp.oldest.count, 0);
    pk_pass(&k, 1);
    assert_false(bl_pp_release_simple(&a->pp, false, k.now)); /* it must be heard of */
    pk_release(&k, a, false);
    pk_assert_closing(a, BELAY_REASON_EVICTED);
    pk_gone(&k, a);
    pk_up(&k, pk_dialing(&k, 2), 1);
    assert_non_null(w->got);
    pk_release(&k, b, false);
    assert_ptr_equal(pk_try(&k, 1), b);
    assert_true(bl_pp_release_simple(&b->pp, false, k.now)); /* as before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_urgent_are_served_before_all_others_and_in_order, set_up),
        cmocka_unit_test_setup(a_slot_goes_to_the_peer_of_the_urgent_first, set_up),
        cmocka_unit_test_setup(first_in_first_out_takes_the_one_idle_for_longest, set_up),
        cmocka_unit_test_setup(the_least_used_is_lent_first, set_up),
        cmocka_unit_test_setup(too_many_idle_ones_go_the_longest_idle_first, set_up),
        cmocka_unit_test_setup(an_idle_one_that_nobody_may_use_gives_its_place_away, set_up),
        cmocka_unit_test_setup(idle_ones_of_all_peers_are_counted_together, set_up),
        cmocka_unit_test_setup(min_idle_dials_one_after_the_other_after_a_moment, set_up),
        cmocka_unit_test_setup(min_idle_backs_off_and_holds_up_nobody_who_waits, set_up),
        cmocka_unit_test_setup(min_idle_outlives_the_idle_time_with_a_check, set_up),
        cmocka_unit_test_setup(dials_in_flight_are_limited_per_endpoint_and_in_all, set_up),
        cmocka_unit_test_setup(lifetimes_are_shortened_at_random_within_bounds, set_up),
        cmocka_unit_test_setup(one_idle_for_long_is_checked_before_it_is_lent, set_up),
        cmocka_unit_test_setup(as_many_are_checked_as_somebody_wants, set_up),
        cmocka_unit_test_setup(one_that_fails_its_check_is_replaced_by_a_dial, set_up),
        cmocka_unit_test_setup(idle_ones_are_checked_at_an_interval, set_up),
        cmocka_unit_test_setup(siblings_to_a_silent_address_are_verified_or_closed, set_up),
        cmocka_unit_test_setup(siblings_of_one_that_was_reset_live_unless_they_can_be_asked,
                               set_up),
        cmocka_unit_test_setup(what_a_lowered_limit_leaves_no_room_for_goes, set_up),
        cmocka_unit_test_setup(a_shorter_life_holds_for_those_there_are, set_up),
        cmocka_unit_test_setup(one_above_the_limit_ends_at_its_release, set_up),
        cmocka_unit_test_setup(a_suspended_pool_lends_and_dials_nothing_until_it_is_resumed,
                               set_up),
        cmocka_unit_test_setup(clearing_spares_whoever_is_in_use_until_its_release, set_up),
        cmocka_unit_test_setup(who_has_no_idle_connection_is_looked_at_once, set_up),
    };
    return cmocka_run_group_tests_name("keep_pool_keeping", tests, NULL, NULL);
}
